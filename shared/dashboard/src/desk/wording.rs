//! Operations in words, and as commands.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{
    RawValue,
    operation::{Action, JobCount, Preview, Target},
};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::Desk;

/// Sets the moment after which nothing is changed, where a target has one.
pub(super) fn freeze(target: &mut Target, moment: Timestamp) {
    if let Target::Query { end, .. } = target {
        *end = moment;
    }
}

/// As JSON.
pub(super) fn raw(value: &impl Serialize) -> Arc<RawValue> {
    to_raw_value(value).unwrap_or_default().into()
}

/// The action as one would ask for it.
pub(super) const fn imperative(action: &Action) -> &'static str {
    words(action).0
}

/// The action as one asks for it, and as what it does.
const fn words(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Retry => ("Retry", "Retries"),
        Action::Cancel => ("Cancel", "Cancels"),
        Action::Delete | Action::DeleteDeadLetters => ("Delete", "Deletes"),
        Action::RunNow => ("Run now:", "Runs now:"),
        Action::Reschedule { .. } => ("Reschedule", "Reschedules"),
        Action::EditAndRun { .. } => ("Edit and run", "Runs a copy of"),
        Action::Enqueue { .. } => ("Enqueue", "Enqueues"),
        Action::PauseQueue | Action::PauseSchedule => ("Pause", "Pauses"),
        Action::ResumeQueue | Action::ResumeSchedule => ("Resume", "Resumes"),
        Action::Redrive { .. } => ("Move back", "Moves back"),
        Action::TriggerSchedule => ("Trigger", "Triggers"),
        Action::RemoveSchedule => ("Remove", "Removes"),
        Action::Backfill { .. } => ("Backfill", "Backfills"),
        Action::NoteError { .. } => ("Note about", "Writes a note about"),
        Action::MuteError { .. } => ("Mute", "Mutes"),
        _ => ("Do to", "Does to"),
    }
}

/// What a preview says in a line: `Retries 1,204 jobs in 3 groups, as of 12:03:04 UTC`.
pub(super) fn preview(action: &Action, target: &Target, preview: &Preview) -> String {
    let does = words(action).1;
    let (one, several) = match (action, target) {
        (Action::Backfill { .. }, _) => ("time", "times"),
        (_, Target::DeadLetters { .. }) => ("dead letter", "dead letters"),
        (_, Target::Job { .. } | Target::Jobs { .. } | Target::Query { .. } | Target::Batch { .. }) => ("job", "jobs"),
        _ => return format!("{does} {target}."),
    };
    let moment = preview.end.strftime("%H:%M:%S UTC");
    if preview.jobs == 0 && !preview.is_complete {
        return format!("{does} the {several} that match, as of {moment}: none was found yet.");
    }
    let at_least = if preview.is_complete { "" } else { "at least " };
    let jobs = count(preview.jobs, one, several);
    let kinds = match &preview.by_job[..] {
        [] | [_] => String::new(),
        [first, ..] if first.job == JobCount::ANY => format!(" on {} queues", preview.by_job.len()),
        kinds => format!(" of {} kinds", kinds.len()),
    };
    format!("{does} {at_least}{jobs}{kinds}, as of {moment}.")
}

/// `1 job`, `1,204 jobs`.
pub(super) fn count(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// With commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Desk {
    /// The command that does the same, if there is one.
    pub(super) fn same_command(&self, action: &Action, target: &Target) -> Option<String> {
        let mut words: Vec<String> = match action {
            Action::Retry => vec!["retry".into()],
            Action::Cancel => vec!["cancel".into()],
            Action::Delete => vec!["delete".into()],
            Action::RunNow => vec!["reschedule".into(), "--now".into()],
            Action::Reschedule { at } => vec!["reschedule".into(), "--at".into(), at.to_string()],
            Action::PauseQueue => vec!["pause".into()],
            Action::ResumeQueue => vec!["resume".into()],
            Action::Redrive { .. } => vec!["redrive".into()],
            Action::PauseSchedule => vec!["schedule".into(), "pause".into()],
            Action::ResumeSchedule => vec!["schedule".into(), "resume".into()],
            Action::TriggerSchedule => vec!["schedule".into(), "trigger".into()],
            Action::RemoveSchedule => vec!["schedule".into(), "remove".into()],
            // Hidden arguments would be lost.
            Action::Enqueue { job, args, .. } if !args.get().get().contains("[redacted]") => {
                vec!["enqueue".into(), job.clone(), args.get().get().to_owned()]
            }
            Action::NoteError { note: Some(note) } => vec!["errors".into(), "--note".into(), note.clone()],
            _ => return None,
        };
        match target {
            Target::Job { id } => words.push(id.to_string()),
            Target::Jobs { ids } => words.extend(ids.iter().map(ToString::to_string)),
            Target::Query { query, .. } => words.extend(["--query".into(), query.clone()]),
            Target::Batch { id } => words.push(id.to_string()),
            Target::Queue { queue } => words.push(queue.clone()),
            Target::DeadLetters { queue, job, reason: None, key: None, .. } => {
                words.push(queue.clone());
                words.extend(job.iter().flat_map(|job| ["--job".into(), job.clone()]));
            }
            Target::Schedule { schedule } => words.push(schedule.clone()),
            Target::ErrorGroup { fingerprint } => words.push(fingerprint.to_string()),
            Target::New => {}
            _ => return None,
        }
        Some(self.command(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        desk::Shared,
        testing,
        viewer::{Rights, Viewer},
    };

    #[tokio::test]
    async fn an_operation_is_a_command_too() {
        let site = testing::site().command("lamp", ["--stack", "the shop"]);
        let desk = Desk::new(Shared::new(site), Viewer::new("ada", Rights::operator()));
        let target = Target::Query { query: "state:failed error:\"it's\"".into(), end: Timestamp::UNIX_EPOCH };
        let command = desk.same_command(&Action::Retry, &target).unwrap();
        assert_eq!(command, r#"lamp retry --query 'state:failed error:"it'\''s"' --stack 'the shop'"#);
    }

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 12, 999, 1000, 1_204_000].map(grouped);
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,204,000"]);
    }
}
