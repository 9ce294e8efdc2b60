//! The AWS calls of every operation: recorded on the way to the emulator, and compared with the table from which
//! estimates and the documentation are made.

use std::time::Duration;

use lamplighter::{JobId, JobState, Timestamp, Unique, days, hours, mins, secs};
use lamplighter_infra::cost::{
    Asked, BATCH_HUNDRED, BEGIN, BEGIN_AGAIN, BEGIN_DELAYED, BEGIN_LIMITED, CANCEL, CANCEL_DELAYED, COUNT_RECORDS,
    DELAY_BY_SCHEDULE, DELAY_BY_SQS, DELAY_BY_TABLE, END_BATCH, ENQUEUE, ENQUEUE_AFTER, ENQUEUE_OWN_ID,
    ENQUEUE_THOUSAND, FAIL, LOOK_AFTER, MOVE_TEN, Mode, NOTE, NOTE_AGAIN, OPERATIONS, Operation, PUT_BACK, REPLACE,
    REQUEUE, RETRY, RETRY_TEN, SEND_OUTBOX, SUCCEED, SUCCEED_AND_WAKE, SUCCEED_FOLLOWED, SUCCEED_IN_BATCH,
    SUCCEED_LIMITED, WAIT_LIMITED, WRITE_OUTBOX,
};
use lamplighter_tests::wire::Call;
use tokio::time::Instant;

use crate::{
    jobs::{Full, Lean, Limited, LimitedLean, Then, Told, Untracked},
    stage::{Parts, Stage, count},
};

/// The recorded calls of each operation.
type Recorded = Vec<(Operation, Asked)>;

/// Runs every operation once, and compares its calls.
async fn compare<J: Told>(mode: Mode) {
    let mut recorded = Recorded::new();
    let stage = Stage::new(Parts::All).await;
    look_after(&stage, &mut recorded).await;
    run::<J>(&stage, mode, &mut recorded).await;
    enqueue_many::<J>(&stage, &mut recorded).await;
    write_outbox::<J>(&mut recorded).await;
    match mode {
        Mode::Untracked => {}
        Mode::Lean => {
            relate::<J>(&mut recorded).await;
            limit::<LimitedLean>(&mut recorded).await;
        }
        Mode::Full => {
            relate::<J>(&mut recorded).await;
            limit::<Limited>(&mut recorded).await;
        }
    }
    delay_by_table::<J>(&mut recorded).await;
    delay_by_schedule::<J>(&stage, mode, &mut recorded).await;
    let mut wrong = Vec::new();
    for operation in OPERATIONS {
        let found = recorded.iter().find(|(other, _)| *other == operation).map(|(_, asked)| *asked);
        let told = operation.asked(mode);
        if found != told {
            wrong.push(format!("{}, {mode}: the table says {told:?}, recorded was {found:?}", operation.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs attempts with each kind of end.
async fn run<J: Told>(stage: &Stage, mode: Mode, recorded: &mut Recorded) {
    let enqueue = async |then| stage.asked(async { stage.client.enqueue(J::new(then)).await.unwrap() }).await;

    let (_, asked) = enqueue(Then::Succeed).await;
    recorded.push((ENQUEUE, asked));
    let phases = stage.deliver(1).await;
    recorded.extend([(BEGIN, phases[0]), (SUCCEED, phases[1])]);

    let own = async { stage.client.enqueue(J::new(Then::Succeed)).id("order-42").await.unwrap() };
    recorded.push((ENQUEUE_OWN_ID, stage.asked(own).await.1));
    stage.deliver(1).await;

    let delayed = async { stage.client.enqueue(J::new(Then::Succeed)).delay(secs(1)).await.unwrap() };
    recorded.push((DELAY_BY_SQS, stage.asked(delayed).await.1));
    recorded.push((BEGIN_DELAYED, stage.deliver(1).await[0]));

    enqueue(Then::Released).await;
    recorded.push((PUT_BACK, stage.deliver(1).await[1]));
    stage.deliver(1).await;

    let retried = within_an_hour(async || {
        enqueue(Then::Retry).await;
        let failed = stage.deliver(1).await[1];
        [(RETRY, failed), (BEGIN_AGAIN, stage.deliver(1).await[0])]
    });
    recorded.extend(retried.await);

    let ten = within_an_hour(async || {
        for _ in 0..10 {
            enqueue(Then::Retry).await;
        }
        // All jobs of a batch are claimed before any of them begins.
        let failed = stage.deliver_failing(10).await;
        stage.deliver(10).await;
        failed
    });
    recorded.push((RETRY_TEN, ten.await));

    let failed = within_an_hour(async || {
        let (failing, _) = enqueue(Then::Fail).await;
        (failing, stage.deliver(1).await[1])
    });
    let (failing, asked) = failed.await;
    recorded.push((FAIL, asked));
    if mode == Mode::Untracked {
        return;
    }
    let (_, asked) = stage.asked(async { stage.client.retry(failing.id()).await.unwrap() }).await;
    recorded.push((REQUEUE, asked));
    stage.deliver(1).await;

    enqueue(Then::JobData).await;
    let phases = stage.deliver(1).await;
    recorded.extend([(NOTE, phases[1]), (NOTE_AGAIN, phases[2])]);
}

/// Measures twice, and returns the second result if both are of one hour: the first failure of a group in an hour is
/// listed anew.
async fn within_an_hour<T>(measure: impl AsyncFn() -> T) -> T {
    let hour = || Timestamp::now().as_second() / 3600;
    loop {
        let begun = hour();
        measure().await;
        let measured = measure().await;
        if hour() == begun {
            return measured;
        }
    }
}

async fn enqueue_many<J: Told>(stage: &Stage, recorded: &mut Recorded) {
    let jobs = (0..1000).map(|_| J::new(Then::Succeed));
    let (answers, asked) = stage.asked(stage.client.enqueue_all(jobs)).await;
    assert!(answers.iter().all(Result::is_ok));
    recorded.push((ENQUEUE_THOUSAND, asked));
}

/// Enqueues a job in a transaction of the caller's own.
async fn write_outbox<J: Told>(recorded: &mut Recorded) {
    let stage = Stage::new(Parts::Table).await;
    let entry = stage.client.outbox_entry(J::new(Then::Succeed)).unwrap();
    recorded.push((WRITE_OUTBOX, stage.asked(stage.commit(&entry)).await.1));
    let outbox = stage.outbox();
    recorded.push((SEND_OUTBOX, stage.asked(async { outbox.send(&entry).await.unwrap() }).await.1));
}

/// Runs jobs that wait for others, and batches.
async fn relate<J: Told>(recorded: &mut Recorded) {
    let stage = Stage::new(Parts::Table).await;
    let parent = stage.client.enqueue(J::new(Then::Succeed)).id("parent").await.unwrap();
    let child = async { stage.client.enqueue(J::new(Then::Succeed)).after(&parent).await.unwrap() };
    recorded.push((ENQUEUE_AFTER, stage.asked(child).await.1));
    recorded.push((SUCCEED_FOLLOWED, stage.deliver(1).await[1]));
    stage.deliver(1).await;

    let key = || Unique::key("order-42").or_replace();
    stage.client.enqueue(J::new(Then::Succeed)).unique(key()).await.unwrap();
    let replaced = async { stage.client.enqueue(J::new(Then::Retry)).unique(key()).await.unwrap() };
    recorded.push((REPLACE, stage.asked(replaced).await.1));
    stage.lose(2).await;

    let jobs = (0..100).map(|_| J::new(Then::Succeed));
    let hundred = async { stage.client.enqueue_batch(jobs).id("hundred").await.unwrap() };
    recorded.push((BATCH_HUNDRED, stage.asked(hundred).await.1));
    recorded.push((SUCCEED_IN_BATCH, stage.deliver(1).await[1]));
    // A queue of its own, since the order of the others' messages is not known.
    let stage = Stage::new(Parts::Table).await;
    stage.client.enqueue_batch([J::new(Then::Succeed)]).id("one").await.unwrap();
    recorded.push((END_BATCH, stage.deliver(1).await[1]));
}

/// Delays a job for longer than SQS can.
async fn delay_by_table<J: Told>(recorded: &mut Recorded) {
    let stage = Stage::new(Parts::Table).await;
    let delayed = async || stage.client.enqueue(J::new(Then::Succeed)).delay(hours(1)).await.unwrap();
    recorded.push((DELAY_BY_TABLE, stage.asked(delayed()).await.1));
    for _ in 0..9 {
        delayed().await;
    }
    let later = stage.later(hours(1));
    let round = later.maintenance.run(Instant::now() + secs(60));
    let calls = stage.calls(async { assert_eq!(round.await.unwrap().moved, 10) }).await;
    // The cost of reading queues and indexes does not depend on the number of due jobs.
    let calls: Vec<_> = calls.into_iter().filter(|call| is_sent(call) || is_of_a_job(call)).collect();
    recorded.push((MOVE_TEN, count(&calls)));
}

fn is_sent(call: &Call) -> bool {
    call.action == "SendMessageBatch"
}

fn is_of_a_job(call: &Call) -> bool {
    let key = call.body["Key"]["pk"]["S"].as_str();
    let key = key.or(call.body["ExpressionAttributeValues"][":pk"]["S"].as_str());
    key.is_some_and(|key| key.starts_with("JOB#"))
}

/// Runs a round of maintenance when there are more months than a round reads, and one that counts the records too.
async fn look_after(stage: &Stage, recorded: &mut Recorded) {
    let round = async |after: Duration| {
        let later = stage.later(days(200) + after);
        let (report, asked) = stage.asked(later.maintenance.run(Instant::now() + secs(60))).await;
        assert_eq!(report.unwrap().looked_at, 0);
        asked
    };
    // The first walk looks at all months. Later ones leave out those that were empty.
    while round(secs(0)).await.writes > 1 {}
    let usual = round(secs(60)).await;
    let counting = round(mins(20)).await;
    recorded.push((LOOK_AFTER, usual));
    let more = |of: fn(&Asked) -> u32| of(&counting) - of(&usual);
    let walk = Asked {
        dynamodb: more(|asked| asked.dynamodb),
        reads: more(|asked| asked.reads),
        writes: more(|asked| asked.writes),
        ..Asked::default()
    };
    recorded.push((COUNT_RECORDS, walk));
}

/// Runs jobs of one mutex: one alone, and two of which the second waits for the first.
async fn limit<J: Told>(recorded: &mut Recorded) {
    let stage = Stage::new(Parts::Table).await;
    stage.client.enqueue(J::new(Then::Succeed)).await.unwrap();
    let phases = stage.deliver(1).await;
    recorded.extend([(BEGIN_LIMITED, phases[0]), (SUCCEED_LIMITED, phases[1])]);
    stage.probe.has_begun().await;

    stage.client.enqueue(J::new(Then::Wait)).id("first").await.unwrap();
    let first = async {
        assert_eq!(stage.run(1).await, 0);
        stage.last_phase()
    };
    let second = async {
        stage.probe.has_begun().await;
        stage.client.enqueue(J::new(Then::Succeed)).await.unwrap();
        assert_eq!(stage.run(1).await, 1, "it waits");
        let asked = stage.last_phase();
        stage.probe.release();
        asked
    };
    let (woke, waited) = tokio::join!(first, second);
    recorded.extend([(WAIT_LIMITED, waited), (SUCCEED_AND_WAKE, woke)]);
    // It is there at once, and nobody else is woken.
    assert_eq!(stage.run(1).await, 0);
}

async fn delay_by_schedule<J: Told>(stage: &Stage, mode: Mode, recorded: &mut Recorded) {
    let job = J::new(Then::Succeed);
    let (delayed, asked) = stage.asked(async { stage.client.enqueue(job).delay(hours(1)).await.unwrap() }).await;
    recorded.push((DELAY_BY_SCHEDULE, asked));
    if mode != Mode::Untracked {
        recorded.push((CANCEL_DELAYED, cancel(stage, delayed.id()).await));
        let waiting = stage.client.enqueue(job).id("waiting").await.unwrap();
        recorded.push((CANCEL, cancel(stage, waiting.id()).await));
    }
}

async fn cancel(stage: &Stage, id: &JobId) -> Asked {
    let (state, asked) = stage.asked(async { stage.client.cancel(id).await.unwrap() }).await;
    assert_eq!(state, Some(JobState::Cancelled));
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn untracked_jobs() {
    compare::<Untracked>(Mode::Untracked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lean_jobs() {
    compare::<Lean>(Mode::Lean).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_jobs() {
    compare::<Full>(Mode::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_succeeds_without_a_table_makes_no_call() {
    let stage = Stage::new(Parts::Queue).await;
    stage.client.enqueue(Full::new(Then::Succeed)).await.unwrap();
    assert_eq!(stage.deliver(1).await, [Asked::default(), Asked::default()]);
}
