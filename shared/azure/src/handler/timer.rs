//! The timer trigger: a tick of a schedule enqueues its job.
//!
//! The tick is the latest of the schedule's own times, computed as everywhere, so that its job's id does not depend on
//! when exactly the timer fired. A timer that is past due fires once for all missed ticks, and so does this.

use std::time::Duration;

use lamplighter::{
    ScheduledJob, Timestamp,
    backend::Queues,
    env::Env,
    schedule::{MISFIRE_GRACE, Misfire},
};
use tokio::time::{Instant, timeout_at};

use super::message::Failed;
use crate::AzureQueues;

/// How long before its time a timer may fire, by this machine's clock.
const EARLY: Duration = Duration::from_secs(1);
/// The time limit for enqueueing.
const SENDING: Duration = Duration::from_secs(20);

/// A schedule whose ticks are enqueued.
pub(super) struct TimerTrigger {
    pub(super) scheduled: ScheduledJob,
    pub(super) queues: AzureQueues,
    pub(super) env: Env,
}

impl TimerTrigger {
    /// Enqueues the job of the latest tick.
    pub(super) async fn run(&self) -> Result<(), Failed> {
        let schedule = &self.scheduled.schedule;
        let failed = |error: &dyn std::fmt::Display| {
            Failed(format!("the tick of schedule `{}` was not enqueued: {error}", schedule.name))
        };
        let Some(tick) = self.tick()? else { return Ok(()) };
        let submission = self.scheduled.submission(tick).map_err(|error| failed(&error))?;
        let id = submission.id.clone();
        let sending = timeout_at(Instant::now() + SENDING, self.queues.send(vec![submission])).await;
        match sending.map(|answers| answers.into_iter().next()) {
            Ok(Some(Ok(_))) => {
                tracing::info!(schedule = schedule.name, %id, "tick enqueued");
                Ok(())
            }
            Ok(Some(Err(error))) => Err(failed(&error)),
            Ok(None) => Err(failed(&"the queue gave no answer")),
            Err(_) => Err(failed(&format_args!("the queue gave no answer within {SENDING:?}"))),
        }
    }

    /// Returns the tick that is due, unless its schedule skips missed ticks.
    fn tick(&self) -> Result<Option<Timestamp>, Failed> {
        let (schedule, now) = (&self.scheduled.schedule, self.env.now());
        let until = now.saturating_add(EARLY).unwrap_or(Timestamp::MAX);
        let tick = schedule.at_or_before(until).map_err(|error| Failed(error.to_string()))?;
        let missed = |tick: &Timestamp| now.duration_since(*tick) > MISFIRE_GRACE.try_into().unwrap_or_default();
        Ok(match tick {
            Some(tick) if schedule.misfire == Misfire::Skip && missed(&tick) => {
                tracing::info!(schedule = schedule.name, %tick, "the tick was missed and is passed over");
                None
            }
            tick => tick,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lamplighter::{
        Job, Queue,
        env::{Clock, SystemRandom},
        schedule::Schedule,
    };
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Sum {}

    impl Job for Sum {
        const NAME: &'static str = "sums.add";
        const QUEUE: Queue = Queue::standard("sums");
    }

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn tick(misfire: Misfire, now: &str) -> Option<String> {
        let schedule = Schedule::cron("hourly", "0 * * * *").unwrap().misfire(misfire);
        let env = Env { clock: Arc::new(At(now.parse().unwrap())), random: Arc::new(SystemRandom) };
        let queues = AzureQueues::new("http://127.0.0.1:1/account?sig=x").unwrap();
        let trigger = TimerTrigger { scheduled: schedule.starts(&Sum {}).unwrap(), queues, env };
        trigger.tick().unwrap().map(|tick| tick.to_string())
    }

    #[test]
    fn the_tick_is_the_schedules_own_at_any_time_of_the_timer() {
        for now in ["2026-11-26T11:59:59.2Z", "2026-11-26T12:00:00Z", "2026-11-26T12:00:00.7Z", "2026-11-26T12:41:00Z"]
        {
            assert_eq!(tick(Misfire::RunOnce, now).as_deref(), Some("2026-11-26T12:00:00Z"), "{now}");
        }
    }

    #[test]
    fn a_schedule_that_skips_ignores_missed_ticks() {
        assert_eq!(tick(Misfire::Skip, "2026-11-26T12:01:00Z").as_deref(), Some("2026-11-26T12:00:00Z"));
        assert_eq!(tick(Misfire::Skip, "2026-11-26T12:01:01Z"), None);
    }
}
