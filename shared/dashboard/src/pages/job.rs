//! One job.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use lamplighter::{
    JobId, JobState,
    record::{AttemptOutcome, Fingerprint},
};

use super::{
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    tree::tree,
    ui::{self, Markup},
    written,
};
use crate::{
    Desk, Problem,
    chart::{self, Node, Relations, Span},
    desk::CommandLine,
    http::Chrome,
    view::{AttemptView, ErrorTextView, JobDetail, JobView, LogLineView, RelationView},
};

/// One step of a job's life: it was enqueued, an attempt ended, an operator did something.
struct Step {
    at: Timestamp,
    title: String,
    class: &'static str,
    outcome: Option<AttemptOutcome>,
    took: Option<f64>,
    host: Option<String>,
    error: Option<ErrorTextView>,
    /// Whether its error is that of the attempt after it.
    is_repeated: bool,
    track: Markup,
}

/// Another job, in the list behind the graph.
struct Kin {
    role: &'static str,
    id: JobId,
    name: Option<String>,
    state: Option<JobState>,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    job: JobView,
    actions: Vec<ActionLink>,
    when_label: &'static str,
    max_attempts: Option<u32>,
    fingerprint: Option<Fingerprint>,
    steps: Vec<Step>,
    graph: Option<Markup>,
    kin: Vec<Kin>,
    log: Vec<LogLineView>,
    args: Markup,
    output: Option<Markup>,
    checkpoint: Option<Markup>,
    lease_until: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    limit: Option<String>,
    has_facts: bool,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(id): Path<String>) -> Result<Response, Problem> {
    let (detail, log) = tokio::join!(desk.job(&id), desk.log(&id));
    let JobDetail { job, lease_until, expires_at, limit, checkpoint, is_defined, relations, as_of } = detail?;
    let log = log.map(|list| list.items).unwrap_or_default();
    let frame = Frame::of(&chrome, format!("{} {}", job.job, job.id)).read_at(as_of);
    if job.is_batch() {
        return Ok(Redirect::to(&frame.batch(&job.id)).into_response());
    }
    let definition = desk.site().definitions.iter().find(|definition| definition.name == job.job);
    let kin = kin(&relations);
    let page = JobPage {
        actions: actions::of_job(&frame, &job, is_defined),
        when_label: draw::when_label(job.state),
        max_attempts: definition.map(|definition| definition.options.retry.max_attempts()),
        fingerprint: job.attempts.last().and_then(|attempt| attempt.fingerprint),
        steps: steps(&job, &log, as_of),
        graph: chart::relations(&graph(&frame, &job, &kin, relations.has_more_children)).map(Markup),
        kin,
        log,
        args: tree(&job.args, "args"),
        output: job.output.as_ref().map(|output| tree(output, "output")),
        checkpoint: checkpoint.as_ref().map(|checkpoint| tree(checkpoint, "checkpoint")),
        lease_until,
        expires_at,
        has_facts: job.started_at.or(expires_at).or(lease_until).is_some()
            || (job.finished_at.is_none() && job.due_at > job.created_at)
            || job.schedule.is_some()
            || job.batch.is_some()
            || limit.is_some(),
        limit,
        command: desk.command(&CommandLine::new("job").about(&job.id)),
        frame,
        job,
    };
    written(&page).map(IntoResponse::into_response)
}

/// The latest first.
fn steps(job: &JobView, log: &[LogLineView], as_of: Timestamp) -> Vec<Step> {
    let step = |at, title: String, class| Step {
        at,
        title,
        class,
        outcome: None,
        took: None,
        host: None,
        error: None,
        is_repeated: false,
        track: Markup::default(),
    };
    let first = job.attempts.first().map(|attempt| attempt.started_at);
    let last = job.attempts.last().map(|attempt| attempt.ended_at);
    let end = if job.state == JobState::Running { as_of } else { last.unwrap_or(as_of) };
    // One attempt alone has no place among others.
    let has_line = job.attempts.len() > 1 || job.state == JobState::Running;
    let line = first.filter(|_| has_line).map(|first| (first, milliseconds(first, end)));
    let mut steps = Vec::new();
    for (index, attempt) in job.attempts.iter().enumerate() {
        let is_repeated = job.attempts.get(index + 1).is_some_and(|next| next.error == attempt.error);
        let (class, colour) = match attempt.outcome {
            AttemptOutcome::Succeeded | AttemptOutcome::Continued => ("good", "c-good"),
            AttemptOutcome::Cancelled => ("", "c-mute"),
            _ => ("bad", "c-bad"),
        };
        steps.push(Step {
            outcome: Some(attempt.outcome),
            took: Some(attempt.duration_ms as f64),
            host: Some(attempt.host.clone()),
            is_repeated: is_repeated && attempt.error.is_some(),
            error: attempt.error.clone().filter(|_| !is_repeated),
            track: line.map(|line| track(attempt, line, colour)).unwrap_or_default(),
            ..step(attempt.started_at, format!("Attempt {}", attempt.number), class)
        });
    }
    if let (JobState::Running, Some(at)) = (job.state, job.started_at) {
        steps.push(step(at, format!("Attempt {} runs", job.attempt), "runs"));
    }
    steps.push(step(job.created_at, "Enqueued".into(), ""));
    steps.extend(log.iter().filter(|line| line.attempt == 0).map(|line| step(line.at, line.text.clone(), "op")));
    if !job.state.is_final() && job.state != JobState::Running && job.due_at > as_of {
        steps.push(step(job.due_at, "Due again".into(), "next"));
    }
    steps.sort_by_key(|step| std::cmp::Reverse(step.at));
    steps
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// Where an attempt lies on the line from the first attempt to the last.
fn track(attempt: &AttemptView, (first, length): (Timestamp, u64), class: &'static str) -> Markup {
    let span = Span { from: milliseconds(first, attempt.started_at), to: milliseconds(first, attempt.ended_at), class };
    let title = format!("Attempt {} on the line of all attempts", attempt.number);
    Markup(chart::attempt(&title, &[span], length))
}

fn kin(relations: &crate::view::Relations) -> Vec<Kin> {
    let of = |role: &'static str| {
        move |each: &RelationView| Kin { role, id: each.id.clone(), name: each.job.clone(), state: each.state }
    };
    let parent = relations.parent.iter().map(of("Enqueued by"));
    parent
        .chain(relations.after.iter().map(of("Waits for")))
        .chain(relations.children.iter().map(of("Enqueued")))
        .collect()
}

fn graph(frame: &Frame, job: &JobView, kin: &[Kin], has_more: bool) -> Relations {
    let mut before = Vec::new();
    if let Some(schedule) = &job.schedule {
        before.push(Node { name: schedule.clone(), role: "schedule".into(), href: Some(frame.schedule(schedule)) });
    }
    if let Some(batch) = &job.batch {
        before.push(Node { name: batch.to_string(), role: "its batch".into(), href: Some(frame.batch(batch)) });
    }
    let node = |each: &Kin, role: &str| Node {
        name: each.name.clone().unwrap_or_else(|| each.id.to_string()),
        role: each.state.map_or_else(|| format!("{role}, no record"), |state| format!("{role}, {state}")),
        href: Some(frame.job(&each.id)),
    };
    before.extend(kin.iter().filter(|each| each.role == "Enqueued by").map(|each| node(each, "enqueued it")));
    before.extend(kin.iter().filter(|each| each.role == "Waits for").map(|each| node(each, "before it")));
    Relations {
        before,
        job: Node { name: job.job.clone(), role: format!("this job, {}", job.state), href: None },
        after: kin.iter().filter(|each| each.role == "Enqueued").map(|each| node(each, "child")).collect(),
        more: u64::from(has_more),
    }
}
