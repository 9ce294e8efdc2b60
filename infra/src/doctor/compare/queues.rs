//! Queues: their attributes, their policies, and dead letters.

use lamplighter::QueueHost;
use serde_json::Value;

use super::{Compare, DEPLOY, Difference, Kind, REVERT, Resource, Severity, Subject, property::Property};
use crate::doctor::policy::{missing, statements};

const OWN: &[Property] = &[
    Property::error(
        "/VisibilityTimeout",
        "too short: a job may run twice concurrently; too long: a job waits after its function crashed",
    ),
    Property::error(
        "/RedrivePolicy",
        "a job that crashes its function is given up too early, never, or to another queue",
    ),
    Property::error("/MessageRetentionPeriod", "a job that waits or retries for longer is lost"),
    Property::error(
        "/ContentBasedDeduplication",
        "EventBridge cannot send to the queue: schedules do not start their jobs",
    ),
    Property::error(
        "/KmsMasterKeyId",
        "functions and services may not use that key, or data is not encrypted with yours",
    ),
    Property::warning("/SqsManagedSseEnabled", "messages are not encrypted at rest as they should be"),
];

const DEAD: &[Property] = &[
    Property::error("/MessageRetentionPeriod", "dead letters expire before anybody has read them"),
    Property::error(
        "/KmsMasterKeyId",
        "functions and services may not use that key, or data is not encrypted with yours",
    ),
    Property::warning("/SqsManagedSseEnabled", "messages are not encrypted at rest as they should be"),
];

impl Compare<'_> {
    pub(super) fn queue(&mut self, resource: &Resource, seen: &Value) {
        let url = self.id(&resource.id);
        let rows = if matches!(resource.of, Subject::Queue(_)) { OWN } else { DEAD };
        self.properties(resource, seen, Kind::QueueDrifted, rows, |property, expected| {
            let name = property.at.trim_start_matches('/');
            match expected {
                Value::Number(_) | Value::Bool(_) => {
                    format!("`aws sqs set-queue-attributes --queue-url {url} --attributes {name}={expected}`")
                }
                Value::Object(_) => {
                    let text = serde_json::json!({ name: expected.to_string() });
                    format!("`aws sqs set-queue-attributes --queue-url {url} --attributes '{text}'`")
                }
                _ => REVERT.into(),
            }
        });
        self.queue_policy(resource, seen);
        self.dead_letters(resource, seen);
        self.workers(resource, seen);
    }

    fn queue_policy(&mut self, resource: &Resource, seen: &Value) {
        let Some(found) = seen.get("Policy") else { return };
        let url = self.id(&resource.id);
        let of = |policy: &&Resource| {
            let queues = policy.properties["Queues"].as_array();
            policy.kind == "AWS::SQS::QueuePolicy" && queues.is_some_and(|all| all.iter().any(|one| one == url))
        };
        for policy in self.resources.iter().filter(of) {
            let lost = missing(statements(&policy.properties["PolicyDocument"]), statements(found));
            let (allow, deny): (Vec<_>, Vec<_>) = lost.iter().partition(|right| right.effect == "Allow");
            let senders: Vec<_> = allow.iter().map(|right| &*right.only).collect();
            self.check(
                resource,
                (!allow.is_empty()).then(|| Difference {
                    kind: Kind::QueuePolicy,
                    severity: Severity::Error,
                    found: format!("its policy does not allow {}", senders.join(", ")),
                    expected: "EventBridge may send to it for these".into(),
                    breaks: "EventBridge drops what it should send: schedules start no job, and events are lost".into(),
                    repair: format!("{REVERT}; if it never existed: {DEPLOY}"),
                }),
            );
            self.check(
                resource,
                (!deny.is_empty()).then(|| Difference {
                    kind: Kind::QueuePolicy,
                    severity: Severity::Warning,
                    found: "its policy does not refuse requests without TLS".into(),
                    expected: "a policy that does".into(),
                    breaks: "messages may be sent and read in plain text".into(),
                    repair: format!("{REVERT}; if it never existed: {DEPLOY}"),
                }),
            );
        }
    }

    /// Checks that a worker polls a queue that has no function.
    fn workers(&mut self, resource: &Resource, seen: &Value) {
        let Subject::Queue(name) = &resource.of else { return };
        let queue = self.expected.deployment.queue(name);
        let (true, Some(workers)) = (queue.is_some_and(|queue| queue.host == QueueHost::Worker), seen.get("Workers"))
        else {
            return;
        };
        let stack = self.stack_name();
        let (is_paused, is_polled) = (workers["Paused"] == true, workers["Polled"] == true);
        self.check(
            resource,
            is_paused.then(|| Difference {
                kind: Kind::QueuePaused,
                severity: Severity::Error,
                found: "it is paused".into(),
                expected: "workers take its messages".into(),
                breaks: "its jobs wait, and are lost when the queue's retention has passed".into(),
                repair: format!("`lamp resume {name} --stack {stack}`, once the reason for the pause is gone"),
            }),
        );
        self.check(
            resource,
            (!is_polled).then(|| Difference {
                kind: Kind::WorkerMissing,
                severity: Severity::Error,
                found: "no worker has polled it for five minutes".into(),
                expected: "a worker polls it: its jobs do not run on Lambda".into(),
                breaks: "its jobs wait, and are lost when the queue's retention has passed".into(),
                repair: format!(
                    "`lamp work --stack {stack}` where workers should run, or the parameter WorkerImage for a service of \
                     Amazon ECS"
                ),
            }),
        );
    }

    fn dead_letters(&mut self, resource: &Resource, seen: &Value) {
        let (Some(waiting), Some(in_flight)) = (seen["Waiting"].as_u64(), seen["InFlight"].as_u64()) else { return };
        let stack = self.stack_name();
        let count = waiting + in_flight;
        let of = |one: &str, more: &str| if count == 1 { format!("one {one}") } else { format!("{count} {more}") };
        let difference = match &resource.of {
            Subject::DeadLetters(queue) => Difference {
                kind: Kind::DeadLetters,
                severity: Severity::Error,
                found: of("dead letter", "dead letters"),
                expected: "none".into(),
                breaks: "these jobs were given up, and will not run again on their own".into(),
                repair: format!(
                    "`lamp redrive {queue} --dry-run --stack {stack}` shows why; repair that, and `lamp redrive {queue} \
                     --stack {stack}`"
                ),
            },
            Subject::Undelivered => Difference {
                kind: Kind::UndeliveredEvents,
                severity: Severity::Error,
                found: of("event that was not delivered", "events that were not delivered"),
                expected: "none".into(),
                breaks: "ticks of schedules and events have started no job".into(),
                repair: format!(
                    "`aws sqs receive-message --queue-url {} --message-attribute-names All` shows them and why; repair that, \
                     and send again what matters",
                    self.id(&resource.id)
                ),
            },
            _ => return,
        };
        self.check(resource, (count > 0).then_some(difference));
    }
}
