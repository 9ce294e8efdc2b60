//! The actions: their words, and which of them fit what.

use lamplighter::JobState;

use super::frame::Frame;
use crate::{ActionKind, view::JobView};

/// A link to an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ActionLink {
    pub(crate) kind: &'static str,
    pub(crate) label: &'static str,
    /// Its key on the page.
    pub(crate) key: Option<&'static str>,
    pub(crate) danger: bool,
    pub(crate) main: bool,
    /// More of its address.
    pub(crate) filter: String,
}

impl ActionLink {
    fn of(kind: ActionKind) -> Self {
        let key = match kind {
            ActionKind::Retry | ActionKind::Redrive => Some("r"),
            ActionKind::EditAndRun => Some("E"),
            ActionKind::Cancel => Some("c"),
            ActionKind::PauseQueue
            | ActionKind::ResumeQueue
            | ActionKind::PauseSchedule
            | ActionKind::ResumeSchedule => Some("P"),
            _ => None,
        };
        Self { kind: kind.as_str(), label: label(kind), key, danger: is_danger(kind), ..Self::default() }
    }
}

/// The links of those that the viewer may do; the first is the main one where it is asked for.
pub(crate) fn links(frame: &Frame, kinds: impl IntoIterator<Item = ActionKind>, main: bool) -> Vec<ActionLink> {
    let mut links: Vec<_> = kinds.into_iter().filter(|kind| frame.may(kind.as_str())).map(ActionLink::of).collect();
    if let Some(first) = links.first_mut().filter(|first| main && !first.danger) {
        first.main = true;
    }
    links
}

/// What can be done to a job.
pub(crate) fn of_job(frame: &Frame, job: &JobView, is_defined: bool) -> Vec<ActionLink> {
    let waits = matches!(job.state, JobState::Scheduled | JobState::Retrying);
    let mut kinds = Vec::new();
    if job.state.is_final() {
        kinds.push(ActionKind::Retry);
    }
    if waits {
        kinds.push(ActionKind::RunNow);
    }
    if waits || job.state == JobState::Queued {
        kinds.push(ActionKind::Reschedule);
    }
    if is_defined {
        kinds.push(ActionKind::EditAndRun);
    }
    kinds.push(if job.state.is_final() { ActionKind::Delete } else { ActionKind::Cancel });
    let mut links = links(frame, kinds, matches!(job.state, JobState::Failed | JobState::Cancelled));
    if job.state == JobState::Succeeded
        && let Some(retry) = links.iter_mut().find(|link| link.kind == "retry")
    {
        retry.label = "Run again";
    }
    links
}

/// What an action is called.
pub(crate) const fn label(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Retry => "Retry",
        ActionKind::Cancel => "Cancel",
        ActionKind::Delete | ActionKind::DeleteDeadLetters => "Delete",
        ActionKind::RunNow => "Run now",
        ActionKind::Reschedule => "Reschedule",
        ActionKind::EditAndRun => "Edit and run again",
        ActionKind::Enqueue => "Enqueue",
        ActionKind::PauseQueue | ActionKind::PauseSchedule => "Pause",
        ActionKind::ResumeQueue | ActionKind::ResumeSchedule => "Resume",
        ActionKind::Redrive => "Send back to the queue",
        ActionKind::TriggerSchedule => "Run now",
        ActionKind::RemoveSchedule => "Remove",
        ActionKind::Backfill => "Backfill",
        ActionKind::NoteError => "Note",
        ActionKind::MuteError => "Mute",
    }
}

/// Whether it cannot be undone.
pub(crate) const fn is_danger(kind: ActionKind) -> bool {
    matches!(kind, ActionKind::Cancel | ActionKind::Delete | ActionKind::DeleteDeadLetters | ActionKind::RemoveSchedule)
}
