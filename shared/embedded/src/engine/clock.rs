//! Detects that the clock was set.
//!
//! Within a process, time is measured by the timer, which cannot be set: timeouts, deadlines and waits use it. Where
//! the clock and the timer disagree, the clock was set, or the machine has slept. Then every wait for a moment checks
//! again, and running jobs keep their leases for the full length. After a step back, they and the moments in the file are
//! corrected by the next transaction, see [`operations::clock`](crate::operations::clock).

use std::time::Duration;

use jiff::SignedDuration;
use lamplighter::{Timestamp, env::Env, host::Stop};
use tokio::time::Instant;

use crate::{
    backend::SqliteBackend,
    db::transaction::Transaction,
    operations::clock::{SLACK, move_leases},
};

/// The interval between two comparisons.
const LOOK: Duration = Duration::from_secs(5);
/// A comparison that took longer than this is ignored: the process was delayed in the middle of it.
const QUICK: Duration = Duration::from_millis(100);

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
        (timer.elapsed() <= QUICK).then_some(Self { clock, timer })
    }

    /// The step by which the clock was set since an earlier look; negative where it was set back.
    fn step_since(&self, earlier: &Self) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.timer.duration_since(earlier.timer)).ok()?;
        let step = self.clock.duration_since(earlier.clock).checked_sub(passed)?;
        (step.unsigned_abs() > SLACK).then_some(step)
    }
}

/// Compares them until the engine stops.
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
        tracing::warn!(
            by,
            "the clock was set back; jobs that are due by the new time run, and delays keep their length"
        );
    } else {
        tracing::warn!(by, "the clock was set forward, or the machine has slept; jobs that are due by now run");
    }
    let nanos = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
    // After a step back, the first transaction has moved them, at the latest this one.
    let move_them = move |tx: &mut Transaction<'_>| if nanos > 0 { move_leases(tx, nanos) } else { Ok(()) };
    if let Err(error) = embedded.0.writer.run(64, move_them).await {
        tracing::error!(%error, "the leases of running jobs could not be moved to the new time");
    }
    embedded.0.signals.everything();
}
