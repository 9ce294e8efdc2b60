//! Operations: how they are kept, and how a runner carries them out.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use lamplighter::{
    Definition, Job, JobId, JobState, LogLevel, NewJob, Queue, RawValue, Sensitive, Timestamp, Tracking,
    host::Stop,
    operation::{
        Action, Arguments, Created, NewOperation, Operation, OperationError, OperationQuery, OperationState,
        Operations, Runner, Target,
    },
    record::LogLine,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Subject,
    jobs::{Act, PLAIN, ended, enqueue, eventually, started},
};

fn id(text: &str) -> JobId {
    JobId::new(text).expect("a good id")
}

fn port(subject: &dyn Subject) -> Arc<dyn Operations> {
    subject.backend().operations.expect("operations")
}

/// An operation that was asked for at that moment.
fn asked(name: &str, at: Timestamp) -> Operation {
    Operation::new(id(name), Action::PauseQueue, Target::Queue { queue: PLAIN.name().into() }, "ada", at)
}

fn changed<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}

async fn runner(subject: &dyn Subject) -> Runner {
    Runner::new(subject.client(), vec![Definition::of::<Act>()]).with_operator(subject.operator().await)
}

/// Jobs that have ended.
async fn cancelled<const N: usize>(subject: &dyn Subject, names: [&str; N]) {
    for name in names {
        enqueue(subject, name, "say hi").await;
        let state = subject.client().cancel(&id(name)).await.expect("answered");
        assert_eq!(state, Some(JobState::Cancelled));
    }
}

async fn state(subject: &dyn Subject, name: &str) -> Option<JobState> {
    subject.client().get(&id(name)).await.expect("readable").map(|record| record.state)
}

/// Retries all that is cancelled up to now, at most so many a second.
fn retrying(subject: &dyn Subject, rate: u32) -> NewOperation {
    let target = Target::Query { query: "state:cancelled".into(), end: subject.env().now() };
    let new = NewOperation::new(Action::Retry, target, "ada").with_reason("the mail server is back");
    match NonZeroU32::new(rate) {
        Some(rate) => new.with_rate(rate),
        None => new,
    }
}

/// Waits until an operation has had so many jobs.
async fn has_done(subject: &dyn Subject, operation: &JobId, jobs: u64) -> Operation {
    let client = subject.client();
    eventually("its first page", || async {
        let now = client.operation(operation).await.expect("readable").expect("there");
        (now.progress.done >= jobs).then_some(now)
    })
    .await
}

async fn run(subject: &dyn Subject, operation: &JobId) -> Operation {
    runner(subject).await.run(operation, &Stop::new(), None).await.expect("carried out")
}

pub(super) async fn an_operation_is_kept_once_under_its_id(subject: &dyn Subject) {
    let (port, now) = (port(subject), subject.env().now());
    let mut first = asked("op-a", now);
    first.reason = Some("a \"deploy\" ü".into());
    assert_eq!(port.create(&first).await.expect("written"), Created::New);
    let other = changed(&first, |other| other.by = "grace".into());
    assert_eq!(port.create(&other).await.expect("answered"), Created::Existing(Box::new(first.clone())));
    assert_eq!(port.get(&first.id).await.expect("readable"), Some(first));
    assert_eq!(port.get(&id("op-b")).await.expect("readable"), None);
}

pub(super) async fn an_operation_is_changed_by_its_version_until_it_ends(subject: &dyn Subject) {
    let port = port(subject);
    let mut operation = asked("op-a", subject.env().now());
    port.create(&operation).await.expect("written");
    let old = operation.clone();
    operation.cursor = Some("after the first page".into());
    assert!(port.save(&operation).await.expect("answered"));
    assert!(port.save(&operation).await.expect("answered"), "the same save, which came twice");
    let stale = changed(&old, |stale| stale.state = OperationState::Stopping);
    assert!(!port.save(&stale).await.expect("answered"), "somebody else has written");
    operation.version += 1;
    assert_eq!(port.get(&operation.id).await.expect("readable"), Some(operation.clone()));
    operation.state = OperationState::Done;
    assert!(port.save(&operation).await.expect("answered"));
    operation.version += 1;
    let edited = changed(&operation, |edited| edited.by = "nobody".into());
    assert!(!port.save(&edited).await.expect("answered"), "it has ended");
    assert_eq!(port.get(&operation.id).await.expect("readable"), Some(operation));
    assert!(!port.save(&asked("op-unknown", subject.env().now())).await.expect("answered"));
}

pub(super) async fn operations_are_listed_newest_first_a_page_at_a_time(subject: &dyn Subject) {
    let (port, now) = (port(subject), subject.env().now());
    let earlier = |secs: u64| now.saturating_sub(Duration::from_secs(secs)).expect("in range");
    // Three at the same moment.
    let all = [("op-1", 40), ("op-2", 30), ("op-3", 30), ("op-4", 30), ("op-5", 5)];
    for (name, secs) in all {
        port.create(&asked(name, earlier(secs))).await.expect("written");
    }
    let mut names = Vec::new();
    let mut query = OperationQuery::new(2);
    loop {
        let page = port.list(&query).await.expect("a page");
        assert!(page.operations.len() <= 2, "{page:?}");
        names.extend(page.operations.iter().map(|operation| operation.id.to_string()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(names, ["op-5", "op-4", "op-3", "op-2", "op-1"]);
    let foreign = OperationQuery::new(2).with_cursor("no cursor");
    assert!(port.list(&foreign).await.is_err());
}

pub(super) async fn open_operations_are_found_until_they_end(subject: &dyn Subject) {
    let (port, now) = (port(subject), subject.env().now());
    let open = async || {
        let open = port.open().await.expect("readable");
        open.into_iter().map(|operation| operation.id.to_string()).collect::<Vec<_>>()
    };
    let older = asked("op-z", now.saturating_sub(Duration::from_secs(9)).expect("in range"));
    for operation in [asked("op-a", now), older.clone()] {
        port.create(&operation).await.expect("written");
    }
    assert_eq!(open().await, ["op-z", "op-a"]);
    let ended = changed(&older, |ended| ended.state = OperationState::Done);
    assert!(port.save(&ended).await.expect("answered"));
    assert_eq!(open().await, ["op-a"]);
    assert_eq!(port.list(&OperationQuery::new(9)).await.expect("a page").operations.len(), 2, "both are kept");
}

pub(super) async fn all_that_match_are_retried_up_to_the_frozen_end(subject: &dyn Subject) {
    cancelled(subject, ["a", "b", "c"]).await;
    enqueue(subject, "open", "say hi").await;
    let runner = runner(subject).await;
    let new = retrying(subject, 0);
    let preview = runner.preview(&new.action, &new.target).await.expect("counted");
    assert_eq!((preview.jobs, preview.is_complete, &*preview.by_job[0].job), (3, true, "conformance.act"));
    subject.pass(Duration::from_millis(20)).await;
    cancelled(subject, ["late"]).await;
    let operation = runner.start(new.with_expected(preview.jobs)).await.expect("begun");
    assert_eq!((operation.state, &*operation.by), (OperationState::Running, "ada"));
    let ended = runner.run(&operation.id, &Stop::new(), None).await.expect("carried out");
    assert_eq!((ended.state, ended.progress.changed, ended.progress.failed), (OperationState::Done, 3, 0), "{ended:?}");
    assert!(ended.finished_at.is_some() && ended.lease.is_none());
    for name in ["a", "b", "c", "open"] {
        assert_eq!(state(subject, name).await, Some(JobState::Queued), "{name}");
    }
    assert_eq!(state(subject, "late").await, Some(JobState::Cancelled));
    let again = runner.run(&operation.id, &Stop::new(), None).await.expect("ended");
    assert_eq!(again, ended, "it is carried out once");
}

pub(super) async fn an_operation_goes_on_where_its_runner_died(subject: &dyn Subject) {
    let names = ["a", "b", "c", "d", "e"];
    cancelled(subject, names).await;
    let (first, second) = (runner(subject).await, runner(subject).await);
    let operation = first.start(retrying(subject, 1)).await.expect("begun").id;
    let stop = Stop::new();
    let half = tokio::select! {
        ended = first.run(&operation, &stop, None) => std::panic::panic_any(format!("{ended:?}")),
        half = has_done(subject, &operation, 2) => half,
    };
    assert!(half.progress.done < 5 && half.cursor.is_some(), "{half:?}");
    let refused = second.run(&operation, &stop, None).await;
    assert!(matches!(refused, Err(OperationError::Held(_))), "{refused:?}");
    subject.pass(Runner::LEASE + Duration::from_secs(1)).await;
    let resumed = second.run_open(&stop, None).await.expect("looked for");
    assert_eq!((resumed.ended, resumed.open), (1, 0), "{resumed:?}");
    let ended = subject.client().operation(&operation).await.expect("readable").expect("there");
    assert_eq!(ended.state, OperationState::Done, "{ended:?}");
    for name in names {
        assert_eq!(state(subject, name).await, Some(JobState::Queued), "{name}");
    }
}

/// A job with something to hide.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Pay {
    what: String,
    card: Sensitive<String>,
}

impl Job for Pay {
    const NAME: &'static str = "conformance.pay";
    const QUEUE: Queue = PLAIN;
}

pub(super) async fn an_operation_on_arguments_goes_on_where_their_job_is_not_defined(subject: &dyn Subject) {
    let client = subject.client();
    for (name, what) in [("act-x", "x"), ("act-y", "y")] {
        enqueue(subject, name, what).await;
    }
    for (name, what, card) in [("pay-x", "x", "1234"), ("pay-y", "y", "x")] {
        let job = Pay { what: what.into(), card: card.to_owned().into() };
        client.enqueue(job).id(name).await.expect("enqueued");
    }
    // A job that the operator's program does not know may have something to hide.
    let args = RawValue::from_string(r#"{"what":"x","card":"x"}"#.into()).expect("JSON");
    let stranger = NewJob::raw("conformance.stranger", PLAIN.name(), Tracking::Full, args).id("stranger");
    assert!(client.enqueue_all([stranger]).await.iter().all(Result::is_ok));
    let definitions = vec![Definition::of::<Act>(), Definition::of::<Pay>()];
    for (term, changed) in [("args.card:x", &[][..]), ("args.what:x", &["act-x", "pay-x"])] {
        let dead = Runner::new(client.clone(), definitions.clone());
        let target = Target::Query { query: format!("{term} job:conformance.*"), end: subject.env().now() };
        let new = NewOperation::new(Action::Cancel, target, "ada");
        let preview = dead.preview(&new.action, &new.target).await.expect("counted");
        assert_eq!(preview.jobs, changed.len() as u64, "{term}");
        let operation = dead.start(new).await.expect("begun").id;
        subject.pass(Runner::LEASE + Duration::from_secs(1)).await;
        let other = Runner::new(client.clone(), Vec::new());
        let resumed = other.run_open(&Stop::new(), None).await.expect("looked for");
        assert_eq!((resumed.ended, resumed.left), (1, 0), "{term}: {resumed:?}");
        let ended = client.operation(&operation).await.expect("readable").expect("there");
        assert_eq!(ended.progress.changed, changed.len() as u64, "{term}: {ended:?}");
        for name in ["act-x", "act-y", "pay-x", "pay-y", "stranger"] {
            let is_cancelled = state(subject, name).await == Some(JobState::Cancelled);
            assert_eq!(is_cancelled, changed.contains(&name), "{term} {name}");
        }
    }
}

pub(super) async fn an_interrupted_operation_says_so_and_goes_on_with_who_can(subject: &dyn Subject) {
    let client = subject.client();
    let operator = runner(subject).await;
    if !subject.operator().await.known_names().await.expect("known").has_queue(PLAIN.name()) {
        subject.operator().await.declare(PLAIN).await.expect("declared");
    }
    let other = Runner::new(client.clone(), Vec::new());
    let target = || Target::Queue { queue: PLAIN.name().into() };
    let start = async |action| operator.start(NewOperation::new(action, target(), "ada")).await.expect("begun").id;
    let look = async |id: &JobId| client.operation(id).await.expect("readable").expect("there");

    let id = start(Action::PauseQueue).await;
    assert_eq!(look(&id).await.interrupted_at(subject.env().now()), None, "its process has it");
    subject.pass(Runner::LEASE + Duration::from_secs(1)).await;
    let found = look(&id).await;
    assert_eq!(found.interrupted_at(subject.env().now()), found.lease.as_ref().map(|lease| lease.until), "{found:?}");
    // Who may not operate queues leaves it to others.
    let resumed = other.run_open(&Stop::new(), None).await.expect("looked for");
    assert_eq!((resumed.ended, resumed.left), (0, 1), "{resumed:?}");
    assert_eq!(look(&id).await, found);
    let ended = operator.run(&id, &Stop::new(), None).await.expect("carried out");
    assert_eq!((ended.state, ended.interrupted_at(subject.env().now())), (OperationState::Done, None), "{ended:?}");

    let id = start(Action::ResumeQueue).await;
    subject.pass(Runner::LEASE + Runner::ABANDONED + Duration::from_secs(1)).await;
    other.run_open(&Stop::new(), None).await.expect("looked for");
    let given_up = look(&id).await;
    assert_eq!(given_up.state, OperationState::Failed, "{given_up:?}");
    assert!(given_up.error.is_some_and(|error| error.starts_with("interrupted: ")));
    let id = start(Action::ResumeQueue).await;
    assert_eq!(operator.run(&id, &Stop::new(), None).await.expect("carried out").state, OperationState::Done);
}

pub(super) async fn an_operation_that_is_left_goes_on_with_the_next_call(subject: &dyn Subject) {
    cancelled(subject, ["a", "b", "c"]).await;
    let runner = runner(subject).await;
    let operation = runner.start(retrying(subject, 1)).await.expect("begun").id;
    let left = runner.run(&operation, &Stop::new(), Some(Instant::now())).await.expect("left");
    assert_eq!((left.state, left.progress.done), (OperationState::Running, 2), "one page: {left:?}");
    let ended = run(subject, &operation).await;
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 3), "{ended:?}");
}

pub(super) async fn an_operation_stops_within_a_page(subject: &dyn Subject) {
    cancelled(subject, ["a", "b", "c", "d", "e", "f"]).await;
    let runner = runner(subject).await;
    let operation = runner.start(retrying(subject, 1)).await.expect("begun").id;
    let stop = async {
        has_done(subject, &operation, 2).await;
        let told = subject.client().stop_operation(&operation, "grace").await.expect("told").expect("there");
        assert_eq!(told.state, OperationState::Stopping);
    };
    let (running, unstopped) = (Stop::new(), None);
    let (ended, ()) = tokio::join!(runner.run(&operation, &running, unstopped), stop);
    let ended = ended.expect("stopped");
    assert_eq!((ended.state, ended.stopped_by.as_deref()), (OperationState::Stopped, Some("grace")), "{ended:?}");
    assert!(ended.progress.done < 6, "{ended:?}");
    let waiting = runner.start(retrying(subject, 1)).await.expect("begun").id;
    subject.pass(Runner::LEASE + Duration::from_secs(1)).await;
    let stopped = subject.client().stop_operation(&waiting, "grace").await.expect("stopped").expect("there");
    assert_eq!(stopped.state, OperationState::Stopped, "nobody carries it out");
    assert_eq!(subject.client().stop_operation(&id("op-unknown"), "grace").await.expect("answered"), None);
}

pub(super) async fn an_operation_keeps_its_rate(subject: &dyn Subject) {
    cancelled(subject, ["a", "b", "c", "d", "e"]).await;
    let runner = runner(subject).await;
    let operation = runner.start(retrying(subject, 2)).await.expect("begun").id;
    let began = Instant::now();
    let ended = runner.run(&operation, &Stop::new(), None).await.expect("carried out");
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 5));
    assert!(began.elapsed() >= Duration::from_millis(2000), "{:?}", began.elapsed());
}

pub(super) async fn a_jobs_log_says_what_was_done_to_it(subject: &dyn Subject) {
    cancelled(subject, ["a"]).await;
    let runner = runner(subject).await;
    let new = NewOperation::new(Action::Retry, Target::Jobs { ids: vec![id("a"), id("none")] }, "ada")
        .with_reason("why\nnot");
    let operation = runner.start(new).await.expect("begun");
    let ended = runner.run(&operation.id, &Stop::new(), None).await.expect("carried out");
    assert_eq!((ended.progress.changed, ended.progress.unchanged), (1, 1), "{ended:?}");
    let log = subject.client().log(&id("a")).await.expect("readable");
    let text = format!("retried by ada: why not ({})", operation.id);
    assert_eq!(
        log.iter().map(|line| (line.attempt, line.level, &*line.text)).collect::<Vec<_>>(),
        [(0, LogLevel::Info, &*text)]
    );
    let store = subject.backend().store.expect("a store");
    let line = |operation: &str| LogLine::new(subject.env().now(), 0, LogLevel::Info, format!("again ({operation})"));
    let again = operation.id.to_string();
    store.log_operation(&id("a"), &operation.id, line(&again)).await.expect("answered");
    assert_eq!(subject.client().log(&id("a")).await.expect("readable").len(), 1, "once for each operation");
    for n in 0..LogLine::MAX_OF_OPERATORS + 5 {
        let operation = format!("op-many-{n:03}");
        store.log_operation(&id("a"), &id(&operation), line(&operation)).await.expect("answered");
    }
    let kept = subject.client().log(&id("a")).await.expect("readable").len();
    assert_eq!(kept, LogLine::MAX_OF_OPERATORS);
}

pub(super) async fn a_key_begins_one_operation(subject: &dyn Subject) {
    cancelled(subject, ["a"]).await;
    let runner = runner(subject).await;
    let new = || NewOperation::new(Action::Retry, Target::Job { id: id("a") }, "ada").with_idempotency_key("k-1");
    let first = runner.start(new()).await.expect("begun");
    assert_eq!(runner.start(new()).await.expect("the same").id, first.id);
    let other = changed(&new(), |other| other.action = Action::Delete);
    let refused = runner.start(other).await;
    assert!(matches!(&refused, Err(OperationError::KeyTaken(taken)) if *taken == first.id), "{refused:?}");
    // What a request may change is narrowed to less by and by, and it stays the same request.
    let narrowed = || new().narrowed_to(Target::Jobs { ids: vec![id("a")] }).expect("JSON");
    assert_eq!(runner.start(narrowed()).await.expect("the same").id, first.id);
    assert_eq!(runner.begun(&new()).await.expect("readable").map(|begun| begun.id), Some(first.id.clone()));
    assert_eq!(runner.begun(&narrowed()).await.expect("readable").map(|begun| begun.id), Some(first.id.clone()));
    let other = changed(&new(), |other| other.action = Action::Delete);
    assert!(matches!(runner.begun(&other).await, Err(OperationError::KeyTaken(_))));
    let unknown = changed(&new(), |unknown| unknown.idempotency_key = Some("k-2".into()));
    assert_eq!(runner.begun(&unknown).await.expect("readable"), None);
    let grace = changed(&new(), |grace| grace.by = "grace".into());
    assert_ne!(runner.start(grace).await.expect("hers").id, first.id);
    let misfit = NewOperation::new(Action::Retry, Target::Queue { queue: PLAIN.name().into() }, "ada");
    assert!(matches!(runner.start(misfit).await, Err(OperationError::Invalid(_))));
}

pub(super) async fn an_edited_job_runs_as_a_copy(subject: &dyn Subject) {
    enqueue(subject, "a", "say hi").await;
    let journal = started(subject).await;
    ended(subject, "a").await;
    let runner = runner(subject).await;
    let edit = |args: &str| {
        let args = Arguments::new(RawValue::from_string(args.into()).expect("JSON"));
        let new = NewOperation::new(Action::EditAndRun { args }, Target::Job { id: id("a") }, "ada");
        new.with_idempotency_key("edit-1")
    };
    let misfit = changed(&edit(r#"{"what":7}"#), |misfit| misfit.idempotency_key = None);
    assert!(matches!(runner.start(misfit).await, Err(OperationError::Arguments { .. })));
    let operation = runner.start(edit(r#"{"what":"say other"}"#)).await.expect("enqueued");
    assert_eq!((operation.state, operation.results.len()), (OperationState::Done, 1), "{operation:?}");
    let copy = &operation.results[0];
    let record = ended(subject, copy.as_str()).await;
    assert_eq!(record.message.parent, Some(id("a")));
    assert_eq!(runner.start(edit(r#"{"what":"say other"}"#)).await.expect("the same").results, operation.results);
    assert_eq!(journal.words(), ["say hi", "say other"]);
    assert_eq!(state(subject, "a").await, Some(JobState::Succeeded));
    for name in [&id("a"), copy] {
        let log = subject.client().log(name).await.expect("readable");
        assert!(log.iter().any(|line| line.text.contains("by ada") && line.attempt == 0), "{name}: {log:?}");
    }
}

pub(super) async fn queues_are_paused_by_operations(subject: &dyn Subject) {
    let runner = runner(subject).await;
    let operator = subject.operator().await;
    if !operator.known_names().await.expect("known").has_queue(PLAIN.name()) {
        operator.declare(PLAIN).await.expect("declared");
    }
    let target = || Target::Queue { queue: PLAIN.name().into() };
    for action in [Action::PauseQueue, Action::ResumeQueue] {
        let operation = runner.start(NewOperation::new(action, target(), "ada")).await.expect("begun");
        let ended = runner.run(&operation.id, &Stop::new(), None).await.expect("carried out");
        assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 1), "{ended:?}");
    }
    let none = Target::Queue { queue: "nowhere".into() };
    let operation = runner.start(NewOperation::new(Action::PauseQueue, none, "ada")).await.expect("begun");
    let ended = runner.run(&operation.id, &Stop::new(), None).await.expect("tried");
    assert!(ended.state == OperationState::Failed && ended.error.is_some(), "{ended:?}");
}

pub(super) async fn dead_letters_are_deleted_by_an_operation(subject: &dyn Subject) {
    started(subject).await;
    for name in ["a", "b"] {
        enqueue(subject, name, "fail for now").await;
        ended(subject, name).await;
    }
    eventually("two dead letters", || async { (subject.dead_letters(PLAIN).await.len() == 2).then_some(()) }).await;
    let runner = runner(subject).await;
    let target = Target::dead_letters(PLAIN.name(), &lamplighter::backend::DeadLetterFilter::all());
    let preview = runner.preview(&Action::DeleteDeadLetters, &target).await.expect("counted");
    assert_eq!(preview.jobs, 2, "{preview:?}");
    let operation = runner.start(NewOperation::new(Action::DeleteDeadLetters, target, "ada")).await.expect("begun");
    let ended = runner.run(&operation.id, &Stop::new(), None).await.expect("carried out");
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 2), "{ended:?}");
    assert!(subject.dead_letters(PLAIN).await.is_empty());
    assert_eq!(state(subject, "a").await, Some(JobState::Failed), "its record stays");
}
