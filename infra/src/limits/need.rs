//! What one job needs of each service.

use lamplighter_aws::layout;

use super::{
    load::{Host, Load},
    quotas::SQS_BATCH,
};
use crate::cost::{
    BATCH_HUNDRED, BEGIN_AGAIN, BEGIN_DELAYED, DELAY_BY_SCHEDULE, DELIVER_TEN, ENQUEUE, ENQUEUE_THOUSAND, FAIL, Life,
    Mode, Operation, RETRY_TEN, SUCCEED, SUCCEED_IN_BATCH,
    lives::{FAILED, PerJob, RETRIED, SCHEDULED, SENT_SINGLY, SENT_TOGETHER},
};

/// Classes of the listing that jobs pass through. Each has keys of its own in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Open,
    Scheduled,
    Retrying,
    Succeeded,
    Failed,
}

impl Class {
    pub(super) const ALL: [Self; 5] = [Self::Open, Self::Scheduled, Self::Retrying, Self::Succeeded, Self::Failed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Scheduled => "scheduled",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// What one job needs, on average.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Need {
    /// Its requests, as they are billed. Those of Lambda's pollers count batches of ten.
    pub(super) asked: PerJob,
    /// Write units of the table itself.
    pub(super) table_writes: f64,
    /// Writes of the listing, by [`Class`].
    pub(super) listing: [f64; 5],
}

/// The steps of a job that a [`Need`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    All,
    /// Those after it has been enqueued.
    Running,
}

/// The largest message that stands in its record; a longer one is written beside it (see docs/costs.md).
const INLINE_BYTES: u64 = 320;
/// A write unit (Amazon DynamoDB Developer Guide, "DynamoDB read and write operations").
const WRITE_UNIT_BYTES: u64 = 1024;

impl Need {
    /// What a job of that load needs.
    pub(super) fn of(load: &Load, steps: Steps) -> Self {
        let (retried, failed) = (load.retried_percent / 100.0, load.failed_percent / 100.0);
        let scheduled = load.scheduled_percent / 100.0;
        let succeeds = if load.sent_singly { SENT_SINGLY } else { SENT_TOGETHER };
        let mut need = Self::default();
        for (share, life) in [
            (1.0 - retried - failed - scheduled, succeeds),
            (retried, RETRIED),
            (failed, FAILED),
            (scheduled, SCHEDULED),
        ] {
            need.add_life(share.max(0.0), &life, load, steps);
        }
        if load.mode != Mode::Untracked && load.message_bytes > INLINE_BYTES && steps == Steps::All {
            let units = load.message_bytes.div_ceil(WRITE_UNIT_BYTES) as f64;
            need.asked.writes += units;
            need.table_writes += units;
        }
        if load.batch_jobs.is_some() {
            need.add_batch(load.mode, steps);
        }
        need
    }

    fn add_life(&mut self, share: f64, life: &Life, load: &Load, steps: Steps) {
        for step in life.steps {
            let enqueues = [ENQUEUE, ENQUEUE_THOUSAND, DELAY_BY_SCHEDULE].contains(step);
            if steps == Steps::Running && enqueues {
                continue;
            }
            let step = if *step == ENQUEUE_THOUSAND && load.sent_singly { ENQUEUE } else { *step };
            let Some(asked) = step.asked(load.mode) else { continue };
            let each = share / f64::from(step.jobs);
            self.asked.sqs += each * f64::from(asked.sqs);
            self.asked.scheduler += each * f64::from(asked.scheduler);
            self.asked.events += each * f64::from(asked.events);
            self.asked.writes += each * f64::from(asked.writes);
            self.asked.reads += each * f64::from(asked.reads);
            self.asked.deliveries += share * f64::from(u8::from(step == DELIVER_TEN));
            let listed = listed(&step, load.mode);
            for (sum, class) in self.listing.iter_mut().zip(Class::ALL) {
                *sum += share * listed.iter().filter(|one| **one == class).count() as f64;
            }
            self.table_writes += each * f64::from(asked.writes) - share * listed.len() as f64;
        }
    }

    /// Adds what a job of a batch needs beyond a job on its own: its place in a lot, and the count of its end.
    fn add_batch(&mut self, mode: Mode, steps: Steps) {
        let each = |operation: &Operation| {
            let asked = operation.asked(mode).unwrap_or_default();
            (f64::from(asked.writes) / f64::from(operation.jobs), f64::from(asked.reads) / f64::from(operation.jobs))
        };
        let mut add = |(writes, reads): (f64, f64), (without, _): (f64, f64)| {
            self.asked.writes += writes - without;
            self.asked.reads += reads;
            self.table_writes += writes - without;
        };
        add(each(&SUCCEED_IN_BATCH), each(&SUCCEED));
        if steps == Steps::All {
            add(each(&BATCH_HUNDRED), each(&ENQUEUE_THOUSAND));
        }
    }

    /// Writes of the listing's busiest class.
    pub(super) fn busiest(&self) -> (Class, f64) {
        let all = Class::ALL.into_iter().zip(self.listing);
        all.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Class::Open, 0.0))
    }

    /// Writes of the whole listing.
    pub(super) fn listing_writes(&self) -> f64 {
        self.listing.iter().sum()
    }

    /// Requests to SQS as they are billed: a request is one for each 64 KiB of its messages (Amazon SQS pricing), and
    /// Lambda's pollers and a worker receive and delete up to ten messages at a time.
    pub(super) fn billed_requests(&self, load: &Load) -> f64 {
        let batch = load.quotas.of(&SQS_BATCH);
        let received = match load.host {
            Host::Lambda(mapping) => load.jobs_of_invocation(mapping).min(batch),
            Host::Worker { .. } => batch,
        };
        let sent = if load.sent_singly { 1.0 } else { batch };
        let chunks = |together: f64| (1.0 / together).max(load.message_bytes as f64 / BILLED_BYTES);
        let small = self.asked.sqs - self.asked.deliveries * 2.0 / f64::from(DELIVER_TEN.jobs) - 1.0 / sent;
        small + chunks(sent) + self.asked.deliveries * (chunks(received) + 1.0 / received)
    }
}

/// The bytes of a request to SQS that are billed as one.
const BILLED_BYTES: f64 = 65_536.0;

/// Returns the classes whose keys in the index an operation writes, once for each write of each job. A change of the
/// key is a delete and a put (Amazon DynamoDB Developer Guide, "Using Global Secondary Indexes in DynamoDB").
fn listed(operation: &Operation, mode: Mode) -> &'static [Class] {
    use Class::{Failed, Open, Retrying, Scheduled, Succeeded};
    match (mode, *operation) {
        (Mode::Untracked, _) => &[],
        (Mode::Full, ENQUEUE | ENQUEUE_THOUSAND) => &[Open],
        (Mode::Full, SUCCEED) => &[Open, Succeeded],
        (Mode::Full, RETRY_TEN) => &[Open, Retrying],
        (Mode::Full, BEGIN_AGAIN) => &[Retrying, Open],
        (Mode::Full, FAIL) => &[Open, Failed],
        (Mode::Full, BEGIN_DELAYED) => &[Scheduled, Open],
        (Mode::Lean, RETRY_TEN | BEGIN_AGAIN) => &[Retrying],
        (Mode::Lean, FAIL) => &[Failed],
        (_, DELAY_BY_SCHEDULE) | (Mode::Lean, BEGIN_DELAYED) => &[Scheduled],
        _ => &[],
    }
}

/// Write units a second that the keys of one class take: each shard is a key that only grows, so that DynamoDB does not
/// split it (AWS Database Blog, "Scaling DynamoDB: How partitions, hot keys, and split for heat impact performance
/// (Part 3)").
pub(super) fn class_writes(load: &Load) -> f64 {
    f64::from(layout::LISTING_SHARDS) * load.quotas.of(&super::quotas::PARTITION_WRITES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(mode: Mode) -> Need {
        Need::of(&Load::new(1, mode), Steps::All)
    }

    /// As docs/costs.md has it: full records are written at enqueue, begin and success, and listed thrice.
    #[test]
    fn a_success_writes_as_the_operations_say() {
        let untracked = need(Mode::Untracked);
        assert_eq!((untracked.table_writes, untracked.listing_writes()), (0.0, 0.0));
        let lean = need(Mode::Lean);
        assert_eq!((lean.table_writes, lean.listing_writes()), (2.0, 0.0));
        let full = need(Mode::Full);
        assert_eq!((full.table_writes, full.listing_writes()), (3.0, 3.0));
        assert_eq!(full.busiest(), (Class::Open, 2.0));
        let running = Need::of(&Load::new(1, Mode::Full), Steps::Running);
        assert_eq!((running.table_writes, running.listing), (2.0, [1.0, 0.0, 0.0, 1.0, 0.0]));
    }

    /// An entry that enters a class leaves it, unless the class is one of ended jobs.
    #[test]
    fn each_entry_of_the_listing_is_put_and_deleted() {
        for life in [SENT_TOGETHER, RETRIED, FAILED, SCHEDULED] {
            for mode in Mode::ALL {
                let mut counts = [0; 5];
                for step in life.steps {
                    listed(step, mode).iter().for_each(|class| counts[*class as usize] += 1);
                }
                let [open, scheduled, retrying, succeeded, failed] = counts;
                assert!(open % 2 == 0 && scheduled % 2 == 0 && retrying % 2 == 0, "{} {mode}", life.name);
                assert!(succeeded + failed <= 1, "{} {mode}", life.name);
                let (asked, writes) = (life.per_job(mode).unwrap(), counts.iter().sum::<i32>());
                assert!(asked.writes - f64::from(writes) >= 0.0);
            }
        }
    }

    #[test]
    fn all_kinds_of_jobs_are_weighed() {
        let load = Load { retried_percent: 10.0, failed_percent: 1.0, ..Load::new(1, Mode::Lean) };
        let need = Need::of(&load, Steps::All);
        assert!((need.asked.deliveries - 1.1).abs() < 1e-9);
        assert!((need.asked.events - 0.01).abs() < 1e-9);
        // Retried: begin 1, retry 1 and a tenth of the error group, begin again 2, succeed 1. Failed: begin 1, fail 1, the error
        // group 1.
        assert!((need.table_writes - (0.89 * 2.0 + 0.1 * 5.1 + 0.01 * 3.0)).abs() < 1e-9, "{need:?}");
        assert!((need.listing[Class::Retrying as usize] - 0.2).abs() < 1e-9);
        let plain = RETRIED.per_job(Mode::Lean).unwrap();
        let only = Need::of(&Load { retried_percent: 100.0, ..Load::new(1, Mode::Lean) }, Steps::All);
        assert!((only.asked.writes - plain.writes).abs() < 1e-9 && (only.asked.sqs - plain.sqs).abs() < 1e-9);
    }

    #[test]
    fn a_job_of_a_batch_is_counted_in_a_transaction() {
        let load = Load { batch_jobs: Some(1_000), ..Load::new(1, Mode::Lean) };
        let need = Need::of(&load, Steps::All);
        // Begin 1, success 4, and 31 for a hundred that are enqueued.
        assert!((need.table_writes - 5.31).abs() < 1e-9, "{need:?}");
        assert!((need.asked.reads - 2.12).abs() < 1e-9);
        let full = Need::of(&Load { mode: Mode::Full, ..load }, Steps::All);
        assert!((full.asked.writes - (2.31 + 1.0 + 6.0)).abs() < 1e-9 && full.listing_writes() == 3.0, "{full:?}");
    }

    #[test]
    fn large_messages_are_billed_by_64_kib_and_written_beside_the_record() {
        let small = Load::new(1, Mode::Lean);
        assert!((need(Mode::Lean).billed_requests(&small) - 0.3).abs() < 1e-9);
        let large = Load { message_bytes: 65_536, ..small.clone() };
        let need = Need::of(&large, Steps::All);
        // Sent and received: one request each; deleted in tens.
        assert!((need.billed_requests(&large) - 2.1).abs() < 1e-9);
        assert_eq!(need.table_writes, 66.0);
        let single = Load { sent_singly: true, ..small };
        assert!((Need::of(&single, Steps::All).billed_requests(&single) - 1.2).abs() < 1e-9);
    }
}
