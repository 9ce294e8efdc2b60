//! What an operation does.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::{arguments::Arguments, target::Target};
use crate::{id::JobId, record::JobState};

/// What an operation does. In JSON, `kind` says which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Runs jobs that have ended again.
    Retry,
    /// Cancels jobs that have not ended.
    Cancel,
    /// Deletes jobs that have ended, with their history.
    Delete,
    /// Makes jobs that wait for their time run now.
    RunNow,
    /// Gives jobs that wait for their time another one.
    Reschedule {
        /// When they run.
        at: Timestamp,
    },
    /// Enqueues a copy of a job with other arguments. The job itself stays as it is.
    EditAndRun {
        /// The arguments of the copy.
        #[serde(skip_deserializing)]
        args: Arguments,
    },
    /// Enqueues a job.
    Enqueue {
        /// The job's name.
        job: String,
        /// Its arguments.
        #[serde(skip_deserializing)]
        args: Arguments,
        /// When it runs; at once by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// Its id; by default one that is made from the operation's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<JobId>,
    },
    /// Pauses a queue.
    PauseQueue,
    /// Resumes a queue.
    ResumeQueue,
    /// Moves dead letters back to their queue.
    Redrive {
        /// How many at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    },
    /// Deletes dead letters.
    DeleteDeadLetters,
    /// Pauses a schedule.
    PauseSchedule,
    /// Resumes a schedule.
    ResumeSchedule,
    /// Starts a schedule's job now.
    TriggerSchedule,
    /// Removes a schedule that was added at run time.
    RemoveSchedule,
    /// Starts a schedule's job for each of its times in a stretch. A time whose job exists is left alone.
    Backfill {
        /// The first moment.
        from: Timestamp,
        /// The last moment.
        to: Timestamp,
    },
    /// Writes a note beside an error group; none removes it.
    NoteError {
        /// The note.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Mutes an error group until a moment; none ends that.
    MuteError {
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

impl Action {
    /// The action's name: the word used in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::RunNow => "run-now",
            Self::Reschedule { .. } => "reschedule",
            Self::EditAndRun { .. } => "edit-and-run",
            Self::Enqueue { .. } => "enqueue",
            Self::PauseQueue => "pause-queue",
            Self::ResumeQueue => "resume-queue",
            Self::Redrive { .. } => "redrive",
            Self::DeleteDeadLetters => "delete-dead-letters",
            Self::PauseSchedule => "pause-schedule",
            Self::ResumeSchedule => "resume-schedule",
            Self::TriggerSchedule => "trigger-schedule",
            Self::RemoveSchedule => "remove-schedule",
            Self::Backfill { .. } => "backfill",
            Self::NoteError { .. } => "note-error",
            Self::MuteError { .. } => "mute-error",
        }
    }

    /// What has been done to a job, for its log: `retried by ada`.
    #[must_use]
    pub const fn participle(&self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
            Self::Delete | Self::DeleteDeadLetters => "deleted",
            Self::RunNow => "told to run now",
            Self::Reschedule { .. } => "rescheduled",
            Self::EditAndRun { .. } => "run again with other arguments",
            Self::Enqueue { .. } => "enqueued",
            Self::PauseQueue | Self::PauseSchedule => "paused",
            Self::ResumeQueue | Self::ResumeSchedule => "resumed",
            Self::Redrive { .. } => "moved back",
            Self::TriggerSchedule => "triggered",
            Self::RemoveSchedule => "removed",
            Self::Backfill { .. } => "backfilled",
            Self::NoteError { .. } => "noted",
            Self::MuteError { .. } => "muted",
        }
    }

    /// Whether it changes a job in this state. Others are left alone, and counted as
    /// [unchanged](super::OperationProgress::unchanged).
    #[must_use]
    pub const fn touches(&self, state: JobState) -> bool {
        match self {
            Self::Retry | Self::Delete => state.is_final(),
            Self::Cancel => !state.is_final(),
            Self::RunNow | Self::Reschedule { .. } => {
                matches!(state, JobState::Scheduled | JobState::Retrying | JobState::Queued)
            }
            Self::EditAndRun { .. } => true,
            _ => false,
        }
    }

    /// Whether it can be done to this.
    #[must_use]
    pub const fn fits(&self, target: &Target) -> bool {
        match self {
            Self::Retry | Self::Cancel | Self::Delete | Self::RunNow | Self::Reschedule { .. } => {
                matches!(target, Target::Job { .. } | Target::Jobs { .. } | Target::Query { .. } | Target::Batch { .. })
            }
            Self::EditAndRun { .. } => matches!(target, Target::Job { .. }),
            Self::Enqueue { .. } => matches!(target, Target::New),
            Self::PauseQueue | Self::ResumeQueue => matches!(target, Target::Queue { .. }),
            Self::Redrive { .. } | Self::DeleteDeadLetters => matches!(target, Target::DeadLetters { .. }),
            Self::PauseSchedule
            | Self::ResumeSchedule
            | Self::TriggerSchedule
            | Self::RemoveSchedule
            | Self::Backfill { .. } => matches!(target, Target::Schedule { .. }),
            Self::NoteError { .. } | Self::MuteError { .. } => matches!(target, Target::ErrorGroup { .. }),
        }
    }

    /// The arguments of the job that it enqueues.
    #[must_use]
    pub const fn arguments(&self) -> Option<&Arguments> {
        match self {
            Self::EditAndRun { args } | Self::Enqueue { args, .. } => Some(args),
            _ => None,
        }
    }

    /// The same with other arguments, if it has any.
    #[must_use]
    pub(crate) fn with_arguments(mut self, new: Arguments) -> Self {
        if let Self::EditAndRun { args } | Self::Enqueue { args, .. } = &mut self {
            *args = new;
        }
        self
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Action {
    /// serde cannot read raw JSON inside of a tagged enum, and arguments keep their bytes: they are read by themselves.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let args = fields.remove("args");
        let rest = serde_json::to_string(&fields).map_err(de::Error::custom)?;
        let action = Self::deserialize(&mut serde_json::Deserializer::from_str(&rest)).map_err(de::Error::custom)?;
        Ok(match args {
            Some(args) => action.with_arguments(Arguments::new(args)),
            None => action,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_their_bytes() {
        let text = r#"{"kind":"edit-and-run","args":{"b":1.00,"a":[1e400],"b":2}}"#;
        let action: Action = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&action).unwrap(), text);
        assert!(!format!("{action:?}").contains("1e400"));
        let none: Action = serde_json::from_str(r#"{"kind":"enqueue","job":"mail.send"}"#).unwrap();
        assert_eq!(none.arguments().map(|args| args.get().get()), Some("{}"));
    }

    #[test]
    fn every_action_is_named_as_in_json() {
        let at = Timestamp::UNIX_EPOCH;
        let all = [
            Action::Retry,
            Action::Cancel,
            Action::Delete,
            Action::RunNow,
            Action::Reschedule { at },
            Action::EditAndRun { args: Arguments::default() },
            Action::Enqueue { job: "a".into(), args: Arguments::default(), at: Some(at), id: None },
            Action::PauseQueue,
            Action::ResumeQueue,
            Action::Redrive { limit: Some(1) },
            Action::DeleteDeadLetters,
            Action::PauseSchedule,
            Action::ResumeSchedule,
            Action::TriggerSchedule,
            Action::RemoveSchedule,
            Action::Backfill { from: at, to: at },
            Action::NoteError { note: None },
            Action::MuteError { until: Some(at) },
        ];
        for action in all {
            let json = serde_json::to_value(&action).unwrap();
            assert_eq!(json["kind"], action.as_str());
            assert_eq!(serde_json::from_value::<Action>(json).unwrap(), action);
        }
    }

    #[test]
    fn actions_touch_only_states_in_which_they_make_sense() {
        let touched = |action: &Action| -> Vec<_> {
            JobState::ALL.into_iter().filter(|state| action.touches(*state)).map(JobState::as_str).collect()
        };
        assert_eq!(touched(&Action::Retry), ["succeeded", "failed", "cancelled"]);
        assert_eq!(touched(&Action::Delete), touched(&Action::Retry));
        assert_eq!(touched(&Action::Cancel), ["waiting", "scheduled", "queued", "running", "retrying"]);
        assert_eq!(touched(&Action::RunNow), ["scheduled", "queued", "retrying"]);
        assert_eq!(touched(&Action::PauseQueue), Vec::<&str>::new());
    }
}
