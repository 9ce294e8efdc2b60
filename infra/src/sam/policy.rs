//! IAM policies.

use crate::node::{Map, Node};

/// Returns a policy of these statements.
pub(super) fn document(statements: Vec<Map>) -> Map {
    Map::new().set("Version", "2012-10-17").set("Statement", statements)
}

/// Returns a statement that allows a role actions on resources.
pub(super) fn allow<const N: usize>(sid: &str, actions: [&str; N], resources: Vec<Node>) -> Map {
    Map::new().set("Sid", sid).set("Effect", "Allow").set("Action", actions).set("Resource", resources)
}

/// Returns a statement that allows a service an action on a resource, or on a role.
pub(super) fn allow_service(service: &str, action: &str) -> Map {
    Map::new().set("Effect", "Allow").set("Principal", Map::new().set("Service", service)).set("Action", action)
}

/// Returns a statement that denies requests without TLS, regardless of the caller's permissions.
pub(super) fn refuse_plain_text(service: &str, resources: impl Into<Node>) -> Map {
    let plain = Map::new().set("Bool", Map::new().set("aws:SecureTransport", "false"));
    Map::new()
        .set("Sid", "OnlyOverTls")
        .set("Effect", "Deny")
        .set("Principal", "*")
        .set("Action", format!("{service}:*"))
        .set("Resource", resources)
        .set("Condition", plain)
}

/// Returns an inline policy of a role.
pub(super) fn inline(name: &str, statements: Vec<Map>) -> Map {
    Map::new().set("PolicyName", name).set("PolicyDocument", document(statements))
}
