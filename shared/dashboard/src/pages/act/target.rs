//! What an action is to be done to, as links and forms name it.

use std::fmt::Write as _;

use lamplighter::backend::DeadLetterKey;
use serde_json::{Value, json};

use crate::{
    ActionKind, Problem,
    http::Fields,
    pages::{frame::Frame, ui},
};

pub(super) struct Target {
    pub(super) json: Value,
    pub(super) subject: String,
    pub(super) back: Option<String>,
    /// What the form says again.
    pub(super) kept: Vec<(String, String)>,
}

/// What it is to be done to.
pub(super) fn target(frame: &Frame, kind: ActionKind, fields: &Fields) -> Result<Target, Problem> {
    let keep = |names: &[&str]| {
        let kept = fields.0.iter().filter(|(name, _)| names.contains(&&**name));
        kept.cloned().collect::<Vec<_>>()
    };
    let of = |json: Value, subject: String, back: Option<String>, names: &[&str]| {
        Ok(Target { json, subject, back, kept: keep(names) })
    };
    let back_to_jobs = || Some(frame.jobs(""));
    if kind == ActionKind::Enqueue {
        let Some(job) = fields.get("job") else {
            return Err(Problem::parameter("job", "Which job is to be enqueued?"));
        };
        return of(json!({"kind": "new"}), job.to_owned(), Some(frame.job_type(job)), &["job"]);
    }
    if let Some(query) = fields.0.iter().find(|(name, _)| name == "all").map(|(_, value)| value.trim()) {
        let subject = if query.is_empty() { "all jobs".into() } else { format!("all jobs that match {query}") };
        return of(json!({"kind": "query", "query": query}), subject, Some(frame.jobs(query)), &["all"]);
    }
    let ids: Vec<_> = fields.all("id").collect();
    if !ids.is_empty() {
        let subject = ui::count(&(ids.len() as u64), "marked job", "marked jobs");
        return of(json!({"kind": "jobs", "ids": ids}), subject, back_to_jobs(), &["id"]);
    }
    if let Some(id) = fields.get("job") {
        return of(json!({"kind": "job", "id": id}), format!("job {id}"), Some(frame.job(id)), &["job"]);
    }
    if let Some(id) = fields.get("batch") {
        return of(json!({"kind": "batch", "id": id}), format!("batch {id}"), Some(frame.batch(id)), &["batch"]);
    }
    if let Some(queue) = fields.get("queue") {
        let back = Some(frame.queue(queue));
        return of(json!({"kind": "queue", "queue": queue}), format!("queue {queue}"), back, &["queue"]);
    }
    if let Some(name) = fields.get("schedule") {
        let back = Some(frame.schedule(name));
        return of(json!({"kind": "schedule", "schedule": name}), format!("schedule {name}"), back, &["schedule"]);
    }
    if let Some(queue) = fields.get("letters") {
        let (mut json, mut subject) =
            (json!({"kind": "dead-letters", "queue": queue}), format!("dead letters of {queue}"));
        if let Some(key) = fields.get("letter_key") {
            json["key"] = serde_json::to_value(letter_key(key)).unwrap_or_default();
            subject = format!("one dead letter of {queue}");
        }
        for (name, word, field) in [("letter_job", "job", "job"), ("letter_reason", "reason", "reason")] {
            if let Some(value) = fields.get(name) {
                json[field] = value.into();
                let _ = write!(subject, ", {word} {value}");
            }
        }
        let kept = ["letters", "letter_job", "letter_reason", "letter_key"];
        return of(json, subject, Some(frame.dead_letters(queue)), &kept);
    }
    if let Some(fingerprint) = fields.get("fingerprint") {
        let back = Some(format!("{}/errors/{}", frame.base, ui::encode(fingerprint)));
        let json = match kind {
            ActionKind::NoteError | ActionKind::MuteError => json!({"kind": "error-group", "fingerprint": fingerprint}),
            _ => json!({"kind": "query", "query": format!("state:failed fp:{fingerprint}")}),
        };
        return of(json, format!("error group {fingerprint}"), back, &["fingerprint"]);
    }
    Err(Problem::parameter("target", "Nothing is marked: choose what it is to be done to."))
}

/// The key of a dead letter as its page names it: a number in a file, else a message id.
fn letter_key(text: &str) -> DeadLetterKey {
    match text.strip_prefix("number:").and_then(|number| number.parse().ok()) {
        Some(number) => DeadLetterKey::Number(number),
        None => DeadLetterKey::MessageId(text.strip_prefix("message:").unwrap_or(text).to_owned()),
    }
}
