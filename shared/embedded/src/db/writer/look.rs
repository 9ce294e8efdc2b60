//! Compares the clock with the timer, while an engine runs.
//!
//! Within a process, time is measured by the timer, which cannot be set. Where the two disagree, the clock was set, or the
//! machine has slept.

use std::time::Duration;

use jiff::SignedDuration;
use lamplighter::{Timestamp, env::Env};
use tokio::time::Instant;

use crate::operations::clock::SLACK;

/// A comparison that took longer than this is ignored: the process was delayed in the middle of it.
const QUICK: Duration = Duration::from_millis(100);

/// The clock and the timer at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) clock: Timestamp,
    timer: Instant,
}

impl Look {
    /// `None` if the process was delayed meanwhile, or outside a runtime, whose timer it is.
    pub(super) fn at(env: &Env) -> Option<Self> {
        tokio::runtime::Handle::try_current().ok()?;
        let timer = Instant::now();
        let clock = env.now();
        (timer.elapsed() <= QUICK).then_some(Self { clock, timer })
    }

    /// The step by which the clock was set since an earlier look; negative where it was set back.
    pub(super) fn step_since(&self, earlier: &Self) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.timer.duration_since(earlier.timer)).ok()?;
        let step = self.clock.duration_since(earlier.clock).checked_sub(passed)?;
        (step.unsigned_abs() > SLACK).then_some(step)
    }
}
