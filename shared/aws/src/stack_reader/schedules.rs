//! Schedules of EventBridge Scheduler: deployed ones, and those made at run time.

use aws_sdk_scheduler::{Client, operation::get_schedule::GetScheduleOutput};
use futures_util::{StreamExt, stream};
use lamplighter::backend::StoreError;
use serde_json::{Value, json};

use super::{Looking, Observed, StackReader, Unreadable, ask};
use crate::schedules::RUN_TIME;

/// A schedule made at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTimeSchedule {
    /// Its name in Scheduler.
    pub name: String,
    /// The ARN of its target.
    pub target: String,
    /// Its input; usually a message.
    pub input: String,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// Concurrent reads of schedules.
const CONCURRENT_READS: usize = 8;

pub(super) async fn schedule(client: &Client, group: &str, name: &str) -> Result<Observed, StoreError> {
    let (mut looking, answer) = match Looking::begin(read(client, group, name).await) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    looking.set("State", answer.state.map(|state| state.as_str().to_owned()));
    looking.set("ScheduleExpression", answer.schedule_expression);
    looking.set("ScheduleExpressionTimezone", answer.schedule_expression_timezone);
    looking.set(
        "Target",
        answer.target.map_or(Value::Null, |target| {
            let retries = target.retry_policy.as_ref().map(|one| {
                json!({ "MaximumEventAgeInSeconds": one.maximum_event_age_in_seconds,
                    "MaximumRetryAttempts": one.maximum_retry_attempts })
            });
            let parameters =
                target.sqs_parameters.as_ref().map(|one| json!({ "MessageGroupId": one.message_group_id }));
            json!({
                "Arn": target.arn,
                "RoleArn": target.role_arn,
                "Input": target.input,
                "SqsParameters": parameters,
                "RetryPolicy": retries,
                "DeadLetterConfig": target.dead_letter_config.as_ref().map(|one| json!({ "Arn": one.arn })),
            })
        }),
    );
    Ok(looking.end())
}

async fn read(client: &Client, group: &str, name: &str) -> Result<Option<GetScheduleOutput>, Unreadable> {
    let asked = client.get_schedule().group_name(group).name(name).send();
    ask("scheduler:GetSchedule", &format!("read schedule {name} in group {group}"), asked).await
}

pub(super) async fn group(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let asked = client.get_schedule_group().name(name).send();
    let doing = format!("read the schedule group {name}");
    Ok(match Looking::begin(ask("scheduler:GetScheduleGroup", &doing, asked).await) {
        Ok((looking, _)) => looking.end(),
        Err(look) => look,
    })
}

impl StackReader {
    /// The schedules of a group that were made at run time. The second list has those that could not be read; a group
    /// that does not exist has none.
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn run_time_schedules(&self, group: &str) -> Result<(Vec<RunTimeSchedule>, Vec<Unreadable>), StoreError> {
        let client = self.scheduler().await?;
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let page = client.list_schedules().group_name(group).name_prefix(RUN_TIME).set_next_token(next).send();
            let page = ask("scheduler:ListSchedules", &format!("list the schedules of group {group}"), page).await;
            let page = match page {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(unreadable) => return Ok((Vec::new(), vec![unreadable])),
            };
            names.extend(page.schedules.into_iter().filter_map(|one| one.name));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        let reads = names.into_iter().map(|name| async move { (read(client, group, &name).await, name) });
        let (mut all, mut unreadable) = (Vec::new(), Vec::<Unreadable>::new());
        for (answer, name) in stream::iter(reads).buffered(CONCURRENT_READS).collect::<Vec<_>>().await {
            match answer {
                Ok(answer) => all.extend(answer.and_then(|answer| made(name, answer))),
                Err(one) if unreadable.is_empty() => unreadable.push(one),
                // One error explains for all of them why they cannot be read.
                Err(_) => {}
            }
        }
        Ok((all, unreadable))
    }
}

fn made(name: String, answer: GetScheduleOutput) -> Option<RunTimeSchedule> {
    let enabled = answer.state.is_none_or(|state| state.as_str() == "ENABLED");
    let target = answer.target?;
    Some(RunTimeSchedule { name, target: target.arn, input: target.input.unwrap_or_default(), enabled })
}
