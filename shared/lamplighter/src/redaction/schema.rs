//! JSON Schemas, as far as they say where sensitive values are.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::sensitive::MARK;

/// A place in a job's arguments: all schemas that may apply to what stands there.
#[derive(Debug)]
pub(super) struct Position<'a> {
    root: &'a Value,
    schemas: Vec<&'a Map<String, Value>>,
    /// Whether nothing else is said of it than that anything may stand there.
    anything: bool,
    /// Whether a schema cannot be found. It might have the mark.
    broken: bool,
}

/// Keywords whose value is a list of schemas for the same place.
const CHOICES: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose value is a schema for the same place.
const CONDITIONS: [&str; 4] = ["if", "then", "else", "not"];

impl<'a> Position<'a> {
    pub(super) fn root(root: &'a Value) -> Self {
        Self::of(root, [root])
    }

    fn of(root: &'a Value, schemas: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut position = Self { root, schemas: Vec::new(), anything: false, broken: false };
        for schema in schemas {
            position.add(schema);
        }
        position
    }

    /// Adds a schema, and those that it refers to or is made of.
    fn add(&mut self, schema: &'a Value) {
        let Value::Object(keywords) = schema else {
            self.anything |= *schema == Value::Bool(true);
            return;
        };
        if self.schemas.iter().any(|known| std::ptr::eq(*known, keywords)) {
            return;
        }
        self.schemas.push(keywords);
        if let Some(reference) = keywords.get("$ref") {
            match reference.as_str().and_then(|reference| resolve(self.root, reference)) {
                Some(schema) => self.add(schema),
                None => self.broken = true,
            }
        }
        for schema in CHOICES.iter().filter_map(|keyword| keywords.get(*keyword)?.as_array()).flatten() {
            self.add(schema);
        }
        for schema in CONDITIONS.iter().filter_map(|keyword| keywords.get(*keyword)) {
            self.add(schema);
        }
    }

    /// Whether what stands here is sensitive.
    pub(super) fn is_marked(&self) -> bool {
        self.broken || self.schemas.iter().any(|schema| schema.get(MARK) == Some(&Value::Bool(true)))
    }

    /// Whether no schema says anything of this place.
    pub(super) fn is_unknown(&self) -> bool {
        self.schemas.is_empty() && !self.anything && !self.broken
    }

    /// Whether what stands here, or anything in it, may be sensitive.
    pub(super) fn reaches_mark(&self) -> bool {
        let mut seen = Vec::new();
        self.broken || self.schemas.iter().any(|schema| self.reaches(schema, &mut seen))
    }

    fn reaches(&self, schema: &'a Map<String, Value>, seen: &mut Vec<&'a Map<String, Value>>) -> bool {
        if seen.iter().any(|known| std::ptr::eq(*known, schema)) {
            return false;
        }
        seen.push(schema);
        if schema.get(MARK) == Some(&Value::Bool(true)) {
            return true;
        }
        let target = schema.get("$ref").and_then(Value::as_str).map(|reference| resolve(self.root, reference));
        if target == Some(None) {
            return true;
        }
        let definitions = ["$defs", "definitions"];
        let inner =
            schema.iter().filter(|(keyword, _)| !definitions.contains(&keyword.as_str())).map(|(_, value)| value);
        inner.chain(target.flatten()).any(|value| self.reaches_within(value, seen))
    }

    /// The value of a keyword: a schema, or schemas by number or name.
    fn reaches_within(&self, value: &'a Value, seen: &mut Vec<&'a Map<String, Value>>) -> bool {
        match value {
            Value::Object(schema) => self.reaches(schema, seen),
            Value::Array(schemas) => schemas.iter().any(|schema| self.reaches_within(schema, seen)),
            _ => false,
        }
    }

    /// The place of a field.
    pub(super) fn field(&self, name: &str) -> Self {
        let of_one = |schema: &'a Map<String, Value>| {
            let named = schema.get("properties").and_then(|properties| properties.get(name));
            // Which of them fits the name would take a regular expression: all may.
            let patterns = schema.get("patternProperties").and_then(Value::as_object);
            let others = ["additionalProperties", "unevaluatedProperties"];
            let others = others.into_iter().filter_map(|keyword| schema.get(keyword)).filter(|_| named.is_none());
            let patterns = patterns.into_iter().flat_map(Map::values);
            named.into_iter().chain(patterns).chain(others).collect::<Vec<_>>()
        };
        Self::of(self.root, self.schemas.iter().flat_map(|schema| of_one(schema)))
    }

    /// The place of an item of a list.
    pub(super) fn item(&self, index: usize) -> Self {
        let of_one = |schema: &'a Map<String, Value>| {
            let prefix = schema.get("prefixItems").or(schema.get("items").filter(|items| items.is_array()));
            let own = prefix.and_then(|prefix| prefix.get(index));
            let others = ["items", "additionalItems", "unevaluatedItems"];
            let others = others.into_iter().filter_map(|keyword| schema.get(keyword)).filter(|_| own.is_none());
            own.into_iter().chain(others).chain(schema.get("contains")).collect::<Vec<_>>()
        };
        Self::of(self.root, self.schemas.iter().flat_map(|schema| of_one(schema)))
    }

    /// The place of a field whose name is a number, or of an item.
    pub(super) fn field_or_item(&self, name: &str, index: usize) -> Self {
        let (mut field, item) = (self.field(name), self.item(index));
        field.anything |= item.anything;
        field.broken |= item.broken;
        field.schemas.extend(item.schemas);
        field
    }

    /// Whether a schema lets a value of this type stand here, by its name in JSON Schema.
    pub(super) fn describes(&self, kind: &str) -> bool {
        let is_kind = |value: &Value| kind_of(value) == kind || (kind == "number" && value == "integer");
        let one = |schema: &Map<String, Value>| {
            let of_type = match schema.get("type") {
                Some(Value::String(name)) => name == kind || (kind == "number" && name == "integer"),
                Some(Value::Array(names)) => {
                    names.iter().any(|name| name == kind || (kind == "number" && name == "integer"))
                }
                _ => false,
            };
            let of_values =
                schema.get("enum").and_then(Value::as_array).is_some_and(|values| values.iter().any(is_kind));
            of_type || of_values || schema.get("const").is_some_and(is_kind)
        };
        self.schemas.iter().any(|schema| one(schema))
    }
}

/// The name of a value's type in JSON Schema.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What `$ref` means within its document: `#/$defs/Name`.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    match pointer.contains('%') {
        false => root.pointer(pointer),
        true => root.pointer(&percent_decoded(pointer)?),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The fields and variants that a schema names.
pub(crate) fn declared_names(schema: &Value) -> BTreeSet<String> {
    fn collect(schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("properties", Value::Object(properties)) => names.extend(properties.keys().cloned()),
                        ("enum", Value::Array(variants)) => {
                            names.extend(variants.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
                        }
                        ("const", Value::String(variant)) => {
                            names.insert(variant.clone());
                        }
                        _ => {}
                    }
                    collect(value, names);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    collect(schema, &mut names);
    names
}
