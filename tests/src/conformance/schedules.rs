//! Schedules: added, replaced, paused, triggered, removed and listed while jobs run, and what happens when their jobs
//! overlap.
//!
//! A witness shows that something does not run: a schedule for the same moment, whose job has run.

use std::time::Duration;

use jiff::SignedDuration;
use lamplighter::{
    Job, JobId, JobState, Timestamp,
    backend::{ScheduleOrigin, ScheduleRunKind, ScheduleStatus, SchedulingError},
    schedule::{Misfire, Schedule},
    secs,
};

use super::{
    Subject,
    jobs::{Act, Journal, PLAIN, Skipping, Waiting, ended, eventually, started},
};

/// Far enough away for the calls before it, even on a busy machine, and near enough to wait for.
pub(super) const SOON: Duration = Duration::from_secs(15);

fn say(what: &str) -> Act {
    Act { what: format!("say {what}") }
}

fn soon(subject: &dyn Subject, name: &str) -> Schedule {
    Schedule::at(name, subject.env().now() + SOON)
}

fn daily(name: &str) -> Schedule {
    Schedule::rate(name, secs(86_400)).expect("a rate")
}

async fn status(subject: &dyn Subject, name: &str) -> Option<ScheduleStatus> {
    let all = subject.client().schedules().await.expect("listed");
    assert!(all.is_sorted_by(|a, b| a.schedule.name < b.schedule.name), "{all:?}");
    all.into_iter().find(|status| status.schedule.name == name)
}

/// Waits until a job has said a word, and returns all words so far.
async fn said(journal: &Journal, word: &str) -> Vec<String> {
    let word = format!("say {word}");
    eventually(&word, || async {
        let words = journal.words();
        words.contains(&word).then_some(words)
    })
    .await
}

pub(super) async fn a_schedule_starts_its_job_once_and_is_over(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    let schedule = soon(subject, "once");
    let tick = schedule.next_after(Timestamp::UNIX_EPOCH).expect("no zone").expect("a tick");
    client.schedule(schedule, &say("hello")).await.expect("scheduled");
    assert_eq!(status(subject, "once").await.expect("a schedule").next, [tick]);
    said(&journal, "hello").await;
    let run = journal.runs().remove(0);
    assert!(run.at >= tick, "at {}, before {tick}", run.at);
    let record = ended(subject, &run.id).await;
    assert_eq!((record.state, record.message.schedule.as_deref()), (JobState::Succeeded, Some("once")));
    eventually("the schedule to be gone", || async { status(subject, "once").await.is_none().then_some(()) }).await;
    assert_eq!(journal.words(), ["say hello"]);
}

pub(super) async fn a_replaced_schedule_starts_the_new_job_only(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    client.schedule(soon(subject, "greeting"), &say("old")).await.expect("scheduled");
    client.schedule(soon(subject, "greeting"), &say("new")).await.expect("replaced");
    assert_eq!(client.schedules().await.expect("listed").len(), 1);
    assert_eq!(said(&journal, "new").await, ["say new"]);
}

pub(super) async fn a_removed_schedule_starts_nothing(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    client.schedule(soon(subject, "gone"), &say("gone")).await.expect("scheduled");
    client.schedule(soon(subject, "witness"), &say("witness")).await.expect("scheduled");
    client.unschedule("gone").await.expect("removed");
    assert!(status(subject, "gone").await.is_none());
    assert_eq!(said(&journal, "witness").await, ["say witness"]);
    assert!(matches!(client.unschedule("gone").await, Err(SchedulingError::Unknown(name)) if name == "gone"));
}

pub(super) async fn a_paused_schedule_starts_nothing_and_a_resumed_one_goes_on(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    for name in ["paused", "resumed"] {
        client.schedule(soon(subject, name), &say(name)).await.expect("scheduled");
        client.pause_schedule(name).await.expect("paused");
        let status = status(subject, name).await.expect("a schedule");
        assert!(status.paused && status.next.is_empty(), "{status:?}");
    }
    // Scheduled again, as by a program that restarts: this does not undo an operator's pause.
    client.schedule(soon(subject, "paused"), &say("paused")).await.expect("replaced");
    client.resume_schedule("resumed").await.expect("resumed");
    let again = status(subject, "resumed").await.expect("a schedule");
    assert!(!again.paused && again.next.len() == 1, "{again:?}");
    assert_eq!(said(&journal, "resumed").await, ["say resumed"]);
}

pub(super) async fn a_triggered_schedule_starts_its_job_at_once(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    client.schedule(daily("daily"), &say("now")).await.expect("scheduled");
    let before = status(subject, "daily").await.expect("a schedule");
    let from = subject.env().now();
    let id = client.trigger_schedule("daily").await.expect("triggered");
    let until = subject.env().now();
    let record = ended(subject, id.as_str()).await;
    assert_eq!((record.state, record.message.schedule.as_deref()), (JobState::Succeeded, Some("daily")));
    let moment: Timestamp = id.as_str().strip_prefix("daily@").expect("its name").parse().expect("a moment");
    // Ids contain whole seconds.
    assert!(from - SignedDuration::from_secs(1) <= moment && moment <= until, "{id}, between {from} and {until}");
    assert_eq!(journal.runs()[0].id, id.as_str());
    assert_eq!(status(subject, "daily").await.expect("a schedule").next, before.next, "its own times stay");
    client.pause_schedule("daily").await.expect("paused");
    client.trigger_schedule("daily").await.expect("one that is paused is started too");
}

pub(super) async fn schedules_are_listed_with_their_next_runs(subject: &dyn Subject) {
    let client = subject.client();
    let report = Schedule::cron("report", "30 2 * * 1-5").expect("a schedule").zone("Europe/Berlin");
    let report = report.misfire(Misfire::Skip).description("Sums up the week");
    client.schedule(report.clone(), &say("report")).await.expect("scheduled");
    client.schedule(daily("daily"), &say("daily")).await.expect("scheduled");
    let before = subject.env().now();
    let listed = client.schedules().await.expect("listed");
    let after = subject.env().now();
    assert_eq!(listed.iter().map(|status| &*status.schedule.name).collect::<Vec<_>>(), ["daily", "report"]);
    for (status, schedule) in listed.iter().zip([daily("daily"), report]) {
        assert_eq!((&*status.job, &*status.queue), (Act::NAME, PLAIN.name()));
        assert_eq!((status.origin, status.paused), (ScheduleOrigin::RunTime, false));
        assert_eq!(status.schedule.description, schedule.description);
        assert_eq!(status.next.len(), ScheduleStatus::AHEAD);
        let ahead = |moment| -> Vec<_> {
            schedule.ticks_between(moment, Timestamp::MAX).expect("a known zone").take(ScheduleStatus::AHEAD).collect()
        };
        assert!(status.next == ahead(before) || status.next == ahead(after), "{status:?}");
    }
}

pub(super) async fn a_deployed_schedule_is_paused_and_triggered_but_not_replaced(subject: &dyn Subject) {
    subject.deploy(vec![daily("nightly").starts(&say("night")).expect("a schedule")]).await;
    let journal = started(subject).await;
    let client = subject.client();
    let deployed = status(subject, "nightly").await.expect("a schedule");
    assert_eq!(
        (deployed.origin, &*deployed.job, &*deployed.queue),
        (ScheduleOrigin::Deployed, Act::NAME, PLAIN.name())
    );
    assert_eq!(deployed.next.len(), ScheduleStatus::AHEAD);
    let refused = client.schedule(daily("nightly"), &say("day")).await;
    assert!(matches!(&refused, Err(SchedulingError::Deployed(name)) if name == "nightly"), "{refused:?}");
    let refused = client.unschedule("nightly").await;
    assert!(matches!(&refused, Err(SchedulingError::Deployed(name)) if name == "nightly"), "{refused:?}");
    client.pause_schedule("nightly").await.expect("paused");
    assert!(status(subject, "nightly").await.expect("a schedule").paused);
    client.resume_schedule("nightly").await.expect("resumed");
    assert!(!status(subject, "nightly").await.expect("a schedule").paused);
    let id = client.trigger_schedule("nightly").await.expect("triggered");
    assert_eq!(ended(subject, id.as_str()).await.state, JobState::Succeeded);
    assert_eq!(journal.words(), ["say night"]);
}

pub(super) async fn what_was_made_at_run_time_outlives_a_deployment(subject: &dyn Subject) {
    subject.deploy(vec![daily("before").starts(&say("before")).expect("a schedule")]).await;
    started(subject).await;
    subject.client().schedule(daily("made"), &say("made")).await.expect("scheduled");
    subject.stop(Duration::ZERO).await;
    subject.deploy(vec![daily("after").starts(&say("after")).expect("a schedule")]).await;
    let journal = started(subject).await;
    let listed = subject.client().schedules().await.expect("listed");
    let known: Vec<_> = listed.iter().map(|status| (&*status.schedule.name, status.origin)).collect();
    assert_eq!(known, [("after", ScheduleOrigin::Deployed), ("made", ScheduleOrigin::RunTime)]);
    let id = subject.client().trigger_schedule("made").await.expect("triggered");
    ended(subject, id.as_str()).await;
    assert_eq!(journal.words(), ["say made"]);
}

pub(super) async fn a_schedule_that_makes_no_sense_is_refused(subject: &dyn Subject) {
    let client = subject.client();
    let past = Schedule::at("past", subject.env().now() - secs(60));
    assert!(matches!(client.schedule(past, &say("past")).await, Err(SchedulingError::Over(name)) if name == "past"));
    for name in ["", "a b", "a@b", &"x".repeat(65)] {
        let refused = client.schedule(daily(name), &say("nothing")).await;
        assert!(matches!(&refused, Err(SchedulingError::Schedule(_))), "{refused:?}");
    }
    let form = daily("zone").zone("Not a zone!");
    assert!(matches!(client.schedule(form, &say("nothing")).await, Err(SchedulingError::Schedule(_))));
    assert_eq!(client.schedules().await.expect("listed"), []);
    for refused in [
        client.pause_schedule("nowhere").await,
        client.resume_schedule("nowhere").await,
        client.trigger_schedule("nowhere").await.map(|_| ()),
        client.unschedule("nowhere").await,
    ] {
        assert!(matches!(&refused, Err(SchedulingError::Unknown(name)) if name == "nowhere"), "{refused:?}");
    }
}

/// Waits until a job is running.
async fn running(subject: &dyn Subject, id: &JobId) {
    let client = subject.client();
    eventually("the job to run", || async {
        let record = client.get(id).await.expect("readable")?;
        (record.state == JobState::Running).then_some(())
    })
    .await;
}

pub(super) async fn a_tick_that_may_be_skipped_is_cancelled_while_another_runs(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    let enqueue = async |id: &str, what: &str, schedule: &str| {
        let job = Skipping { what: what.into() };
        client.enqueue(job).id(id).schedule(schedule).await.expect("enqueued").id().clone()
    };
    let first = enqueue("a", "until-released", "nightly").await;
    running(subject, &first).await;
    enqueue("b", "say skipped", "nightly").await;
    enqueue("c", "say beside", "hourly").await;
    let skipped = ended(subject, "b").await;
    assert_eq!((skipped.state, skipped.attempts.len()), (JobState::Cancelled, 0));
    let reason = skipped.reason.expect("a reason");
    assert!(reason.contains("nightly") && reason.contains("still running"), "{reason}");
    assert_eq!(ended(subject, "c").await.state, JobState::Succeeded);
    journal.release();
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
    enqueue("d", "say later", "nightly").await;
    assert_eq!(ended(subject, "d").await.state, JobState::Succeeded);
    assert!(!journal.words().contains(&"say skipped".to_owned()), "{:?}", journal.words());
    assert!(subject.dead_letters(PLAIN).await.is_empty());
}

pub(super) async fn a_tick_that_may_wait_runs_when_the_other_has_ended(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    let enqueue = async |id: &str, what: &str| {
        let job = Waiting { what: what.into() };
        client.enqueue(job).id(id).schedule("nightly").await.expect("enqueued").id().clone()
    };
    let first = enqueue("a", "until-released").await;
    running(subject, &first).await;
    enqueue("b", "say waited").await;
    client.enqueue(Act { what: "say beside".into() }).id("c").await.expect("enqueued");
    ended(subject, "c").await;
    assert_eq!(journal.words(), ["until-released", "say beside"]);
    journal.release();
    let waited = ended(subject, "b").await;
    assert_eq!((waited.state, waited.attempt, waited.attempts.len()), (JobState::Succeeded, 1, 1));
    let first = ended(subject, "a").await;
    assert!(waited.attempts[0].started_at >= first.attempts[0].ended_at, "{waited:?}, {first:?}");
    assert_eq!(journal.runs().len(), 3, "a wait is not a run");
}

pub(super) async fn a_backfill_starts_each_tick_once(subject: &dyn Subject) {
    started(subject).await;
    let client = subject.client();
    let hourly = Schedule::rate("hourly", secs(3600)).expect("a rate");
    client.schedule(hourly.clone(), &say("backfilled")).await.expect("scheduled");
    let now = subject.env().now();
    let from = now - secs(3 * 3600);
    let ticks = client.backfill_ticks("hourly", from, now).await.expect("ticks");
    assert_eq!(ticks.len(), 3, "{ticks:?}");
    let answers = client.backfill("hourly", from, now).await.expect("enqueued");
    let ids: Vec<_> = ticks.iter().map(|tick| hourly.tick_id(*tick)).collect();
    assert!(answers.iter().map(|answer| answer.id().as_str()).eq(ids.iter().map(String::as_str)), "{answers:?}");
    for id in &ids {
        assert_eq!(ended(subject, id).await.message.schedule.as_deref(), Some("hourly"));
    }
    let again = client.backfill("hourly", from, now).await.expect("answered");
    assert!(again.len() == 3 && again.iter().all(lamplighter::Enqueued::is_duplicate), "{again:?}");
    let unknown = client.backfill("unknown", from, now).await;
    assert!(matches!(unknown, Err(SchedulingError::Unknown(_))), "{unknown:?}");
}

pub(super) async fn the_runs_of_a_schedule_are_found_by_their_ticks(subject: &dyn Subject) {
    started(subject).await;
    let client = subject.client();
    let hourly = Schedule::rate("hourly", secs(3600)).expect("a rate");
    client.schedule(hourly, &say("backfilled")).await.expect("scheduled");
    let runs = client.schedule_runs("hourly", 3).await.expect("read");
    assert!(runs.len() == 3 && runs.iter().all(|run| run.kind == ScheduleRunKind::Unknown), "{runs:?}");
    // The third of the latest ticks, and no other.
    let third = runs[2].tick;
    client.backfill("hourly", third - secs(1), third).await.expect("enqueued");
    let record = ended(subject, runs[2].id.as_str()).await;
    let runs = client.schedule_runs("hourly", 500).await.expect("read");
    assert_eq!(runs.len(), lamplighter::Client::MAX_SCHEDULE_RUNS);
    assert!(runs.is_sorted_by(|a, b| a.tick > b.tick), "{runs:?}");
    let index = runs.iter().position(|run| run.tick == third).expect("the tick");
    let run = &runs[index];
    assert_eq!((run.kind, run.state, run.finished_at), (ScheduleRunKind::Ran, Some(record.state), record.finished_at));
    assert_eq!(run.started_at, Some(record.attempts[0].started_at));
    assert!(runs[..index].iter().all(|run| run.kind != ScheduleRunKind::Unknown), "{runs:?}");
    assert!(runs[index + 1..].iter().all(|run| run.kind == ScheduleRunKind::Unknown), "{runs:?}");
}
