//! Actions, as tracked operations of the desk.

use std::time::Duration;

use lamplighter::RawValue;
use lamplighter_dashboard::{Desk, Problem, desk::OperationRequest, view::OperationView};
use serde_json::{Value, json, value::to_raw_value};

use crate::top::{
    intent::{Intent, Subject, Verb},
    state::Preview,
};

/// How often an operation is looked at while it is waited for, and how often it is.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LOOKS: usize = 20;
/// The jobs by name that a preview lists.
const MOST_LINES: usize = 4;

/// Counts what an action would change.
pub(super) async fn preview(desk: &Desk, intent: &Intent) -> Result<Preview, Problem> {
    if intent.verb == Verb::Stop {
        let operation = operation_of(desk, intent).await?;
        let lines = vec![format!("{}; what it has done stays", operation.title)];
        return Ok(Preview { lines, ..Preview::default() });
    }
    let view = desk.preview(&request(intent, &Preview::default())?).await?;
    let mut lines = vec![view.title];
    let more = view.by_job.len().saturating_sub(MOST_LINES);
    lines.extend(view.by_job.iter().take(MOST_LINES).map(|one| format!("  {} {} on {}", one.jobs, one.job, one.queue)));
    if more > 0 {
        lines.push(format!("  and {more} other kinds of jobs"));
    }
    let target = Some(view.target.get().to_owned());
    Ok(Preview { lines, expected: view.is_complete.then_some(view.jobs), target })
}

/// Starts an action, and waits a little for its end.
pub(super) async fn start(desk: &Desk, intent: &Intent, preview: &Preview) -> Result<String, Problem> {
    if let (Verb::Stop, Subject::Operation(id)) = (intent.verb, &intent.subject) {
        let operation = desk.stop(id).await?;
        return Ok(format!("{}: {}", operation.id, operation.state));
    }
    let mut operation = desk.act(&request(intent, preview)?, None).await?;
    for _ in 0..LOOKS {
        if !operation.is_open() {
            break;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        operation = desk.operation(operation.id.as_str()).await?;
    }
    let progress = operation.progress;
    let counted = match (progress.unchanged, progress.failed) {
        (0, 0) => format!("{} changed", progress.changed),
        (unchanged, failed) => format!("{} changed, {unchanged} as they were, {failed} failed", progress.changed),
    };
    let error = operation.error.map(|error| format!(": {error}")).unwrap_or_default();
    match &*operation.state {
        "done" => Ok(format!("{}: {counted}{error}", operation.title)),
        "running" => Ok(format!("{} goes on: {counted}; g p shows it", operation.title)),
        state => Err(Problem::conflict(format!("{} has {state}: {counted}{error}", operation.title))),
    }
}

async fn operation_of(desk: &Desk, intent: &Intent) -> Result<OperationView, Problem> {
    match &intent.subject {
        Subject::Operation(id) => desk.operation(id).await,
        _ => Err(Problem::invalid("only an operation can be stopped")),
    }
}

/// The request of an action, on the target as it was counted, once it was.
fn request(intent: &Intent, preview: &Preview) -> Result<OperationRequest, Problem> {
    let (action, target) = parts(intent);
    let invalid = |error: serde_json::Error| Problem::invalid(error.to_string());
    let target = match &preview.target {
        Some(counted) => RawValue::from_string(counted.clone()).map_err(invalid)?,
        None => to_raw_value(&target).map_err(invalid)?,
    };
    let action = match &intent.subject {
        Subject::Edited { args, .. } => edited(args)?,
        _ => to_raw_value(&action).map_err(invalid)?,
    };
    Ok(OperationRequest { action, target, reason: None, expected: preview.expected, per_second: None })
}

/// The action for arguments that were edited: their bytes are kept.
fn edited(args: &str) -> Result<Box<RawValue>, Problem> {
    let wrong = |error: serde_json::Error| Problem::invalid(format!("the arguments are not JSON: {error}"));
    let args: Box<RawValue> = serde_json::from_str(args).map_err(wrong)?;
    RawValue::from_string(format!(r#"{{"kind":"edit-and-run","args":{args}}}"#)).map_err(wrong)
}

/// The action and the target, as the JSON API names them.
fn parts(intent: &Intent) -> (Value, Value) {
    let is_pause = intent.verb == Verb::Pause;
    let kind = |kind: &str| json!({ "kind": kind });
    match &intent.subject {
        Subject::Jobs(ids) => {
            let target = match &ids[..] {
                [id] => json!({ "kind": "job", "id": id }),
                ids => json!({ "kind": "jobs", "ids": ids }),
            };
            (kind(if intent.verb == Verb::Retry { "retry" } else { "cancel" }), target)
        }
        Subject::Matching(query) => {
            let action = kind(if intent.verb == Verb::Retry { "retry" } else { "cancel" });
            (action, json!({ "kind": "query", "query": query }))
        }
        // Its arguments are not values of this program.
        Subject::Edited { id, .. } => (kind("edit-and-run"), json!({ "kind": "job", "id": id })),
        Subject::Batch(id) => (kind("cancel"), json!({ "kind": "batch", "id": id })),
        Subject::Queue(queue) => {
            (kind(if is_pause { "pause-queue" } else { "resume-queue" }), json!({ "kind": "queue", "queue": queue }))
        }
        Subject::Schedule(name) => (
            kind(if is_pause { "pause-schedule" } else { "resume-schedule" }),
            json!({ "kind": "schedule", "schedule": name }),
        ),
        Subject::ErrorGroup(fingerprint) => {
            (kind("retry"), json!({ "kind": "query", "query": format!("state:failed fp:{fingerprint}") }))
        }
        Subject::DeadLetters(queue) => (kind("redrive"), json!({ "kind": "dead-letters", "queue": queue })),
        // Stopped by its id, not by another operation.
        Subject::Operation(id) => (kind("stop"), json!({ "kind": "operation", "id": id })),
    }
}
