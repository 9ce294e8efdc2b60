//! Roles of IAM, with their inline policies.

use aws_sdk_iam::Client;
use lamplighter::backend::StoreError;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Looking, Observed, ask, parsed};

pub(super) async fn role(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let asked = client.get_role().role_name(name).send();
    let (mut looking, answer) = match Looking::begin(ask("iam:GetRole", &format!("read the role {name}"), asked).await)
    {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    let trust = answer.role.and_then(|role| role.assume_role_policy_document);
    looking.set("AssumeRolePolicyDocument", trust.as_deref().map_or(Value::Null, document));
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let asked = client.list_role_policies().role_name(name).set_marker(marker).send();
        match ask("iam:ListRolePolicies", &format!("list the policies of role {name}"), asked).await {
            Ok(page) => {
                let Some(page) = page else { break };
                names.extend(page.policy_names);
                marker = page.marker.filter(|_| page.is_truncated);
            }
            Err(unreadable) => {
                looking.unreadable.push(unreadable);
                return Ok(looking.end());
            }
        }
        if marker.is_none() {
            break;
        }
    }
    let mut policies = Vec::new();
    for policy in names {
        let asked = client.get_role_policy().role_name(name).policy_name(&policy).send();
        match ask("iam:GetRolePolicy", &format!("read the policy {policy} of role {name}"), asked).await {
            Ok(answer) => policies.extend(answer.map(|answer| document(&answer.policy_document))),
            // Without one of them, it is not known what is missing.
            Err(unreadable) => {
                looking.unreadable.push(unreadable);
                return Ok(looking.end());
            }
        }
    }
    looking.set("Policies", policies);
    Ok(looking.end())
}

/// IAM URL-encodes policies (AWS Identity and Access Management API Reference, GetRolePolicy).
fn document(text: &str) -> Value {
    parsed(&percent_decode_str(text).decode_utf8_lossy())
}
