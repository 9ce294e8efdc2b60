//! Access to secrets in Secrets Manager and Parameter Store.

use super::{names::role_id, policy, resource_if, workers};
use crate::{
    deployment::{DeployedSetting, Deployment},
    node::{Map, Node, call, only_if, reference, sub},
};

/// The parameter with the key that secrets are encrypted with.
pub(super) const KEY: &str = "SecretsKeyArn";
/// The condition that the key is set.
const HAS_KEY: &str = "HasSecretsKey";

/// Returns the pattern of ARNs separated by commas. Each names exactly one secret: no wildcards (AWS Secrets Manager
/// API Reference, CreateSecret; AWS Systems Manager API Reference, PutParameter).
fn pattern() -> String {
    let secret = "secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}";
    let parameter = "ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+";
    let one = format!("arn:[a-z0-9-]+:({secret}|{parameter})");
    format!("^({one}(,{one})*)?$")
}

/// Returns the additional properties of the parameter for a setting that names secrets.
pub(super) fn parameter(setting: &DeployedSetting) -> Map {
    match setting.names_secrets {
        true => Map::new().set("AllowedPattern", pattern()),
        false => Map::new(),
    }
}

/// Returns a setting's description, with the format of its value if it names secrets.
pub(super) fn about(setting: &DeployedSetting) -> String {
    match setting.names_secrets {
        true => format!(
            "{}: ARNs of secrets (Secrets Manager) and parameters (Parameter Store), separated by commas; empty for none",
            setting.about
        ),
        false => setting.about.clone(),
    }
}

/// Returns the settings that name secrets, without duplicates.
fn naming(deployment: &Deployment) -> Vec<&DeployedSetting> {
    let all = deployment.consumers().flat_map(|function| &function.settings);
    let mut naming: Vec<_> = all.filter(|setting| setting.names_secrets).collect();
    naming.sort_by(|a, b| a.variable.cmp(&b.variable));
    naming.dedup_by(|a, b| a.variable == b.variable);
    naming
}

/// Returns the parameter for the key, if any function reads secrets.
pub(super) fn parameters(deployment: &Deployment) -> Map {
    if naming(deployment).is_empty() {
        return Map::new();
    }
    let about = "The ARN of your own KMS key that secrets named by ARN are encrypted with; empty if the key is AWS's";
    let key = Map::new()
        .set("Type", "String")
        .set("Description", about)
        .set("Default", "")
        .set("AllowedPattern", "^(arn:[^:]+:kms:[^:]+:[0-9]+:key/[A-Za-z0-9-]+)?$");
    Map::new().set(KEY, key)
}

pub(super) fn conditions(deployment: &Deployment) -> Map {
    let given = |parameter: &str| {
        let empty = call("Equals", vec![reference(parameter), Node::from("")]);
        call("Not", vec![empty])
    };
    let naming = naming(deployment);
    if naming.is_empty() {
        return Map::new();
    }
    let each = naming.into_iter().map(DeployedSetting::parameter);
    each.fold(Map::new().set(HAS_KEY, given(KEY)), |all, parameter| all.set(has(&parameter), given(&parameter)))
}

fn has(parameter: &str) -> String {
    format!("Has{parameter}")
}

/// Allows functions to read the secrets that their settings name, and no others. AWS's own keys are usable by every
/// caller who may read the secret; a key of the account needs a separate permission, which is limited to the two
/// services (AWS Secrets Manager User Guide, "Secret encryption and decryption").
pub(super) fn access(deployment: &Deployment) -> Map {
    let services = ["secretsmanager", "ssm"];
    let through = services.map(|service| sub(format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")));
    let condition = Map::new().set("StringEquals", Map::new().set("kms:ViaService", through));
    let decrypt = policy::allow("DecryptSecrets", ["kms:Decrypt"], vec![reference(KEY)]).set("Condition", condition);
    naming(deployment).into_iter().fold(Map::new(), |all, setting| {
        let parameter = setting.parameter();
        let read = Map::new()
            .set("Sid", "ReadSecrets")
            .set("Effect", "Allow")
            .set("Action", ["secretsmanager:GetSecretValue", "ssm:GetParameter"])
            .set("Resource", call("Split", vec![Node::from(","), reference(&parameter)]));
        let document = Map::new()
            .set("Version", "2012-10-17")
            .set("Statement", vec![Node::Map(read), only_if(HAS_KEY, decrypt.clone())]);
        let readers = deployment.functions.iter().filter(|function| function.settings.contains(setting));
        let mut roles: Vec<_> = readers.map(|function| reference(role_id(&function.name))).collect();
        if deployment.workers.as_ref().is_some_and(|workers| workers.settings.contains(setting)) {
            roles.push(workers::role());
        }
        // Two policies of one name at a role would be one: that of the resource which is made last.
        let name = format!("{parameter}Access");
        let properties =
            Map::new().set("PolicyName", name.as_str()).set("Roles", roles).set("PolicyDocument", document);
        all.set(name, resource_if(&has(&parameter), "AWS::IAM::Policy", properties))
    })
}
