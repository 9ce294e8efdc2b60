//! Jobs and their definitions.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

use crate::{options::Options, queue::Queue, redaction::Redaction};

/// A job: its arguments are the type's fields, its name and queue are constants.
///
/// A definition is lightweight: a program that only enqueues depends on definitions and a backend, never on handlers.
///
/// ```
/// use lamplighter::{Job, Options, Queue, Retry, secs};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, JsonSchema)]
/// pub struct Greet {
///     pub name: String,
/// }
///
/// impl Job for Greet {
///     const NAME: &'static str = "greeting.say";
///     const QUEUE: Queue = Queue::standard("greetings");
///
///     fn options() -> Options {
///         Options::new().timeout(secs(5)).retry(Retry::exponential(secs(1)).attempts(3))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    note = "a job derives `Serialize`, `Deserialize` and `JsonSchema`, and implements `lamplighter::Job`"
)]
pub trait Job: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The name on the wire: 1–128 of `[A-Za-z0-9._-]`, by convention `noun.verb`. It is independent of the Rust type's
    /// name: renaming the type does not affect messages in flight.
    const NAME: &'static str;

    /// The queue that carries the job. One function consumes it.
    const QUEUE: Queue;

    /// Timeout, retries, retention.
    #[must_use]
    fn options() -> Options {
        Options::default()
    }
}

/// A job type's definition at run time: `lamp definitions` prints it, and senders check against it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// [`Job::NAME`].
    pub name: &'static str,
    /// [`Job::QUEUE`].
    pub queue: Queue,
    /// [`Job::options`].
    pub options: Options,
    schema: fn() -> Schema,
    parse: fn(&str) -> Result<(), serde_json::Error>,
}

impl Definition {
    /// The definition of `J`.
    #[must_use]
    pub fn of<J: Job>() -> Self {
        Self { name: J::NAME, queue: J::QUEUE, options: J::options(), schema: schema_of::<J>, parse: parses::<J> }
    }

    /// Checks that these arguments, the text of a JSON object, deserialize into the job's type, as the worker does
    /// before it calls the handler.
    ///
    /// # Errors
    /// The type's deserialization error. It may quote values, so do not log it.
    pub fn parse(&self, args: &str) -> Result<(), serde_json::Error> {
        (self.parse)(args)
    }

    /// The JSON Schema of the arguments.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// Which arguments are [`Sensitive`](crate::Sensitive); `None` when none is. Made from the schema each time: keep it
    /// where many jobs are shown.
    #[must_use]
    pub fn redaction(&self) -> Option<Redaction> {
        Redaction::of(self.schema())
    }
}

/// The JSON Schema of a job's arguments.
pub(crate) fn schema_of<J: Job>() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<J>()
}

fn parses<J: Job>(args: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<J>(args).map(drop)
}

/// `n` seconds.
#[must_use]
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes.
#[must_use]
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// `n` hours.
#[must_use]
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// `n` days of 24 hours.
#[must_use]
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}
