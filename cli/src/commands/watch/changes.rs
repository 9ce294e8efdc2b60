//! What has changed since the last look.

use jiff::Timestamp;
use lamplighter::{
    Batch, JobId, JobState, RawValue, Record,
    operation::{Operation, OperationProgress, OperationState},
    record::{Attempt, ErrorText, LogLine, Progress},
};
use serde::Serialize;

use crate::when;

/// A change, as `--json` shows it. These field names are an interface: scripts rely on them.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Change<'a> {
    /// The job is in another state.
    State {
        at: Timestamp,
        state: JobState,
        attempt: u32,
        /// When it may run next, if that is in the future.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
    },
    /// The handler has reported its progress.
    Progress {
        at: Timestamp,
        #[serde(flatten)]
        progress: Progress,
    },
    /// An attempt has ended.
    Attempt {
        at: Timestamp,
        #[serde(flatten)]
        attempt: &'a Attempt,
        duration_ms: u128,
    },
    /// The handler has written a line to the job's log.
    Log(&'a LogLine),
    /// More jobs of the batch have ended.
    Batch {
        at: Timestamp,
        #[serde(flatten)]
        batch: &'a Batch,
    },
    /// The operation has got further, or has ended.
    Operation {
        at: Timestamp,
        id: &'a JobId,
        action: &'static str,
        state: OperationState,
        #[serde(flatten)]
        progress: OperationProgress,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
    /// It has ended: the last line of a job or a batch.
    End {
        at: Timestamp,
        id: &'a JobId,
        state: JobState,
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a ErrorText>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
}

impl<'a> Change<'a> {
    pub(super) fn of_operation(operation: &'a Operation, at: Timestamp) -> Self {
        Self::Operation {
            at,
            id: &operation.id,
            action: operation.action.as_str(),
            state: operation.state,
            progress: operation.progress,
            error: operation.error.as_deref(),
        }
    }
}

/// What has been shown of a job.
#[derive(Debug, Default)]
pub(super) struct Shown {
    state: Option<(JobState, u32)>,
    progress: Option<Progress>,
    /// The latest attempt that was shown: its end and its number.
    attempt: Option<(Timestamp, u32)>,
    log: usize,
}

impl Shown {
    /// Returns whether the job may have written to its log since the last look.
    pub(super) fn may_have_logged(&self, record: &Record) -> bool {
        record.state == JobState::Running || self.state != Some((record.state, record.attempt))
    }

    /// Returns the lines of the log that are new.
    pub(super) fn lines<'a>(&mut self, log: &'a [LogLine]) -> Vec<Change<'a>> {
        // A log that has become shorter is that of a new run.
        let new = log.get(self.log..).unwrap_or(log);
        self.log = log.len();
        new.iter().map(Change::Log).collect()
    }

    /// Returns what has changed in the record.
    pub(super) fn changes<'a>(&mut self, record: &'a Record, now: Timestamp) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        for attempt in record.attempts.iter().filter(|one| self.attempt < Some((one.ended_at, one.number))) {
            let duration_ms = when::between(attempt.started_at, attempt.ended_at).as_millis();
            changes.push(Change::Attempt { at: now, attempt, duration_ms });
        }
        self.attempt = self.attempt.max(record.attempts.iter().map(|one| (one.ended_at, one.number)).max());
        let state = (record.state, record.attempt);
        if self.state.replace(state) != Some(state) && !record.state.is_final() {
            let due_at = Some(record.due_at).filter(|due| *due > now && record.state != JobState::Running);
            changes.push(Change::State { at: now, state: record.state, attempt: record.attempt, due_at });
        }
        if let Some(progress) = record.progress
            && self.progress.replace(progress) != Some(progress)
        {
            changes.push(Change::Progress { at: now, progress });
        }
        if record.state.is_final() {
            changes.push(Change::End {
                at: now,
                id: &record.id,
                state: record.state,
                output: record.output.as_deref(),
                error: record.last_error().filter(|_| record.state == JobState::Failed),
                reason: record.reason.as_deref(),
            });
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lamplighter::record::AttemptOutcome;

    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn record(state: JobState) -> Record {
        let message = Batch::message(&"a".parse().unwrap(), START);
        Record::new("a".parse().unwrap(), "work", state, message.into(), START)
    }

    fn kinds(changes: &[Change<'_>]) -> Vec<String> {
        let kind = |change| serde_json::to_value(change).unwrap()["kind"].as_str().unwrap().to_owned();
        changes.iter().map(kind).collect()
    }

    #[test]
    fn a_look_shows_what_is_new_and_nothing_twice() {
        let (mut shown, mut job) = (Shown::default(), record(JobState::Queued));
        assert_eq!(kinds(&shown.changes(&job, START)), ["state"]);
        assert!(shown.changes(&job, START).is_empty());
        (job.state, job.attempt) = (JobState::Running, 1);
        job.progress = Some(Progress { done: 1, total: 4 });
        assert_eq!(kinds(&shown.changes(&job, START)), ["state", "progress"]);
        let end = START + Duration::from_secs(2);
        job.attempts.push(Attempt::new(1, "here", (START, end), AttemptOutcome::Error));
        (job.state, job.due_at) = (JobState::Retrying, end + Duration::from_secs(5));
        let changes = shown.changes(&job, end);
        assert_eq!(kinds(&changes), ["attempt", "state"]);
        let value = serde_json::to_value(&changes).unwrap();
        assert_eq!((&value[0]["duration_ms"], &value[0]["outcome"]), (&2000.into(), &"error".into()));
        assert_eq!(value[1]["due_at"], "1970-01-01T00:00:07Z");
        // Another run: attempts are counted from one again.
        job.attempts.push(Attempt::new(1, "here", (end, end + Duration::from_secs(1)), AttemptOutcome::Succeeded));
        (job.state, job.attempt) = (JobState::Succeeded, 2);
        assert_eq!(kinds(&shown.changes(&job, end)), ["attempt", "end"]);
    }

    #[test]
    fn lines_of_the_log_are_shown_once() {
        let line = |text: &str| -> LogLine {
            let value = serde_json::json!({"at": START, "attempt": 1, "level": "info", "text": text});
            serde_json::from_value(value).unwrap()
        };
        let (mut shown, mut log) = (Shown::default(), vec![line("one")]);
        assert_eq!(shown.lines(&log).len(), 1);
        log.push(line("two"));
        let [Change::Log(only)] = &shown.lines(&log)[..] else { panic!("not one line") };
        assert_eq!(only.text, "two");
        assert_eq!(shown.lines(&log[..1]).len(), 1, "a new run");
    }
}
