//! A job's arguments: read from the command line, a file or standard input, and checked as the worker will check them,
//! before anything is sent.

use std::{fs::File, io::Read, path::Path};

use lamplighter::{Definition, RawValue, message::MAX_MESSAGE_BYTES};
pub(crate) use lamplighter_arguments::expectation;
use lamplighter_arguments::{InvalidArguments, WrongEncoding};

use crate::{database, error::Error};

/// Parses the arguments as typed: JSON, `@FILE`, or `-` for standard input.
///
/// Fails when they cannot be read, are not JSON, or do not fit the job.
pub(crate) fn take(definition: &Definition, typed: &str) -> Result<Box<RawValue>, Error> {
    ArgumentCheck::new(definition).check(&text(typed)?)
}

/// Reads the arguments as typed: JSON, `@FILE`, or `-` for standard input.
pub(crate) fn text(typed: &str) -> Result<String, Error> {
    match typed {
        "-" => read(std::io::stdin().lock(), "standard input"),
        _ => match typed.strip_prefix('@') {
            Some(path) => {
                let fail = |source| Error::Read { from: path.into(), source };
                let named =
                    database::at_home(Path::new(path)).map_err(|why| Error::Usage(format!("@{path}: {why}")))?;
                read(File::open(named).map_err(fail)?, path)
            }
            None => Ok(typed.to_owned()),
        },
    }
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

/// Checks from the first bytes that a text is UTF-8, the encoding of JSON.
pub(crate) fn check_encoding(beginning: &[u8], from: &str) -> Result<(), Error> {
    let wrong = |WrongEncoding { what, by }| Error::Encoding { from: from.into(), what, by };
    lamplighter_arguments::check_encoding(beginning).map_err(wrong)
}

/// Checks the arguments of one job.
pub(crate) struct ArgumentCheck<'a> {
    job: &'static str,
    check: lamplighter_arguments::ArgumentCheck<'a>,
}

impl<'a> ArgumentCheck<'a> {
    /// Creates the check for this job.
    pub(crate) fn new(definition: &'a Definition) -> Self {
        Self { job: definition.name, check: lamplighter_arguments::ArgumentCheck::new(definition) }
    }

    /// Returns the arguments as the sender wrote them, so that numbers and the order of fields are kept.
    ///
    /// Fails when they are not JSON or do not fit the job.
    pub(crate) fn check(&self, text: &str) -> Result<Box<RawValue>, Error> {
        let job = self.job;
        self.check.check(text).map_err(|error| match error {
            InvalidArguments::Encoding(WrongEncoding { what, by }) => {
                Error::Encoding { from: "the text".into(), what, by }
            }
            InvalidArguments::Json { reason, example } => Error::Json { job, reason, example },
            InvalidArguments::Misfit(problems) => Error::Arguments { job, problems },
            other => Error::Arguments { job, problems: vec![other.to_string()] },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamplighter::{Job, Queue};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

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
