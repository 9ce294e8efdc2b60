//! Messages that are not quite what they should be, and what a message carries on.

use lamplighter::{
    JobState,
    backend::{Claim, DeadLetterReason, JobOwner},
    host::MessageAction,
    message::Trace,
    secs,
};

use crate::{
    bench::{Bench, env, error, plain, reason},
    support::{Memory, act, delivery, start},
};

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_dead_lettered_and_the_others_run() {
    let bench = Bench::new(&env(), plain);
    let batch = vec![
        delivery("1", "not json"),
        act("a", "ok fine"),
        delivery("3", r#"{"args":{}}"#),
        delivery("4", r#"{"job":"test.act","args":{"wrong":1}}"#),
        act("b", "ok too"),
    ];
    let actions = bench.process(batch, secs(30)).await;
    assert_eq!(actions[1], MessageAction::Ack);
    assert_eq!(actions[4], MessageAction::Ack);
    for index in [0, 2, 3] {
        assert_eq!(reason(&actions[index]), DeadLetterReason::BadMessage);
    }
    assert!(error(&actions[3]).contains("the arguments do not fit test.act: missing field `what`"), "{:?}", actions[3]);
    assert_eq!(bench.memory.state("4"), JobState::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_job_is_dead_lettered_at_the_sixth_receive() {
    let bench = Bench::new(&env(), plain);
    for receives in 1..=6 {
        let unknown = delivery("1", r#"{"job":"newer.job"}"#).received(receives);
        let action = bench.process(vec![unknown], secs(30)).await.remove(0);
        if receives <= 5 {
            assert_eq!(action, MessageAction::Release(Some(secs(30) * receives)));
        } else {
            assert_eq!(reason(&action), DeadLetterReason::UnknownJob);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_under_another_jobs_id_is_dead_lettered_with_both_names() {
    let bench = Bench::new(&env(), plain);
    let owner = JobOwner { job: "report.daily".into(), queue: "reports".into() };
    bench.memory.answers.lock().unwrap().push_back(Claim::Foreign(owner));
    let action = bench.process(vec![act("report-daily@2026-12-01T06:00:00Z", "ok")], secs(30)).await.remove(0);
    assert_eq!(reason(&action), DeadLetterReason::ForeignId);
    for part in ["report-daily@2026-12-01T06:00:00Z", "report.daily", "reports", "test.act", "queue test"] {
        assert!(error(&action).contains(part), "{}", error(&action));
    }
    assert!(bench.ran().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_id_goes_by_the_transports() {
    let bench = Bench::new(&env(), plain);
    let action = bench.process(vec![delivery("sqs-1", r#"{"job":"test.act","args":{"what":"ok"}}"#)], secs(30)).await;
    assert_eq!(action, [MessageAction::Ack]);
    assert_eq!(bench.memory.state("sqs-1"), JobState::Succeeded);
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(start_paused = true)]
async fn children_name_their_parent_count_hops_and_carry_the_trace() {
    let bench = Bench::new(&env(), plain);
    let body = format!(r#"{{"job":"test.act","id":"p","args":{{"what":"child"}},"hops":7,"trace":"{TRACE}"}}"#);
    assert_eq!(bench.process(vec![delivery("1", &body)], secs(30)).await, [MessageAction::Ack]);
    let child = bench.memory.sent.lock().unwrap().remove(0);
    assert_eq!(child.message.hops, 8);
    assert_eq!(child.message.parent.as_ref().unwrap().as_str(), "p");
    assert_eq!(child.message.trace, Trace::new(TRACE, None));
    assert_eq!(child.message.id, Some(child.id));
}

#[tokio::test(start_paused = true)]
async fn the_transports_trace_is_for_messages_without_one() {
    let of_the_transport = Trace::new(&TRACE.replace('4', "5"), Some("a=b"));
    for (field, expected) in [
        (format!(r#","trace":"{TRACE}""#), Trace::new(TRACE, None)),
        (String::new(), of_the_transport.clone()),
        (r#","trace":null"#.into(), of_the_transport.clone()),
        (r#","trace":{"traceparent":["no"]}"#.into(), of_the_transport.clone()),
    ] {
        let bench = Bench::new(&env(), plain);
        let body = format!(r#"{{"job":"test.act","id":"p","args":{{"what":"child"}}{field}}}"#);
        let mut delivery = delivery("1", &body);
        delivery.trace = of_the_transport.clone();
        assert_eq!(bench.process(vec![delivery], secs(30)).await, [MessageAction::Ack], "{field}");
        assert_eq!(bench.memory.sent.lock().unwrap().remove(0).message.trace, expected, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_tracer_messages_have_no_field_for_it() {
    let bench = Bench::new(&env(), plain);
    let body = r#"{"job":"test.act","id":"p","args":{"what":"child"}}"#;
    assert_eq!(bench.process(vec![delivery("1", body)], secs(30)).await, [MessageAction::Ack]);
    let child = bench.memory.sent.lock().unwrap().remove(0);
    assert!(!lamplighter::trace::is_installed() && !child.message.to_json().contains("trace"));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_trace_is_no_error_and_goes_no_further() {
    let bench = Bench::new(&env(), plain);
    let body = r#"{"job":"test.act","id":"p","args":{"what":"child"},"trace":"00-1-2-01"}"#;
    assert_eq!(bench.process(vec![delivery("1", body)], secs(30)).await, [MessageAction::Ack]);
    assert_eq!(bench.memory.sent.lock().unwrap().remove(0).message.trace, None);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_begets_itself_for_ever_comes_to_an_end() {
    let bench = Bench::new(&env(), plain);
    let body = |hops| format!(r#"{{"job":"test.act","args":{{"what":"child"}},"hops":{hops}}}"#);
    let actions = bench.process(vec![delivery("1", &body(100)), delivery("2", &body(101))], secs(30)).await;
    assert_eq!(actions[0], MessageAction::Retry(secs(7)), "its enqueue was refused");
    assert_eq!(reason(&actions[1]), DeadLetterReason::TooManyHops);
}

#[tokio::test(start_paused = true)]
async fn an_expired_job_is_not_run_any_more() {
    let bench = Bench::with(&env(), plain, Memory::stateless);
    let body = format!(r#"{{"job":"test.act","args":{{"what":"ok"}},"expires_at":"{}"}}"#, start());
    assert_eq!(bench.process(vec![delivery("1", &body)], secs(30)).await, [MessageAction::Ack]);
    assert!(bench.ran().is_empty());
}
