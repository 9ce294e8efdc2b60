//! The target of a schedule: a queue, with a message.

use aws_sdk_scheduler::types::{
    DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, SqsParameters, Target,
};
use lamplighter::backend::{StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};

use super::settings::ScheduleSettings;
use crate::queues::{QueueArn, is_fifo, region_of};

/// The largest message of a schedule (Amazon EventBridge Scheduler User Guide, "Quotas for Amazon EventBridge
/// Scheduler").
pub(super) const MAX_INPUT: usize = 256 * 1024;

/// Both services' own defaults (Amazon EventBridge Scheduler API Reference, RetryPolicy), as in the template: a message
/// that a queue refuses is retried for a day.
const MAX_AGE_SECS: i32 = 86_400;
const MAX_TRIES: i32 = 185;

/// The prefix of its placeholders (Amazon EventBridge Scheduler User Guide, "Adding context attributes in EventBridge
/// Scheduler").
const PLACEHOLDER: &str = "<aws.scheduler.";

/// Returns whether Scheduler accepts this as the name of a schedule or a group (Amazon EventBridge Scheduler API
/// Reference, CreateSchedule).
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// A digest of 48 characters: the same for the same parts, and different for others.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut text: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(48);
    text
}

/// Escapes a message so that Scheduler finds no placeholder in it. It is JSON, where a `<` only occurs in strings, and
/// can be escaped there.
pub(super) fn literal(body: &str) -> String {
    body.replace(PLACEHOLDER, "\\u003caws.scheduler.")
}

/// The queue at this URL, with this message. `region` is used for an endpoint whose URLs have none. The group is left
/// out except for FIFO queues, since Scheduler has groups only for those (Amazon EventBridge Scheduler API Reference,
/// SqsParameters).
pub(super) fn queue(
    settings: &ScheduleSettings,
    url: &str,
    region: &str,
    group: Option<&str>,
    input: String,
) -> Result<Target, StoreError> {
    let region = region_of(url).unwrap_or(region);
    let Some(arn) = QueueArn::of_url(url, region) else {
        let text =
            format!("{url:?} is not a queue's URL: a schedule needs one that ends with the account and the name");
        return Err(StoreError::new(StoreErrorKind::Invalid, text));
    };
    let group = group.filter(|_| is_fifo(url)).map(|group| SqsParameters::builder().message_group_id(group).build());
    let dead = settings.undelivered_queue().map(|arn| DeadLetterConfig::builder().arn(arn).build());
    let retry =
        RetryPolicy::builder().maximum_event_age_in_seconds(MAX_AGE_SECS).maximum_retry_attempts(MAX_TRIES).build();
    let target = Target::builder().arn(arn.to_string()).role_arn(settings.role()).input(input).retry_policy(retry);
    target.set_sqs_parameters(group).set_dead_letter_config(dead).build().map_err(incomplete)
}

/// At its exact time, not within a window.
pub(super) fn punctual() -> Result<FlexibleTimeWindow, StoreError> {
    FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(incomplete)
}

fn incomplete(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, format_args!("the schedule is incomplete: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_short_stable_and_distinct() {
        assert_eq!(digest(&["order:42"]), digest(&["order:42"]));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert!(digest(&[]).len() == 48 && is_name(&digest(&["x"])));
    }

    #[test]
    fn bodies_contain_no_placeholders() {
        let body = r#"{"args":{"html":"<b>","trap":"<aws.scheduler.schedule-arn>"}}"#;
        let safe = literal(body);
        assert!(!safe.contains(PLACEHOLDER) && safe.contains("<b>"), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&safe), value(body));
    }
}
