//! Properties, one by one.

use serde_json::{Map, Value};

use super::{Compare, Difference, Kind, Resource, Severity};
use crate::doctor::resolve::is_known;

/// A property that is compared.
pub(super) struct Property {
    /// Its place, as a JSON pointer.
    pub(super) at: &'static str,
    pub(super) severity: Severity,
    /// The consequence if it differs.
    pub(super) breaks: &'static str,
}

impl Property {
    pub(super) const fn error(at: &'static str, breaks: &'static str) -> Self {
        Self { at, severity: Severity::Error, breaks }
    }

    pub(super) const fn warning(at: &'static str, breaks: &'static str) -> Self {
        Self { at, severity: Severity::Warning, breaks }
    }
}

impl Compare<'_> {
    /// Compares properties. `by_hand` returns the command that sets one of them, given its expected value.
    pub(super) fn properties(
        &mut self,
        resource: &Resource,
        seen: &Value,
        kind: Kind,
        all: &[Property],
        by_hand: impl Fn(&Property, &Value) -> String,
    ) {
        for property in all {
            let own = property.at.trim_start_matches('/').split('/').next().unwrap_or_default();
            let expected = resource.properties.pointer(property.at).unwrap_or(&Value::Null);
            // Properties that were not read, or cannot be resolved, are not compared.
            if seen.get(own).is_none() || !is_known(expected) {
                continue;
            }
            let found = seen.pointer(property.at).unwrap_or(&Value::Null);
            let differs = normal(found) != normal(expected);
            let difference = differs.then(|| Difference {
                kind,
                severity: property.severity,
                found: told(property.at, found),
                expected: told(property.at, expected),
                breaks: property.breaks.into(),
                repair: self.repair(resource, property.at, &by_hand(property, expected)),
            });
            self.check(resource, difference);
        }
    }
}

/// Returns a value in the form in which it is compared: numbers and booleans as text, lists sorted, unset values
/// removed.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) => value.to_string().into(),
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(normal).collect();
            items.sort_by_cached_key(Value::to_string);
            if items.is_empty() { Value::Null } else { items.into() }
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), normal(value)));
            let fields: Map<_, _> = fields.filter(|(_, value)| !value.is_null()).collect();
            if fields.is_empty() { Value::Null } else { fields.into() }
        }
        other => other.clone(),
    }
}

/// Returns a property with its value, in words.
pub(super) fn told(at: &str, value: &Value) -> String {
    let name = at.trim_start_matches('/').replace('/', ".");
    match value {
        Value::Null => format!("no {name}"),
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {}", set(other)),
    }
}

/// Returns a value without unset values.
fn set(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(set).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name.clone(), set(value))).collect())
        }
        other => other.clone(),
    }
}
