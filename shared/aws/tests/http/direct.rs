//! Direct invocations and EventBridge events.

use lamplighter_aws::lambda::Response;
use serde_json::{Value, json};

use crate::support::Fixture;

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

async fn answer(fixture: &Fixture, payload: &Value) -> Value {
    serde_json::to_value(fixture.invoke(payload).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_runs_and_gets_a_response() {
    let mut fixture = Fixture::mapped().await;
    let message = json!({"job": "act.out", "id": "order-42", "args": {"note": "hello"}});
    assert_eq!(answer(&fixture, &message).await, json!({"id": "order-42", "state": "succeeded", "output": "hello"}));
    // Without an id, the request's id is used: it is the same when Lambda tries again.
    let answer = answer(&fixture, &json!({"job": "act.out"})).await;
    assert_eq!(answer["id"], "request-1");
    assert_eq!(fixture.ran().len(), 2);
    assert_eq!(fixture.sqs.calls(), []);
}

#[tokio::test]
async fn a_request_about_the_code_runs_nothing() {
    let mut fixture = Fixture::mapped().await;
    let about = answer(&fixture, &json!({"lamplighter": "about"})).await;
    let jobs: Vec<_> = about["jobs"].as_array().unwrap().iter().map(|job| (&job["job"], &job["queue"])).collect();
    assert!(jobs.contains(&(&json!("act.out"), &json!("work"))), "{about}");
    assert!(about["jobs"][0]["schema"]["properties"].is_object() && about["version"].is_string(), "{about}");
    assert_eq!((fixture.ran(), fixture.sqs.calls()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_expired_message_is_not_run() {
    let mut fixture = Fixture::mapped().await;
    let message = json!({"job": "act.out", "id": "late", "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(answer(&fixture, &message).await, json!({"id": "late", "state": "ended"}));
    assert_eq!(fixture.ran(), []);
}

#[tokio::test]
async fn errors_have_a_reason_and_no_arguments() {
    let fixture = Fixture::mapped().await;
    for (message, error_type, says) in [
        (json!({"job": "act.out", "args": {"end": "fail", "note": "secret"}}), "Lamplighter.JobFailed", "for good"),
        (json!({"job": "act.out", "args": {"end": "retry", "note": "secret"}}), "Lamplighter.AttemptFailed", "not yet"),
        (
            json!({"job": "act.out", "args": {"end": "panic", "note": "secret"}}),
            "Lamplighter.AttemptFailed",
            "as asked",
        ),
        (json!({"job": "act.out", "args": {"end": "snooze", "note": "secret"}}), "Lamplighter.NotRun", "released"),
        (json!({"job": "act.out", "args": {"end": [], "note": "secret"}}), "Lamplighter.BadMessage", "do not fit"),
        (json!({"job": "act.out", "args": "secret"}), "Lamplighter.BadMessage", "must be a JSON object"),
        (
            json!({"job": "no.such", "args": {"note": "secret"}}),
            "Lamplighter.BadMessage",
            "performs no job \"no.such\"",
        ),
        (json!({"job": 7}), "Lamplighter.BadMessage", "field \"job\""),
        (json!({"job": ["secret"]}), "Lamplighter.BadMessage", "field \"job\": expected a string, found an array"),
        (json!({"job": "act.out", "id": "secret !"}), "Lamplighter.BadMessage", "field \"id\": expected a job id"),
        (
            json!({"job": "act.out", "args": {"end": {"secret": "secret"}}}),
            "Lamplighter.BadMessage",
            "`end`: unknown variant, expected one of `succeed`",
        ),
        (json!({"note": "secret"}), "Lamplighter.UnknownEvent", "[note]"),
        (json!(["secret"]), "Lamplighter.UnknownEvent", "an array"),
        (json!("secret"), "Lamplighter.UnknownEvent", "a string"),
        (json!(null), "Lamplighter.UnknownEvent", "null"),
    ] {
        let error = fixture.invoke(&message).await.unwrap_err();
        assert_eq!(error.error_type(), error_type, "{message}: {error}");
        assert!(error.message().contains(says), "{message}: {error}");
        assert!(!error.message().contains("secret"), "{message}: {error}");
    }
    assert_eq!(fixture.sqs.calls(), []);
}

#[tokio::test]
async fn errors_shorten_huge_events() {
    let fixture = Fixture::mapped().await;
    let long = "x".repeat(100_000);
    let event = json!({"source": long, "detail-type": long, "resources": vec![long.clone(); 20], "detail": {}});
    let error = fixture.invoke(&event).await.unwrap_err();
    assert_eq!(error.error_type(), "Lamplighter.UnknownEvent");
    assert!(error.message().len() < 2_000 && error.message().contains("and more"), "{}", error.message());
}

#[tokio::test]
async fn a_message_with_empty_records_runs() {
    let mut fixture = Fixture::mapped().await;
    for records in [json!(null), json!([]), json!("text")] {
        let message = json!({"job": "act.out", "args": {"end": "succeed"}, "id": "a", "Records": records});
        assert_eq!(answer(&fixture, &message).await["state"], "succeeded", "{message}");
        assert_eq!(fixture.ran().len(), 1, "{message}");
    }
}

#[tokio::test]
async fn a_scheduled_rule_runs_one_job_per_tick() {
    let mut fixture = Fixture::mapped().await;
    let event = parsed(include_str!("../fixtures/example-eventbridge-schedule.json"));
    for _ in 0..2 {
        // The trigger's name, not the rule's: the stack's name in front of it is ignored.
        let id = "scheduled-rule@2015-10-08T16:53:06Z";
        assert_eq!(
            answer(&fixture, &event).await,
            json!({"jobs": [{"id": id, "state": "succeeded", "output": "tick"}]})
        );
        assert_eq!(fixture.ran(), [(id.into(), 1, "tick".into())]);
    }
}

#[tokio::test]
async fn an_event_runs_a_job_for_each_matching_trigger() {
    let mut fixture = Fixture::mapped().await;
    let event = parsed(include_str!("../fixtures/example-eventbridge-event-obj.json"));
    let Response::Event { jobs } = fixture.invoke(&event).await.unwrap() else { panic!("no event") };
    let ids: Vec<_> = jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["7bf73129-1428-4cd3-a780-95db273d1602", "7bf73129-1428-4cd3-a780-95db273d1602:2"]);
    let ran = fixture.ran();
    assert_eq!(ran.len(), 2);
    assert!(ran.iter().all(|(_, _, note)| note == "i-abcd1111 pending"), "{ran:?}");
}

#[tokio::test]
async fn an_event_without_a_job_fails_the_invocation() {
    let mut fixture = Fixture::mapped().await;
    let event =
        |source: &str, detail: Value| json!({"source": source, "detail-type": "Thing", "id": "e1", "detail": detail});
    for (event, error_type, says) in [
        (event("elsewhere", json!({})), "Lamplighter.UnknownEvent", "none of its triggers matches"),
        (event("shop", json!([1])), "Lamplighter.BadMessage", "must be a JSON object"),
        (event("shop", json!({"end": "fail"})), "Lamplighter.JobFailed", "for good"),
        (event("aws.ec2", json!({"instance-id": 7})), "Lamplighter.BadMessage", "do not fit"),
        (json!({"source": 7, "detail-type": null}), "Lamplighter.UnknownEvent", "none of its triggers"),
    ] {
        let error = fixture.invoke(&event).await.unwrap_err();
        assert_eq!(error.error_type(), error_type, "{event}: {error}");
        assert!(error.message().contains(says), "{event}: {error}");
    }
    assert_eq!(fixture.ran().len(), 1);
    // Without detail the arguments are empty, which this job accepts.
    let answer = answer(&fixture, &json!({"source": "shop", "detail-type": "Thing", "id": "not an id!"})).await;
    assert_eq!(answer["jobs"][0]["id"], "request-1");
}
