//! Compares the deployed stack with the expected one, and returns findings.

mod code;
pub(super) mod drift;
mod events;
mod functions;
mod mappings;
mod property;
mod queues;
mod quotas;
mod roles;
mod schedules;
mod stack;
mod table;
#[cfg(test)]
mod tests;
mod unreadable;

use std::collections::BTreeSet;

use lamplighter_aws::Drift;
use serde_json::Value;

use super::{
    deployed::Deployed,
    expected::{Expected, Resource, Subject},
    finding::{Examination, Finding, Kind, Severity},
};

/// A comparison in progress.
struct Compare<'a> {
    expected: &'a Expected,
    resources: &'a [Resource],
    deployed: &'a Deployed,
    out: Examination,
}

/// Returns all findings.
pub(super) fn compare(expected: &Expected, resources: &[Resource], deployed: &Deployed) -> Examination {
    let out = Examination { resources: resources.len(), ..Examination::default() };
    let mut compare = Compare { expected, resources, deployed, out };
    compare.stack();
    for resource in resources {
        compare.drift(resource);
        // A missing resource was reported above and is not examined further.
        let Some(seen) = deployed.looks.get(&resource.id).and_then(|look| look.seen.as_ref()) else { continue };
        match &resource.of {
            Subject::Queue(_) | Subject::DeadLetters(_) | Subject::Undelivered => compare.queue(resource, seen),
            Subject::Mapping(queue) => compare.mapping(resource, queue, seen),
            Subject::Function(name) => {
                compare.function(resource, name, seen);
                compare.code(resource, name);
            }
            Subject::Schedule(_) | Subject::Events(_) => compare.schedule(resource, seen),
            Subject::Table => compare.table(resource, seen),
            Subject::Role(_) | Subject::SchedulerRole => compare.role(resource, seen),
            Subject::Other if resource.kind == "AWS::Lambda::EventInvokeConfig" => compare.calls(resource, seen),
            Subject::Other if resource.kind == "AWS::Lambda::Url" => compare.url(resource, seen),
            Subject::Bus | Subject::Group | Subject::Other => {}
        }
    }
    compare.run_time_schedules();
    compare.quotas();
    compare.unreadable();
    let mut out = compare.out;
    let order = |one: &Finding| (one.severity, one.resource.clone(), one.kind, one.found.clone());
    out.findings.sort_by_cached_key(order);
    out
}

/// A finding without the resource it is about.
struct Difference {
    kind: Kind,
    severity: Severity,
    found: String,
    expected: String,
    breaks: String,
    repair: String,
}

impl<'a> Compare<'a> {
    /// Counts a check, and records its finding.
    fn check(&mut self, resource: &Resource, difference: Option<Difference>) {
        let name = self.name(resource);
        self.check_named(resource.label(), name, difference);
    }

    fn check_named(&mut self, resource: String, name: String, difference: Option<Difference>) {
        self.out.checks += 1;
        if let Some(Difference { kind, severity, found, expected, breaks, repair }) = difference {
            self.out.findings.push(Finding { kind, severity, resource, name, found, expected, breaks, repair });
        }
    }

    fn stack_name(&self) -> &'a str {
        &self.deployed.stack.name
    }

    /// Returns a resource's name on AWS; for a queue, the name in its URL.
    fn name(&self, resource: &Resource) -> String {
        let id = self.id(&resource.id);
        let is_queue = resource.kind == "AWS::SQS::Queue";
        if is_queue { id.rsplit('/').next().unwrap_or(id).to_owned() } else { id.to_owned() }
    }

    /// Returns its physical id, or an empty text.
    fn id(&self, logical: &str) -> &'a str {
        self.deployed.stack.resources.get(logical).map_or("", |resource| &resource.physical_id)
    }

    /// Returns whether a resource exists, as far as is known.
    fn is_there(&self, resource: &Resource) -> bool {
        self.deployed.stack.resources.get(&resource.id).is_some_and(stack::is_made)
            && self.deployed.looks.get(&resource.id).is_none_or(|look| look.seen.is_some())
            && self.deployed.drifts.as_ref().and_then(|all| all.get(&resource.id)) != Some(&Drift::Deleted)
    }

    /// Returns the ARNs of queues and functions that exist.
    fn targets(&self) -> BTreeSet<&'a str> {
        let kinds = ["AWS::SQS::Queue", "AWS::Lambda::Function"];
        let there = self.resources.iter().filter(|one| kinds.contains(&&*one.kind) && self.is_there(one));
        there.filter_map(|resource| resource.arn.as_deref()).collect()
    }

    /// Returns how to repair a property: by a deployment, if the stack's own template has other values than ours;
    /// otherwise `by_hand`, since a deployment that changes nothing repairs nothing.
    fn repair(&self, resource: &Resource, at: &str, by_hand: &str) -> String {
        let deployed =
            self.deployed.template.as_ref().map(|template| &template["Resources"][&resource.id]["Properties"]);
        let plain = |value: &&Value| !value.is_object() && !value.is_array();
        let both = deployed.and_then(|all| all.pointer(at)).filter(plain).zip(resource.raw.pointer(at));
        match both {
            Some((deployed, ours)) if property::normal(deployed) == property::normal(ours) => by_hand.to_owned(),
            Some(_) => format!("{OTHER_DEFINITIONS}: {DEPLOY}"),
            None => format!("{by_hand}; where {OTHER_DEFINITIONS}: {DEPLOY}"),
        }
    }
}

const OTHER_DEFINITIONS: &str = "the stack was deployed from other definitions";
const DEPLOY: &str = "`cargo lamp infra`, build, and `sam deploy`";
/// The repair where no short command is enough.
const REVERT: &str = "a change set that reverts drift (see docs/operations.md)";
