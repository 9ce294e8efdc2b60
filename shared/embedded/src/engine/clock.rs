//! Notices that the clock was set.
//!
//! Within a process, time is reckoned by the timer, which nobody sets: timeouts, deadlines and waits go by it. Where the
//! clock shows another moment than the timer lets expect, it was set, or the machine has slept. Whatever waits for a
//! moment then looks again, and running jobs keep their leases for as long as they were given. What lies in the file is
//! set right by the next transaction, see [`operations::clock`](crate::operations::clock).

use std::time::Duration;

use jiff::SignedDuration;
use lamplighter::{Timestamp, env::Env, host::Stop};
use tokio::time::Instant;

use crate::{
    backend::SqliteBackend,
    operations::clock::{SLACK, move_leases},
};

/// How often the two are compared.
const LOOK: Duration = Duration::from_secs(5);
/// A look that took longer than this says nothing: the process was held up in the middle of it.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The clock and the timer at one moment.
#[derive(Clone, Copy)]
struct Look {
    clock: Timestamp,
    timer: Instant,
}

impl Look {
    fn at(env: &Env) -> Option<Self> {
        let timer = Instant::now();
        let clock = env.now();
        (timer.elapsed() <= AT_ONCE).then_some(Self { clock, timer })
    }

    /// By how much the clock was set since an earlier look: forward, or back where it is less than zero.
    fn step_since(&self, earlier: &Self) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.timer.duration_since(earlier.timer)).ok()?;
        let step = self.clock.duration_since(earlier.clock).checked_sub(passed)?;
        (step.unsigned_abs() > SLACK).then_some(step)
    }
}

/// Looks, until the engine stops.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let mut last = Look::at(embedded.env());
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let Some(now) = Look::at(embedded.env()) else { continue };
        if let Some(step) = last.and_then(|last| now.step_since(&last)) {
            was_set(&embedded, step).await;
        }
        last = Some(now);
    }
}

async fn was_set(embedded: &SqliteBackend, step: SignedDuration) {
    let by = format!("{:#}", step.abs());
    if step.is_negative() {
        tracing::warn!(by, "the clock was set back; what is due by it now runs, and delays keep their length");
    } else {
        tracing::warn!(by, "the clock has gone forward, or the machine has slept; what is due by now runs");
    }
    let nanos = i64::try_from(step.as_nanos()).unwrap_or(if step.is_negative() { i64::MIN } else { i64::MAX });
    if let Err(error) = embedded.0.writer.run(64, move |tx| move_leases(tx, nanos)).await {
        tracing::error!(%error, "the leases of running jobs still go by the clock as it was");
    }
    embedded.0.signals.everything();
}
