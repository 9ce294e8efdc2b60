//! Jobs.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{
    Batch, JobId, JobState, LogLevel, RawValue, Record,
    operation::Arguments,
    record::{Attempt, AttemptOutcome, ErrorText, Fingerprint, LogLine, Progress},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// One job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// Its name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// Its state.
    #[schema(schema_with = schema::state)]
    pub state: JobState,
    /// The attempts of its present run.
    pub attempt: u32,
    /// When the store first saw it.
    #[schema(schema_with = schema::moment)]
    pub created_at: Timestamp,
    /// When it may run next.
    #[schema(schema_with = schema::moment)]
    pub due_at: Timestamp,
    /// When the running attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub finished_at: Option<Timestamp>,
    /// Why it was cancelled, unless by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The schedule that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The job that enqueued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::id)]
    pub parent: Option<JobId>,
    /// The batch that it is a job of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::id)]
    pub batch: Option<JobId>,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its arguments, the sensitive ones hidden. In a list, of more than 4 KiB long values are cut: the job's own resource has them
    /// whole.
    #[schema(schema_with = schema::json)]
    pub args: Arc<RawValue>,
    /// Its progress, as its handler last reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// Its output. In a list, of more than 4 KiB long values are cut, as those of the arguments are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::json)]
    pub output: Option<Arc<RawValue>>,
    /// The error of the latest attempt that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorTextView>,
    /// Ended attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Whether something is cut, in a list: arguments, output or the errors of attempts. The job's own resource has all of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub is_shortened: bool,
}

/// The progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgressView {
    /// Units done.
    pub done: u64,
    /// Units in total.
    pub total: u64,
}

impl From<Progress> for ProgressView {
    fn from(Progress { done, total }: Progress) -> Self {
        Self { done, total }
    }
}

/// An error, with its causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorTextView {
    /// The outermost message.
    pub message: String,
    /// The causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

impl From<&ErrorText> for ErrorTextView {
    fn from(error: &ErrorText) -> Self {
        Self { message: error.message.clone(), chain: error.chain.clone() }
    }
}

/// One attempt that has ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptView {
    /// From 1.
    pub number: u32,
    /// When the handler began.
    #[schema(schema_with = schema::moment)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(schema_with = schema::moment)]
    pub ended_at: Timestamp,
    /// The host that ran it.
    pub host: String,
    /// Its outcome.
    #[schema(schema_with = schema::outcome)]
    pub outcome: AttemptOutcome,
    /// The error, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorTextView>,
    /// The fingerprint of a failure, by which it belongs to an error group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::fingerprint)]
    pub fingerprint: Option<Fingerprint>,
    /// How long it took.
    pub duration_ms: u64,
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            host: attempt.host.clone(),
            outcome: attempt.outcome,
            error: attempt.error.as_ref().map(ErrorTextView::from),
            fingerprint: attempt.fingerprint,
            duration_ms: milliseconds_between(attempt.started_at, attempt.ended_at),
        }
    }
}

/// Zero when the second comes first.
pub(crate) fn milliseconds_between(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(end.duration_since(start).as_millis()).unwrap_or(0)
}

impl JobView {
    /// Whether it is a batch's record, which has a page of its own.
    pub(crate) fn is_batch(&self) -> bool {
        self.queue == Batch::QUEUE
    }

    /// As a list shows it, which may have very many jobs: long values of its arguments and its output, and long errors, are cut.
    #[must_use]
    pub fn listed(record: &Record) -> Self {
        let mut view = Self::from(record);
        let output = view.output.as_mut().is_some_and(shorten);
        let errors = view.shorten_errors();
        view.is_shortened = shorten(&mut view.args) || output || errors;
        view
    }

    fn shorten_errors(&mut self) -> bool {
        let errors = || self.attempts.iter().filter_map(|attempt| attempt.error.as_ref()).chain(&self.error);
        if errors().map(ErrorTextView::bytes).sum::<usize>() <= MOST_LISTED {
            return false;
        }
        for error in self.attempts.iter_mut().filter_map(|attempt| attempt.error.as_mut()) {
            error.cut(MOST_OF_AN_ATTEMPT);
        }
        if let Some(error) = &mut self.error {
            error.cut(MOST_OF_AN_ERROR);
        }
        true
    }
}

impl ErrorTextView {
    fn bytes(&self) -> usize {
        self.message.len() + self.chain.iter().map(String::len).sum::<usize>()
    }

    fn cut(&mut self, characters: usize) {
        self.chain.clear();
        if let Some((end, _)) = self.message.char_indices().nth(characters) {
            self.message.truncate(end);
            self.message.push('…');
        }
    }
}

/// The bytes of arguments, of an output, or of errors, that a list has of one job.
pub(crate) const MOST_LISTED: usize = 4096;
/// The characters of errors, where those of one job are more than that.
const MOST_OF_AN_ERROR: usize = 1000;
const MOST_OF_AN_ATTEMPT: usize = 100;

/// Cuts long values, and returns whether there were any.
fn shorten(json: &mut Arc<RawValue>) -> bool {
    match Arguments::new(RawValue::to_owned(json)).shortened(MOST_LISTED) {
        Some(short) => {
            *json = short.get().to_owned().into();
            true
        }
        None => false,
    }
}

impl From<&Record> for JobView {
    fn from(record: &Record) -> Self {
        let message = &record.message;
        Self {
            id: record.id.clone(),
            job: message.job.clone(),
            queue: record.queue.clone(),
            state: record.state,
            attempt: record.attempt,
            created_at: record.created_at,
            due_at: record.due_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            reason: record.reason.clone(),
            schedule: message.schedule.clone(),
            parent: message.parent.clone(),
            batch: message.batch.as_ref().map(|batch| batch.id.clone()),
            tags: message.tags.iter().map(ToString::to_string).collect(),
            args: message.args.clone().into(),
            progress: record.progress.map(ProgressView::from),
            output: record.output.clone().map(Arc::from),
            error: record.last_error().map(ErrorTextView::from),
            attempts: record.attempts.iter().map(AttemptView::from).collect(),
            is_shortened: false,
        }
    }
}

/// One job with what is around it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// The end of the running attempt's lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub lease_until: Option<Timestamp>,
    /// The moment from which it must not start any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub expires_at: Option<Timestamp>,
    /// The limit in which it waits for a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The value that its handler saved for its next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::json)]
    pub checkpoint: Option<Arc<RawValue>>,
    /// Whether this program knows its definition, so that its arguments can be edited.
    pub is_defined: bool,
    /// The jobs around it.
    pub relations: Relations,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

/// The jobs around a job.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Relations {
    /// The job that enqueued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<RelationView>,
    /// Jobs that it waited for, or waits for.
    pub after: Vec<RelationView>,
    /// Jobs that it enqueued: the newest, where that can be searched.
    pub children: Vec<RelationView>,
    /// Whether there are more children than are listed.
    pub has_more_children: bool,
}

/// A job beside another.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RelationView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// Its name, unless there is no record any more, or it may not be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Its state, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::state)]
    pub state: Option<JobState>,
    /// How it must end for the other to run: `success`, `failure` or `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
}

/// One line of a job's log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogLineView {
    /// When it was written.
    #[schema(schema_with = schema::moment)]
    pub at: Timestamp,
    /// The attempt that wrote it; 0 for what an operator did.
    pub attempt: u32,
    /// Its level.
    #[schema(schema_with = schema::level)]
    pub level: LogLevel,
    /// The text.
    pub text: String,
}

impl From<LogLine> for LogLineView {
    fn from(line: LogLine) -> Self {
        Self { at: line.at, attempt: line.attempt, level: line.level, text: line.text }
    }
}
