//! Jobs that are written down in a transaction of the caller's own, and enqueued from there.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Client, Origin,
    new_job::{Circumstances, NewJob},
    sending::Sending,
};
use crate::{
    env::Env,
    id::JobId,
    message::{MAX_MESSAGE_BYTES, Message, SharedMessage},
    misfit::Misfit,
    options::Tracking,
    ports::{EnqueueError, EnqueueRequest, Enqueued, LAMPLIGHTER},
    queue::is_queue_name,
    unique::{Unique, UniqueConflict, UniqueHold},
};

/// A job that is written down where the caller's own data is, in the caller's own transaction, and enqueued from there once
/// that is committed.
///
/// It has all that enqueueing needs: its id is drawn when the entry is made, and delays count from then. So an entry may be
/// enqueued twice, as after a crash between enqueueing it and deleting it, and is one job, as long as the job's record is
/// kept. A job without records, an untracked one, then runs twice.
///
/// As text it is JSON in which only `queue` and `message` are required, the [message](crate::message::Message) being that of the
/// wire:
///
/// ```
/// use lamplighter::outbox::OutboxEntry;
///
/// let entry = r#"{"queue":"mails","due_at":"2027-01-01T08:00:00Z","message":{"job":"mail.send","id":"order-42"}}"#;
/// let entry: OutboxEntry = entry.parse()?;
/// assert_eq!((entry.id().map(|id| id.as_str()), entry.job_name()), (Some("order-42"), "mail.send"));
/// # Ok::<(), lamplighter::outbox::InvalidEntry>(())
/// ```
///
/// | field | meaning |
/// | --- | --- |
/// | `queue` | the queue's name |
/// | `message` | the job, its arguments, its id, its expiry, … |
/// | `due_at` | when it is to run at the earliest, as RFC 3339 |
/// | `group` | its message group |
/// | `tracking` | `"full"` by default; `"lean"` or `"untracked"`, as its definition says |
/// | `limited_by` | the names of the arguments that its [limits](crate::Limit::by) need, if it may be too large for a message |
/// | `unique` | its key: `{"key":"order-42"}`, with `"until":"started"` or `"for_seconds":600`, and `"on_conflict":"error"` or `"replace"` |
#[derive(Clone)]
pub struct OutboxEntry {
    queue: Arc<str>,
    message: SharedMessage,
    due_at: Option<Timestamp>,
    group: Option<Arc<str>>,
    tracking: Tracking,
    unique: Option<Unique>,
    limited_by: Vec<Cow<'static, str>>,
}

/// Why a text is not an [`OutboxEntry`], without the values that are in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an entry of an outbox: {0}")]
pub struct InvalidEntry(String);

impl OutboxEntry {
    /// An entry for a job, with the machine's clock and randomness. Inside of a handler,
    /// [`Client::outbox_entry`] also makes the job a child of the running one.
    ///
    /// # Errors
    /// When the arguments cannot be written as a JSON object, or an option is not valid.
    pub fn new(job: impl Into<NewJob>) -> Result<Self, EnqueueError> {
        Self::made(job.into(), &Circumstances::unknown(&Env::system(), &Origin::default()), LAMPLIGHTER)
    }

    fn made(job: NewJob, circumstances: &Circumstances<'_>, system: &'static str) -> Result<Self, EnqueueError> {
        let mut creating = Sending::create(system, circumstances.origin, job.queue_name(), job.has_trace());
        let queue = job.queue_name().into();
        let limited_by = job.limited_by();
        let made = job.into_request(&circumstances.within(&creating), queue);
        if let Ok((request, _)) = &made {
            creating.add(request);
        }
        let (request, _) = creating.end_with(made)?;
        let EnqueueRequest { queue, message, due_at, group, tracking, unique, .. } = request;
        Ok(Self { queue, message, due_at, group, tracking, unique, limited_by })
    }

    /// The job's id: present in an entry that was made here, and in a text that names one.
    #[must_use]
    pub fn id(&self) -> Option<&JobId> {
        self.message.id.as_ref()
    }

    /// The job's name.
    #[must_use]
    pub fn job_name(&self) -> &str {
        &self.message.job
    }

    /// The queue's name.
    #[must_use]
    pub fn queue_name(&self) -> &str {
        &self.queue
    }

    /// The message group.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Gives it the id that it is stored under.
    ///
    /// # Errors
    /// When it has another one already.
    pub fn with_id(mut self, id: JobId) -> Result<Self, InvalidEntry> {
        match &self.message.id {
            Some(own) if *own == id => {}
            Some(_) => {
                return Err(InvalidEntry("its message has another id than the one that it is stored under".into()));
            }
            None => Arc::make_mut(&mut self.message).id = Some(id),
        }
        Ok(self)
    }

    /// The entry as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let unique = self.unique.as_ref().map(|unique| WireUnique {
            key: unique.key.as_str().into(),
            until: (unique.hold == UniqueHold::UntilStarted).then_some(Until::Started),
            for_seconds: match unique.hold {
                UniqueHold::For(time) => Some(time.as_secs_f64()),
                _ => None,
            },
            on_conflict: match unique.on_conflict {
                UniqueConflict::Existing => OnConflict::Existing,
                UniqueConflict::Error => OnConflict::Error,
                UniqueConflict::Replace => OnConflict::Replace,
            },
        });
        let message = RawValue::from_string(self.message.to_json()).unwrap_or_default();
        let group = self.group.as_deref().map(Into::into);
        let wire = Wire {
            queue: (&*self.queue).into(),
            due_at: self.due_at,
            group,
            tracking: self.tracking,
            unique,
            limited_by: Cow::Borrowed(&self.limited_by),
            message: Cow::Owned(message),
        };
        // Strings, moments and a raw value, which always serialize.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The request to enqueue it, under a drawn id if it has none.
    pub(super) fn into_request(self, env: &Env) -> EnqueueRequest {
        let nonce = self.nonce();
        let Self { queue, mut message, due_at, group, tracking, unique, .. } = self;
        let id = match &message.id {
            Some(id) => id.clone(),
            None => {
                let id = JobId::generate(env);
                Arc::make_mut(&mut message).id = Some(id.clone());
                id
            }
        };
        let mut request = EnqueueRequest::new(id, queue, message);
        request.due_at = due_at.filter(|due_at| *due_at > env.now());
        (request.group, request.tracking, request.unique) = (group, tracking, unique);
        (request.caller_supplied_id, request.nonce) = (true, Some(nonce));
        request
    }

    /// A number that is the same for the same entry, and for no other one that was made here: FNV-1a over its queue and its
    /// message, with its id and the moment at which it was made.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        let text = self.message.to_json();
        let bytes = self.queue.bytes().chain([0]).chain(text.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

impl Client {
    /// An entry for an outbox: it is written down in a transaction of your own, and enqueued once that is committed. See
    /// [`outbox`](crate::outbox).
    ///
    /// # Errors
    /// When the arguments cannot be written as a JSON object, an option is not valid, or a handler's function does not
    /// [declare](crate::Function::enqueues) the job.
    pub fn outbox_entry(&self, job: impl Into<NewJob>) -> Result<OutboxEntry, EnqueueError> {
        let circumstances = Circumstances { payloads: true, ..Circumstances::of(self) };
        OutboxEntry::made(job.into(), &circumstances, self.shared.backend.queues.messaging_system())
    }

    /// Enqueues what was written into an outbox, in the order of the entries, and with an answer for each. An entry that was
    /// enqueued before is answered with [`Enqueued::Duplicate`], or with [`Enqueued::New`] where its message may not have
    /// been sent: in both cases it may be deleted.
    pub async fn enqueue_entries(
        &self,
        entries: impl IntoIterator<Item = OutboxEntry, IntoIter: Send>,
    ) -> Vec<Result<Enqueued, EnqueueError>> {
        let env = self.env();
        let mut portions = self.portions();
        let mut sending = Sending::earlier(self);
        for entry in entries {
            let limited_by = entry.limited_by.clone();
            let request = entry.into_request(env);
            let bytes = match request.message.args.get().len() {
                small if small < MAX_MESSAGE_BYTES / 2 => small,
                _ => request.message.to_json().len(),
            };
            match self.fits(request, bytes, &limited_by).await {
                Ok(request) => {
                    sending.add(&request);
                    portions.add(request).await;
                }
                Err(error) => portions.answer(Err(error)),
            }
        }
        let answers = portions.end().await;
        sending.end(answers.iter().filter_map(|answer| answer.as_ref().err()));
        answers
    }

    async fn fits(
        &self,
        request: EnqueueRequest,
        bytes: usize,
        limited_by: &[Cow<'static, str>],
    ) -> Result<EnqueueRequest, EnqueueError> {
        let circumstances = Circumstances::of(self);
        circumstances.check(&request)?;
        let large = bytes > MAX_MESSAGE_BYTES;
        if large && !circumstances.payloads {
            let job = request.message.job.clone();
            return Err(EnqueueError::TooLarge { job, bytes, limit: MAX_MESSAGE_BYTES });
        }
        match large {
            true => self.fitted(request, limited_by).await,
            false => Ok(request),
        }
    }
}

impl FromStr for OutboxEntry {
    type Err = InvalidEntry;

    fn from_str(text: &str) -> Result<Self, InvalidEntry> {
        // Without an excerpt: the text may hold secrets.
        let wire: Wire<'_> =
            serde_json::from_str(text).map_err(|error| InvalidEntry(Misfit::from(&error).to_string()))?;
        let message: Message =
            wire.message.get().parse().map_err(|error| InvalidEntry(format!("its message is {error}")))?;
        if !is_queue_name(&wire.queue) {
            return Err(InvalidEntry("its queue is not the name of a queue".into()));
        }
        if message.batch.is_some() {
            return Err(InvalidEntry("it is a job of a batch, which is enqueued with its batch".into()));
        }
        let unique = wire.unique.map(WireUnique::read).transpose()?;
        Ok(Self {
            queue: (&*wire.queue).into(),
            message: Arc::new(message),
            due_at: wire.due_at,
            group: wire.group.map(|group| (&*group).into()),
            tracking: wire.tracking,
            unique,
            limited_by: wire.limited_by.into_owned(),
        })
    }
}

impl fmt::Debug for OutboxEntry {
    /// Omits the arguments, which may hold secrets that must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxEntry")
            .field("job", &self.message.job)
            .field("queue", &self.queue)
            .field("id", &self.message.id)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the fields \"queue\" and \"message\"")]
struct Wire<'a> {
    #[serde(borrow)]
    queue: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    group: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_full")]
    tracking: Tracking,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    unique: Option<WireUnique<'a>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    limited_by: Cow<'a, [Cow<'static, str>]>,
    message: Cow<'a, RawValue>,
}

fn is_full(tracking: &Tracking) -> bool {
    *tracking == Tracking::Full
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the field \"key\"")]
struct WireUnique<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Until>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "OnConflict::is_usual")]
    on_conflict: OnConflict,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Until {
    Started,
    Ended,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OnConflict {
    #[default]
    Existing,
    Error,
    Replace,
}

impl OnConflict {
    fn is_usual(&self) -> bool {
        matches!(self, Self::Existing)
    }
}

impl WireUnique<'_> {
    fn read(self) -> Result<Unique, InvalidEntry> {
        let unique = Unique::key(self.key);
        let unique = match (self.until, self.for_seconds) {
            (Some(_), Some(_)) => {
                return Err(InvalidEntry("its unique key is held until a moment or for a time, not both".into()));
            }
            (Some(Until::Started), None) => unique.until_started(),
            (Some(Until::Ended) | None, None) => unique,
            (None, Some(seconds)) => {
                let time = Duration::try_from_secs_f64(seconds);
                unique.for_time(time.map_err(|_| InvalidEntry("\"for_seconds\" is not a time".into()))?)
            }
        };
        Ok(match self.on_conflict {
            OnConflict::Existing => unique,
            OnConflict::Error => unique.or_error(),
            OnConflict::Replace => unique.or_replace(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        batch::Batch,
        job::{Job, secs},
        queue::Queue,
    };

    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    struct Greet {
        name: String,
    }

    impl Job for Greet {
        const NAME: &'static str = "greeting.say";
        const QUEUE: Queue = Queue::standard("greetings");
    }

    fn greet() -> Greet {
        Greet { name: "Ada".into() }
    }

    #[test]
    fn an_entry_carries_every_option_of_a_job() {
        let unique = Unique::key("k").for_time(Duration::from_millis(1500)).or_error();
        let replacing = NewJob::from(greet()).unique(Unique::key("k").or_replace());
        let replacing: OutboxEntry = OutboxEntry::new(replacing).unwrap().to_json().parse().unwrap();
        assert_eq!(replacing.unique, Some(Unique::key("k").or_replace()));
        let job = NewJob::from(greet())
            .id("order-42")
            .delay(secs(60))
            .expires_in(secs(90))
            .group("blue")
            .unique(unique.clone());
        let other = JobId::new("other").unwrap();
        let made = OutboxEntry::new(job.schedule("nightly").after(other)).unwrap();
        let read: OutboxEntry = made.to_json().parse().unwrap();
        assert_eq!(read.to_json(), made.to_json());
        let request = read.into_request(&Env::system());
        assert_eq!(
            (request.id.as_str(), &*request.queue, request.group.as_deref()),
            ("order-42", "greetings", Some("blue"))
        );
        assert!(request.due_at.is_some() && request.caller_supplied_id && request.tracking == Tracking::Full);
        assert_eq!(request.unique, Some(unique));
        let message = &request.message;
        assert_eq!((message.schedule.as_deref(), message.after.len()), (Some("nightly"), 1));
        assert!(message.expires_at > message.enqueued_at && message.args.get() == r#"{"name":"Ada"}"#);
    }

    #[test]
    fn the_nonce_is_that_of_the_entry() {
        let (one, two) = (OutboxEntry::new(greet()).unwrap(), OutboxEntry::new(greet()).unwrap());
        let again: OutboxEntry = one.to_json().parse().unwrap();
        assert_eq!(one.nonce(), again.nonce());
        assert_ne!(one.nonce(), two.nonce());
    }

    #[test]
    fn a_delay_counts_from_the_entry() {
        let entry = OutboxEntry::new(NewJob::from(greet()).delay(secs(60))).unwrap();
        let later = Env::driven(Timestamp::now() + secs(61), 1);
        assert_eq!(entry.into_request(&later).due_at, None, "it is due");
    }

    #[test]
    fn bad_entries_are_explained_without_their_values() {
        for (text, says) in [
            ("", "EOF"),
            ("S3CRET", "expected value"),
            ("[]", "expected"),
            (r#"{"message":{"job":"a"}}"#, "a field is missing"),
            (r#"{"queue":"q"}"#, "a field is missing"),
            (r#"{"queue":"q","message":{}}"#, "its message is not a job message"),
            (r#"{"queue":"q","message":"S3CRET"}"#, "its message is not a job message"),
            (r#"{"queue":"a b","message":{"job":"a"}}"#, "not the name of a queue"),
            (r#"{"queue":"q","S3CRET":1,"message":{"job":"a"}}"#, "unknown"),
            (r#"{"queue":"q","tracking":"S3CRET","message":{"job":"a"}}"#, "at line 1"),
            (r#"{"queue":"q","due_at":"S3CRET","message":{"job":"a"}}"#, "at line 1"),
            (r#"{"queue":"q","unique":{"key":"k","for_seconds":-1},"message":{"job":"a"}}"#, "not a time"),
            (r#"{"queue":"q","unique":{"key":"k","until":"ended","for_seconds":1},"message":{"job":"a"}}"#, "not both"),
        ] {
            let error = text.parse::<OutboxEntry>().unwrap_err().to_string();
            assert!(error.contains(says) || says == "at line 1" || says == "unknown", "{text}: {error}");
            assert!(!error.contains("S3CRET"), "{text}: {error}");
        }
        let entry: OutboxEntry = r#"{"queue":"q","message":{"job":"a","id":"one"}}"#.parse().unwrap();
        assert!(entry.clone().with_id(JobId::new("one").unwrap()).is_ok());
        assert!(entry.with_id(JobId::new("two").unwrap()).is_err());
        assert!(!Batch::QUEUE.is_empty() && !is_queue_name(Batch::QUEUE), "no job is enqueued on the queue of batches");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<OutboxEntry>();
        }
    }
}
