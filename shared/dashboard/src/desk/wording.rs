//! Operations in words, and as commands.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{
    JobId, RawValue, moment,
    operation::{Action, JobCount, Preview, Target},
    query::Query,
};
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{CommandLine, Desk};

/// What stands in place of a hidden value.
const PLACEHOLDER: &str = "[redacted]";

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
        Action::MuteError { until: None } => ("End the mute of", "Ends the mute of"),
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
    /// The command that does the same to the same things, if there is one.
    pub(super) fn same_command(&self, action: &Action, target: &Target) -> Option<String> {
        let verb = |verb: &str| Some(CommandLine::new(verb));
        let command = match action {
            Action::Retry => verb("retry"),
            Action::Cancel => verb("cancel"),
            Action::Delete => verb("delete"),
            Action::RunNow => Some(CommandLine::new("reschedule").flag("--now")),
            Action::Reschedule { at } => Some(CommandLine::new("reschedule").option("--at", &typed(*at)?)),
            Action::Enqueue { job, args, at, id } => self.enqueue_command(job, args.get(), *at, id.as_ref()),
            Action::PauseQueue => verb("pause"),
            Action::ResumeQueue => verb("resume"),
            Action::Redrive { limit: None } => verb("redrive"),
            Action::PauseSchedule => verb("schedule pause"),
            Action::ResumeSchedule => verb("schedule resume"),
            Action::TriggerSchedule => verb("schedule trigger"),
            Action::RemoveSchedule => verb("schedule remove"),
            Action::NoteError { note } => {
                Some(CommandLine::new("errors").option("--note", note.as_deref().unwrap_or_default()))
            }
            Action::MuteError { until: None } => Some(CommandLine::new("errors").flag("--unmute")),
            // A mute's command counts from its own beginning; the arguments of a copy may be hidden here, and would be those of
            // the original there; the others have none.
            _ => None,
        };
        aimed(command?, action, target)?.typed(&self.site().command)
    }

    /// None where something in the arguments is hidden: a command is shown, and kept in the history of a shell.
    fn enqueue_command(
        &self,
        job: &str,
        args: &RawValue,
        at: Option<Timestamp>,
        id: Option<&JobId>,
    ) -> Option<CommandLine> {
        let definition = self.site().definition(job)?;
        let is_open = definition.redaction().is_none_or(|redaction| redaction.args(args).get() == args.get());
        if !is_open || args.get().contains(PLACEHOLDER) {
            return None;
        }
        let mut command = CommandLine::new("enqueue").about(job).about(args.get());
        if let Some(at) = at {
            command = command.option("--at", &typed(at)?);
        }
        Some(id.iter().fold(command, |command, id| command.option("--id", id.as_str())))
    }
}

/// The command about a target; `None` if commands do not name such.
fn aimed(command: CommandLine, action: &Action, target: &Target) -> Option<CommandLine> {
    Some(match target {
        Target::Job { id } => command.about(id),
        Target::Jobs { ids } => ids.iter().fold(command, CommandLine::about),
        Target::Query { query, end: _ } => {
            let parsed: Query = query.parse().ok()?;
            // Jobs in other states are left alone here; a command refuses the whole query.
            let is_right = parsed.states().iter().all(|state| action.touches(*state));
            is_right.then(|| command.option("--query", query))?
        }
        Target::Batch { id } if *action == Action::Cancel => command.about(id),
        Target::Batch { id } => command.option("--query", &Query::new().batch(id).to_string()),
        Target::Queue { queue } => command.about(queue),
        Target::DeadLetters { queue, job, reason: None, key: None, since, before: None } => {
            let command = job.iter().fold(command.about(queue), |command, job| command.option("--job", job));
            match since {
                Some(since) => command.option("--since", &typed(*since)?),
                None => command,
            }
        }
        Target::Schedule { schedule } => command.about(schedule),
        Target::ErrorGroup { fingerprint } => command.about(fingerprint.to_string()),
        Target::New => command,
        _ => return None,
    })
}

/// A moment as one types it, if it can be.
fn typed(at: Timestamp) -> Option<String> {
    let text = at.to_string();
    moment::parse(&text).is_ok().then_some(text)
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

    fn command(action: &str, target: &str) -> Option<String> {
        let desk = Desk::new(Shared::new(testing::site()), Viewer::new("ada", Rights::operator()));
        desk.same_command(&serde_json::from_str(action).unwrap(), &serde_json::from_str(target).unwrap())
    }

    #[tokio::test]
    async fn a_command_says_all_that_the_action_does() {
        let moved =
            |action: &str, more: &str| command(action, &format!(r#"{{"kind":"dead-letters","queue":"mails"{more}}}"#));
        let redrive = r#"{"kind":"redrive"}"#;
        assert_eq!(moved(redrive, "").unwrap(), "lamp redrive mails");
        assert_eq!(
            moved(redrive, r#","job":"mail.send","since":"2026-11-28T10:00:00Z""#).unwrap(),
            "lamp redrive --job mail.send --since 2026-11-28T10:00:00Z mails"
        );
        assert_eq!(moved(r#"{"kind":"redrive","limit":1}"#, ""), None);
        for narrowed in [r#","before":"2026-11-28T10:00:00Z""#, r#","reason":"failed""#, r#","key":{"number":7}"#] {
            assert_eq!(moved(redrive, narrowed), None, "{narrowed}");
        }
        assert_eq!(moved(r#"{"kind":"delete-dead-letters"}"#, ""), None);

        let mail = r#"{"kind":"enqueue","job":"mail.send","args":{"to":"ada"},"at":"2026-12-24T18:00:00Z","id":"-m"}"#;
        assert_eq!(
            command(mail, r#"{"kind":"new"}"#).unwrap(),
            r#"lamp enqueue --at 2026-12-24T18:00:00Z --id=-m mail.send '{"to":"ada"}'"#
        );

        let batch = r#"{"kind":"batch","id":"b"}"#;
        assert_eq!(command(r#"{"kind":"cancel"}"#, batch).unwrap(), "lamp cancel b");
        assert_eq!(command(r#"{"kind":"retry"}"#, batch).unwrap(), "lamp retry --query batch:b");
        assert_eq!(command(r#"{"kind":"delete"}"#, batch).unwrap(), "lamp delete --query batch:b");

        let failed = r#"{"kind":"query","query":"state:failed,queued","end":"2026-11-28T10:00:00Z"}"#;
        assert_eq!(command(r#"{"kind":"retry"}"#, failed), None, "the command would refuse it");
        let group = r#"{"kind":"error-group","fingerprint":"3f9a5c0d7be21846"}"#;
        assert_eq!(command(r#"{"kind":"note-error"}"#, group).unwrap(), "lamp errors --note '' 3f9a5c0d7be21846");
        assert_eq!(command(r#"{"kind":"mute-error"}"#, group).unwrap(), "lamp errors --unmute 3f9a5c0d7be21846");
    }

    #[tokio::test]
    async fn what_is_hidden_is_in_no_command() {
        let enqueue = |args: &str| {
            let action = format!(r#"{{"kind":"enqueue","job":"order.ship","args":{args}}}"#);
            command(&action, r#"{"kind":"new"}"#)
        };
        assert_eq!(enqueue(r#"{"order":"a","token":"TYPEDSECRET"}"#), None);
        assert_eq!(enqueue(r#"{"order":"a","token":"[redacted]"}"#), None);
        assert_eq!(enqueue(r#"{"order":"a","TOKEN":"TYPEDSECRET"}"#), None, "a misspelt field");
        assert!(enqueue(r#"{"order":"a"}"#).is_some());
        let unknown = r#"{"kind":"enqueue","job":"old.job","args":{"a":1}}"#;
        assert_eq!(command(unknown, r#"{"kind":"new"}"#), None, "nobody knows what is sensitive in it");
    }

    #[test]
    fn thousands_are_grouped() {
        let shown = [0, 12, 999, 1000, 1_204_000].map(grouped);
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,204,000"]);
    }
}
