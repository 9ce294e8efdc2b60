//! Checks a job's arguments by its type and its JSON Schema, before anything is sent. No problem quotes a value.
//!
//! It is a crate of its own, so that functions on Lambda, which check by type alone, carry no validator of JSON Schemas.

use std::{collections::BTreeMap, fmt};

use jsonschema::{Validator, error::ValidationErrorKind};
use lamplighter::{Definition, RawValue, operation::CheckArguments, redaction::Redaction};
use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::{Map, Value};

/// The maximum number of problems in one message.
const MAX_PROBLEMS: usize = 5;

/// Why arguments are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidArguments {
    /// The text is in another encoding than that of JSON.
    #[error("the text {}; JSON is UTF-8 without one", .0.what)]
    Encoding(WrongEncoding),
    /// They are not JSON.
    #[error("they are not JSON ({reason})")]
    Json {
        /// Why not.
        reason: String,
        /// An object with the job's required fields, to be filled in.
        example: String,
    },
    /// They do not fit the job.
    #[error("{}", .0.join("; "))]
    Misfit(Vec<String>),
}

/// An encoding that JSON does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongEncoding {
    /// What is wrong: `is UTF-16`.
    pub what: &'static str,
    /// A command that turns it into what is right.
    pub by: &'static str,
}

/// Checks from the first bytes that a text is UTF-8, the encoding of JSON. Other encodings begin with a byte order
/// mark, or have zeros where ASCII is expected.
///
/// # Errors
/// When it is in another encoding.
pub const fn check_encoding(beginning: &[u8]) -> Result<(), WrongEncoding> {
    let (what, by) = match beginning {
        [0xef, 0xbb, 0xbf, ..] => ("begins with a byte order mark (BOM)", "tail -c +4"),
        [0xff, 0xfe, ..] | [_, 0, ..] => ("is UTF-16", "iconv -f UTF-16LE -t UTF-8"),
        [0xfe, 0xff, ..] | [0, ..] => ("is UTF-16", "iconv -f UTF-16BE -t UTF-8"),
        _ => return Ok(()),
    };
    Err(WrongEncoding { what, by })
}

/// Checks the arguments of one job.
///
/// The job's own type decides, since the worker reads the arguments by it too. Its JSON Schema explains, and contains
/// the limits that the handler enforces.
#[derive(Debug)]
pub struct ArgumentCheck<'a> {
    definition: &'a Definition,
    schema: Value,
    /// With the schema's formats, and without them: the type is the better judge of formats.
    validators: Result<[Validator; 2], String>,
    /// The places of sensitive arguments.
    redaction: Option<Redaction>,
}

impl<'a> ArgumentCheck<'a> {
    /// Creates the check for this job.
    #[must_use]
    pub fn new(definition: &'a Definition) -> Self {
        let schema = definition.schema().to_value();
        let build = |formats| jsonschema::options().should_validate_formats(formats).build(&schema);
        let validators = build(true).and_then(|with| Ok([with, build(false)?]));
        // Only a hand-written JsonSchema implementation can cause this.
        let validators = validators.map_err(|error| format!("its JSON Schema is not valid ({error})"));
        Self { definition, schema, validators, redaction: definition.redaction() }
    }

    /// Returns the arguments as the sender wrote them, so that numbers and the order of fields are kept.
    ///
    /// # Errors
    /// When they are not JSON or do not fit the job.
    pub fn check(&self, text: &str) -> Result<Box<RawValue>, InvalidArguments> {
        check_encoding(text.as_bytes()).map_err(InvalidArguments::Encoding)?;
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let args = RawValue::from_string(text.to_owned()).map_err(|error| self.no_json(&error))?;
        let refused = |problems| Err(InvalidArguments::Misfit(problems));
        let Value::Object(fields) = read_leniently(&args) else {
            return refused(vec![format!("they are {} and not an object", kind(text))]);
        };
        let problems = match self.definition.parse(text) {
            Err(error) => {
                let (mut problems, expected) = (self.problems(&fields, None), expectation(&error));
                // A schema sees only one of two fields with the same name.
                if problems.is_empty() || expected.starts_with("duplicate field") {
                    problems.insert(0, expected);
                }
                problems
            }
            Ok(()) => self.problems(&fields, Some(is_limit)),
        };
        if problems.is_empty() {
            return Ok(args);
        }
        let mut problems = shortened(problems);
        if let Some(redaction) = &self.redaction {
            let redactor = redaction.redactor(&args);
            problems.iter_mut().for_each(|problem| *problem = redactor.text(problem).into_owned());
        }
        refused(problems)
    }

    fn no_json(&self, error: &serde_json::Error) -> InvalidArguments {
        InvalidArguments::Json { reason: error.to_string(), example: example(&self.schema) }
    }

    /// Returns why the fields do not fit the schema: half a sentence each, which names the field and no value. Where
    /// they fit the type, only problems that the type cannot detect are reported.
    fn problems(&self, fields: &Map<String, Value>, only: Option<fn(&ValidationErrorKind) -> bool>) -> Vec<String> {
        let fits_type = only.is_some();
        // A type that rejects unknown fields has reported this already.
        let closed = self.schema.get("additionalProperties") == Some(&Value::Bool(false));
        let mut problems = if fits_type && closed { Vec::new() } else { unknown_fields(&self.schema, fields) };
        let [with_formats, without] = match &self.validators {
            Ok(validators) => validators,
            Err(problem) => return vec![problem.clone()],
        };
        let args = Value::Object(fields.clone());
        let validator = if fits_type { without } else { with_formats };
        for error in validator.iter_errors(&args) {
            // Reported above, with a suggestion.
            let strange_field = matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. });
            if strange_field && error.instance_path().as_str().is_empty() {
                continue;
            }
            if only.is_some_and(|only| !only(error.kind())) {
                continue;
            }
            let path = self.shown(error.instance_path().as_str());
            let text = error.masked().to_string();
            problems.push(if path.is_empty() { text } else { format!("\"{path}\": {text}") });
        }
        problems
    }

    /// Returns the path to a value as far as it consists of names: the keys of a sensitive map are values.
    fn shown(&self, pointer: &str) -> String {
        let steps: Vec<_> = pointer.trim_start_matches('/').split('/').collect();
        let visible = self.redaction.as_ref().map(|redaction| redaction.visible_steps(steps.iter().copied()));
        steps[..visible.unwrap_or(steps.len())].join(".")
    }
}

/// Returns whether a Rust type cannot express this keyword of a schema. A choice fails for a limit of the chosen
/// variant.
fn is_limit(kind: &ValidationErrorKind) -> bool {
    use ValidationErrorKind as Kind;
    matches!(
        kind,
        Kind::Minimum { .. }
            | Kind::Maximum { .. }
            | Kind::ExclusiveMinimum { .. }
            | Kind::ExclusiveMaximum { .. }
            | Kind::MultipleOf { .. }
            | Kind::MinLength { .. }
            | Kind::MaxLength { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. }
            | Kind::Pattern { .. }
            | Kind::AnyOf { .. }
            | Kind::OneOfNotValid { .. }
    )
}

/// Returns what the type expects, without the value that it got.
#[must_use]
pub fn expectation(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (text, place) = match text.rsplit_once(" at line ") {
        Some((text, place)) => (text, format!(" at line {place}")),
        None => (&*text, String::new()),
    };
    let names_fields_only = ["missing field", "unknown field", "duplicate field"];
    if names_fields_only.iter().any(|beginning| text.starts_with(beginning)) {
        return format!("{text}{place}");
    }
    match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}{place}"),
        None => format!("what stands there is not what the job takes{place}"),
    }
}

/// Converts JSON for a schema, including what serde_json's values cannot hold: a number that is too large for them
/// becomes the largest, and a lone surrogate is replaced. The second of two fields with the same name counts. What is nested
/// more deeply than a schema describes becomes null.
fn read_leniently(raw: &RawValue) -> Value {
    read_at(0, raw)
}

/// The levels that are read: as many as serde_json reads.
const DEEPEST: usize = 128;

fn read_at(depth: usize, raw: &RawValue) -> Value {
    let text = raw.get();
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth >= DEEPEST => Value::Null,
        Some(b'{') => {
            let fields: BTreeMap<Lenient, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Object(fields.into_iter().map(|(key, value)| (key.0, read_at(depth + 1, value))).collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Array(items.into_iter().map(|item| read_at(depth + 1, item)).collect())
        }
        Some(b'"') => Value::String(serde_json::from_str::<Lenient>(text).unwrap_or_default().0),
        Some(b'-') => f64::MIN.into(),
        _ => f64::MAX.into(),
    }
}

/// A text in which lone surrogates are replaced.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Lenient(String);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, serde_json returns a text unchanged.
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Lenient;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lenient, E> {
        Ok(Lenient(String::from_utf8_lossy(bytes).into_owned()))
    }
}

fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    problems
}

/// Returns the fields that the job does not have. A job ignores such fields for the sake of newer senders; typed by a
/// person, they are a mistake.
fn unknown_fields(schema: &Value, fields: &Map<String, Value>) -> Vec<String> {
    let open = ["unevaluatedProperties", "patternProperties", "anyOf", "oneOf", "allOf", "$ref"];
    let takes_more = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if takes_more || open.iter().any(|keyword| schema.get(keyword).is_some()) {
        return Vec::new();
    }
    let Some(known) = schema.get("properties").and_then(Value::as_object) else {
        return if fields.is_empty() { Vec::new() } else { vec!["it takes no fields".into()] };
    };
    let strange = fields.keys().filter(|field| !known.contains_key(*field));
    strange
        .map(|field| match nearest(field, known.keys().map(String::as_str)) {
            Some(near) => format!("it has no field {field:?}, did you mean {near:?}?"),
            None => {
                let known: Vec<_> = known.keys().map(String::as_str).collect();
                format!("it has no field {field:?} (it has {})", known.join(", "))
            }
        })
        .collect()
}

/// Returns an object with the job's required fields, to be filled in.
fn example(schema: &Value) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let fields: Vec<_> = required.into_iter().flatten().map(|field| format!("{field}: …")).collect();
    format!("{{{}}}", fields.join(", "))
}

fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        _ => "a number",
    }
}

/// Returns the candidate that `typed` probably means.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Checks by type and by JSON Schema what operations enqueue.
#[derive(Debug, Clone, Copy, Default)]
pub struct BySchema;

impl CheckArguments for BySchema {
    fn problems(&self, definition: &Definition, args: &RawValue) -> Vec<String> {
        match ArgumentCheck::new(definition).check(args.get()) {
            Ok(_) => Vec::new(),
            Err(InvalidArguments::Misfit(problems)) => problems,
            Err(error) => vec![error.to_string()],
        }
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{Job, Queue};
    use schemars::JsonSchema;
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Order {
        #[schemars(range(max = 10))]
        weight: f64,
    }

    impl Job for Order {
        const NAME: &'static str = "order.place";
        const QUEUE: Queue = Queue::standard("orders");
    }

    #[test]
    fn what_operations_enqueue_is_held_to_the_limits_of_the_schema() {
        let problems = |args: &str| {
            let args = RawValue::from_string(args.into()).unwrap();
            BySchema.problems(&Definition::of::<Order>(), &args).join("; ")
        };
        assert_eq!(problems(r#"{"weight":10}"#), "");
        assert!(problems(r#"{"weight":10.5}"#).contains("maximum"), "the type alone takes it");
        assert!(problems("7").contains("not an object"));
    }

    #[test]
    fn arguments_nested_more_deeply_than_a_stack_has_room_for_are_checked() {
        let check = |text: &str| {
            let definition = Definition::of::<Order>();
            ArgumentCheck::new(&definition).check(text).map_err(|error| error.to_string())
        };
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let deep = format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
            let unknown = check(&format!(r#"{{"weight":1,"note":{deep}}}"#)).unwrap_err();
            assert!(unknown.contains("note"), "{unknown:.300}");
            let misfit = check(&format!(r#"{{"weight":{deep}}}"#)).unwrap_err();
            assert!(misfit.contains("f64") || misfit.contains("weight"), "{misfit:.300}");
        }
    }
}
