//! Event patterns: a mistake in one matches nothing, or is refused at deployment.

use serde_json::{Map, Value};

use super::resources::Resources;
use crate::problems::Problems;

/// Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
const OPERATORS: [&str; 8] =
    ["anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"];

/// The fields that every event has (the same guide, "Event structure"), and the operator that joins patterns.
const FIELDS: [&str; 10] =
    ["$or", "account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"];

pub(super) fn examine(resources: &Resources<'_>, problems: &mut Problems) {
    for rule in resources.of_type("AWS::Events::Rule") {
        let Some(pattern) = rule.properties["EventPattern"].as_object() else { continue };
        let mut found = Vec::new();
        for field in pattern.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
            found.push(format!("no event has a field {field:?}"));
        }
        fields(pattern, &mut found);
        problems.extend(found.into_iter().map(|text| format!("{}: the event pattern: {text}", rule.id)));
    }
}

fn fields(pattern: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, value) in pattern {
        match value {
            Value::Object(inner) => fields(inner, found),
            Value::Array(items) if items.is_empty() => {
                found.push(format!("{name:?} lists nothing, so nothing matches"));
            }
            Value::Array(items) if name == "$or" => {
                items.iter().filter_map(Value::as_object).for_each(|pattern| fields(pattern, found));
            }
            Value::Array(items) => items.iter().for_each(|item| operator(name, item, found)),
            _ => found.push(format!("{name:?} must be a list of values: [{value}]")),
        }
    }
}

fn operator(field: &str, item: &Value, found: &mut Vec<String>) {
    let Value::Object(condition) = item else { return };
    for name in condition.keys().filter(|name| !OPERATORS.contains(&name.as_str())) {
        found.push(format!("{field:?} uses the operator {name:?}; the operators are {}", OPERATORS.join(", ")));
    }
}
