//! Arguments that are not to be shown.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// What stands in place of a sensitive value.
pub(crate) const PLACEHOLDER: &str = "[redacted]";
/// The keyword of a JSON Schema that marks a value as sensitive.
pub(crate) const MARK: &str = "x-sensitive";

/// An argument of a job that is not to be shown: a password, a token, an address.
///
/// On the wire the value stands as it is, since the handler needs it, and so do messages, records and dead letters keep it.
/// It is hidden in what people and log collectors read: the worker removes it from the errors of the job's attempts before
/// they are recorded, logged, published, or attached to a dead letter, and the `lamp` command shows `[redacted]` in its
/// place. [The guide](https://docs.rs/lamplighter) says what is found and what is not (`docs/layers.md`).
///
/// ```
/// # use lamplighter::{Job, Queue};
/// use lamplighter::Sensitive;
///
/// #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// pub struct Connect {
///     pub host: String,
///     pub password: Sensitive<String>,
/// }
/// # impl Job for Connect { const NAME: &'static str = "connect"; const QUEUE: Queue = Queue::standard("c"); }
///
/// let job: Connect = serde_json::from_str(r#"{"host":"db.example","password":"hunter2"}"#)?;
/// assert_eq!(job.password.expose(), "hunter2");
/// assert_eq!(format!("{job:?}"), r#"Connect { host: "db.example", password: [redacted] }"#);
/// assert_eq!(serde_json::to_string(&job)?, r#"{"host":"db.example","password":"hunter2"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// It goes around any type, and into `Option`, `Vec` and the values of maps. Its JSON Schema has `"x-sensitive": true`, by
/// which everybody else knows it, and `"writeOnly": true`. A field may also be marked in the schema alone, with
/// `#[schemars(extend("x-sensitive" = true))]`; its `Debug` output then shows the value. A field whose schema is replaced
/// with `#[schemars(with = "…")]` needs the mark in its replacement.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Marks a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, for good.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Sensitive<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLACEHOLDER)
    }
}

impl<T: JsonSchema> JsonSchema for Sensitive<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Sensitive_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("Sensitive<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        let keywords = schema.ensure_object();
        keywords.insert("writeOnly".into(), true.into());
        keywords.insert(MARK.into(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::schema_for;
    use serde_json::{json, value::RawValue};

    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Login {
        user: String,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct All {
        plain: Sensitive<String>,
        #[serde(default)]
        maybe: Option<Sensitive<String>>,
        #[serde(default)]
        maybe_struct: Option<Sensitive<Login>>,
        list: Vec<Sensitive<u64>>,
        map: BTreeMap<String, Sensitive<String>>,
        of_struct: Sensitive<Login>,
        raw: Sensitive<Box<RawValue>>,
    }

    #[test]
    fn the_wire_has_the_value_and_debug_has_not() {
        let args = r#"{"plain":"S3CRET","maybe":"S3CRET","maybe_struct":null,"list":[73537],"map":{"a":"S3CRET"},"of_struct":{"user":"S3CRET"},"raw":[ "S3CRET" ]}"#;
        let all: All = serde_json::from_str(args).unwrap();
        assert_eq!(serde_json::to_string(&all).unwrap(), args);
        let shown = format!("{all:?}");
        assert!(!shown.contains("S3CRET") && !shown.contains("73537"), "{shown}");
        assert_eq!(all.plain.into_inner(), "S3CRET");
    }

    #[test]
    fn the_schema_marks_it_wherever_it_stands() {
        let schema = schema_for!(All).to_value();
        let marked = |pointer: &str| {
            let schema = schema.pointer(pointer).unwrap();
            assert_eq!((&schema[MARK], &schema["writeOnly"]), (&json!(true), &json!(true)), "{pointer}: {schema}");
        };
        for pointer in
            ["plain", "maybe", "maybe_struct/anyOf/0", "list/items", "map/additionalProperties", "of_struct", "raw"]
        {
            marked(&format!("/properties/{pointer}"));
        }
        assert_eq!(schema["required"], json!(["plain", "list", "map", "of_struct", "raw"]));
        assert_eq!(schema["properties"]["plain"]["type"], "string");
    }
}
