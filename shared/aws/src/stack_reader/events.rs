//! Rules and buses of EventBridge.

use aws_sdk_eventbridge::{Client, types::Target};
use lamplighter::backend::StoreError;
use serde_json::{Value, json};

use super::{Looking, Observed, ask, parsed};

pub(super) async fn rule(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let asked = client.describe_rule().name(name).send();
    let (mut looking, answer) =
        match Looking::begin(ask("events:DescribeRule", &format!("read the rule {name}"), asked).await) {
            Ok(begun) => begun,
            Err(look) => return Ok(look),
        };
    looking.set("State", answer.state.map(|state| state.as_str().to_owned()));
    looking.set("ScheduleExpression", answer.schedule_expression);
    looking.set("EventPattern", answer.event_pattern.as_deref().map_or(Value::Null, parsed));
    // A rule has five targets at most (Amazon EventBridge User Guide, "Amazon EventBridge quotas"), which is one page.
    let asked = client.list_targets_by_rule().rule(name).send();
    let answer = ask("events:ListTargetsByRule", &format!("read the targets of rule {name}"), asked).await;
    looking.take("Targets", answer, |answer| answer.targets.unwrap_or_default().into_iter().map(target).collect());
    Ok(looking.end())
}

fn target(target: Target) -> Value {
    let transformer = target.input_transformer.map(|one| {
        let paths = one.input_paths_map.unwrap_or_default();
        json!({ "InputPathsMap": paths, "InputTemplate": one.input_template })
    });
    let retries = target.retry_policy.map(|one| {
        json!({ "MaximumEventAgeInSeconds": one.maximum_event_age_in_seconds,
                "MaximumRetryAttempts": one.maximum_retry_attempts })
    });
    let parameters = target.sqs_parameters.map(|one| json!({ "MessageGroupId": one.message_group_id }));
    json!({
        "Id": target.id,
        "Arn": target.arn,
        "Input": target.input,
        "InputTransformer": transformer,
        "SqsParameters": parameters,
        "RetryPolicy": retries,
        "DeadLetterConfig": target.dead_letter_config.map(|one| json!({ "Arn": one.arn })),
    })
}

pub(super) async fn bus(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let asked = client.describe_event_bus().name(name).send();
    Ok(match Looking::begin(ask("events:DescribeEventBus", &format!("read the event bus {name}"), asked).await) {
        Ok((looking, _)) => looking.end(),
        Err(look) => look,
    })
}
