//! A walk through arguments, which parts those that are sensitive from the others.
//!
//! It reads JSON as text: fields that stand there twice, numbers of any size and halves of characters are seen as they are.
//! Text can be nested as deeply as it is long, and a stack is shorter: what lies deeper than [`DEEPEST`] is taken as a whole.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{redactor::Redactor, schema::Position};
use crate::sensitive::PLACEHOLDER;

/// The levels that are looked into: those that serde_json reads into a type.
pub(super) const DEEPEST: usize = 128;

/// Takes the parts of the arguments, in their order.
pub(super) trait Sink {
    /// JSON that may be shown, or punctuation.
    fn shown(&mut self, text: &str);
    /// A whole value that may not.
    fn hidden(&mut self, json: &RawValue);
}

pub(super) fn walk(json: &RawValue, position: &Position<'_>, sink: &mut impl Sink) {
    walk_at(0, json, position, sink);
}

fn walk_at(depth: usize, json: &RawValue, position: &Position<'_>, sink: &mut impl Sink) {
    if position.is_marked() {
        return sink.hidden(json);
    }
    if !position.reaches_mark() {
        return sink.shown(json.get());
    }
    if depth >= DEEPEST {
        return sink.hidden(json);
    }
    match parts(json) {
        Some(Parts::Fields(fields)) => {
            sink.shown("{");
            for (place, (name, value)) in fields.into_iter().enumerate() {
                if place > 0 {
                    sink.shown(",");
                }
                sink.shown(name.get());
                sink.shown(":");
                within(depth + 1, value, &position.field(&text(name)), sink);
            }
            sink.shown("}");
        }
        Some(Parts::Items(items)) => {
            sink.shown("[");
            for (index, value) in items.into_iter().enumerate() {
                if index > 0 {
                    sink.shown(",");
                }
                within(depth + 1, value, &position.item(index), sink);
            }
            sink.shown("]");
        }
        Some(Parts::Scalar(kind)) if kind == "null" || position.describes(kind) => sink.shown(json.get()),
        Some(Parts::Scalar(_)) | None => sink.hidden(json),
    }
}

/// What stands in something that holds sensitive values: hidden where nobody says what it is.
fn within(depth: usize, json: &RawValue, position: &Position<'_>, sink: &mut impl Sink) {
    if position.is_unknown() { sink.hidden(json) } else { walk_at(depth, json, position, sink) }
}

/// Whether a value is hidden as a whole. `is_inner`: it is in something that holds sensitive values.
pub(super) fn is_hidden(json: &RawValue, position: &Position<'_>, is_inner: bool) -> bool {
    if position.is_marked() || (is_inner && position.is_unknown()) {
        return true;
    }
    let is_described = || match parts(json) {
        Some(Parts::Scalar(kind)) => kind == "null" || position.describes(kind),
        Some(_) => true,
        None => false,
    };
    position.reaches_mark() && !is_described()
}

pub(super) enum Parts<'a> {
    Fields(Vec<(&'a RawValue, &'a RawValue)>),
    Items(Vec<&'a RawValue>),
    /// Its type's name in JSON Schema.
    Scalar(&'static str),
}

pub(super) fn parts(json: &RawValue) -> Option<Parts<'_>> {
    let json = json.get();
    match json.as_bytes().first()? {
        b'{' => serde_json::from_str(json).ok().map(|Fields(fields)| Parts::Fields(fields)),
        b'[' => serde_json::from_str(json).ok().map(Parts::Items),
        b'"' => Some(Parts::Scalar("string")),
        b't' | b'f' => Some(Parts::Scalar("boolean")),
        b'n' => Some(Parts::Scalar("null")),
        _ => Some(Parts::Scalar("number")),
    }
}

/// The fields of an object, each as often as it stands there; names and values as they are written.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(All)
    }
}

/// What a JSON string says. Half a character is replaced.
pub(super) fn text(json: &RawValue) -> String {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }

    // As bytes, serde_json gives a string as it stands there.
    serde_json::Deserializer::from_str(json.get()).deserialize_bytes(Bytes).unwrap_or_default()
}

/// Writes arguments as they may be shown.
#[derive(Default)]
pub(super) struct Masked {
    pub(super) text: String,
}

impl Sink for Masked {
    fn shown(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn hidden(&mut self, json: &RawValue) {
        if json.get() == "null" {
            self.text.push_str("null");
        } else {
            self.text.push('"');
            self.text.push_str(PLACEHOLDER);
            self.text.push('"');
        }
    }
}

/// Collects the strings and numbers in sensitive values.
pub(super) struct Leaves<'a> {
    names: &'a BTreeSet<String>,
    redactor: Redactor,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(names: &'a BTreeSet<String>) -> Self {
        Self { names, redactor: Redactor::default() }
    }

    pub(super) fn redactor(self) -> Redactor {
        self.redactor.ready()
    }
}

impl Leaves<'_> {
    fn add(&mut self, depth: usize, json: &RawValue) {
        match parts(json) {
            Some(Parts::Fields(_) | Parts::Items(_)) if depth >= DEEPEST => self.redactor.give_up(),
            Some(Parts::Fields(fields)) => {
                for (name, value) in fields {
                    let decoded = text(name);
                    // The key of a map; the name of a field is no value.
                    if !self.names.contains(&decoded) {
                        self.redactor.add_string(&decoded, name.get());
                    }
                    self.add(depth + 1, value);
                }
            }
            Some(Parts::Items(items)) => items.into_iter().for_each(|item| self.add(depth + 1, item)),
            Some(Parts::Scalar("string")) => self.redactor.add_string(&text(json), json.get()),
            Some(Parts::Scalar("number")) => self.redactor.add_number(json.get()),
            // Too common to be looked for, and no secret.
            Some(Parts::Scalar(_)) => {}
            None => self.redactor.give_up(),
        }
    }
}

impl Sink for Leaves<'_> {
    fn shown(&mut self, _: &str) {}

    fn hidden(&mut self, json: &RawValue) {
        self.add(0, json);
    }
}
