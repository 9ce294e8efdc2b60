//! A job on the wire: version 1 of the message format.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::{
    after::After, batch::Membership, id::JobId, misfit::redacted_reason, moment, schedule::is_schedule_name, text::Text,
};
pub use crate::{
    after::Outcome,
    tags::{InvalidTags, Tags},
    trace::Trace,
};

/// The largest message that SQS accepts, attributes included: 1 MiB (Amazon SQS Developer Guide, "Message quotas").
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The longest chain of jobs that enqueue each other. A job that enqueues itself endlessly stops here.
pub const MAX_HOPS: u32 = 100;

/// A job on the wire: a JSON object in which only `job` is required. Unknown fields are kept and passed on.
///
/// ```
/// let message: lamplighter::message::Message = r#"{"job":"greeting.say","args":{"name":"Ada"},"x-team":"blue"}"#.parse()?;
/// assert_eq!(message.job, "greeting.say");
/// assert_eq!(message.to_json(), r#"{"job":"greeting.say","args":{"name":"Ada"},"x-team":"blue"}"#);
/// # Ok::<(), lamplighter::message::InvalidMessage>(())
/// ```
#[derive(Debug, Clone)]
pub struct Message {
    /// The registered name: 1–128 of `[A-Za-z0-9._-]`.
    pub job: String,
    /// The arguments: the text of a JSON object.
    pub args: Box<RawValue>,
    /// The claim check: where the arguments are stored when they are too large for a message.
    pub args_at: Option<String>,
    /// The job's id and idempotency key. If missing, the transport's message id is used.
    pub id: Option<JobId>,
    /// When the producer made the message.
    pub enqueued_at: Option<Timestamp>,
    /// When the job was to begin, if that was later than [`enqueued_at`](Self::enqueued_at). Nothing waits for it: the delay
    /// is the transport's, and this is what it is measured by.
    pub due_at: Option<Timestamp>,
    /// The moment from which the job must not start any more.
    pub expires_at: Option<Timestamp>,
    /// The name of the schedule that caused the job: 1–64 letters, digits and `_.-`.
    pub schedule: Option<String>,
    /// The trace context under which the job was enqueued.
    pub trace: Option<Trace>,
    /// The length of the chain of jobs that led to this one.
    pub hops: u32,
    /// Executions of earlier messages of this job, when a retry was sent as a new message and there is no record to
    /// count them.
    pub attempts: u32,
    /// The job that enqueued this one.
    pub parent: Option<JobId>,
    /// The jobs that it waits for, at most [`After::MAX`]. Only enqueueing looks at them: a message that is on its queue
    /// runs.
    pub after: Vec<After>,
    /// The batch that it is a job of.
    pub batch: Option<Membership>,
    /// Texts by which people find it.
    pub tags: Tags,
    /// Fields that this version does not know, as received.
    pub extra: BTreeMap<String, Box<RawValue>>,
}

/// Why a body is not a message, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a job message: {0}")]
pub struct InvalidMessage(String);

impl InvalidMessage {
    pub(crate) fn new(reason: &dyn fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl Message {
    /// A message that names a job and its arguments, which are the text of a JSON object.
    ///
    /// # Errors
    /// When the name is not 1–128 characters of `[A-Za-z0-9._-]`, or the arguments are not an object.
    pub fn new(job: impl Into<String>, args: Box<RawValue>) -> Result<Self, InvalidMessage> {
        let message = Self { args, ..Self::without_arguments(job) };
        message.check()?;
        Ok(message)
    }

    /// A message with the least that there can be, under a name that is known to be good.
    pub(crate) fn without_arguments(job: impl Into<String>) -> Self {
        Self {
            job: job.into(),
            args: empty_object(),
            args_at: None,
            id: None,
            enqueued_at: None,
            due_at: None,
            expires_at: None,
            schedule: None,
            trace: None,
            hops: 0,
            attempts: 0,
            parent: None,
            after: Vec::new(),
            batch: None,
            tags: Tags::default(),
            extra: BTreeMap::new(),
        }
    }

    /// The message as JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // String keys, and raw values that are valid JSON already: serialization cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), InvalidMessage> {
        if !is_job_name(&self.job) {
            let shown: String = self.job.chars().take(136).collect();
            let text = format!("\"job\" is 1 to 128 characters of A-Z a-z 0-9 . _ -, and {shown:?} is not");
            return Err(InvalidMessage(text));
        }
        if !self.args.get().starts_with('{') {
            return Err(InvalidMessage("\"args\" must be a JSON object".into()));
        }
        // It is shown to people and becomes part of ids; no schedule can have another name.
        if self.schedule.as_deref().is_some_and(|name| !is_schedule_name(name)) {
            return Err(InvalidMessage("\"schedule\" is 1 to 64 letters, digits and _.-".into()));
        }
        Ok(())
    }
}

/// Returns whether `name` is a valid job name: 1–128 characters of `[A-Za-z0-9._-]`.
#[must_use]
pub fn is_job_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The text of an empty object.
pub(crate) fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".into()).unwrap_or_default()
}

impl std::str::FromStr for Message {
    type Err = InvalidMessage;

    fn from_str(body: &str) -> Result<Self, InvalidMessage> {
        // For a body that is not an object, serde's error would quote it; all other errors are our own.
        if body.trim_ascii_start().starts_with(|first: char| first != '{') {
            return Err(InvalidMessage("expected a JSON object with the field \"job\"".into()));
        }
        let message: Self = serde_json::from_str(body).map_err(|error| {
            // A truncated field looks like one of a wrong type.
            let broken = serde_json::from_str::<IgnoredAny>(body).err();
            InvalidMessage(broken.unwrap_or(error).to_string())
        })?;
        message.check()?;
        Ok(message)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        let raw = |extra: &BTreeMap<String, Box<RawValue>>| -> Vec<(String, String)> {
            extra.iter().map(|(key, value)| (key.clone(), value.get().to_owned())).collect()
        };
        self.job == other.job
            && self.args.get() == other.args.get()
            && self.args_at == other.args_at
            && self.id == other.id
            && self.enqueued_at == other.enqueued_at
            && self.due_at == other.due_at
            && self.expires_at == other.expires_at
            && self.schedule == other.schedule
            && self.trace == other.trace
            && self.hops == other.hops
            && self.attempts == other.attempts
            && self.parent == other.parent
            && self.after == other.after
            && self.batch == other.batch
            && self.tags == other.tags
            && raw(&self.extra) == raw(&other.extra)
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", &self.job)?;
        map.serialize_entry("args", &self.args)?;
        macro_rules! present {
            ($($field:ident),*) => {$(
                if let Some(value) = &self.$field {
                    map.serialize_entry(stringify!($field), value)?;
                }
            )*};
        }
        present!(args_at, id, enqueued_at, due_at, expires_at, schedule, trace);
        for (name, number) in [("hops", self.hops), ("attempts", self.attempts)] {
            if number > 0 {
                map.serialize_entry(name, &number)?;
            }
        }
        present!(parent);
        if !self.after.is_empty() {
            map.serialize_entry("after", &self.after)?;
        }
        present!(batch);
        if !self.tags.is_empty() {
            map.serialize_entry("tags", &self.tags)?;
        }
        for (key, value) in &self.extra {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Message;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with the field \"job\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message, A::Error> {
        // Whether each was there, and what it says.
        let mut job: Option<Option<String>> = None;
        let mut args: Option<Option<Box<RawValue>>> = None;
        let (mut hops, mut attempts): (Option<Option<u32>>, Option<Option<u32>>) = (None, None);
        let (mut id, mut parent): (Option<Option<Id>>, Option<Option<Id>>) = (None, None);
        let mut enqueued_at: Option<Option<Moment>> = None;
        let (mut due_at, mut expires_at): (Option<Option<Moment>>, Option<Option<Moment>>) = (None, None);
        let (mut schedule, mut args_at): (Option<Option<String>>, Option<Option<String>>) = (None, None);
        let mut trace: Option<Option<Box<RawValue>>> = None;
        let mut after: Option<Option<Vec<After>>> = None;
        let mut batch: Option<Option<Membership>> = None;
        let mut tags: Option<Option<Tags>> = None;
        let mut extra = BTreeMap::new();
        // A field given as null counts as absent: many languages write absent values that way.
        macro_rules! once {
            ($slot:ident) => {{
                if $slot.is_some() {
                    return Err(de::Error::duplicate_field(stringify!($slot)));
                }
                $slot = Some(map.next_value().map_err(|error| of_field(stringify!($slot), &error))?);
            }};
        }
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "job" => once!(job),
                "args" => once!(args),
                "args_at" => once!(args_at),
                "id" => once!(id),
                "enqueued_at" => once!(enqueued_at),
                "due_at" => once!(due_at),
                "expires_at" => once!(expires_at),
                "schedule" => once!(schedule),
                "trace" => once!(trace),
                "hops" => once!(hops),
                "attempts" => once!(attempts),
                "parent" => once!(parent),
                "after" => once!(after),
                "batch" => once!(batch),
                "tags" => once!(tags),
                _ if extra.contains_key(&*key) => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(de::Error::custom("an unknown field occurs twice"));
                }
                _ => {
                    extra.insert(key.into_owned(), map.next_value()?);
                }
            }
        }
        Ok(Message {
            job: job.flatten().ok_or_else(|| de::Error::custom("the field \"job\" is missing"))?,
            args: args.flatten().unwrap_or_else(empty_object),
            args_at: args_at.flatten(),
            id: id.flatten().map(|Id(id)| id),
            enqueued_at: enqueued_at.flatten().map(|Moment(at)| at),
            due_at: due_at.flatten().map(|Moment(at)| at),
            expires_at: expires_at.flatten().map(|Moment(at)| at),
            schedule: schedule.flatten(),
            trace: trace.flatten().and_then(|field| Trace::of_field(&field)),
            hops: hops.flatten().unwrap_or(0),
            attempts: attempts.flatten().unwrap_or(0),
            parent: parent.flatten().map(|Id(id)| id),
            after: after.flatten().unwrap_or_default(),
            batch: batch.flatten(),
            tags: tags.flatten().unwrap_or_default(),
            extra,
        })
    }
}

#[cold]
fn of_field<E: de::Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("field {name:?}: {}", redacted_reason(error)))
}

/// An id; the error does not quote an invalid one.
struct Id(JobId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        JobId::new(text)
            .map(Self)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Other("another text"), &JobId::FORM))
    }
}

/// A moment. One that is later than [`Timestamp::MAX`] is clamped to it: as an expiry it still means never.
struct Moment(Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        let form = "a moment of RFC 3339 with Z or an offset";
        moment::parse_clamped(&text)
            .map(Self)
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Other("another text"), &form))
    }
}

/// A message with several owners.
pub type SharedMessage = Arc<Message>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(body: &str) -> Result<Message, String> {
        body.parse().map_err(|error: InvalidMessage| error.to_string())
    }

    #[test]
    fn a_job_name_is_a_complete_message() {
        let message = parse(r#" {"job":"invoice.send"} "#).unwrap();
        assert_eq!((message.job.as_str(), message.args.get(), message.hops), ("invoice.send", "{}", 0));
        assert_eq!(message.id, None);
    }

    #[test]
    fn null_is_absent() {
        let message = parse(r#"{"job":"a","args":null,"id":null,"hops":null,"trace":null}"#).unwrap();
        assert_eq!((message.args.get(), message.id, message.trace), ("{}", None, None));
    }

    #[test]
    fn a_trace_may_be_a_text_and_an_invalid_one_is_absent() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = |field: &str| parse(&format!(r#"{{"job":"a","trace":{field}}}"#)).unwrap().trace;
        assert_eq!(trace(&format!("{parent:?}")), Trace::new(parent, None));
        assert_eq!(trace(&format!(r#"{{"traceparent":"{parent}"}}"#)), Trace::new(parent, None));
        for invalid in [r#""00-ab-cd-01""#, r#"{"traceparent":{"x":[1e400]}}"#, "7", "[]", "{}", r#""\ud800""#] {
            assert_eq!(trace(invalid), None, "{invalid}");
        }
        let twice = parse(&format!(r#"{{"job":"a","trace":"{parent}","trace":"{parent}"}}"#)).unwrap_err();
        assert!(twice.contains("duplicate field `trace`"), "{twice}");
    }

    #[test]
    fn invalid_messages_are_explained() {
        for (body, says) in [
            ("", "EOF"),
            (" ", "EOF"),
            (r#"{"job":"a"#, "EOF while parsing a string"),
            (r#"{"job":"a","hops":nul}"#, "expected ident"),
            ("hello", "expected"),
            ("\"hello\"", "a JSON object with the field"),
            (r#"{"job":"a","id":null,"id":"b"}"#, "duplicate field `id`"),
            (r#"{"job":"a","expires_at":7}"#, "field \"expires_at\": expected a"),
            ("[]", "a JSON object with the field"),
            ("null", "a JSON object with the field"),
            ("{}", "\"job\" is missing"),
            (r#"{"job":""}"#, "1 to 128 characters"),
            (r#"{"job":"a b"}"#, "1 to 128 characters"),
            (r#"{"job":7}"#, "field \"job\""),
            (r#"{"job":"a","job":"b"}"#, "duplicate field `job`"),
            (r#"{"job":"a","x":1,"x":2}"#, "twice"),
            (r#"{"job":"a","args":[1]}"#, "must be a JSON object"),
            (r#"{"job":"a","args":"{}"}"#, "must be a JSON object"),
            (r#"{"job":"a","id":"a b"}"#, "expected a job id: 1 to 128"),
            (r#"{"job":"a","hops":-1}"#, "field \"hops\""),
            (r#"{"job":"a","enqueued_at":"yesterday"}"#, "field \"enqueued_at\""),
            (r#"{"job":"a","schedule":""}"#, "\"schedule\" is 1 to 64"),
            (r#"{"job":"a","schedule":"a b"}"#, "\"schedule\" is 1 to 64"),
            (r#"{"job":"a","schedule":"\u001b]52;c;cm0gLXJm\u0007"}"#, "\"schedule\" is 1 to 64"),
            (r#"{"job":"a","tags":"blue"}"#, "field \"tags\""),
            (r#"{"job":"a","tags":["a b"]}"#, "expected at most 10 tags, each 1 to 64"),
            (r#"{"job":"a","tags":["a"],"tags":null}"#, "duplicate field `tags`"),
            (r#"{"job":"a"} trailing"#, "trailing"),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(says), "{body}: {error}");
        }
    }

    #[test]
    fn errors_do_not_quote_the_message() {
        for body in [
            "\"S3CRET\"",
            "S3CRET",
            r#"["S3CRET"]"#,
            r#"{"job":["S3CRET"]}"#,
            r#"{"job":"a","id":"S3CRET !"}"#,
            r#"{"job":"a","id":"S3CRET, expected S3CRET"}"#,
            r#"{"job":"a","parent":"S3CRET !"}"#,
            r#"{"job":"a","args_at":{"S3CRET":"S3CRET"}}"#,
            r#"{"job":"a","enqueued_at":"S3CRET"}"#,
            r#"{"job":"a","expires_at":["S3CRET"]}"#,
            r#"{"job":"a","hops":"S3CRET"}"#,
            r#"{"job":"a","tags":["S3CRET !"]}"#,
            r#"{"job":"a","tags":"S3CRET"}"#,
            r#"{"job":"a","S3CRET":1,"S3CRET":2}"#,
            r#"{"job":"a","args":"S3CRET"}"#,
            r#"{"job":"a"} S3CRET"#,
        ] {
            let error = parse(body).unwrap_err();
            assert!(!error.contains("S3CRET"), "{body}: {error}");
        }
    }

    #[test]
    fn moments_are_rfc_3339_and_clamped_to_the_last() {
        let at = |text: &str| parse(&format!(r#"{{"job":"a","expires_at":"{text}"}}"#)).unwrap().expires_at.unwrap();
        assert_eq!(at("9999-12-31T23:59:59Z"), Timestamp::MAX);
        assert_eq!(at("2026-11-23t12:00:00.123456789012z"), "2026-11-23T12:00:00.123456789Z".parse().unwrap());
        assert_eq!(at("2026-12-31T23:59:60Z"), "2026-12-31T23:59:59Z".parse().unwrap());
        // It round-trips.
        let message = parse(r#"{"job":"a","expires_at":"9999-12-31T23:59:59Z"}"#).unwrap();
        assert_eq!(parse(&message.to_json()).unwrap(), message);
    }

    #[test]
    fn unknown_fields_and_big_numbers_pass_through_unchanged() {
        let body = r#"{"job":"a","args":{"n":123456789012345678901234567890.10},"v9":{"deep":[1.0,1e400]}}"#;
        assert_eq!(parse(body).unwrap().to_json(), body);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(|text: String| text.into()),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(".*", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn raw(value: &serde_json::Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(value).unwrap()
    }

    proptest! {
        #[test]
        fn messages_round_trip(
            job in "[A-Za-z0-9._-]{1,128}",
            args in proptest::collection::btree_map(".*", json(), 0..4),
            id in proptest::option::of("[A-Za-z0-9._:@-]{1,128}"),
            seconds in proptest::option::of(-1_000_000i64..9_000_000_000),
            hops in any::<u32>(),
            schedule in proptest::option::of("[A-Za-z0-9._-]{1,64}"),
            text in proptest::option::of(".*"),
            (trace, span) in (1u128.., 1u64..),
            tags in proptest::collection::vec("[A-Za-z0-9._:@-]{1,64}", 0..=Tags::MAX),
            extra in proptest::collection::btree_map("x-.*", json(), 0..3),
        ) {
            let mut message = Message::new(job, raw(&serde_json::json!(args))).unwrap();
            message.id = id.map(|id| JobId::new(id).unwrap());
            message.parent = message.id.clone();
            message.enqueued_at = seconds.map(|s| Timestamp::from_second(s).unwrap());
            (message.due_at, message.expires_at) = (message.enqueued_at, message.enqueued_at);
            message.hops = hops;
            message.attempts = hops / 2;
            message.args_at = text.clone();
            message.trace = text.and_then(|s| Trace::new(&format!("00-{trace:032x}-{span:016x}-01"), Some(&s)));
            message.schedule = schedule;
            message.tags = Tags::new(tags).unwrap();
            message.extra = extra.iter().map(|(key, value)| (key.clone(), raw(value))).collect();
            let wire = message.to_json();
            prop_assert_eq!(&wire.parse::<Message>().unwrap(), &message);
            prop_assert_eq!(wire.parse::<Message>().unwrap().to_json(), wire);
        }

        #[test]
        fn no_body_panics(body in ".*") {
            let _ = body.parse::<Message>();
        }

        #[test]
        fn no_json_panics(value in json()) {
            let _ = value.to_string().parse::<Message>();
        }
    }
}
