//! Whole runs: from a sender to a handler and to the record of the result.

use lamplighter::{
    Cancellation, Context, Enqueued, JobId, JobState, LogLevel, Record,
    record::{AttemptOutcome, LogLine},
    secs,
};
use tokio::time::Instant;

use super::{
    Subject,
    jobs::{Act, CHAIN, Hasty, Link, PLAIN, ended, enqueue, eventually, function_that, started},
    lease::Asker,
};

fn outcomes(record: &Record) -> Vec<AttemptOutcome> {
    record.attempts.iter().map(|attempt| attempt.outcome).collect()
}

pub(super) async fn a_job_runs_once_and_its_output_is_kept(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "say hello").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempt), (JobState::Succeeded, 1));
    assert_eq!(record.output.as_ref().expect("output").get(), "\"hello\"");
    assert_eq!(outcomes(&record), [AttemptOutcome::Succeeded]);
    let attempt = &record.attempts[0];
    assert!(attempt.started_at >= record.created_at && attempt.ended_at >= attempt.started_at);
    assert_eq!(record.finished_at, Some(attempt.ended_at));
    assert!(!attempt.host.is_empty());
    assert_eq!(journal.runs().len(), 1);
}

pub(super) async fn a_failing_job_is_retried_until_it_succeeds(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "error-until 3").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempt), (JobState::Succeeded, 3));
    assert_eq!(outcomes(&record), [AttemptOutcome::Error, AttemptOutcome::Error, AttemptOutcome::Succeeded]);
    assert_eq!(record.attempts[0].error.as_ref().expect("an error").message, "not yet");
    let runs = journal.runs();
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    for pair in runs.windows(2) {
        let pause = pair[1].at.duration_since(pair[0].at);
        assert!(pause >= jiff::SignedDuration::from_secs(1), "the policy's delay of 1 s, not {pause:?}");
    }
    assert!(subject.dead_letters(PLAIN).await.is_empty());
}

pub(super) async fn a_message_without_attempts_left_is_dead_lettered(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "error no luck").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempt), (JobState::Failed, 3));
    assert_eq!(outcomes(&record), [AttemptOutcome::Error; 3]);
    assert_eq!(record.last_error().expect("an error").message, "no luck");
    assert_eq!(journal.runs().len(), 3);
    let letters = eventually("a dead letter", || async {
        let letters = subject.dead_letters(PLAIN).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "attempts-exhausted");
    let message: lamplighter::message::Message = letters[0].body.parse().expect("the message itself");
    assert_eq!(message.id, JobId::new("a").ok());
}

pub(super) async fn a_job_that_says_so_fails_at_once(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "a", "fail gone for good").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempt), (JobState::Failed, 1));
    let letters = eventually("a dead letter", || async { subject.dead_letters(PLAIN).await.pop() }).await;
    assert_eq!(letters.reason, "failed");
}

pub(super) async fn a_panic_is_an_attempt_that_failed(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "a", "panic at the disco").await;
    enqueue(subject, "b", "say fine").await;
    assert_eq!(ended(subject, "b").await.state, JobState::Succeeded);
    let record = ended(subject, "a").await;
    assert_eq!((record.state, outcomes(&record)), (JobState::Failed, vec![AttemptOutcome::Panic; 3]));
    assert_eq!(record.last_error().expect("an error").message, "panicked: at the disco");
}

pub(super) async fn a_timeout_is_an_attempt_that_failed(subject: &dyn Subject) {
    started(subject).await;
    subject.client().enqueue(Hasty { what: "hang".into() }).id("a").await.expect("enqueued");
    let record = ended(subject, "a").await;
    assert_eq!((record.state, outcomes(&record)), (JobState::Failed, vec![AttemptOutcome::TimedOut; 3]));
    let error = &record.last_error().expect("an error").message;
    assert_eq!(error, "took longer than its timeout of 1s");
}

pub(super) async fn a_handler_chooses_its_own_delay(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "later-once").await;
    assert_eq!(ended(subject, "a").await.attempt, 2);
    let runs = journal.runs();
    let pause = runs[1].at.duration_since(runs[0].at);
    assert!(pause >= jiff::SignedDuration::from_secs(3), "3 s were asked for, {pause:?} passed");
}

pub(super) async fn a_snooze_does_not_count(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "snooze-once").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Succeeded, 1, 1));
    assert_eq!(journal.runs().iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 1]);
}

pub(super) async fn a_delayed_job_runs_when_it_is_due(subject: &dyn Subject) {
    let journal = started(subject).await;
    let began = subject.env().now();
    let answer = subject.client().enqueue(Act { what: "say late".into() }).id("late").delay(secs(3)).await;
    assert_eq!(answer.expect("enqueued"), Enqueued::New(JobId::new("late").expect("a good id")));
    enqueue(subject, "now", "say now").await;
    ended(subject, "late").await;
    ended(subject, "now").await;
    let runs = journal.runs();
    let late = runs.iter().find(|run| run.what == "say late").expect("it ran");
    assert!(late.at.duration_since(began) >= jiff::SignedDuration::from_secs(3), "{runs:?}");
    assert_eq!(runs.len(), 2, "{runs:?}");
}

pub(super) async fn a_bad_body_is_dead_lettered_and_the_others_run(subject: &dyn Subject) {
    enqueue(subject, "before", "say fine").await;
    for body in ["not json", r#"{"args":{}}"#, "[1,2,3]"] {
        subject.inject(PLAIN, body).await;
    }
    enqueue(subject, "after", "say fine").await;
    started(subject).await;
    for id in ["before", "after"] {
        assert_eq!(ended(subject, id).await.state, JobState::Succeeded);
    }
    let letters = eventually("three dead letters", || async {
        let letters = subject.dead_letters(PLAIN).await;
        (letters.len() == 3).then_some(letters)
    })
    .await;
    assert!(letters.iter().all(|letter| letter.reason == "bad-message"), "{letters:?}");
    assert!(letters.iter().any(|letter| letter.body == "not json"), "the body as it came");
}

pub(super) async fn arguments_that_do_not_fit_are_dead_lettered(subject: &dyn Subject) {
    started(subject).await;
    subject.inject(PLAIN, r#"{"job":"conformance.act","id":"a","args":{"waht":"say hi"}}"#).await;
    let letter = eventually("a dead letter", || async { subject.dead_letters(PLAIN).await.pop() }).await;
    assert_eq!(letter.reason, "bad-message");
    let record = ended(subject, "a").await;
    assert_eq!(record.state, JobState::Failed);
    // The error says what is expected, and contains no argument: arguments may be secrets.
    let error = record.last_error().expect("an error").to_string();
    assert!(error.contains("unknown field, expected `what`"), "{error}");
    assert!(!error.contains("waht") && !error.contains("say hi"), "{error}");
}

pub(super) async fn a_job_that_expires_after_the_last_moment_runs(subject: &dyn Subject) {
    started(subject).await;
    let body = r#"{"job":"conformance.act","id":"a","args":{"what":"say hi"},"expires_at":"9999-12-31T23:59:59.123456789012Z"}"#;
    subject.inject(PLAIN, body).await;
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
}

pub(super) async fn a_message_sent_twice_runs_once(subject: &dyn Subject) {
    let journal = started(subject).await;
    for _ in 0..3 {
        subject.inject(PLAIN, r#"{"job":"conformance.act","id":"twin","args":{"what":"sleep 300"}}"#).await;
    }
    assert_eq!(ended(subject, "twin").await.attempt, 1);
    enqueue(subject, "last", "sleep 1500").await;
    ended(subject, "last").await;
    assert_eq!(journal.words(), ["sleep 300", "sleep 1500"]);
}

pub(super) async fn a_message_of_a_name_and_nothing_else_runs(subject: &dyn Subject) {
    let journal = started(subject).await;
    subject.inject(PLAIN, r#"{"job":"conformance.act","args":{"what":"say bare"}}"#).await;
    eventually("its run", || async { (!journal.words().is_empty()).then_some(()) }).await;
    let id = JobId::new(&journal.runs()[0].id).expect("the transport's id serves");
    assert_eq!(ended(subject, id.as_str()).await.output.expect("output").get(), "\"bare\"");
}

pub(super) async fn a_redriven_job_runs_again_under_its_id(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "fail for now").await;
    ended(subject, "a").await;
    eventually("a dead letter", || async { subject.dead_letters(PLAIN).await.pop() }).await;
    assert_eq!(subject.redrive(PLAIN).await, 1);
    eventually("a second run", || async { (journal.runs().len() == 2).then_some(()) }).await;
    let record = eventually("its end", || async {
        let record = ended(subject, "a").await;
        (record.attempts.len() == 2).then_some(record)
    })
    .await;
    assert_eq!(record.state, JobState::Failed);
    assert!(journal.runs().iter().all(|run| run.id == "a" && run.attempt == 1));
}

pub(super) async fn a_checkpoint_reaches_the_next_attempt(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "a", "keep this").await;
    let record = ended(subject, "a").await;
    assert_eq!((record.attempt, record.output.expect("output").get()), (2, "\"this\""));
}

pub(super) async fn a_job_goes_on_from_its_checkpoints(subject: &dyn Subject) {
    started(subject).await;
    // It has three attempts.
    const TIMES: usize = 5;
    enqueue(subject, "a", &format!("go-on {TIMES}")).await;
    let record = ended(subject, "a").await;
    assert_eq!((record.attempt, record.output.expect("output").get()), (1, &*format!("\"{TIMES}\"")));
    let outcomes: Vec<_> = record.attempts.iter().map(|attempt| (attempt.number, attempt.outcome)).collect();
    let mut expected = vec![(1, AttemptOutcome::Continued); TIMES];
    expected.push((1, AttemptOutcome::Succeeded));
    assert_eq!(outcomes, expected);
}

pub(super) async fn children_name_their_parent(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "p", "beget hello").await;
    ended(subject, "p").await;
    let child = ended(subject, "p.child").await;
    assert_eq!(child.message.parent, JobId::new("p").ok());
    assert_eq!(child.message.hops, 1);
    assert_eq!(child.state, JobState::Succeeded);
}

/// Returns the result of a handler's action, from the job's output.
async fn came_of(subject: &dyn Subject, what: &str) -> String {
    enqueue(subject, what, &format!("reach {what}")).await;
    let output = ended(subject, what).await.output.expect("an output");
    serde_json::from_str(output.get()).expect("a text")
}

pub(super) async fn a_handler_is_refused_what_its_function_does_not_declare(subject: &dyn Subject) {
    started(subject).await;
    let enqueue =
        "conformance.link was not enqueued: function \"conformance\" does not say that its handlers enqueue it";
    for (what, says) in [
        ("queue", enqueue),
        ("many", enqueue),
        ("schedules", "function \"conformance\" does not say that its handlers use schedules; add .schedules() to it"),
        ("trigger", "does not say that its handlers use schedules"),
        ("cancel", "job cancel was not cancelled: function \"conformance\" does not say that its handlers do this"),
        ("retry", "job retry was not run again: function \"conformance\" does not say"),
    ] {
        let said = came_of(subject, what).await;
        assert!(said.contains(says), "{what}: {said}");
    }
    let link = JobId::new("queue.link").expect("a good id");
    assert!(subject.client().get(&link).await.expect("readable").is_none(), "nothing was enqueued");
}

pub(super) async fn a_handler_does_what_its_function_declares(subject: &dyn Subject) {
    let (function, _) = function_that(subject, |function| function.enqueues::<Link>().schedules().manages_jobs());
    subject.start(function).await;
    for what in ["queue", "many", "schedules", "trigger", "retry"] {
        assert_eq!(came_of(subject, what).await, "done", "{what}");
    }
    assert_eq!(ended(subject, "queue.link").await.state, JobState::Succeeded);
    enqueue(subject, "cancel", "reach cancel").await;
    assert_eq!(ended(subject, "cancel").await.state, JobState::Cancelled, "it cancelled itself");
}

pub(super) async fn a_fifo_group_runs_in_order(subject: &dyn Subject) {
    let client = subject.client();
    for n in 0..12 {
        let group = if n % 2 == 0 { "even" } else { "odd" };
        let what = format!("sleep {}", 40 - n);
        client.enqueue(Link { what }).id(format!("{group}-{n:02}")).group(group).await.expect("enqueued");
    }
    let journal = started(subject).await;
    for n in 0..12 {
        ended(subject, &format!("{}-{n:02}", if n % 2 == 0 { "even" } else { "odd" })).await;
    }
    for group in ["even", "odd"] {
        let order: Vec<_> = journal.runs().into_iter().map(|run| run.id).filter(|id| id.starts_with(group)).collect();
        assert_eq!(order.len(), 6);
        assert!(order.is_sorted(), "{order:?}");
    }
}

pub(super) async fn a_failure_in_a_group_holds_up_only_its_group(subject: &dyn Subject) {
    let client = subject.client();
    let jobs = [
        ("x", "x1", "fail-once-then-after y2"),
        ("x", "x2", "say second"),
        ("y", "y1", "say free"),
        ("y", "y2", "say free"),
    ];
    for (group, id, what) in jobs {
        client.enqueue(Link { what: what.into() }).id(id).group(group).await.expect("enqueued");
    }
    let journal = started(subject).await;
    for (_, id, _) in jobs {
        assert_eq!(ended(subject, id).await.state, JobState::Succeeded);
    }
    let runs = journal.runs();
    let order: Vec<_> = runs.iter().map(|run| run.id.as_str()).filter(|id| id.starts_with('x')).collect();
    // It would never have ended if the other group had waited for it.
    let (last, first) = order.split_last().expect("runs");
    assert!(*last == "x2" && first.len() >= 2, "a group waits for its failed job: {runs:?}");
    assert!(first.iter().all(|id| *id == "x1"), "a group waits for its failed job: {runs:?}");
    assert!(subject.dead_letters(CHAIN).await.is_empty());
}

pub(super) async fn a_clean_stop_hands_back_what_it_does_not_finish(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "listens", "until-told").await;
    enqueue(subject, "hangs", "hang").await;
    eventually("both to run", || async { (journal.runs().len() == 2).then_some(()) }).await;
    subject.stop(secs(5)).await;
    let store = subject.backend().store.expect("a store");
    let record = |id: &'static str| {
        let store = store.clone();
        async move { store.get(&JobId::new(id).expect("a good id")).await.expect("readable").expect("a record") }
    };
    assert_eq!(record("listens").await.state, JobState::Succeeded, "it was told, and it ended");
    let hangs = record("hangs").await;
    assert_eq!((hangs.state, hangs.attempt), (JobState::Queued, 0), "handed back, uncounted");
    let journal = started(subject).await;
    eventually("it to run again at once", || async { (journal.runs().len() == 1).then_some(()) }).await;
    assert_eq!(journal.runs()[0].attempt, 1);
}

pub(super) async fn a_message_under_another_jobs_id_is_dead_lettered_and_that_job_runs(subject: &dyn Subject) {
    let client = subject.client();
    client.enqueue(Act { what: "say mine".into() }).id("a").delay(secs(2)).await.expect("enqueued");
    let journal = started(subject).await;
    subject.inject(PLAIN, r#"{"job":"conformance.waiting","id":"a","args":{"what":"say not mine"}}"#).await;
    let letter = eventually("a dead letter", || async { subject.dead_letters(PLAIN).await.pop() }).await;
    assert_eq!(letter.reason, "foreign-id");
    assert!(letter.body.contains("not mine"));
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.output.expect("output").get()), (JobState::Succeeded, "\"mine\""));
    assert_eq!(journal.words(), ["say mine"]);
}

pub(super) async fn a_head_that_cannot_run_now_keeps_its_group(subject: &dyn Subject) {
    let client = subject.client();
    for id in ["x1", "x2", "x3"] {
        client.enqueue(Link { what: format!("say {id}") }).id(id).group("x").await.expect("enqueued");
    }
    // A host that no longer exists holds the lease of the first.
    let asker = Asker::of_job(subject, "x1", "conformance.link", CHAIN);
    asker.run(1, secs(5), 1).await;
    let journal = started(subject).await;
    for id in ["x1", "x2", "x3"] {
        assert_eq!(ended(subject, id).await.state, JobState::Succeeded);
    }
    assert_eq!(journal.words(), ["say x1", "say x2", "say x3"]);
    assert_eq!(outcomes(&ended(subject, "x1").await), [AttemptOutcome::Lost, AttemptOutcome::Succeeded]);
}

pub(super) async fn what_a_job_logs_is_kept_with_its_attempts(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "a", "log 2").await;
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
    let id = |text: &str| JobId::new(text).expect("a good id");
    let lines = subject.client().log(&id("a")).await.expect("readable");
    let told: Vec<_> = lines.iter().map(|line| (line.attempt, line.level, &*line.text)).collect();
    let (info, error) = (LogLevel::Info, LogLevel::Error);
    let first = [(1, info, "line 1"), (1, info, "line 2"), (1, error, "not yet")];
    assert_eq!(told, [&first[..], &[(2, info, "line 1"), (2, info, "line 2")]].concat());
    assert!(lines.is_sorted_by_key(|line| line.at));
    enqueue(subject, "silent", "say nothing").await;
    ended(subject, "silent").await;
    assert_eq!(subject.client().log(&id("silent")).await.expect("readable"), []);
    assert_eq!(subject.client().log(&id("unknown")).await.expect("readable"), []);
}

pub(super) async fn a_log_is_bounded(subject: &dyn Subject) {
    started(subject).await;
    enqueue(subject, "a", "log 2000").await;
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
    let lines = subject.client().log(&JobId::new("a").expect("a good id")).await.expect("readable");
    assert_eq!(lines.len(), LogLine::MAX_PER_ATTEMPT);
    let (last, before) = lines.split_last().expect("lines");
    assert!(last.level == LogLevel::Warn && last.text.contains("dropped"), "{last:?}");
    assert_eq!(before.last().expect("lines").text, format!("line {}", LogLine::MAX_PER_ATTEMPT - 1));
}

pub(super) async fn a_handler_that_asks_learns_within_seconds_that_its_job_is_cancelled(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "until-cancelled").await;
    let id = JobId::new("a").expect("a good id");
    eventually("it to run", || async { (!journal.runs().is_empty()).then_some(()) }).await;
    let began = Instant::now();
    assert_eq!(subject.client().cancel(&id).await.expect("cancelled"), Some(JobState::Cancelled));
    eventually("the handler to learn of it", || async { (journal.words().len() == 2).then_some(()) }).await;
    let took = began.elapsed();
    // Twice the interval, for a store that is slow.
    assert!(took <= 2 * Context::CANCEL_CHECK, "{took:?}");
    let record = ended(subject, "a").await;
    assert_eq!((record.state, outcomes(&record)), (JobState::Cancelled, vec![AttemptOutcome::Cancelled]));
}

pub(super) async fn an_attempt_of_a_run_before_leaves_the_next_run_alone(subject: &dyn Subject) {
    let journal = started(subject).await;
    let store = subject.backend().store.expect("a store");
    let runs = |id: &str| journal.runs().iter().filter(|run| run.id == id).count();
    let jobs = [("ends", "old-run ends"), ("errs", "old-run errs")];
    for (id, what) in jobs {
        enqueue(subject, id, what).await;
    }
    for (text, _) in jobs {
        let id = JobId::new(text).expect("a good id");
        eventually("it to run", || async { (runs(text) == 1).then_some(()) }).await;
        assert_eq!(store.cancel(&id, &Cancellation::new()).await.expect("cancelled"), Some(JobState::Cancelled));
        assert_eq!(store.retry(&id).await.expect("queued"), Some(JobState::Queued));
    }
    journal.release();
    for (id, _) in jobs {
        eventually("the next run", || async { (runs(id) == 2).then_some(()) }).await;
        let record = ended(subject, id).await;
        assert_eq!((record.state, record.attempt), (JobState::Succeeded, 1), "{id}");
    }
}
