//! Stacks as described by their outputs, and queues paused and resumed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use lamplighter::backend::StoreErrorKind;
use lamplighter_aws::{
    MappingState, Operator, Output, Stack,
    testing::{FakeDeployment, FakeLetter, Fault},
};
use serde_json::json;

fn operator(fake: &FakeDeployment) -> Operator {
    Operator::new(fake.sdk(), fake.queues())
}

#[tokio::test]
async fn a_stack_is_read_from_its_outputs() {
    let fake = FakeDeployment::start().await.unwrap();
    fake.output("Table", Some("shop-jobs"));
    fake.output("EventBus", Some("shop"));
    fake.output("Payloads", Some(""));
    fake.output("DashboardUrl", Some("https://example.com/?a=1&b=<2>"));
    let stack = Stack::read(&fake.sdk(), "shop").await.unwrap();
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
        let error = Stack::read(&fake.sdk(), name).await.unwrap_err();
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
        fake.output("Queues", queues);
        let (kind, text) = read("shop").await;
        assert_eq!(kind, StoreErrorKind::Invalid);
        assert!(text.contains(says) && text.contains("shop") && text.contains("deploy"), "{text}");
    }

    fake.fail("DescribeStacks", Fault::Call(403, "AccessDenied", "not yours"));
    let (kind, text) = read("shop").await;
    assert_eq!(kind, StoreErrorKind::Denied);
    assert!(text.contains("cannot read the stack shop: AWS says AccessDenied: not yours"), "{text}");
}

#[tokio::test]
async fn pausing_waits_for_lambda() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    assert_eq!(operator.mapping("work").await.unwrap(), MappingState::Enabled);
    fake.switch_takes("mapping-work", 2);
    operator.pause("work").await.unwrap();
    assert!(!fake.is_enabled("mapping-work") && fake.is_enabled("mapping-steps"));
    assert_eq!(operator.mapping("work").await.unwrap(), MappingState::Disabled);
    assert_eq!(fake.bodies("UpdateEventSourceMapping"), [json!({"UUID": "mapping-work", "Enabled": false})]);
    // The first state came with the answer to the update.
    assert_eq!(fake.bodies("GetEventSourceMapping").len(), 2);
    operator.pause("work").await.unwrap();
    assert_eq!(fake.bodies("UpdateEventSourceMapping").len(), 1, "it is paused already");

    operator.resume("work").await.unwrap();
    assert!(fake.is_enabled("mapping-work"));
    assert_eq!(fake.bodies("UpdateEventSourceMapping")[1], json!({"UUID": "mapping-work", "Enabled": true}));
}

#[tokio::test]
async fn a_mapping_in_change_is_tried_again() {
    let fake = FakeDeployment::start().await.unwrap();
    let operator = operator(&fake);
    fake.fail("UpdateEventSourceMapping", Fault::Call(400, "ResourceInUseException", "cannot be updated now"));
    operator.pause("work").await.unwrap();
    assert!(!fake.is_enabled("mapping-work"));
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
    fake.fail("UpdateEventSourceMapping", Fault::Call(403, "AccessDeniedException", "no"));
    says("work", &["cannot pause queue work (event source mapping mapping-work)", "needs the permission"]).await;
    fake.unmap("mapping-work");
    says("work", &["no function is mapped to queue work"]).await;
    assert_eq!(operator.mapping("work").await.unwrap(), MappingState::Missing);
}

#[tokio::test]
async fn queues_report_their_status() {
    let fake = FakeDeployment::start().await.unwrap();
    let letter = FakeLetter { body: "{}", attributes: &[], sent: 0, group: None };
    for _ in 0..3 {
        fake.put("shop-work", &letter);
    }
    fake.put("shop-work-dlq", &letter);
    let operator = operator(&fake);
    operator.pause("work").await.unwrap();
    let all = operator.queues().await.unwrap();
    let names: Vec<_> = all.iter().map(|queue| (&*queue.queue, queue.fifo, queue.mapping)).collect();
    assert_eq!(names, [("steps", true, MappingState::Enabled), ("work", false, MappingState::Disabled)]);
    let work = &all[1];
    assert_eq!((work.waiting, work.in_flight, work.delayed, work.dead_letters), (3, 0, 0, Some(1)));
}
