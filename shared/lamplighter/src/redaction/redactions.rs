//! Records and messages of many jobs, as they may be shown.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{Redaction, hidden};
use crate::{job::Definition, message::Message, record::Record, sensitive::PLACEHOLDER};

/// What is hidden in the jobs that a program knows, for programs that show records and messages.
///
/// A job that is not among its definitions may have sensitive arguments, so those are hidden as a whole, with its output and its
/// checkpoint, which may quote them, and so is a body that is no message. Its errors were written without them.
#[derive(Debug, Clone, Default)]
pub struct Redactions(BTreeMap<Cow<'static, str>, Option<Redaction>>);

impl Redactions {
    /// Of these jobs.
    #[must_use]
    pub fn of<'a>(definitions: impl IntoIterator<Item = &'a Definition>) -> Self {
        Self(definitions.into_iter().map(|definition| (definition.name.into(), definition.redaction())).collect())
    }

    /// For jobs in which nothing that is asked for is hidden. In any other job, everything is.
    pub(crate) fn of_shown(jobs: &[String]) -> Self {
        Self(jobs.iter().map(|job| (job.clone().into(), None)).collect())
    }

    /// A record as it may be shown: its arguments, and what its errors, its output and its checkpoint quote of them.
    #[must_use]
    pub fn record(&self, mut record: Record) -> Record {
        match self.0.get(&*record.message.job) {
            Some(None) => {}
            Some(Some(redaction)) => {
                let redactor = redaction.redactor(&record.message.args);
                let args = redaction.args(&record.message.args);
                Arc::make_mut(&mut record.message).args = args;
                record.output = record.output.map(|output| redactor.json(&output));
                record.checkpoint = record.checkpoint.map(|checkpoint| redactor.json(&checkpoint));
                for error in record.attempts.iter_mut().filter_map(|attempt| attempt.error.as_mut()) {
                    *error = redactor.error(error);
                }
            }
            // Nobody has written arguments into the record of a batch.
            None if record.is_batch() => {}
            None => {
                Arc::make_mut(&mut record.message).args = hidden();
                record.output = record.output.map(|_| hidden());
                record.checkpoint = record.checkpoint.map(|_| hidden());
            }
        }
        record
    }

    /// A dead letter's body, or any message's, as it may be shown.
    #[must_use]
    pub fn body<'b>(&self, body: &'b str) -> Cow<'b, str> {
        let Ok(mut message) = body.parse::<Message>() else { return PLACEHOLDER.into() };
        message.args = match self.0.get(&*message.job) {
            Some(None) => return body.into(),
            Some(Some(redaction)) => redaction.args(&message.args),
            None => hidden(),
        };
        message.to_json().into()
    }

    /// The error that came with a message of that body, as it may be shown.
    #[must_use]
    pub fn error<'e>(&self, body: &str, error: &'e str) -> Cow<'e, str> {
        let Ok(message) = body.parse::<Message>() else { return error.into() };
        match self.0.get(&*message.job) {
            Some(Some(redaction)) => redaction.redactor(&message.args).text(error).into_owned().into(),
            Some(None) | None => error.into(),
        }
    }
}
