//! Roles: checks that they still have the permissions they need.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Compare, DEPLOY, Difference, Kind, REVERT, Resource, Severity};
use crate::doctor::policy::{Right, missing, statements};

impl Compare<'_> {
    pub(super) fn role(&mut self, resource: &Resource, seen: &Value) {
        if let Some(found) = seen["Policies"].as_array() {
            let found: Vec<_> = found.iter().flat_map(statements).cloned().collect();
            let id = self.id(&resource.id);
            let attached = |policy: &&Resource| {
                let roles = policy.properties["Roles"].as_array();
                policy.kind == "AWS::IAM::Policy" && roles.is_some_and(|all| all.iter().any(|role| role == id))
            };
            let own = resource.properties["Policies"].as_array().into_iter().flatten();
            let own = own.map(|policy| &policy["PolicyDocument"]);
            let others = self.resources.iter().filter(attached).map(|policy| &policy.properties["PolicyDocument"]);
            let expected: Vec<_> = own.chain(others).flat_map(statements).collect();
            let lost = missing(expected, &found);
            let by_service = by_service(lost);
            if by_service.is_empty() {
                self.check(resource, None);
            }
            for (service, rights) in by_service {
                self.check(resource, Some(lost_rights(&service, &rights)));
            }
        }
        if let Some(found) = seen.get("AssumeRolePolicyDocument") {
            let expected = statements(&resource.properties["AssumeRolePolicyDocument"]);
            let lost = missing(expected, statements(found));
            self.check(
                resource,
                (!lost.is_empty()).then(|| Difference {
                    kind: Kind::RolePermission,
                    severity: Severity::Error,
                    found: "its trust policy does not let the service assume it".into(),
                    expected: "a trust policy as in the template".into(),
                    breaks: "the service cannot act: nothing runs or is sent with this role".into(),
                    repair: format!("{REVERT}; if it never existed: {DEPLOY}"),
                }),
            );
        }
    }
}

fn by_service(rights: impl IntoIterator<Item = Right>) -> BTreeMap<String, Vec<Right>> {
    let mut all: BTreeMap<String, Vec<Right>> = BTreeMap::new();
    for right in rights {
        let service = right.action.split(':').next().unwrap_or_default().to_owned();
        all.entry(service).or_default().push(right);
    }
    all
}

fn lost_rights(service: &str, rights: &[Right]) -> Difference {
    let mut by_action: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for right in rights {
        by_action.entry(&right.action).or_default().push(&right.resource);
    }
    let denied = by_action.iter().map(|(action, on)| format!("{action} on {}", on.join(" and ")));
    let breaks = match service {
        "sqs" => "it can no longer receive, send or dead-letter messages there",
        "dynamodb" => "it can no longer keep or list records: its jobs fail before they begin",
        "logs" => "it writes no logs",
        "s3" => "its jobs can no longer read or write objects",
        "scheduler" | "iam" => "it can no longer delay jobs or create schedules",
        "events" => "it can no longer publish lifecycle events, or pause rules",
        "kms" => "it can no longer read or write what is encrypted",
        "xray" => "it is no longer traced",
        _ => "it fails where it needs them",
    };
    Difference {
        kind: Kind::RolePermission,
        severity: if service == "xray" { Severity::Warning } else { Severity::Error },
        found: format!("it may not {}", denied.collect::<Vec<_>>().join("; ")),
        expected: "a role that may, as in the template".into(),
        breaks: breaks.into(),
        repair: format!("{REVERT}; where the definitions have changed: {DEPLOY}"),
    }
}
