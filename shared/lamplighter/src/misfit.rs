//! Errors about arguments that do not fit their type, without the arguments' values.

use std::collections::BTreeSet;

use crate::{
    job::{Job, schema_of},
    redaction::declared_names,
};

/// Why JSON does not fit a type: the place, and what is expected there.
///
/// It contains no values of the JSON, and only names that the type declares. Errors of serde quote both (`invalid type:
/// string "…"`), and so do errors of types that parse a string (`relative URL without a base: "…"`), but arguments may
/// be secrets and errors go to logs, records, events and dead letters.
///
/// ```
/// # use lamplighter::{Job, Queue, host::Misfit};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet { pub name: String, pub times: Vec<u8> }
/// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
/// let error = Misfit::read::<Greet>(r#"{"name":"Ada","times":[1,"s3cret"]}"#).unwrap_err();
/// assert_eq!(error.to_string(), "`times[1]`: expected u8, found a string");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

impl Misfit {
    /// Reads a job's arguments.
    ///
    /// # Errors
    /// When they do not fit the job's type.
    pub fn read<J: Job>(args: &str) -> Result<J, Self> {
        // The place is located only after an error: tracking it costs time.
        serde_json::from_str(args).map_err(|error| Self::locate::<J>(args).unwrap_or_else(|| Self::from(&error)))
    }

    #[cold]
    fn locate<J: Job>(args: &str) -> Option<Self> {
        let mut json = serde_json::Deserializer::from_str(args);
        let error = serde_path_to_error::deserialize::<_, J>(&mut json).err()?;
        let names = declared_names(&schema_of::<J>().to_value());
        let place = place(error.path(), &names);
        let reason = reason(error.inner(), |name| names.contains(name));
        Some(Self(if place.is_empty() { reason } else { format!("`{place}`: {reason}") }))
    }
}

impl From<&serde_json::Error> for Misfit {
    /// Without the place or any name.
    fn from(error: &serde_json::Error) -> Self {
        Self(reason(error, |_| false))
    }
}

/// `lines[3].amount`; `*` replaces a name that the type does not declare: the key of a map is a value.
fn place(path: &serde_path_to_error::Path, names: &BTreeSet<String>) -> String {
    use serde_path_to_error::Segment;
    let mut place = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => {
                place.push_str(&format!("[{index}]"));
                continue;
            }
            Segment::Map { key } => key.as_str(),
            Segment::Enum { variant } => variant.as_str(),
            Segment::Unknown => "*",
        };
        if !place.is_empty() {
            place.push('.');
        }
        place.push_str(if names.contains(name) { name } else { "*" });
    }
    place
}

/// The part of serde's message that cannot contain values: its messages have known forms (documentation of
/// `serde::de::Error`) in which a quoted value comes before the expectation. Any other text may contain values.
fn reason(error: &serde_json::Error, is_declared: impl Fn(&str) -> bool) -> String {
    use serde_json::error::Category;
    let text = error.to_string();
    match error.classify() {
        // Fixed texts with a line and a column.
        Category::Syntax | Category::Eof => return text,
        Category::Io => return "it cannot be read".into(),
        Category::Data => {}
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    reason_of(text.strip_suffix(&place).unwrap_or(&text), is_declared)
}

/// The reason without values, of an error of which only the text is known.
pub(crate) fn redacted_reason(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    // The enclosing error adds the position.
    reason_of(text.split_once(" at line ").map_or(&*text, |(text, _)| text), |_| false)
}

fn reason_of(text: &str, is_declared: impl Fn(&str) -> bool) -> String {
    let named = |prefix: &str, without: &str| {
        let name = text.strip_prefix(prefix)?.strip_suffix('`')?;
        Some(if is_declared(name) { text.to_owned() } else { without.to_owned() })
    };
    if let Some(reason) = named("missing field `", "a field is missing") {
        return reason;
    }
    if let Some(reason) = named("duplicate field `", "a field occurs twice") {
        return reason;
    }
    let expected = |prefix: &str| {
        let rest = text.strip_prefix(prefix)?;
        let (found, expected) = rest.rsplit_once(", expected ")?;
        Some((found, expected))
    };
    for (prefix, what) in [("unknown field `", "unknown field"), ("unknown variant `", "unknown variant")] {
        match expected(prefix) {
            Some((_, expected)) => return format!("{what}, expected {expected}"),
            None if text.starts_with(prefix) => return what.to_owned(),
            None => {}
        }
    }
    let misfit = ["invalid type: ", "invalid value: ", "invalid length "].into_iter().find_map(expected);
    match misfit {
        Some((found, expected)) if !expected.contains(quoted(found)) => match kind(found) {
            Some(kind) => format!("expected {expected}, found {kind}"),
            None => format!("expected {expected}"),
        },
        _ if text.starts_with("data did not match any variant of untagged enum ")
            && !text.contains(['"', '`', ':']) =>
        {
            text.to_owned()
        }
        _ => "not a value that its type takes".into(),
    }
}

/// The value that serde quotes: a type's own expectation may quote the value again.
fn quoted(found: &str) -> &str {
    let inner = found.find(['"', '`']).and_then(|start| Some(&found[start + 1..found.rfind(['"', '`'])?]));
    // Nothing is quoted: never found in an expectation.
    inner.filter(|value| !value.is_empty()).unwrap_or("\u{0}")
}

/// The kind of value that was found, by serde's words for it (documentation of `serde::de::Unexpected`).
fn kind(found: &str) -> Option<&'static str> {
    const KINDS: [(&str, &str); 9] = [
        ("string ", "a string"),
        ("boolean ", "a boolean"),
        ("integer ", "an integer"),
        ("floating point ", "a number with a fraction"),
        ("number", "a number"),
        ("null", "null"),
        ("sequence", "an array"),
        ("map", "an object"),
        ("unit value", "null"),
    ];
    KINDS.into_iter().find(|(word, _)| found.starts_with(word)).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use super::*;
    use crate::queue::Queue;

    /// Parses a string like `url` does, whose error quotes it.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(try_from = "String")]
    struct Address(String);

    impl TryFrom<String> for Address {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text.starts_with("https://") {
                Ok(Self(text))
            } else {
                Err(format!("relative URL without a base: {text:?}"))
            }
        }
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Fit {
        Cover,
        Inside { margin: u8 },
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Truth(bool),
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Line {
        amount: u8,
        #[serde(default)]
        to: Option<Address>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Order {
        url: Address,
        #[serde(default)]
        fit: Option<Fit>,
        #[serde(default)]
        headers: BTreeMap<String, u8>,
        #[serde(default)]
        by_number: BTreeMap<u8, u8>,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        pair: Option<(u8, u8)>,
        #[serde(default)]
        either: Option<Either>,
    }

    impl Job for Order {
        const NAME: &'static str = "order.place";
        const QUEUE: Queue = Queue::standard("orders");
    }

    fn misfit(args: &str) -> String {
        Misfit::read::<Order>(args).expect_err(args).to_string()
    }

    #[test]
    fn errors_name_the_field_and_the_expectation() {
        let url = r#""url":"https://a.example""#;
        for (args, says) in [
            (r#"{"url":"https//hooks.example/T0/S3CRET"}"#.to_owned(), "`url`: not a value that its type takes"),
            (r#"{"url":["S3CRET"]}"#.to_owned(), "`url`: expected a string, found an array"),
            (r#""S3CRET""#.to_owned(), "expected struct Order, found a string"),
            (r#"{"headers":{}}"#.to_owned(), "missing field `url`"),
            (format!(r#"{{{url},"fit":"S3CRET"}}"#), "`fit`: unknown variant, expected `cover` or `inside`"),
            (
                format!(r#"{{{url},"fit":{{"inside":{{"margin":"S3CRET"}}}}}}"#),
                "`fit.inside.margin`: expected u8, found a string",
            ),
            (format!(r#"{{{url},"S3CRET":1}}"#), "unknown field, expected one of `url`, `fit`"),
            (format!(r#"{{{url},"headers":{{"S3CRET":"S3CRET"}}}}"#), "`headers.*`: expected u8, found a string"),
            (format!(r#"{{{url},"by_number":{{"S3CRET":1}}}}"#), "`by_number"),
            (
                format!(r#"{{{url},"lines":[{{"amount":1}},{{"amount":73537}}]}}"#),
                "`lines[1].amount`: expected u8, found an integer",
            ),
            (format!(r#"{{{url},"lines":[{{"amount":1,"to":"S3CRET"}}]}}"#), "`lines[0].to`: not a value"),
            (format!(r#"{{{url},"lines":[{{"amount":1,"amount":73537}}]}}"#), "`lines[0]"),
            (format!(r#"{{{url},"pair":[1]}}"#), "`pair`: expected a tuple of size 2"),
            (format!(r#"{{{url},"either":"S3CRET"}}"#), "did not match any variant of untagged enum Either"),
            (format!(r#"{{{url},"lines":"x, expected S3CRET"}}"#), "`lines`: expected a sequence, found a string"),
            (r#"{"url":"https://S3CRET" "#.to_owned(), "EOF while parsing an object at line 1"),
        ] {
            let error = misfit(&args);
            assert!(error.contains(says), "{args}: {error}");
            assert!(!error.contains("S3CRET") && !error.contains("73537"), "{args}: {error}");
        }
    }

    #[test]
    fn custom_errors_in_serdes_form_are_redacted() {
        let reason = |text: &str| reason_of(text, |name| name == "name");
        assert_eq!(reason("missing field `name`"), "missing field `name`");
        assert_eq!(reason("missing field `S3CRET`"), "a field is missing");
        assert_eq!(
            reason("invalid value: string \"S3CRET\", expected unlike S3CRET"),
            "not a value that its type takes"
        );
        assert_eq!(reason("invalid value: integer `300`, expected u8"), "expected u8, found an integer");
        assert_eq!(reason("unknown field `S3CRET`, there are no fields"), "unknown field");
        assert_eq!(reason("unknown variant `S3CRET`, expected `a`, expected `b`"), "unknown variant, expected `b`");
        assert_eq!(reason("S3CRET"), "not a value that its type takes");
    }

    fn secret() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (73_530_000..73_540_000u64).prop_map(Value::from),
            "S3CRET[\\PC\"\\\\,`]{0,12}".prop_map(Value::from),
            Just(Value::from("https://a.example")),
        ];
        let name = prop_oneof![
            prop::sample::select(
                &["url", "fit", "headers", "by_number", "lines", "pair", "either", "amount", "to", "inside", "margin"]
                    [..]
            )
            .prop_map(ToOwned::to_owned),
            "S3CRET[a-z, `]{0,9}",
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn errors_contain_no_values_or_undeclared_names(args in secret()) {
            if let Err(error) = Misfit::read::<Order>(&args.to_string()) {
                let error = error.to_string();
                prop_assert!(!error.contains("S3CRET") && !error.contains("7353"), "{}: {}", args, error);
            }
        }
    }
}
