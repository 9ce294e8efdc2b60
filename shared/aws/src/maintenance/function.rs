//! The function that runs [`Maintenance`], and the schedule that calls it.
//!
//! An EventBridge rule calls the function directly, without a queue: the repair of queues must not wait in one. After a
//! round that fails, the next one runs as usual.

use std::{io::Write, time::Duration};

use lamplighter::{
    Context, EventTrigger, Function, Job, JobError, Options, Queue, Retry, ScheduledJob, State, mins,
    schedule::{Schedule, ScheduleError},
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Maintenance, Report};
use crate::AwsBackend;

/// The schedule, and its rule.
const RULE: &str = "maintenance";
/// The time that a round reserves for answers in progress, and for its own.
const MARGIN: Duration = Duration::from_secs(5);

/// One round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {}

impl Job for Sweep {
    const NAME: &'static str = "maintenance.sweep";
    const QUEUE: Queue = Queue::standard("maintenance").batch_size(1);

    fn options() -> Options {
        // Its records would be 1,440 a day without any information.
        Options::new().timeout(secs(55)).retry(Retry::never()).untracked()
    }
}

/// The maintenance of a deployment, or why there is none.
type Tools = Result<Maintenance, String>;

/// Returns the function that maintains a deployment with records, which the environment describes. The template
/// contains it by itself; its crate is only a bootstrap:
///
/// ```no_run
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
///     lamplighter_aws::lambda::run(lamplighter_aws::maintenance::function()).await
/// }
/// ```
#[must_use]
pub fn function() -> Function {
    let aws = AwsBackend::from_env().map_err(|error| error.to_string());
    function_with(aws.map(|aws| Maintenance::new(&aws)))
}

fn function_with(tools: Tools) -> Function {
    Function::new("maintenance")
        .description("Moves due jobs, and repairs what crashes leave behind")
        .maintenance()
        .on_event(EventTrigger::new::<Sweep>().rule(RULE).args(&Sweep {}))
        .job(sweep)
        .with_state(tools)
}

/// Returns the schedule that calls the function each minute.
#[must_use]
#[expect(clippy::expect_used, reason = "what is said stands in this file, and a test reads it")]
pub fn schedules() -> Vec<ScheduledJob> {
    every_minute().expect("the schedule of maintenance is well formed")
}

fn every_minute() -> Result<Vec<ScheduledJob>, ScheduleError> {
    let schedule = Schedule::rate(RULE, mins(1))?.description("Moves due jobs, and repairs what crashes leave behind");
    Ok(vec![schedule.starts(&Sweep {})?])
}

async fn sweep(_: Sweep, ctx: Context, State(tools): State<Tools>) -> Result<Report, JobError> {
    let maintenance = tools.map_err(JobError::fail)?;
    let deadline = Instant::now() + ctx.remaining().saturating_sub(MARGIN);
    let report = maintenance.run(deadline).await?;
    let now = lamplighter::Timestamp::now().as_millisecond();
    let mut lines = report.metrics(now).join("\n");
    lines.push('\n');
    // Metrics are lines of the log. If one cannot be written, only a graph lacks it.
    let _ = std::io::stdout().write_all(lines.as_bytes());
    tracing::info!(
        moved = report.moved,
        sent_again = report.sent_again,
        lost = report.lost,
        failed = report.failed,
        looked_at = report.looked_at,
        "round"
    );
    Ok(report)
}

#[cfg(test)]
mod tests {
    use lamplighter::{host::MessageAction, testing::TestRun};

    use super::*;

    #[test]
    fn the_rule_calls_the_function_directly() {
        let function = function();
        assert_eq!(function.problems(), Vec::<String>::new());
        assert!(function.spec().maintenance);
        assert_eq!(function.spec().events[0].rule, Some(RULE));
        let schedules = schedules();
        assert_eq!((schedules.len(), &*schedules[0].job), (1, Sweep::NAME));
        assert_eq!(schedules[0].schedule.eventbridge().unwrap().expression(), "rate(1 minute)");
    }

    #[tokio::test]
    async fn without_a_table_the_error_names_it() {
        let performed = TestRun::of(function()).run(&Sweep {}).await;
        assert!(matches!(performed.action, MessageAction::DeadLetter(_)));
        assert!(performed.error.unwrap().message.contains("LAMPLIGHTER_TABLE"));
        let performed = TestRun::of(function_with(Err("the map makes no sense".into()))).run(&Sweep {}).await;
        assert_eq!(performed.error.unwrap().message, "the map makes no sense");
    }
}
