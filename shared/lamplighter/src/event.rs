//! Jobs that start on EventBridge events.

use std::fmt;

use serde_json::value::RawValue;

use crate::job::Job;

/// Which EventBridge events start a job, and how.
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
#[derive(Clone)]
pub struct EventTrigger {
    job: &'static str,
    source: Option<&'static str>,
    detail_type: Option<&'static str>,
    rule: Option<&'static str>,
    fixed_args: Option<Box<RawValue>>,
}

impl EventTrigger {
    /// Events start a `J`; unless [`args`](Self::args) are given, an event's `detail` holds the arguments.
    #[must_use]
    pub fn new<J: Job>() -> Self {
        Self { job: J::NAME, source: None, detail_type: None, rule: None, fixed_args: None }
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

    /// Only events of the scheduled rule whose name is this, or ends with `-` and this. The job's id is then
    /// `<rule>@<the event's time>`, so that a tick delivered twice is one job.
    #[must_use]
    pub fn rule(mut self, name: &'static str) -> Self {
        self.rule = Some(name);
        self
    }

    /// These arguments instead of the event's `detail`. A value that cannot be written as a JSON object is ignored
    /// here and refused when the job is made.
    #[must_use]
    pub fn args<J: Job>(mut self, job: &J) -> Self {
        self.fixed_args = serde_json::value::to_raw_value(job).ok();
        self
    }

    /// The job that it starts.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.job
    }

    /// The `source` that events must have.
    #[must_use]
    pub fn source_name(&self) -> Option<&'static str> {
        self.source
    }

    /// The `detail-type` that events must have.
    #[must_use]
    pub fn detail_type_name(&self) -> Option<&'static str> {
        self.detail_type
    }

    /// The scheduled rule that it belongs to.
    #[must_use]
    pub fn rule_name(&self) -> Option<&'static str> {
        self.rule
    }

    /// The arguments given by [`args`](Self::args).
    #[must_use]
    pub fn fixed_args(&self) -> Option<&RawValue> {
        self.fixed_args.as_deref()
    }

    /// Whether an event of this source and detail type, caused by these resources (ARNs), starts the job.
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

impl fmt::Debug for EventTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTrigger")
            .field("job", &self.job)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}
