//! A job's arguments: read from the command line, a file or standard input, and checked as the worker will check them,
//! before anything is sent.

use std::{collections::BTreeMap, fmt, fs::File, io::Read, path::Path};

use jsonschema::{Validator, error::ValidationErrorKind};
use lamplighter::{Definition, RawValue, message::MAX_MESSAGE_BYTES, redaction::Redaction};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    database,
    error::{Error, nearest},
};

/// The maximum number of problems in one message.
const MAX_PROBLEMS: usize = 5;

/// Parses the arguments as typed: JSON, `@FILE`, or `-` for standard input.
///
/// Fails when they cannot be read, are not JSON, or do not fit the job.
pub(crate) fn take(definition: &Definition, typed: &str) -> Result<Box<RawValue>, Error> {
    let text = match typed {
        "-" => read(std::io::stdin().lock(), "standard input")?,
        _ => match typed.strip_prefix('@') {
            Some(path) => {
                let fail = |source| Error::Read { from: path.into(), source };
                let named =
                    database::at_home(Path::new(path)).map_err(|why| Error::Usage(format!("@{path}: {why}")))?;
                read(File::open(named).map_err(fail)?, path)?
            }
            None => typed.to_owned(),
        },
    };
    ArgumentCheck::new(definition).check(&text)
}

/// Reads at most what a message can hold, and one byte more to detect that it is too much.
fn read(source: impl Read, from: &str) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let fail = |source| Error::Read { from: from.into(), source };
    source.take(MAX_MESSAGE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    check_encoding(&bytes, from)?;
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Error::Usage(format!(
            "{from} is larger than a message may be ({MAX_MESSAGE_BYTES} bytes); put the data elsewhere and pass a reference"
        )));
    }
    let by = "iconv -t UTF-8, say";
    String::from_utf8(bytes).map_err(|_| Error::Encoding { from: from.into(), what: "is no UTF-8", by })
}

/// Checks from the first bytes that a text is UTF-8, the encoding of JSON. Other encodings begin with a byte order
/// mark, or have zeros where ASCII is expected.
pub(crate) fn check_encoding(beginning: &[u8], from: &str) -> Result<(), Error> {
    let (what, by) = match beginning {
        [0xef, 0xbb, 0xbf, ..] => ("begins with a byte order mark (BOM)", "tail -c +4"),
        [0xff, 0xfe, ..] | [_, 0, ..] => ("is UTF-16", "iconv -f UTF-16LE -t UTF-8"),
        [0xfe, 0xff, ..] | [0, ..] => ("is UTF-16", "iconv -f UTF-16BE -t UTF-8"),
        _ => return Ok(()),
    };
    Err(Error::Encoding { from: from.into(), what, by })
}

/// Checks the arguments of one job.
///
/// The job's own type decides, since the worker reads the arguments by it too. Its JSON Schema explains, and contains
/// the limits that the handler enforces.
pub(crate) struct ArgumentCheck<'a> {
    definition: &'a Definition,
    schema: Value,
    /// With the schema's formats, and without them: the type is the better judge of formats.
    validators: Result<[Validator; 2], String>,
    /// The places of sensitive arguments.
    redaction: Option<Redaction>,
}

impl<'a> ArgumentCheck<'a> {
    /// Creates the check for this job.
    pub(crate) fn new(definition: &'a Definition) -> Self {
        let schema = definition.schema().to_value();
        let build = |formats| jsonschema::options().should_validate_formats(formats).build(&schema);
        let validators = build(true).and_then(|with| Ok([with, build(false)?]));
        // Only a hand-written JsonSchema implementation can cause this.
        let validators = validators.map_err(|error| format!("its JSON Schema is not valid ({error})"));
        Self { definition, schema, validators, redaction: definition.redaction() }
    }

    /// Returns the arguments as the sender wrote them, so that numbers and the order of fields are kept.
    ///
    /// Fails when they are not JSON or do not fit the job.
    pub(crate) fn check(&self, text: &str) -> Result<Box<RawValue>, Error> {
        let job = self.definition.name;
        check_encoding(text.as_bytes(), "the text")?;
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let args = RawValue::from_string(text.to_owned()).map_err(|error| self.no_json(&error))?;
        // As deeply nested as in the message.
        serde_json::from_str::<IgnoredAny>(&format!("[{text}]")).map_err(|error| self.no_json(&error))?;
        let refused = |problems| Err(Error::Arguments { job, problems });
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

    fn no_json(&self, error: &serde_json::Error) -> Error {
        Error::Json { job: self.definition.name, reason: error.to_string(), example: example(&self.schema) }
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
pub(crate) fn expectation(error: &serde_json::Error) -> String {
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
/// becomes the largest, and a lone surrogate is replaced. The second of two fields with the same name counts.
fn read_leniently(raw: &RawValue) -> Value {
    let text = raw.get();
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<Lenient, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Object(fields.into_iter().map(|(key, value)| (key.0, read_leniently(value))).collect())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            Value::Array(items.into_iter().map(read_leniently).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use lamplighter::{Job, Queue};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Order {
        number: u32,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        #[schemars(range(max = 10))]
        weight: f64,
        #[serde(default = "nothing")]
        #[schemars(with = "Value")]
        extra: Box<RawValue>,
    }

    fn nothing() -> Box<RawValue> {
        RawValue::from_string("null".into()).unwrap()
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Line {
        amount: u8,
    }

    impl Job for Order {
        const NAME: &'static str = "order.place";
        const QUEUE: Queue = Queue::standard("orders");
    }

    fn check(args: &str) -> String {
        match ArgumentCheck::new(&Definition::of::<Order>()).check(args) {
            Ok(_) => String::new(),
            Err(Error::Arguments { problems, .. }) => problems.join("; "),
            Err(other) => other.to_string(),
        }
    }

    #[test]
    fn valid_arguments_pass() {
        assert_eq!(check(r#"{"number": 1}"#), "");
        assert_eq!(check(r#" {"number": 1, "note": null, "lines": [{"amount": 2}], "extra": [1e400, "\ud800"]} "#), "");
    }

    #[test]
    fn a_wrong_field_is_named_without_its_value() {
        assert_eq!(check("{}"), "\"number\" is a required property");
        assert!(check(r#"{"number": "secret"}"#).starts_with("\"number\": value is not of type"));
        assert!(check(r#"{"number": 1, "lines": [{"amount": 300}]}"#).starts_with("\"lines.0.amount\": value"));
        assert!(check(r#"{"number": 1, "nota": "x"}"#).contains("no field \"nota\", did you mean \"note\"?"));
        assert!(check(r#"{"number": 1, "zzz": 0}"#).contains("it has"));
        for (args, kind) in
            [("[1]", "an array"), ("7", "a number"), ("null", "null"), ("\"{}\"", "a string"), ("true", "a boolean")]
        {
            assert_eq!(check(args), format!("they are {kind} and not an object"));
        }
        let secret = check(r#"{"number": "secret", "lines": "secret", "note": ["secret"]}"#);
        assert!(!secret.contains("secret") && secret.contains("\"lines\"") && secret.contains("\"note\""), "{secret}");
    }

    #[test]
    fn arguments_that_only_the_schema_accepts_are_refused() {
        assert_eq!(check(r#"{"number": 16.0}"#), "expected u32 at line 1 column 15");
        assert!(check(r#"{"number": 5, "number": 6}"#).contains("duplicate field `number`"));
        assert!(check(r#"{"number": 1, "lines": [{"amount": 1e0}]}"#).contains("expected u8"));
    }

    /// Limits are enforced even where the type accepts the value, at any depth.
    #[test]
    fn limits_of_the_schema_are_enforced() {
        assert!(check(r#"{"number": 1, "weight": 10.5}"#).starts_with("\"weight\": value is greater than the maximum"));
        assert!(check(r#"{"number": 1, "weight": 10.5, "extra": 1e400}"#).contains("maximum"));
        assert!(check(r#"{"number": 1, "weight": 10.5, "weight": 5}"#).contains("duplicate field"));
        assert_eq!(check(r#"{"number": 1, "weight": 10}"#), "");
    }

    #[test]
    fn many_problems_are_counted() {
        let lines = vec![r#"{"amount": "x"}"#; 20].join(",");
        assert!(check(&format!(r#"{{"number": 1, "lines": [{lines}]}}"#)).ends_with("and 15 more"));
    }

    /// A message with deeper nesting cannot be read, and would become a dead letter.
    #[test]
    fn arguments_too_deep_for_a_message_are_refused() {
        let nested = |depth: usize| format!(r#"{{"number": 1, "extra": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for depth in 1..140 {
            let text = nested(depth);
            let message = format!(r#"{{"job":"order.place","args":{text}}}"#);
            let read = message
                .parse::<lamplighter::message::Message>()
                .is_ok_and(|message| serde_json::from_str::<Order>(message.args.get()).is_ok());
            assert_eq!(check(&text).is_empty(), read, "{depth}");
        }
    }

    #[test]
    fn broken_json_is_refused_with_an_example() {
        let error = take(&Definition::of::<Order>(), "{number: 1}").unwrap_err().to_string();
        assert!(error.contains("order.place") && error.contains(r#"{"number": …}"#), "{error}");
    }

    #[test]
    fn the_senders_text_is_passed_on_unchanged() {
        let args = take(&Definition::of::<Order>(), " {\"number\":  7} ").unwrap();
        assert_eq!(args.get(), "{\"number\":  7}");
    }

    #[test]
    fn a_wrong_encoding_is_named_with_the_remedy() {
        let read = |bytes: &[u8]| super::read(bytes, "a.json").map_err(|error| error.to_string());
        assert_eq!(read(b"{}"), Ok("{}".into()));
        assert_eq!(read("\"\u{e4}\"".as_bytes()), Ok("\"\u{e4}\"".into()));
        let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, says) in [
            (&b"\xef\xbb\xbf{}"[..], "a.json begins with a byte order mark (BOM)"),
            (&[b"\xff\xfe", &*utf16].concat(), "a.json is UTF-16; JSON is UTF-8"),
            (&utf16, "iconv -f UTF-16LE"),
            (b"\xfe\xff\0{\0}", "iconv -f UTF-16BE"),
            (b"{\"a\":\"\xe4\"}", "a.json is no UTF-8"),
        ] {
            let error = read(bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(take(&Definition::of::<Order>(), "\u{feff}{}").unwrap_err().to_string().contains("BOM"));
    }
}
