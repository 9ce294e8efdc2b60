//! Whether a record fits a query.

use super::{Query, When, args, name_fits};
use crate::{
    error::{ErrorText, Fingerprint},
    record::Record,
    redaction::Redactions,
};

impl Query {
    /// Whether a record fits. A time ago that is not [pinned](Self::pinned) fits no record.
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        self.fits_plainly(record) && self.fits_values(record, false)
    }

    /// As [`fits`](Self::fits), for somebody to whom records are shown with these redactions: hidden values are found by
    /// no term.
    #[must_use]
    pub fn fits_shown(&self, record: &Record, redactions: &Redactions) -> bool {
        self.fits_plainly(record)
            && (!self.looks_at_values() || self.fits_values(&redactions.record(record.clone()), true))
    }

    /// Whether it asks for what may be hidden.
    fn looks_at_values(&self) -> bool {
        !self.args.is_empty() || !self.errors.is_empty()
    }

    /// All but arguments and the texts of errors.
    fn fits_plainly(&self, record: &Record) -> bool {
        let message = &record.message;
        let any_or = |values: &[String], own: Option<&str>| {
            values.is_empty() || own.is_some_and(|own| values.iter().any(|value| value == own))
        };
        let named = |patterns: &[String], name: &str| patterns.iter().any(|pattern| name_fits(pattern, name));
        let (job, queue, id) = (&*message.job, &*record.queue, record.id.as_str());
        let at = |when: Option<When>, fits: &dyn Fn(jiff::Timestamp) -> bool| match when {
            None => true,
            Some(When::At(moment)) => fits(moment),
            Some(When::Ago(_)) => false,
        };
        let fingerprint =
            || record.attempts.last().and_then(|last| last.fingerprint).as_ref().map(Fingerprint::to_string);
        (self.states.is_empty() || self.states.contains(&record.state))
            && !self.without_states.contains(&record.state)
            && (self.jobs.is_empty() || named(&self.jobs, job))
            && !named(&self.without_jobs, job)
            && (self.queues.is_empty() || named(&self.queues, queue))
            && !named(&self.without_queues, queue)
            && (self.ids.is_empty() || named(&self.ids, id))
            && self.texts.iter().all(|text| id.starts_with(text.as_str()) || name_fits(text, job))
            && at(self.since, &|since| record.created_at >= since)
            && at(self.before, &|before| record.created_at < before)
            && self.attempts.iter().all(|term| term.fits(record.attempt))
            && self.tags.iter().all(|any| any.iter().any(|tag| message.tags.contains(tag)))
            && any_or(&self.schedules, message.schedule.as_deref())
            && any_or(&self.batches, message.batch.as_ref().map(|batch| batch.id.as_str()))
            && any_or(&self.parents, message.parent.as_ref().map(|parent| parent.as_str()))
            && (self.fingerprints.is_empty()
                || fingerprint()
                    .is_some_and(|own| self.fingerprints.iter().any(|start| own.starts_with(start.as_str()))))
    }

    fn fits_values(&self, record: &Record, hidden: bool) -> bool {
        if !self.errors.is_empty() {
            let Some(error) = record.last_error() else { return false };
            let texts = lower_texts(error);
            let occurs = |text: &String| {
                let text = text.to_lowercase();
                texts.iter().any(|known| known.contains(&text))
            };
            if !self.errors.iter().all(|any| any.iter().any(occurs)) {
                return false;
            }
        }
        if self.args.is_empty() {
            return true;
        }
        let args = args::read(&record.message.args);
        self.args.iter().all(|term| term.fits(&args, hidden))
    }
}

/// The messages of an error, in lower case.
fn lower_texts(error: &ErrorText) -> Vec<String> {
    std::iter::once(&error.message).chain(&error.chain).map(|text| text.to_lowercase()).collect()
}
