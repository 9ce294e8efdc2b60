//! FIFO groups: in order, and failing alone.

use lamplighter::{
    JobState,
    backend::{Claim, DeadLetterReason, JobOwner},
    host::MessageAction,
    record::ErrorText,
    secs,
};

use crate::{
    bench::{AT_ONCE, Bench, env, in_group, plain},
    support::{self, act, delivery, start},
};

#[tokio::test(start_paused = true)]
async fn groups_run_in_order_beside_each_other_and_fail_alone() {
    let bench = Bench::new(&env(), plain);
    let batch = vec![
        in_group("x", act("x1", "sleep 1")),
        in_group("x", act("x2", "error")),
        in_group("y", act("y1", "sleep 2")),
        in_group("x", act("x3", "ok never")),
        in_group("y", act("y2", "ok last")),
        in_group("x", act("x4", "ok never")),
    ];
    let actions = bench.process(batch, secs(60)).await;
    let retry = MessageAction::Retry(secs(7));
    assert_eq!(actions, [MessageAction::Ack, retry, MessageAction::Ack, AT_ONCE, MessageAction::Ack, AT_ONCE]);
    assert_eq!(bench.ran(), ["sleep 1", "sleep 2", "error", "ok last"]);
    assert_eq!(bench.memory.jobs.lock().unwrap()["x3"].attempt, 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_keeps_the_head_of_a_group_on_its_queue_the_rest_is_handed_back() {
    let far = start() + secs(90);
    let claims: [(&str, Option<Claim>, MessageAction); 6] = [
        (
            "waits for a limit",
            Some(Claim::Limited { until: far, is_hidden: false }),
            MessageAction::Release(Some(secs(90))),
        ),
        ("runs elsewhere", Some(Claim::Busy(far)), MessageAction::Release(Some(secs(91)))),
        ("cannot be claimed", None, MessageAction::Release(Some(secs(2)))),
        ("was lost", Some(Claim::Exhausted { attempts: 3 }), AT_ONCE),
        ("is another's", Some(Claim::Foreign(JobOwner { job: "a".into(), queue: "b".into() })), AT_ONCE),
        (
            "was not dead-lettered",
            Some(Claim::DeadLetterPending {
                reason: DeadLetterReason::Failed,
                error: ErrorText::new("no"),
                attempts: 3,
            }),
            AT_ONCE,
        ),
    ];
    for (cause, answer, expected) in claims {
        let bench = Bench::new(&env(), plain);
        match answer {
            Some(answer) => bench.memory.answers.lock().unwrap().push_back(answer),
            None => bench.memory.faults.lock().unwrap().claims = 1,
        }
        let batch = vec![
            in_group("x", act("x1", "ok 1")),
            in_group("y", act("y1", "ok free")),
            in_group("x", act("x2", "ok 2")),
            in_group("x", act("x3", "ok 3")),
        ];
        let actions = bench.process(batch, secs(60)).await;
        if !matches!(actions[0], MessageAction::DeadLetter(_)) {
            assert_eq!(actions[0], expected, "{cause}");
        }
        assert_eq!(actions[1..], [MessageAction::Ack, AT_ONCE, AT_ONCE], "{cause}");
        assert_eq!(bench.ran(), ["ok free"], "{cause}");
        assert_eq!(bench.memory.jobs.lock().unwrap()["x2"].attempt, 0, "{cause}: handed back, uncounted");
    }
    for head in [r#"{"job":"no.such"}"#, "not json", r#"{"job":"test.act","id":"a b"}"#] {
        let bench = Bench::new(&env(), plain);
        let batch = vec![
            in_group("x", delivery("x1", head)),
            in_group("x", act("x2", "ok 2")),
            in_group("y", act("y1", "ok free")),
        ];
        let actions = bench.process(batch, secs(60)).await;
        assert_eq!(actions[1..], [AT_ONCE, MessageAction::Ack], "{head}");
        assert_eq!(bench.ran(), ["ok free"], "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_ended_already_lets_its_group_go_on() {
    let bench = Bench::new(&env(), plain);
    bench.memory.put("x1", JobState::Succeeded, 1, None);
    let batch = vec![in_group("x", act("x1", "ok 1")), in_group("x", act("x2", "ok 2"))];
    assert_eq!(bench.process(batch, secs(60)).await, [MessageAction::Ack, MessageAction::Ack]);
    assert_eq!(bench.ran(), ["ok 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_end_is_neither_written_nor_sent_keeps_its_group() {
    let bench = Bench::new(&env(), plain);
    *bench.memory.faults.lock().unwrap() = support::Faults { settles: 3, sends: 1, ..Default::default() };
    let batch = vec![in_group("x", act("x1", "ok 1")), in_group("x", act("x2", "ok 2"))];
    assert_eq!(bench.process(batch, secs(60)).await, [MessageAction::Release(None), AT_ONCE]);
    assert_eq!(bench.ran(), ["ok 1"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_fifo_queue_a_settlement_travels_beside_its_group() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().settles = 3;
    let actions = bench.process(vec![in_group("x", act("x1", "error"))], secs(60)).await;
    let MessageAction::Retry(rest) = actions[0] else { panic!("{actions:?}") };
    assert!(
        rest >= secs(60 + 5 + 70 - 1),
        "its message stays at the head of its group, behind its settlement: {rest:?}"
    );
    let sent = bench.memory.sent.lock().unwrap().remove(0);
    assert_eq!(&*sent.message.job, "lamplighter.settle");
}
