//! Records as items. Attribute names are short: a write is billed by the kilobyte, names included.
//!
//! | attribute | meaning |
//! | --- | --- |
//! | `pk`, `sk` | the key |
//! | `lpk`, `lsk` | the key in the listing, where the record is listed |
//! | `st` | state |
//! | `n` | attempts in the current run |
//! | `o`, `l` | owner and end of the lease |
//! | `h`, `b` | the host that runs it, and since when |
//! | `c`, `d`, `f` | created at, due at, ended at |
//! | `q`, `j`, `g` | queue, job name, message group |
//! | `m` or `mp` | the message, or the number of its pieces beside the record |
//! | `x` | ended attempts, a list of JSON texts |
//! | `u`, `p`, `k` | output, progress, checkpoint |
//! | `e`, `y` | the keys of the limits in which it has a place while it runs; why it was cancelled |
//! | `lm` | the limit that it waits for, since when, and until when its message is hidden |
//! | `i`, `v` | of a failed job, the message that has to be dead-lettered, and why |
//! | `bt`, `bc` | the batch that it is a job of, with its part and its place there; the end that the batch has counted |
//! | `lean` | present on lean records |
//! | `dl` | present on what is left of a record that was deleted: with it, the keys, `st`, `q`, `j`, `z` and `ttl` |
//! | `r` | when it was last given a new message |
//! | `rp`, `xe` | present on a job that was given the arguments of another one: the record's message is the one to run; its expiry |
//! | `mx`, `rf` | attempts allowed, and for how many seconds a failure is kept |
//! | `w`, `z` | nonces of the first and the last write: a retried call recognizes its own write by them |
//! | `op`, `un` | of a batch: its open parts; the lots that are not sent |
//! | `tt`, `ts`, `tf`, `tc` | of a batch: its jobs; the succeeded, failed and cancelled ones in parts that are complete |
//! | `ff`, `cx` | of a batch: present once a job has failed; why it is being cancelled |
//! | `ttl` | when DynamoDB may delete it, in seconds since 1970; after that moment it counts as deleted |

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use lamplighter::{
    JobId, JobState, RawValue, Record,
    backend::{Failure, JobOwner, LimitRequest, Membership, StoreError, StoreErrorKind},
    message::Message,
    record::{Attempt, AttemptOutcome, ErrorText, Fingerprint, Progress},
};

use super::keys::{self, ListingKey};

pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The largest error of an attempt in the table, in bytes: fifty of them and everything else stay far below the 400 KB
/// of an item (Amazon DynamoDB Developer Guide, "Service quotas").
const MAX_ERROR: usize = 1536;

/// The error of an attempt that was lost.
const LOST: &str = "its host ended without a word";

/// The batch that a job is of.
pub(super) const BATCH: &str = "bt";
/// The mark of a record that was deleted.
pub(super) const DELETED: &str = "dl";
/// The end of a job that its batch has counted.
pub(super) const COUNTED: &str = "bc";

/// A membership as it is stored.
pub(super) fn membership(batch: &Membership) -> String {
    match batch.place {
        Some(place) => format!("{}.{place}#{}", batch.part, batch.id),
        None => format!("{}#{}", batch.part, batch.id),
    }
}

/// The keys of limits, if there are any.
pub(super) fn keys(limits: &[LimitRequest]) -> Option<AttributeValue> {
    let keys = || limits.iter().map(|limit| text(&*limit.key)).collect();
    (!limits.is_empty()).then(|| AttributeValue::L(keys()))
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn time(value: Timestamp) -> AttributeValue {
    number(keys::nanos(value))
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Option<AttributeValue> {
    serde_json::to_string(value).ok().map(AttributeValue::S)
}

/// An ended attempt, as one element of the history.
pub(super) fn attempt(attempt: &Attempt) -> AttributeValue {
    let mut attempt = attempt.clone();
    if let Some(error) = &mut attempt.error {
        shorten(error);
    }
    // Strings, numbers and moments, which always serialize.
    json(&attempt).unwrap_or_else(|| text("null"))
}

/// Shortens an error to fit, its causes first.
fn shorten(error: &mut ErrorText) {
    let mut room = MAX_ERROR.saturating_sub(error.message.len());
    let kept = error.chain.iter().take_while(|cause| {
        let fits = cause.len() <= room;
        room = room.saturating_sub(cause.len());
        fits
    });
    let kept = kept.count();
    error.chain.truncate(kept);
    if error.message.len() > MAX_ERROR {
        let mut end = MAX_ERROR;
        while !error.message.is_char_boundary(end) {
            end -= 1;
        }
        error.message.truncate(end);
        error.message.push('…');
    }
}

/// A record's item.
#[derive(Debug, Clone)]
pub(super) struct Item(pub(super) Attributes);

impl Item {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok())
    }

    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.number(name).map(keys::moment)
    }

    pub(super) fn id(&self) -> &str {
        self.text("pk").and_then(keys::id_of).unwrap_or_default()
    }

    /// The state; `None` for one that a newer version wrote.
    pub(super) fn known_state(&self) -> Option<JobState> {
        self.text("st").and_then(|state| state.parse().ok())
    }

    /// Returns the state. A job in a state of a newer version is shown as scheduled: it has not ended, and
    /// [claims](Self::known_state) do not change it.
    pub(super) fn state(&self) -> JobState {
        self.known_state().unwrap_or(JobState::Scheduled)
    }

    pub(super) fn attempt(&self) -> u32 {
        self.number("n").unwrap_or(0)
    }

    /// Whether no attempt of its current run counts. A job with a checkpoint has begun, also where its attempts are counted
    /// anew.
    pub(super) fn has_not_begun(&self) -> bool {
        self.state() != JobState::Running && self.attempt() == 0 && !self.0.contains_key("k")
    }

    /// Whether it waits for its first attempt.
    pub(super) fn waits(&self) -> bool {
        let state = self.known_state();
        self.has_not_begun() && matches!(state, Some(JobState::Waiting | JobState::Scheduled | JobState::Queued))
    }

    pub(super) fn owner(&self) -> u64 {
        self.number("o").unwrap_or(0)
    }

    pub(super) fn lease_until(&self) -> Timestamp {
        self.time("l").unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn is_lean(&self) -> bool {
        self.0.contains_key("lean")
    }

    /// Returns whether it has expired, even if DynamoDB has not deleted it yet.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.number::<i64>("ttl").is_some_and(|ttl| ttl <= now.as_second())
    }

    /// Returns whether there is no such record any more.
    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.has_expired(now) || self.is_deleted()
    }

    /// Returns whether its record was deleted, and only the mark is left that keeps late messages from running it again.
    pub(super) fn is_deleted(&self) -> bool {
        self.0.contains_key(DELETED)
    }

    pub(super) fn queue(&self) -> &str {
        self.text("q").unwrap_or_default()
    }

    pub(super) fn job(&self) -> &str {
        self.text("j").unwrap_or_default()
    }

    /// The batch that it is a job of.
    pub(super) fn membership(&self) -> Option<Membership> {
        let (part, id) = self.text(BATCH)?.split_once('#')?;
        let mut batch = Membership::of(JobId::new(id).ok()?);
        let (part, place) = part.split_once('.').map_or((part, None), |(part, place)| (part, Some(place)));
        batch.part = part.parse().ok()?;
        batch.place = place.and_then(|place| place.parse().ok());
        Some(batch)
    }

    /// The keys of the limits in which its attempt has a place.
    pub(super) fn limits(&self) -> Vec<String> {
        let keys = self.0.get("e").and_then(|keys| keys.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
        keys.iter().filter_map(|key| key.as_s().ok().cloned()).collect()
    }

    /// The owner of the id.
    pub(super) fn owner_job(&self) -> JobOwner {
        JobOwner { job: self.job().to_owned(), queue: self.queue().to_owned() }
    }

    pub(super) fn listing_key(&self) -> Option<ListingKey> {
        let id = JobId::new(self.id()).ok()?;
        Some(ListingKey::new(self.time("c")?, &id, self.queue(), self.job()))
    }

    pub(super) fn raw(&self, name: &str) -> Option<Box<RawValue>> {
        self.text(name).and_then(|text| RawValue::from_string(text.to_owned()).ok())
    }

    pub(super) fn history(&self) -> Vec<Attempt> {
        let list = self.0.get("x").and_then(|value| value.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|value| serde_json::from_str(value.as_s().ok()?).ok()).collect()
    }

    /// The history with one more attempt; drops the oldest if there are too many.
    pub(super) fn history_and(&self, attempt: Attempt) -> AttributeValue {
        let mut history = self.history();
        Record::push_attempt(&mut history, attempt);
        AttributeValue::L(history.iter().map(self::attempt).collect())
    }

    /// The running attempt, recorded as lost.
    pub(super) fn lost_attempt(&self) -> Attempt {
        let error = ErrorText::new(LOST);
        let fingerprint = Fingerprint::of(self.job(), AttemptOutcome::Lost, &error);
        self.running_attempt(self.lease_until(), AttemptOutcome::Lost, error).with_fingerprint(Some(fingerprint))
    }

    /// The running attempt, lost, as it counts in its error group.
    pub(super) fn lost_failure(&self) -> Option<Failure> {
        let (id, ended) = (JobId::new(self.id()).ok()?, (AttemptOutcome::Lost, self.lease_until()));
        Some(Failure::new(&id, (self.job(), self.queue()), ended, &ErrorText::new(LOST)))
    }

    /// The running attempt, ended by something other than its worker.
    pub(super) fn running_attempt(&self, ended_at: Timestamp, outcome: AttemptOutcome, error: ErrorText) -> Attempt {
        let ran = (self.time("b").unwrap_or(ended_at), ended_at);
        Attempt::new(self.attempt(), self.text("h").unwrap_or_default(), ran, outcome).with_error(Some(error))
    }

    /// The number of the message's pieces beside the record.
    pub(super) fn pieces(&self) -> u32 {
        self.number("mp").unwrap_or(0)
    }

    fn progress(&self) -> Option<Progress> {
        self.text("p").and_then(|text| serde_json::from_str(text).ok())
    }

    /// The record, with the message's text if it is stored beside it.
    pub(super) fn record(&self, beside: Option<&str>) -> Result<Record, StoreError> {
        match self.text("m").or(beside) {
            Some(message) => {
                let message = message.parse().map_err(|error| {
                    let text = format_args!("the table's record of job {} holds no message: {error}", self.id());
                    StoreError::new(StoreErrorKind::Invalid, text)
                });
                self.record_of(message?)
            }
            // Its pieces could not be written when the record was.
            None => self.without_message(),
        }
    }

    /// The record with its job's name in place of its message.
    pub(super) fn without_message(&self) -> Result<Record, StoreError> {
        let message = format!(r#"{{"job":"{}"}}"#, self.job()).parse().map_err(|_| {
            let text = format_args!("the table's record of job {} names no job", self.id());
            StoreError::new(StoreErrorKind::Invalid, text)
        });
        self.record_of(message?)
    }

    fn record_of(&self, message: Message) -> Result<Record, StoreError> {
        let id = JobId::new(self.id()).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let state = self.state();
        let created_at = self.time("c").unwrap_or(Timestamp::UNIX_EPOCH);
        let running = state == JobState::Running;
        let mut record = Record::new(id, self.queue(), state, Arc::new(message), created_at);
        record.due_at = self.time("d").unwrap_or(created_at);
        record.attempt = self.attempt();
        record.started_at = self.time("b").filter(|_| running);
        record.lease_until = self.time("l").filter(|_| running);
        record.finished_at = self.time("f").filter(|_| state.is_final());
        record.limit = self.wait().map(|wait| wait.key);
        record.output = self.raw("u");
        record.progress = self.progress();
        record.checkpoint = self.raw("k");
        record.attempts = self.history();
        record.reason = self.text("y").filter(|_| state == JobState::Cancelled).map(ToOwned::to_owned);
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_long_errors_fit_in_an_item() {
        let long = ErrorText { message: "ü".repeat(4000), chain: vec!["cause ".repeat(600); 16] };
        let host = "lambda some-stack-some-function 2026/11/24/[$LATEST]0123456789abcdef0123456789abcdef";
        let ran = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let attempt_of = |error: ErrorText| Attempt::new(1, host, ran, AttemptOutcome::Error).with_error(Some(error));
        let size = attempt(&attempt_of(long)).as_s().unwrap().len();
        assert!(size * Record::MAX_HISTORY < 110_000, "{size}");
        let short = ErrorText { message: "no".into(), chain: vec!["because".into(), "x".repeat(5000)] };
        let kept: Attempt = serde_json::from_str(attempt(&attempt_of(short)).as_s().unwrap()).unwrap();
        assert_eq!(kept.error.unwrap().chain, ["because"]);
    }
}
