//! Lives of jobs: the operations that a job goes through, and their total cost.

use super::{
    BATCH, Mode,
    operations::{
        BEGIN, BEGIN_AGAIN, BEGIN_DELAYED, DELAY_BY_SCHEDULE, DELAY_BY_SQS, DELAY_BY_TABLE, DELIVER_TEN, ENQUEUE,
        ENQUEUE_THOUSAND, FAIL, MOVE_TEN, Operation, RETRY_TEN, SCHEDULE_FIRES, SUCCEED,
    },
    prices,
};

/// The operations of one job.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// A short description.
    pub name: &'static str,
    /// The operations, in their order.
    pub steps: &'static [Operation],
}

/// A job's requests to AWS during its life. A fraction is its share of a request made for several jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PerJob {
    pub(crate) sqs: f64,
    pub(crate) scheduler: f64,
    pub(crate) events: f64,
    pub(crate) writes: f64,
    pub(crate) reads: f64,
    pub(crate) deliveries: f64,
}

/// The duration of a job in the documentation's calculations, in seconds.
const SECONDS: f64 = 0.1;
/// The memory of its function, in gigabytes.
const GIGABYTES: f64 = 0.125;

pub(crate) const SENT_TOGETHER: Life =
    Life { name: "succeeds, sent in bulk", steps: &[ENQUEUE_THOUSAND, DELIVER_TEN, BEGIN, SUCCEED] };
pub(crate) const SENT_SINGLY: Life =
    Life { name: "succeeds, sent on its own", steps: &[ENQUEUE, DELIVER_TEN, BEGIN, SUCCEED] };

pub(crate) const RETRIED: Life = Life {
    name: "fails once, then succeeds",
    steps: &[ENQUEUE_THOUSAND, DELIVER_TEN, BEGIN, RETRY_TEN, DELIVER_TEN, BEGIN_AGAIN, SUCCEED],
};
pub(crate) const FAILED: Life =
    Life { name: "fails for good at its first attempt", steps: &[ENQUEUE_THOUSAND, DELIVER_TEN, BEGIN, FAIL] };
pub(crate) const SCHEDULED: Life = Life {
    name: "later, by a schedule",
    steps: &[DELAY_BY_SCHEDULE, SCHEDULE_FIRES, DELIVER_TEN, BEGIN_DELAYED, SUCCEED],
};

/// The lives listed in the documentation.
pub const LIVES: [Life; 7] = [
    SENT_TOGETHER,
    SENT_SINGLY,
    RETRIED,
    FAILED,
    Life { name: "up to 15 minutes later", steps: &[DELAY_BY_SQS, DELIVER_TEN, BEGIN_DELAYED, SUCCEED] },
    SCHEDULED,
    Life { name: "later, by the table", steps: &[DELAY_BY_TABLE, MOVE_TEN, DELIVER_TEN, BEGIN_DELAYED, SUCCEED] },
];

impl Life {
    /// Returns a job's requests; `None` if the mode lacks one of the steps.
    pub(crate) fn per_job(&self, mode: Mode) -> Option<PerJob> {
        let mut sum = PerJob::default();
        for step in self.steps {
            let (asked, jobs) = (step.asked(mode)?, f64::from(step.jobs));
            sum.sqs += f64::from(asked.sqs) / jobs;
            sum.scheduler += f64::from(asked.scheduler) / jobs;
            sum.events += f64::from(asked.events) / jobs;
            sum.writes += f64::from(asked.writes) / jobs;
            sum.reads += f64::from(asked.reads) / jobs;
            sum.deliveries += f64::from(u8::from(*step == DELIVER_TEN));
        }
        Some(sum)
    }

    /// Returns the cost of a million such jobs, in dollars: requests, records, and functions of 128 MB that run 100 ms
    /// per job on arm64. Logs and traces are extra.
    #[must_use]
    pub fn million(&self, mode: Mode) -> Option<f64> {
        let job = self.per_job(mode)?;
        let invocations = job.deliveries / BATCH * prices::LAMBDA_MILLION_REQUESTS;
        let time = job.deliveries * SECONDS * GIGABYTES * 1e6 * prices::LAMBDA_GB_SECOND;
        let records = job.writes * prices::DYNAMODB_MILLION_WRITES + job.reads * prices::DYNAMODB_MILLION_READS;
        let carried = job.scheduler * prices::SCHEDULER_MILLION + job.events * prices::EVENTS_MILLION;
        Some(job.sqs * prices::SQS_MILLION_REQUESTS + invocations + time + records + carried)
    }
}
