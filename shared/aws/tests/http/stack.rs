//! Stacks as described by their outputs, and queues paused and resumed.

use std::time::Duration;

use crate::support::clients;
use lamplighter::{
    Queue,
    backend::{Accuracy, Consumer, ConsumerKind, ConsumerState, Operator, QueueOrigin, StoreErrorKind},
    env::Env,
};
use lamplighter_aws::{AwsOperator, Output, Stack};
use lamplighter_fakes::{FakeDeployment, FakeMessage, Fault};
use serde_json::json;

fn operator(fake: &FakeDeployment) -> AwsOperator {
    AwsOperator::new(clients(fake), fake.queue_map().parse().unwrap(), Env::system())
}

fn mapping(state: ConsumerState) -> Consumer {
    Consumer { kind: ConsumerKind::EventSourceMapping, state }
}

#[tokio::test]
async fn a_stack_is_read_from_its_outputs() {
    let fake = FakeDeployment::start().await.unwrap();
    fake.stack.set_output("Table", Some("shop-jobs"));
    fake.stack.set_output("EventBus", Some("shop"));
    fake.stack.set_output("Payloads", Some(""));
    fake.stack.set_output("DashboardUrl", Some("https://example.com/?a=1&b=<2>"));
    let stack = Stack::read(&clients(&fake), "shop").await.unwrap();
    assert_eq!(stack.name(), "shop");
    let names: Vec<_> = stack.queues().iter().map(|(name, queue)| (name, queue.is_fifo())).collect();
    assert_eq!(names, [("steps", true), ("work", false)]);
    assert_eq!(stack.output(Output::DashboardUrl), Some("https://example.com/?a=1&b=<2>"));
    assert_eq!((stack.output(Output::Payloads), stack.output(Output::SchedulerRole)), (None, None));
    let settings = stack.settings();
    assert_eq!((settings.table.as_deref(), settings.event_bus.as_deref()), (Some("shop-jobs"), Some("shop")));
    assert_eq!((settings.payloads, settings.schedule_group), (None, None));
    assert_eq!(fake.actions(), ["DescribeStacks"]);
}

#[tokio::test]
async fn an_unusable_stack_is_explained() {
    let fake = FakeDeployment::start().await.unwrap();
    let read = async |name: &str| {
        let error = Stack::read(&clients(&fake), name).await.unwrap_err();
        assert!(!error.to_string().contains('\n'), "{error}");
        (error.kind(), error.to_string())
    };
    let (kind, text) = read("shoop").await;
    assert_eq!(kind, StoreErrorKind::Invalid);
    assert!(text.contains("no stack \"shoop\" in us-east-1") && text.contains("AWS_REGION"), "{text}");

    for (queues, says) in [
        (None, "has no output Queues, and is CREATE_COMPLETE"),
        (Some("nonsense"), "does not say where its queues are (expected"),
        (Some(r#"{"work":{"url":"here"}}"#), "\"here\", which is not a queue's URL"),
    ] {
        fake.stack.set_output("Queues", queues);
        let (kind, text) = read("shop").await;
        assert_eq!(kind, StoreErrorKind::Invalid);
        assert!(text.contains(says) && text.contains("shop") && text.contains("deploy"), "{text}");
    }

    fake.fail("DescribeStacks", Fault::Refused(403, "AccessDenied", "not yours"));
    let (kind, text) = read("shop").await;
    assert_eq!(kind, StoreErrorKind::Denied);
    assert!(text.contains("cannot read the stack shop: AWS says AccessDenied: not yours"), "{text}");
}

#[tokio::test]
async fn pausing_waits_for_lambda() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    assert_eq!(operator.consumer("work").await.unwrap(), mapping(ConsumerState::Active));
    fake.mappings.switch_takes("mapping-work", 2);
    operator.pause("work").await.unwrap();
    assert!(!fake.mappings.is_enabled("mapping-work") && fake.mappings.is_enabled("mapping-steps"));
    assert_eq!(operator.consumer("work").await.unwrap(), mapping(ConsumerState::Paused));
    assert_eq!(fake.bodies("UpdateEventSourceMapping"), [json!({"UUID": "mapping-work", "Enabled": false})]);
    // The first state came with the answer to the update.
    assert_eq!(fake.bodies("GetEventSourceMapping").len(), 2);
    operator.pause("work").await.unwrap();
    assert_eq!(fake.bodies("UpdateEventSourceMapping").len(), 1, "it is paused already");

    operator.resume("work").await.unwrap();
    assert!(fake.mappings.is_enabled("mapping-work"));
    assert_eq!(fake.bodies("UpdateEventSourceMapping")[1], json!({"UUID": "mapping-work", "Enabled": true}));
}

#[tokio::test]
async fn a_mapping_in_change_is_tried_again() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    fake.fail("UpdateEventSourceMapping", Fault::Refused(400, "ResourceInUseException", "cannot be updated now"));
    operator.pause("work").await.unwrap();
    assert!(!fake.mappings.is_enabled("mapping-work"));
    assert_eq!(fake.bodies("UpdateEventSourceMapping").len(), 2);
}

#[tokio::test]
async fn pause_errors_are_explained() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    let says = async |queue: &str, parts: &[&str]| {
        let error = operator.pause(queue).await.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)) && !error.contains('\n'), "{error}");
    };
    says("wrok", &["no queue \"wrok\" here", "steps, work"]).await;
    fake.fail("UpdateEventSourceMapping", Fault::Refused(403, "AccessDeniedException", "no"));
    says("work", &["cannot pause queue work (event source mapping mapping-work)", "needs the permission"]).await;
    fake.mappings.remove("mapping-work");
    says("work", &["nothing takes messages from queue work", "no function is mapped to it"]).await;
    assert_eq!(operator.consumer("work").await.unwrap(), mapping(ConsumerState::Missing));
}

#[tokio::test]
async fn queues_report_their_status() {
    let fake = FakeDeployment::start().await.unwrap();
    let letter = FakeMessage { body: "{}", attributes: &[], sent: 0, group: None };
    for _ in 0..3 {
        fake.sqs.put("shop-work", &letter);
    }
    fake.sqs.put("shop-work-dlq", &letter);
    let operator = operator(&fake);
    operator.pause("work").await.unwrap();
    let all = operator.queues().await.unwrap();
    let names: Vec<_> = all.iter().map(|queue| (&*queue.queue, queue.fifo, queue.consumer)).collect();
    let (active, paused) = (mapping(ConsumerState::Active), mapping(ConsumerState::Paused));
    assert_eq!(names, [("steps", true, active), ("work", false, paused)]);
    let work = &all[1];
    assert_eq!((work.waiting, work.in_flight, work.delayed, work.dead_letters), (3, 0, 0, Some(1)));
    assert_eq!(work.accuracy, Accuracy::Approximate);
}

#[tokio::test]
async fn a_switch_that_takes_too_long_says_how_it_stands() {
    let fake = FakeDeployment::start().await.unwrap();
    fake.mappings.switch_takes("mapping-work", u32::MAX);
    let operator = operator(&fake).with_switch_limit(Duration::from_millis(600));
    let error = operator.pause("work").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("mapping-work of queue work is still Disabling") && text.contains("lamp queues"), "{text}");
    assert!(!fake.mappings.is_enabled("mapping-work"), "it goes on by itself");
    assert_eq!(operator.consumer("work").await.unwrap(), mapping(ConsumerState::Changing));
}

#[tokio::test]
async fn queues_come_with_the_deployment() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    let names = operator.known_names().await.unwrap();
    assert_eq!(
        (&*names.queues, names.queue_origin, names.jobs),
        (&["steps".into(), "work".into()][..], QueueOrigin::Deployed, None)
    );
    operator.declare(Queue::standard("work")).await.unwrap();
    let error = operator.declare(Queue::standard("other")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(error.to_string().contains("queue other cannot be made here"), "{error}");
    assert!(fake.actions().is_empty(), "nobody was asked");
}
