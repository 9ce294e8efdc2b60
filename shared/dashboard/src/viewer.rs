//! Who looks, and what they may do.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody who looks at the dashboard, or a program that reads the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The name under which operations are recorded.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
}

impl Viewer {
    /// A viewer with these rights.
    pub fn new(name: impl Into<String>, rights: Rights) -> Self {
        Self { name: name.into(), rights }
    }
}

/// What a viewer may do, and which queues they see.
///
/// ```
/// use lamplighter_dashboard::{ActionKind, Rights};
/// // The team of the webhooks may do everything with their own queue but delete.
/// let rights = Rights::operator().deny(ActionKind::Delete).only_queues(["webhooks"]);
/// assert!(rights.may(ActionKind::Retry) && !rights.may(ActionKind::Delete));
/// assert!(rights.sees("webhooks") && !rights.sees("invoices"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    actions: BTreeSet<ActionKind>,
    queues: Option<BTreeSet<String>>,
}

impl Rights {
    /// May look, and do nothing.
    #[must_use]
    pub const fn reader() -> Self {
        Self { actions: BTreeSet::new(), queues: None }
    }

    /// May do everything.
    #[must_use]
    pub fn operator() -> Self {
        Self { actions: ActionKind::ALL.into_iter().collect(), queues: None }
    }

    /// Allows an action.
    #[must_use]
    pub fn allow(mut self, action: ActionKind) -> Self {
        self.actions.insert(action);
        self
    }

    /// Denies an action.
    #[must_use]
    pub fn deny(mut self, action: ActionKind) -> Self {
        self.actions.remove(&action);
        self
    }

    /// Shows these queues and nothing else: jobs, errors, schedules and operations of others do not exist for the viewer.
    #[must_use]
    pub fn only_queues<N: Into<String>>(mut self, queues: impl IntoIterator<Item = N>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// Denies every action. The queues that are shown stay the same.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.actions.clear();
        self
    }

    /// Whether an action is allowed.
    #[must_use]
    pub fn may(&self, action: ActionKind) -> bool {
        self.actions.contains(&action)
    }

    /// Whether any action is.
    #[must_use]
    pub fn may_write(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether a queue is shown.
    #[must_use]
    pub fn sees(&self, queue: &str) -> bool {
        self.queues.as_ref().is_none_or(|queues| queues.contains(queue))
    }

    /// The queues that are shown, unless all are.
    #[must_use]
    pub const fn queues(&self) -> Option<&BTreeSet<String>> {
        self.queues.as_ref()
    }

    /// The actions that are allowed.
    pub fn actions(&self) -> impl Iterator<Item = ActionKind> + '_ {
        self.actions.iter().copied()
    }
}

/// Rights as a text: `reader` or `operator`, then with commas between actions that are allowed, actions with a `!` that are
/// denied, and queues, if only some are seen: `operator,!delete,queue=webhooks`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = self.actions.len() * 2 > ActionKind::ALL.len();
        f.write_str(if operator { "operator" } else { "reader" })?;
        for action in ActionKind::ALL {
            match (operator, self.may(action)) {
                (true, false) => write!(f, ",!{}", action.as_str())?,
                (false, true) => write!(f, ",{}", action.as_str())?,
                _ => {}
            }
        }
        match &self.queues {
            Some(queues) if queues.is_empty() => f.write_str(",queue="),
            queues => queues.iter().flatten().try_for_each(|queue| write!(f, ",queue={queue}")),
        }
    }
}

impl FromStr for Rights {
    type Err = InvalidRights;

    fn from_str(text: &str) -> Result<Self, InvalidRights> {
        let invalid = |word: &str| InvalidRights(word.chars().take(80).collect());
        let mut words = text.split(',').map(str::trim);
        let mut rights = match words.next() {
            Some("reader") => Self::reader(),
            Some("operator") => Self::operator(),
            other => return Err(invalid(other.unwrap_or_default())),
        };
        for word in words {
            if let Some(queue) = word.strip_prefix("queue=") {
                let queues = rights.queues.get_or_insert_default();
                queues.extend((!queue.is_empty()).then(|| queue.to_owned()));
            } else if let Some(denied) = word.strip_prefix('!') {
                rights = rights.deny(ActionKind::named(denied).ok_or_else(|| invalid(word))?);
            } else {
                rights = rights.allow(ActionKind::named(word).ok_or_else(|| invalid(word))?);
            }
        }
        Ok(rights)
    }
}

/// A text that does not say which rights somebody has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not understood in rights: they are reader or operator, then actions such as retry, actions that are denied such \
     as !delete, and queues such as queue=webhooks, with commas between"
)]
pub struct InvalidRights(String);

/// A kind of action, as rights and addresses name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActionKind {
    /// Run ended jobs again.
    Retry,
    /// Cancel jobs that have not ended.
    Cancel,
    /// Delete ended jobs.
    Delete,
    /// Run jobs now that wait for a moment.
    RunNow,
    /// Give jobs that wait for a moment another one.
    Reschedule,
    /// Run a job with other arguments, as a new job.
    EditAndRun,
    /// Enqueue a new job.
    Enqueue,
    /// Pause a queue.
    PauseQueue,
    /// Resume a queue.
    ResumeQueue,
    /// Move dead letters back to their queue.
    Redrive,
    /// Delete dead letters.
    DeleteDeadLetters,
    /// Pause a schedule.
    PauseSchedule,
    /// Resume a schedule.
    ResumeSchedule,
    /// Run a schedule's job now.
    TriggerSchedule,
    /// Remove a schedule that was added at run time.
    RemoveSchedule,
    /// Run a schedule's job for the times of a period that has passed.
    Backfill,
    /// Write a note about an error group.
    NoteError,
    /// Count an error group as known until a moment.
    MuteError,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Retry,
        Self::Cancel,
        Self::Delete,
        Self::RunNow,
        Self::Reschedule,
        Self::EditAndRun,
        Self::Enqueue,
        Self::PauseQueue,
        Self::ResumeQueue,
        Self::Redrive,
        Self::DeleteDeadLetters,
        Self::PauseSchedule,
        Self::ResumeSchedule,
        Self::TriggerSchedule,
        Self::RemoveSchedule,
        Self::Backfill,
        Self::NoteError,
        Self::MuteError,
    ];

    /// The name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::RunNow => "run-now",
            Self::Reschedule => "reschedule",
            Self::EditAndRun => "edit-and-run",
            Self::Enqueue => "enqueue",
            Self::PauseQueue => "pause-queue",
            Self::ResumeQueue => "resume-queue",
            Self::Redrive => "redrive",
            Self::DeleteDeadLetters => "delete-dead-letters",
            Self::PauseSchedule => "pause-schedule",
            Self::ResumeSchedule => "resume-schedule",
            Self::TriggerSchedule => "trigger-schedule",
            Self::RemoveSchedule => "remove-schedule",
            Self::Backfill => "backfill",
            Self::NoteError => "note-error",
            Self::MuteError => "mute-error",
        }
    }

    /// The action of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_the_same_name_in_json_and_in_addresses() {
        for action in ActionKind::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(ActionKind::named(action.as_str()), Some(action));
        }
        assert_eq!(ActionKind::named("explode"), None);
    }

    #[test]
    fn rights_can_be_written_down() {
        for text in
            ["reader", "operator", "operator,!delete,queue=webhooks", "reader,retry,queue=a,queue=b", "reader,queue="]
        {
            let rights: Rights = text.parse().unwrap();
            assert_eq!(rights.to_string(), text);
        }
        assert!(!"reader,queue=".parse::<Rights>().unwrap().sees("webhooks"));
        for text in ["", "admin", "reader,explode", "reader,!", "operator;reader"] {
            assert!(text.parse::<Rights>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_reader_may_do_nothing_and_an_operator_everything() {
        let (reader, operator) = (Rights::reader(), Rights::operator());
        assert!(ActionKind::ALL.into_iter().all(|action| operator.may(action) && !reader.may(action)));
        assert!(!reader.may_write() && operator.may_write());
        assert!(reader.allow(ActionKind::Retry).may_write());
        assert!(operator.only_queues(Vec::<String>::new()).queues().is_some_and(BTreeSet::is_empty));
    }
}
