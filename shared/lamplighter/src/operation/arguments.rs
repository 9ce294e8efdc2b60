//! The arguments of a job that an operation enqueues.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::{members::Members, message::empty_object};

/// The arguments of a job that an operation enqueues: the text of a JSON object, as its sender wrote it. A stored operation
/// has them with their sensitive values hidden.
#[derive(Clone)]
pub struct Arguments(Box<RawValue>);

impl Arguments {
    /// These arguments.
    #[must_use]
    pub const fn new(args: Box<RawValue>) -> Self {
        Self(args)
    }

    /// The arguments as JSON.
    #[must_use]
    pub fn get(&self) -> &RawValue {
        &self.0
    }
}

/// What stands for the rest of a value that was cut.
const REST: &str = "…";

impl Arguments {
    /// The same, cut to about this many bytes: long texts to their beginning, long lists and objects to nothing, and all that
    /// comes after enough. `None` if nothing is too long.
    #[must_use]
    pub fn shortened(&self, bytes: usize) -> Option<Self> {
        if self.0.get().len() <= bytes {
            return None;
        }
        let cut = match serde_json::from_str::<Members>(self.0.get()) {
            Ok(Members(fields)) => to_raw_value(&Members(within(fields, bytes))).unwrap_or_default(),
            Err(_) => cut(&self.0, bytes),
        };
        Some(Self(cut))
    }
}

/// The fields that fit, in their order, and what stands for the rest.
fn within(fields: Vec<(String, Box<RawValue>)>, bytes: usize) -> Vec<(String, Box<RawValue>)> {
    let (mut kept, mut left) = (Vec::new(), bytes);
    for (name, value) in fields {
        let value = if value.get().len() > bytes / 4 { cut(&value, bytes / 4) } else { value };
        match left.checked_sub(name.len() + value.get().len()) {
            Some(rest) => left = rest,
            None => {
                kept.push((REST.to_owned(), text(REST)));
                break;
            }
        }
        kept.push((name, value));
    }
    kept
}

/// The beginning of a text; of anything else, nothing.
fn cut(value: &RawValue, bytes: usize) -> Box<RawValue> {
    match serde_json::from_str::<String>(value.get()) {
        // A character may take six bytes.
        Ok(whole) => text(&(whole.chars().take(bytes / 6).collect::<String>() + REST)),
        Err(_) => text(REST),
    }
}

fn text(text: &str) -> Box<RawValue> {
    to_raw_value(text).unwrap_or_default()
}

impl Default for Arguments {
    /// None: `{}`.
    fn default() -> Self {
        Self(empty_object())
    }
}

impl From<Box<RawValue>> for Arguments {
    fn from(args: Box<RawValue>) -> Self {
        Self(args)
    }
}

impl PartialEq for Arguments {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl fmt::Debug for Arguments {
    /// Omits the values, which may be secrets that must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(…)")
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(json: &str, bytes: usize) -> Option<String> {
        let args = Arguments::new(RawValue::from_string(json.to_owned()).unwrap());
        args.shortened(bytes).map(|short| short.get().get().to_owned())
    }

    #[test]
    fn what_is_long_is_cut_and_the_rest_stays_as_it_was_written() {
        assert_eq!(shortened(r#"{"order": 1.00}"#, 100), None);
        let (text, list) = ("x".repeat(500), "1,".repeat(300) + "1");
        let long = format!(r#"{{"order": 1.00, "text": "{text}", "rows": [{list}], "z": true, "order": 2}}"#);
        let short = format!(r#"{{"order":1.00,"text":"{}…","rows":"…","z":true,"order":2}}"#, "x".repeat(16));
        assert_eq!(shortened(&long, 400), Some(short));
        let many: String = (0..100).map(|n| format!(r#""f{n:02}":"0123456789","#)).collect();
        let short = shortened(&format!("{{{many}\"end\":0}}"), 50).unwrap();
        assert_eq!(short, r#"{"f00":"0123456789","f01":"0123456789","f02":"0123456789","…":"…"}"#);
    }

    #[test]
    fn deep_ones_and_those_that_are_no_object_are_cut_too() {
        let deep = format!(r#"{{"a":{}{},"b":1}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(shortened(&deep, 100).unwrap(), r#"{"a":"…","b":1}"#);
        assert_eq!(shortened(&format!("\"{}\"", "ü".repeat(90)), 60).unwrap(), format!("\"{}…\"", "ü".repeat(10)));
        assert_eq!(shortened(&format!("[{}1]", "1,".repeat(90)), 60).unwrap(), "\"…\"");
    }
}
