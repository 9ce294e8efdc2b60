//! A job's arguments: read from the command line, a file or standard input, and checked against the job's JSON
//! Schema before anything is sent.

use std::{fs::File, io::Read};

use jsonschema::error::ValidationErrorKind;
use lamplighter::{Definition, MAX_MESSAGE_BYTES, RawValue};
use serde_json::{Map, Value};

use crate::error::{Error, nearest};

/// Problems that one message lists at most.
const MAX_PROBLEMS: usize = 5;

/// Takes the arguments as they were typed: JSON, `@FILE`, or `-` for standard input.
///
/// Fails when they cannot be read, are not JSON, or do not fit the job.
pub(crate) fn take(definition: &Definition, typed: &str) -> Result<Box<RawValue>, Error> {
    let text = match typed {
        "-" => read(std::io::stdin().lock(), "standard input")?,
        _ => match typed.strip_prefix('@') {
            Some(path) => {
                let file = File::open(path).map_err(|source| Error::Read { from: path.into(), source })?;
                read(file, path)?
            }
            None => typed.to_owned(),
        },
    };
    let schema = definition.schema().to_value();
    let args = serde_json::from_str::<Value>(&text).map_err(|error| Error::Json {
        job: definition.name,
        reason: error.to_string(),
        example: example(&schema),
    })?;
    let problems = problems(&schema, &args);
    if !problems.is_empty() {
        return Err(Error::Arguments { job: definition.name, problems });
    }
    // The sender's own text, so that numbers and the order of fields stay as they were typed.
    RawValue::from_string(text.trim().to_owned())
        .map_err(|error| Error::failed(format_args!("cannot pass on the arguments of {}: {error}", definition.name)))
}

/// Reads no more than could be sent anyway, and a byte to see that it was too much.
fn read(source: impl Read, from: &str) -> Result<String, Error> {
    let mut text = String::new();
    let fail = |source| Error::Read { from: from.into(), source };
    source.take(MAX_MESSAGE_BYTES as u64 + 1).read_to_string(&mut text).map_err(fail)?;
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(Error::Usage(format!(
            "{from} is larger than a message may be ({MAX_MESSAGE_BYTES} bytes); put the data elsewhere and pass a reference"
        )));
    }
    Ok(text)
}

/// What keeps `args` from fitting `schema`, each as half a sentence that names the field.
pub(crate) fn problems(schema: &Value, args: &Value) -> Vec<String> {
    let Value::Object(fields) = args else {
        return vec![format!("they are {} and not an object", kind(args))];
    };
    let mut problems = unknown_fields(schema, fields);
    match jsonschema::options().should_validate_formats(true).build(schema) {
        Ok(validator) => {
            for error in validator.iter_errors(args) {
                // Told above, with a guess at what was meant.
                let strange_field = matches!(error.kind(), ValidationErrorKind::AdditionalProperties { .. });
                if strange_field && error.instance_path().as_str().is_empty() {
                    continue;
                }
                let path = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
                let text = shortened(&error.to_string());
                problems.push(if path.is_empty() { text } else { format!("\"{path}\": {text}") });
            }
        }
        // Only a hand-written JsonSchema implementation could bring this about.
        Err(error) => problems.push(format!("its JSON Schema is not valid ({error})")),
    }
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    problems.truncate(MAX_PROBLEMS);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    problems
}

/// Fields that the job does not have. A job that ignores such fields does so for senders newer than itself; from a
/// person at a keyboard they are a slip.
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

/// An object with the job's required fields, to be filled in.
fn example(schema: &Value) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let fields: Vec<_> = required.into_iter().flatten().map(|field| format!("{field}: …")).collect();
    format!("{{{}}}", fields.join(", "))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A schema error quotes the offending value, which may be long.
fn shortened(text: &str) -> String {
    const MAX: usize = 160;
    let count = text.chars().count();
    if count <= MAX {
        return text.to_owned();
    }
    let (head, tail): (String, String) =
        (text.chars().take(MAX / 2).collect(), text.chars().skip(count - MAX / 2).collect());
    format!("{head} … {tail}")
}

#[cfg(test)]
mod tests {
    use lamplighter::{Job, Queue};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Order {
        number: u32,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Line {
        amount: u8,
    }

    impl Job for Order {
        const NAME: &'static str = "order.place";
        const QUEUE: Queue = Queue::standard("orders");
    }

    fn check(args: Value) -> String {
        problems(&Definition::of::<Order>().schema().to_value(), &args).join("; ")
    }

    #[test]
    fn what_fits_passes() {
        assert_eq!(check(json!({"number": 1})), "");
        assert_eq!(check(json!({"number": 1, "note": null, "lines": [{"amount": 2}]})), "");
    }

    #[test]
    fn a_wrong_field_is_named() {
        assert_eq!(check(json!({})), "\"number\" is a required property");
        assert!(check(json!({"number": "one"})).starts_with("\"number\": \"one\" is not of type"));
        assert!(check(json!({"number": 1, "lines": [{"amount": 300}]})).starts_with("\"lines.0.amount\": 300"));
        assert!(check(json!({"number": 1, "nota": "x"})).contains("no field \"nota\", did you mean \"note\"?"));
        assert!(check(json!({"number": 1, "zzz": 0})).contains("it has"));
        assert_eq!(check(json!([1])), "they are an array and not an object");
    }

    #[test]
    fn many_problems_are_counted_and_long_values_cut() {
        let lines: Vec<_> = (0..20).map(|_| json!({"amount": "x"})).collect();
        assert!(check(json!({"number": 1, "lines": lines})).ends_with("and 15 more"));
        assert!(check(json!({"number": "x".repeat(10_000)})).len() < 300);
    }

    #[test]
    fn broken_json_is_refused_with_an_example() {
        let error = take(&Definition::of::<Order>(), "{number: 1}").unwrap_err().to_string();
        assert!(error.contains("order.place") && error.contains(r#"{"number": …}"#), "{error}");
    }

    #[test]
    fn the_senders_text_is_passed_on_as_it_is() {
        let args = take(&Definition::of::<Order>(), " {\"number\":  7} ").unwrap();
        assert_eq!(args.get(), "{\"number\":  7}");
    }
}
