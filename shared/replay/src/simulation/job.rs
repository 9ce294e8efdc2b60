//! The state of one job.

use crate::{clock::Moment, year::Job};

/// The number of an attempt, to distinguish its end from the end of an interrupted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Running,
    Done,
    /// A later tick's run replaces it.
    Missed,
    /// Its attempts or its deliveries are used up.
    GivenUp,
}

#[derive(Debug)]
pub(super) struct JobStatus {
    pub(super) phase: Phase,
    pub(super) process: usize,
    pub(super) begun_at: Moment,
    begun: u32,
    /// Deliveries of its message.
    pub(super) receives: u32,
    /// Attempts that failed by themselves.
    pub(super) failures: u32,
    /// A dead process holds it until then.
    pub(super) hidden_until: Moment,
    waits_since: Moment,
    /// An attempt ran to its end, which was never stored.
    pub(super) finished_before: bool,
}

impl JobStatus {
    pub(super) fn new(job: &Job) -> Self {
        Self {
            phase: Phase::Waiting,
            process: 0,
            begun_at: 0,
            begun: 0,
            receives: 0,
            failures: 0,
            hidden_until: 0,
            waits_since: job.due,
            finished_before: false,
        }
    }

    /// Returns whether it has never begun.
    pub(super) fn is_new(&self) -> bool {
        self.begun == 0
    }

    pub(super) fn is_running(&self, attempt: Attempt) -> bool {
        self.phase == Phase::Running && Attempt(self.begun) == attempt
    }

    /// Records that it could begin from now on, if a process were free to run it.
    pub(super) fn waits_since(&mut self, moment: Moment) {
        self.phase = Phase::Waiting;
        self.waits_since = moment;
        self.hidden_until = 0;
    }

    pub(super) fn begin(&mut self, now: Moment, process: usize) -> Attempt {
        self.phase = Phase::Running;
        self.begun += 1;
        self.receives += 1;
        (self.process, self.begun_at) = (process, now);
        Attempt(self.begun)
    }

    /// Returns the part of its wait for this beginning in which the process was not alive, or a dead one held it. The
    /// rest is the library's delay, or the queue before it.
    pub(super) fn stuck(&self, process_start: Moment, now: Moment) -> u64 {
        process_start.max(self.hidden_until).min(now).saturating_sub(self.waits_since)
    }
}
