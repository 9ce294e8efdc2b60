//! Events that start jobs: whether the arguments that are made of them fit the jobs' schemas.

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
                "function {name:?}: every event there is would start {job}; name a source, a detail type or a rule"
            ));
        }
        for sentence in arguments(trigger) {
            problems.add(format!("function {name:?}: the event trigger of {job}: {sentence}"));
        }
    }
}

/// What is wrong with the arguments of a trigger.
fn arguments(trigger: &EventTrigger) -> Vec<String> {
    let schema = trigger.definition().schema().to_value();
    let mut sentences: Vec<String> = mapped(trigger, &schema);
    if trigger.mapped_args().is_empty() && trigger.fixed_args().is_none() && trigger.rule.is_none() {
        // The detail holds the arguments, and what it will be is not known here. That of a tick is empty.
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
            "the job needs {}, and neither .arg(name, path) nor .args(job) gives it; map it, or give it a default",
            missing.join(", ")
        ));
    }
    sentences
}

/// What is wrong with the arguments that are taken from events.
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
                "{path:?} is no path into an event; write $.detail.order.id, $.time or the like, with names only"
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

/// Fields of events that are always texts (Amazon EventBridge User Guide, "Events metadata").
fn is_text(path: &str) -> bool {
    ["$.version", "$.id", "$.detail-type", "$.source", "$.account", "$.time", "$.region"].contains(&path)
}

/// Whether a text may fit a property. What it refers to is not looked at.
fn takes_text(property: &Value) -> bool {
    match &property["type"] {
        Value::String(kind) => kind == "string",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "string"),
        _ => true,
    }
}

/// What of fixed arguments does not fit the schema. That something is missing is told elsewhere.
fn unfit(schema: &Value, fixed: &Value) -> Vec<String> {
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return vec![format!("the job's schema makes no sense: {error}")],
    };
    let errors = validator.iter_errors(fixed);
    let missing = |error: &jsonschema::ValidationError<'_>| {
        matches!(error.kind(), jsonschema::error::ValidationErrorKind::Required { .. })
            && error.instance_path().as_str().is_empty()
    };
    errors.filter(|error| !missing(error)).map(|error| format!("its .args(job) do not fit the job: {error}")).collect()
}
