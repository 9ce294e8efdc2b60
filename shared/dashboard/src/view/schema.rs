//! Schemas of values that come from other crates, for the OpenAPI document. The words are taken from the code that writes them.

use lamplighter::{
    JobState,
    record::{AttemptOutcome, LogLevel},
};
use serde_json::Value;
use utoipa::openapi::{
    Object, ObjectBuilder, RefOr, Schema,
    schema::{KnownFormat, SchemaFormat, Type},
};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn words<T: serde::Serialize>(all: impl IntoIterator<Item = T>) -> Object {
    let words = all.into_iter().map(|word| serde_json::to_value(word).unwrap_or(Value::Null));
    text().enum_values(Some(words)).build()
}

/// A moment: RFC 3339.
pub(crate) fn moment() -> Object {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build()
}

/// The state of a job.
pub(crate) fn state() -> Object {
    words(JobState::ALL)
}

/// How an attempt ended.
pub(crate) fn outcome() -> Object {
    words([
        AttemptOutcome::Succeeded,
        AttemptOutcome::Error,
        AttemptOutcome::Panic,
        AttemptOutcome::TimedOut,
        AttemptOutcome::Lost,
        AttemptOutcome::Cancelled,
        AttemptOutcome::Continued,
    ])
}

/// The level of a line in a job's log.
pub(crate) fn level() -> Object {
    words(LogLevel::ALL)
}

/// A job's or a batch's id.
pub(crate) fn id() -> Object {
    text().min_length(Some(1)).max_length(Some(lamplighter::JobId::MAX_LEN)).build()
}

/// The fingerprint of an error group.
pub(crate) fn fingerprint() -> Object {
    text().pattern(Some("^[0-9a-f]{16}$")).build()
}

/// Any JSON.
pub(crate) fn json() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(utoipa::openapi::schema::SchemaType::AnyValue).build()))
}
