//! Events that start jobs: checks the arguments taken from them against the jobs' schemas.

use lamplighter::{EventTrigger, Function};
use serde_json::{Value, json};

use super::{EventPattern, functions::pattern};
use crate::problems::Problems;

pub(super) fn check(function: &Function, problems: &mut Problems) {
    let name = function.name();
    for trigger in &function.spec().events {
        let job = trigger.job();
        if pattern(trigger) == (EventPattern { source: None, detail_type: None }) && trigger.rule.is_none() {
            problems.add(format!(
                "function {name:?}: every event would start {job}; name a source, a detail type or a rule"
            ));
        }
        for sentence in arguments(trigger) {
            problems.add(format!("function {name:?}: the event trigger of {job}: {sentence}"));
        }
    }
}

/// Returns the problems of a trigger's arguments.
fn arguments(trigger: &EventTrigger) -> Vec<String> {
    let schema = trigger.definition().schema().to_value();
    let mut sentences: Vec<String> = mapped(trigger, &schema);
    if trigger.mapped_args().is_empty() && trigger.fixed_args().is_none() && trigger.rule.is_none() {
        // The event's detail holds the arguments, which are unknown here. The detail of a tick is empty.
        return sentences;
    }
    let fixed =
        trigger.fixed_args().map_or_else(|| json!({}), |args| serde_json::from_str(args.get()).unwrap_or_default());
    sentences.extend(unfit(&schema, &fixed));
    let is_given =
        |name: &str| fixed.get(name).is_some() || trigger.mapped_args().iter().any(|(mapped, _)| *mapped == name);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing: Vec<_> = required.filter(|name| !is_given(name)).collect();
    if !missing.is_empty() {
        sentences.push(format!(
            "the job needs {}, and neither .arg(name, path) nor .args(job) sets it; map it, or give it a default",
            missing.join(", ")
        ));
    }
    sentences
}

/// Returns the problems of the arguments that are taken from events.
fn mapped(trigger: &EventTrigger, schema: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    let known = schema["properties"].as_object();
    let open = schema["additionalProperties"] != false && known.is_none();
    for (place, (name, path)) in trigger.mapped_args().iter().enumerate() {
        if trigger.mapped_args()[..place].iter().any(|(other, _)| other == name) {
            sentences.push(format!("the argument {name:?} is taken from two places; keep one"));
        }
        if !EventTrigger::is_path(path) {
            sentences.push(format!(
                "{path:?} is not a path into an event; write $.detail.order.id, $.time or the like, with names only"
            ));
        }
        let Some(property) = known.and_then(|known| known.get(*name)) else {
            if !open {
                let names: Vec<_> = known.into_iter().flat_map(|known| known.keys()).map(String::as_str).collect();
                sentences.push(format!("the job has no argument {name:?}; it has {}", names.join(", ")));
            }
            continue;
        };
        if is_text(path) && !takes_text(property) {
            sentences.push(format!("{path} is a text, and the argument {name:?} takes {}", property["type"]));
        }
    }
    sentences
}

/// Returns whether a field of events is always a text (Amazon EventBridge User Guide, "Events metadata").
fn is_text(path: &str) -> bool {
    ["$.version", "$.id", "$.detail-type", "$.source", "$.account", "$.time", "$.region"].contains(&path)
}

/// Returns whether a property may accept a text. References are not followed.
fn takes_text(property: &Value) -> bool {
    match &property["type"] {
        Value::String(kind) => kind == "string",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        _ => true,
    }
}

/// Returns the errors of fixed arguments against the schema. Missing arguments are reported by the caller.
fn unfit(schema: &Value, fixed: &Value) -> Vec<String> {
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return vec![format!("the job's schema is invalid: {error}")],
    };
    let errors = validator.iter_errors(fixed);
    let missing = |error: &jsonschema::ValidationError<'_>| {
        matches!(error.kind(), jsonschema::error::ValidationErrorKind::Required { .. })
            && error.instance_path().as_str().is_empty()
    };
    errors.filter(|error| !missing(error)).map(|error| format!("its .args(job) do not fit the job: {error}")).collect()
}
