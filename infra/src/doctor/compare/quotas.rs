//! AWS quotas that this stack has nearly used up.

use super::{Compare, Difference, Kind, Resource, Severity, Subject};
use crate::limits::quotas::{RULES, SQS_IN_FLIGHT};

/// AWS CloudFormation User Guide, "Understand CloudFormation quotas": resources in a template.
const RESOURCES: u64 = 500;
/// AWS Lambda Developer Guide, "Lambda quotas": all environment variables of a function, in bytes.
const VARIABLES: u64 = 4096;

/// The share of a quota that is reported, in percent.
const NEAR: u64 = 80;

impl Compare<'_> {
    pub(super) fn quotas(&mut self) {
        let stack = format!("stack {}", self.stack_name());
        let account = &self.deployed.account;
        let resources = self.deployed.stack.resources.len() as u64;
        let (no_more, raise) = ("no further deployment goes through", "deploy some functions as a separate stack");
        self.quota(&stack, "", (resources, RESOURCES), "resources of the stack", no_more, raise);
        let raise = "ask for more in the console of Service Quotas, or remove what is not needed";
        if let Some(rules) = account.rules {
            let breaks = "no further rule can be made: a deployment with a new schedule fails";
            self.quota("default event bus", "default", (rules, RULES.value), "rules of the bus", breaks, raise);
        }
        if let Some((used, most)) = account.code {
            let breaks = "no further code can be deployed";
            self.quota("account", "", (used, most), "bytes of code that Lambda keeps", breaks, raise);
        }
        if let Some(most) = account.concurrency {
            let all = self.expected.deployment.queues.iter().filter_map(|queue| queue.max_concurrency);
            let used = all.map(u64::from).sum();
            let breaks = "Lambda refuses invocations when all queues are busy: jobs wait, and may be dead-lettered";
            self.quota("account", "", (used, most), "concurrent invocations that the queues may use", breaks, raise);
        }
        for resource in self.resources {
            self.quotas_of(resource);
        }
    }

    fn quotas_of(&mut self, resource: &Resource) {
        let Some(seen) = self.deployed.looks.get(&resource.id).and_then(|look| look.seen.as_ref()) else { return };
        let name = self.name(resource);
        match &resource.of {
            Subject::Queue(_) => {
                let Some(in_flight) = seen["InFlight"].as_u64() else { return };
                let breaks = "SQS delivers no further message until others are done";
                let repair = "raise `max_concurrency`, or shorten the delays of failed jobs";
                // The same number for FIFO queues.
                let most = SQS_IN_FLIGHT.value;
                self.quota(&resource.label(), &name, (in_flight, most), "messages in flight", breaks, repair);
            }
            Subject::Function(_) => {
                let Some(variables) = seen["Environment"]["Variables"].as_object() else { return };
                let bytes = variables
                    .iter()
                    .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
                    .sum::<usize>();
                let breaks = "no further queue or setting fits: the next deployment may fail";
                let repair = "deploy some functions as a separate stack";
                let of = "bytes of environment variables";
                self.quota(&resource.label(), &name, (bytes as u64, VARIABLES), of, breaks, repair);
            }
            _ => {}
        }
    }

    fn quota(&mut self, resource: &str, name: &str, (used, most): (u64, u64), of: &str, breaks: &str, repair: &str) {
        let near = used.saturating_mul(100) >= most.saturating_mul(NEAR);
        let difference = near.then(|| Difference {
            kind: Kind::Quota,
            severity: if used >= most { Severity::Error } else { Severity::Warning },
            found: format!("{used} {of}"),
            expected: format!("less than {NEAR} % of {most}"),
            breaks: breaks.into(),
            repair: repair.into(),
        });
        self.check_named(resource.to_owned(), name.to_owned(), difference);
    }
}
