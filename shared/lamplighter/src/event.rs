//! Jobs that start on EventBridge events.

use std::{collections::BTreeMap, fmt};

use serde_json::value::{RawValue, to_raw_value};

use crate::job::{Definition, Job};

/// The EventBridge events that start a job, and the mapping to its arguments.
///
/// ```
/// # use lamplighter::{EventTrigger, Job, Queue};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Scan { bucket: String }
/// # impl Job for Scan { const NAME: &'static str = "scan.object"; const QUEUE: Queue = Queue::standard("scans"); }
/// // The event's `detail` becomes the job's arguments.
/// let trigger = EventTrigger::new::<Scan>().source("shop.uploads").detail_type("Object Stored");
/// assert!(trigger.matches("shop.uploads", "Object Stored", &[]));
/// assert!(!trigger.matches("shop.uploads", "Object Removed", &[]));
/// ```
///
/// If the event's `detail` does not have the form of the arguments, map each argument from a path:
///
/// ```
/// # use lamplighter::{EventTrigger, Job, Queue};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Scan { bucket: String }
/// # impl Job for Scan { const NAME: &'static str = "scan.object"; const QUEUE: Queue = Queue::standard("scans"); }
/// let trigger =
///     EventTrigger::new::<Scan>().source("aws.s3").detail_type("Object Created").arg("bucket", "$.detail.bucket.name");
/// let event = serde_json::json!({ "detail": { "bucket": { "name": "uploads" } } });
/// let event: std::collections::BTreeMap<String, Box<lamplighter::RawValue>> = serde_json::from_value(event)?;
/// let args = trigger.args_of(|field| event.get(field).map(|value| &**value))?;
/// assert_eq!(args.get(), r#"{"bucket":"uploads"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct EventTrigger {
    definition: Definition,
    /// The `source` that events must have.
    pub source: Option<&'static str>,
    /// The `detail-type` that events must have.
    pub detail_type: Option<&'static str>,
    /// The scheduled rule that it belongs to.
    pub rule: Option<&'static str>,
    fixed_args: Option<Box<RawValue>>,
    /// Arguments, each with its path in the event.
    mapped_args: Vec<(&'static str, &'static str)>,
}

/// The fields of an event (Amazon EventBridge User Guide, "Events metadata").
const FIELDS: [&str; 9] =
    ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"];

impl EventTrigger {
    /// Events start a `J`; unless [`args`](Self::args) or single ones ([`arg`](Self::arg)) are given, an event's `detail`
    /// holds the arguments.
    #[must_use]
    pub fn new<J: Job>() -> Self {
        Self {
            definition: Definition::of::<J>(),
            source: None,
            detail_type: None,
            rule: None,
            fixed_args: None,
            mapped_args: Vec::new(),
        }
    }

    /// Only events of this `source`.
    #[must_use]
    pub fn source(mut self, source: &'static str) -> Self {
        self.source = Some(source);
        self
    }

    /// Only events of this `detail-type`.
    #[must_use]
    pub fn detail_type(mut self, detail_type: &'static str) -> Self {
        self.detail_type = Some(detail_type);
        self
    }

    /// Only events of the scheduled rule with this name, or with a name that ends with `-` and this one. The job's id
    /// is then `<rule>@<the event's time>`, so that a tick delivered twice is one job.
    #[must_use]
    pub fn rule(mut self, name: &'static str) -> Self {
        self.rule = Some(name);
        self
    }

    /// Uses these arguments instead of the event's `detail`. A value that cannot be written as a JSON object is ignored
    /// here and refused when the job is made.
    #[must_use]
    pub fn args<J: Job>(mut self, job: &J) -> Self {
        self.fixed_args = serde_json::value::to_raw_value(job).ok();
        self
    }

    /// Takes one argument from the event: `$.detail.order.id`, `$.time`. Names are separated by dots, as in
    /// EventBridge's input paths; a path cannot select from a list. If the event has nothing at the path, the argument
    /// comes from [`args`](Self::args), or is left out.
    ///
    /// `lamp infra` reports a path that no event has, and arguments that do not fit the job's schema.
    #[must_use]
    pub fn arg(mut self, name: &'static str, path: &'static str) -> Self {
        self.mapped_args.push((name, path));
        self
    }

    /// The job that it starts.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.definition.name
    }

    /// The definition of that job.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The arguments given by [`args`](Self::args).
    #[must_use]
    pub fn fixed_args(&self) -> Option<&RawValue> {
        self.fixed_args.as_deref()
    }

    /// The arguments given by [`arg`](Self::arg), each with its path.
    #[must_use]
    pub fn mapped_args(&self) -> &[(&'static str, &'static str)] {
        &self.mapped_args
    }

    /// Returns whether a path leads to a field that events have.
    #[must_use]
    pub fn is_path(path: &str) -> bool {
        let Some(path) = path.strip_prefix("$.") else { return false };
        let mut names = path.split('.');
        let first = names.next().is_some_and(|first| FIELDS.contains(&first));
        let rest: Vec<_> = names.collect();
        first
            && (rest.is_empty() || path.starts_with("detail."))
            && rest.iter().all(|name| !name.is_empty() && !name.contains(['[', ']', '*', '"', '\'']))
    }

    /// The arguments of the job that an event starts; `field` returns the event's field of a name.
    ///
    /// # Errors
    /// When arguments are mapped into fixed ones that are not an object.
    pub fn args_of<'e>(&self, field: impl Fn(&str) -> Option<&'e RawValue>) -> serde_json::Result<Box<RawValue>> {
        if self.mapped_args.is_empty() {
            let own = self.fixed_args.clone().or_else(|| field("detail").map(ToOwned::to_owned));
            return own.map_or_else(|| to_raw_value(&BTreeMap::<&str, ()>::new()), Ok);
        }
        let mut args: BTreeMap<String, Box<RawValue>> = match &self.fixed_args {
            Some(fixed) => serde_json::from_str(fixed.get())?,
            None => BTreeMap::new(),
        };
        for (name, path) in &self.mapped_args {
            let mut names = path.trim_start_matches("$.").split('.');
            let first = names.next().and_then(&field).map(ToOwned::to_owned);
            if let Some(value) = names.fold(first, |value, name| member(&value?, name)) {
                args.insert((*name).to_owned(), value);
            }
        }
        to_raw_value(&args)
    }

    /// Returns whether an event of this source and detail type, caused by these resources (ARNs), starts the job.
    #[must_use]
    pub fn matches(&self, source: &str, detail_type: &str, resources: &[String]) -> bool {
        let rule_fits = |rule: &str| {
            resources
                .iter()
                .filter_map(|arn| arn.rsplit('/').next())
                .any(|name| name == rule || name.strip_suffix(rule).is_some_and(|stem| stem.ends_with('-')))
        };
        self.source.is_none_or(|own| own == source)
            && self.detail_type.is_none_or(|own| own == detail_type)
            && self.rule.is_none_or(rule_fits)
    }
}

/// The member of an object with this name; `None` when the value is not an object.
fn member(value: &RawValue, name: &str) -> Option<Box<RawValue>> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
    members.remove(name)
}

impl fmt::Debug for EventTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTrigger")
            .field("job", &self.job())
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    use super::*;
    use crate::queue::Queue;

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    struct Ship {
        order: u64,
        #[serde(default)]
        note: String,
    }

    impl Job for Ship {
        const NAME: &'static str = "order.ship";
        const QUEUE: Queue = Queue::standard("orders");
    }

    fn args(trigger: &EventTrigger, event: Value) -> String {
        let event: BTreeMap<String, Box<RawValue>> = serde_json::from_value(event).unwrap();
        trigger.args_of(|field| event.get(field).map(|value| &**value)).unwrap().get().to_owned()
    }

    #[test]
    fn arguments_come_from_detail_or_mapped_paths() {
        let trigger = EventTrigger::new::<Ship>().source("shop");
        assert_eq!(args(&trigger, json!({ "detail": { "order": 7 } })), r#"{"order":7}"#);
        assert_eq!(args(&trigger, json!({})), "{}");

        let mapped = trigger.arg("order", "$.detail.paid.order").arg("note", "$.time");
        let event =
            json!({ "time": "2026-05-01T06:00:00Z", "detail": { "paid": { "order": 18446744073709551615_u64 } } });
        assert_eq!(args(&mapped, event), r#"{"note":"2026-05-01T06:00:00Z","order":18446744073709551615}"#);
        assert_eq!(args(&mapped, json!({ "detail": { "paid": 3 } })), "{}", "a missing value is left out");

        let fixed = mapped.args(&Ship { order: 1, note: "by hand".into() });
        assert_eq!(args(&fixed, json!({ "detail": {} })), r#"{"note":"by hand","order":1}"#);
        let event = json!({ "detail": { "paid": { "order": 2 } } });
        assert_eq!(args(&fixed, event), r#"{"note":"by hand","order":2}"#);
    }

    #[test]
    fn is_path_accepts_event_fields_only() {
        for path in ["$.time", "$.detail", "$.detail.a.b", "$.detail-type"] {
            assert!(EventTrigger::is_path(path), "{path}");
        }
        for path in ["", "$", "$.", "time", "$.details.a", "$.detail.", "$.detail..a", "$.detail.a[0]", "$.time.hour"] {
            assert!(!EventTrigger::is_path(path), "{path}");
        }
    }
}
