//! The monthly cost of jobs: prices × operations.
//!
//! ```
//! use lamplighter_infra::cost::{Estimate, Mode, Workload};
//!
//! let million = Workload { jobs: 1_000_000, duration_ms: 100, memory_mb: 128, sent_singly: false };
//! let jobs = Estimate::new(&million, Mode::Untracked).jobs();
//! assert!(jobs < 1.0, "a million jobs for less than a dollar: {jobs}");
//! ```

pub(crate) mod lives;
mod operations;
mod page;
pub mod prices;
mod standing;

pub use self::{
    lives::{LIVES, Life},
    operations::{
        Asked, BATCH_HUNDRED, BEGIN, BEGIN_AGAIN, BEGIN_DELAYED, BEGIN_LIMITED, CANCEL, CANCEL_DELAYED, COUNT_RECORDS,
        DELAY_BY_SCHEDULE, DELAY_BY_SQS, DELAY_BY_TABLE, DELIVER_TEN, END_BATCH, ENQUEUE, ENQUEUE_AFTER,
        ENQUEUE_OWN_ID, ENQUEUE_THOUSAND, FAIL, LOOK_AFTER, MOVE_TEN, Mode, NOTE, NOTE_AGAIN, OPERATIONS, Operation,
        PUT_BACK, REPLACE, REQUEUE, RETRY, RETRY_TEN, SCHEDULE_FIRES, SEND_OUTBOX, SUCCEED, SUCCEED_AND_WAKE,
        SUCCEED_FOLLOWED, SUCCEED_IN_BATCH, SUCCEED_LIMITED, WAIT_LIMITED, WRITE_OUTBOX,
    },
    page::page,
    standing::Standing,
};

/// The work of a month. All jobs are assumed to succeed at their first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Jobs.
    pub jobs: u64,
    /// The duration of one job.
    pub duration_ms: u64,
    /// The function's memory.
    pub memory_mb: u64,
    /// Whether each is sent on its own, instead of ten at a time.
    pub sent_singly: bool,
}

/// The cost, in dollars a month, by service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Messages: sent, received, deleted.
    pub sqs: f64,
    /// Invocations and their time. Each job's time is counted separately: jobs of a batch that wait concurrently cost
    /// less.
    pub lambda: f64,
    /// Records.
    pub dynamodb: f64,
    /// Logs: the summary of each invocation, and Lambda's own lines.
    pub logs: f64,
    /// Traces, where tracing is active.
    pub xray: f64,
}

/// Messages in a full batch of Lambda.
const BATCH: f64 = 10.0;
/// A job's part of the summary of its invocation, as CloudWatch counts it: its duration, its wait, its attempts.
pub(crate) const LOG_BYTES_PER_JOB: f64 = 20.0;
/// Lambda's own lines on an invocation, in JSON, and the rest of the summary, without metrics.
pub(crate) const LOG_BYTES_PER_INVOCATION: f64 = 900.0 + 300.0;
pub(crate) const GB: f64 = 1e9;
pub(crate) const MILLION: f64 = 1e6;
/// X-Ray traces the first request of each second, and a twentieth of the others (AWS X-Ray Developer Guide,
/// "Configuring sampling rules").
const SECONDS_PER_MONTH: f64 = 30.0 * 86_400.0;
const TRACED_SHARE: f64 = 0.05;

/// Returns the traces that so many evenly spread invocations leave in that time.
pub(crate) fn traces(invocations: f64, seconds: f64) -> f64 {
    invocations.min(seconds) + (invocations - seconds).max(0.0) * TRACED_SHARE
}

impl Estimate {
    /// Calculates the cost of a month.
    #[must_use]
    pub fn new(workload: &Workload, mode: Mode) -> Self {
        let life = if workload.sent_singly { &lives::SENT_SINGLY } else { &lives::SENT_TOGETHER };
        let jobs = workload.jobs as f64;
        // Every mode has these lives.
        let asked = life.per_job(mode).unwrap_or_default();
        let batches = jobs / BATCH;
        let gb_seconds = jobs * (workload.duration_ms as f64 / 1000.0) * (workload.memory_mb as f64 / 1024.0);
        let traces = traces(batches, SECONDS_PER_MONTH);
        let log_bytes = jobs * LOG_BYTES_PER_JOB + batches * LOG_BYTES_PER_INVOCATION;
        Self {
            sqs: jobs * asked.sqs / MILLION * prices::SQS_MILLION_REQUESTS,
            lambda: batches / MILLION * prices::LAMBDA_MILLION_REQUESTS + gb_seconds * prices::LAMBDA_GB_SECOND,
            dynamodb: jobs * asked.writes / MILLION * prices::DYNAMODB_MILLION_WRITES,
            logs: log_bytes / GB * prices::LOGS_GB,
            xray: traces / MILLION * prices::XRAY_MILLION_TRACES,
        }
    }

    /// Returns the cost of the jobs themselves, without logs and traces, which vary.
    #[must_use]
    pub fn jobs(&self) -> f64 {
        self.sqs + self.lambda + self.dynamodb
    }

    /// Returns the total.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.jobs() + self.logs + self.xray
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn million(sent_singly: bool) -> Workload {
        Workload { jobs: 1_000_000, duration_ms: 100, memory_mb: 128, sent_singly }
    }

    fn cents(dollars: f64) -> i64 {
        (dollars * 100.0).round() as i64
    }

    /// Calculated by hand: 0.12 for 300,000 requests to SQS, 0.02 for 100,000 invocations, 0.1667 for 12,500
    /// GB-seconds; and 0.625 for one write unit each.
    #[test]
    fn a_million_jobs_cost_as_calculated() {
        let jobs = |workload, mode| cents(Estimate::new(&workload, mode).jobs());
        assert_eq!(jobs(million(false), Mode::Untracked), 31);
        assert_eq!(jobs(million(true), Mode::Untracked), 67);
        assert_eq!(jobs(million(false), Mode::Lean), 156);
        assert_eq!(jobs(million(false), Mode::Full), 406);
        let estimate = Estimate::new(&million(false), Mode::Lean);
        assert_eq!((cents(estimate.logs), cents(estimate.xray)), (7, 50));
        assert_eq!(cents(estimate.total()), 213);
    }

    #[test]
    fn traces_are_sampled_above_one_a_second() {
        let busy = Workload { jobs: 100_000_000, ..million(false) };
        // 10 million invocations: one in each of 2,592,000 seconds, and a twentieth of the 7,408,000 others.
        assert_eq!(cents(Estimate::new(&busy, Mode::Untracked).xray), 1481);
    }

    #[test]
    fn modes_are_sorted_by_cost() {
        let totals = Mode::ALL.map(|mode| Estimate::new(&million(false), mode).total());
        assert!(totals.is_sorted(), "{totals:?}");
        let none = Workload { jobs: 0, ..million(false) };
        assert_eq!(Estimate::new(&none, Mode::Full).total(), 0.0);
    }
}
