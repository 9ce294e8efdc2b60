//! Jobs that EventBridge starts, and direct invocations.

use e2e_function::{EVENT_SOURCE, SHOP, TICK_SCHEDULE};
use lamplighter::{Timestamp, mins};
use serde_json::json;

use crate::cloud::{CLOCK, REPLAY_SCHEDULE, REPLAYED, SOON, cloud};

#[tokio::test]
async fn a_scheduled_rule_sends_a_message_with_its_tick() {
    let cloud = cloud().await;
    cloud.aws.pass(&cloud.stack.name, mins(1)).await.unwrap();
    let runs = cloud.has_run("tick", 1, SOON).await;
    let tick = runs.iter().find_map(|run| run.id.strip_prefix(&format!("{TICK_SCHEDULE}@"))).expect("a tick's id");
    let tick: Timestamp = tick.parse().unwrap();
    assert_eq!(tick.subsec_nanosecond(), 0);
}

/// EventBridge delivers at least once. The id makes a tick that is delivered twice one job, and the record makes it one
/// run.
#[tokio::test]
async fn a_tick_that_is_delivered_twice_runs_once() {
    let cloud = cloud().await;
    cloud.put_event(json!({ "Source": CLOCK, "DetailType": "Tick", "Detail": "{}" })).await;
    let runs = cloud.has_run(REPLAYED, 1, SOON).await;
    assert!(runs[0].id.starts_with(&format!("{REPLAY_SCHEDULE}@")), "{runs:?}");
    // Both messages have been sent and deleted.
    cloud.holds(cloud.id("TicksQueue"), REPLAYED, 0).await;
    assert_eq!(cloud.runs(REPLAYED).len(), 1);
}

#[tokio::test]
async fn an_event_starts_a_job_with_its_detail_as_arguments() {
    let cloud = cloud().await;
    let detail = json!({ "label": "event" }).to_string();
    cloud.put_event(json!({ "Source": EVENT_SOURCE, "DetailType": "Any", "Detail": detail })).await;
    let runs = cloud.has_run("event", 1, SOON).await;
    assert_eq!((runs.len(), runs[0].attempt), (1, 1));
}

#[tokio::test]
async fn an_event_starts_a_job_with_chosen_fields() {
    let cloud = cloud().await;
    let detail = json!({ "order": { "name": "mapped-event", "items": [1, 2] } }).to_string();
    cloud.put_event(json!({ "Source": SHOP, "DetailType": "Order Paid", "Detail": detail })).await;
    let runs = cloud.has_run("mapped-event", 1, SOON).await;
    assert_eq!((runs.len(), runs[0].attempt), (1, 1));
}

/// EventBridge passes an event to Lambda and does not wait. Lambda tries it three times in all.
#[tokio::test]
async fn an_event_whose_job_fails_is_retried_and_then_kept() {
    let cloud = cloud().await;
    let event = json!({
        "id": "0d079340-135a-c8c6-95c2-41fb8f496c53",
        "source": EVENT_SOURCE,
        "detail-type": "Any",
        "time": "2026-05-01T06:00:00Z",
        "resources": [],
        "detail": { "label": "lost-event", "behaviour": "fail" },
    });
    cloud.invoke_asynchronously(cloud.id("E2eFunction"), &event).await;
    let kept = cloud.holds(cloud.id("EventsNotDelivered"), "lost-event", 1).await;
    assert!(kept[0].body.contains("lost-event was told to fail"), "{}", kept[0].body);
    let ids: Vec<_> = cloud.runs("lost-event").into_iter().map(|run| run.id).collect();
    assert_eq!(ids, ["0d079340-135a-c8c6-95c2-41fb8f496c53"; 3]);
}

#[tokio::test]
async fn a_direct_invocation_answers_with_the_job() {
    let cloud = cloud().await;
    let function = cloud.id("E2eFunction");
    let message = json!({ "job": "e2e.act", "id": "direct", "args": { "label": "direct" } });
    let answer = cloud.aws.invoke(function, &message).await.unwrap();
    assert_eq!(answer.error, None, "{answer:?}");
    assert_eq!(answer.payload, json!({ "id": "direct", "state": "succeeded", "output": "direct" }));
    assert_eq!(cloud.runs("direct").len(), 1);

    let message = json!({ "job": "e2e.act", "args": { "label": "direct-fails", "behaviour": "give_up" } });
    let answer = cloud.aws.invoke(function, &message).await.unwrap();
    assert_eq!(answer.error.as_deref(), Some("Unhandled"), "{answer:?}");
    assert!(answer.payload.to_string().contains("direct-fails was told to give up"), "{answer:?}");

    let nonsense = cloud.aws.invoke(function, &json!({ "hello": "world" })).await.unwrap();
    assert_eq!(nonsense.error.as_deref(), Some("Unhandled"), "{nonsense:?}");
}
