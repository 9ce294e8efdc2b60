//! Secrets that are kept in Secrets Manager or Parameter Store: who may read which.

use super::{names::role_id, policy, resource_if};
use crate::{
    deployment::{DeployedSetting, Deployment},
    node::{Map, Node, call, only_if, reference, sub},
};

/// The parameter with the key that secrets are encrypted with.
pub(super) const KEY: &str = "SecretsKeyArn";
/// The condition that it was given.
const HAS_KEY: &str = "HasSecretsKey";

/// ARNs, separated by commas. None holds what would make it more than one secret (AWS Secrets Manager API Reference,
/// CreateSecret; AWS Systems Manager API Reference, PutParameter).
fn pattern() -> String {
    let secret = "secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}";
    let parameter = "ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9/_.-]+";
    let one = format!("arn:[a-z0-9-]+:({secret}|{parameter})");
    format!("^({one}(,{one})*)?$")
}

/// What the parameter of a setting that names secrets is like, besides its description.
pub(super) fn parameter(setting: &DeployedSetting) -> Map {
    match setting.names_secrets {
        true => Map::new().set("AllowedPattern", pattern()),
        false => Map::new(),
    }
}

/// What a setting is for, with how to give its value where it names secrets.
pub(super) fn about(setting: &DeployedSetting) -> String {
    match setting.names_secrets {
        true => format!(
            "{}: ARNs of secrets (Secrets Manager) and parameters (Parameter Store), separated by commas; empty for none",
            setting.about
        ),
        false => setting.about.clone(),
    }
}

/// The settings that name secrets, each once.
fn naming(deployment: &Deployment) -> Vec<&DeployedSetting> {
    let all = deployment.functions.iter().flat_map(|function| &function.settings);
    let mut naming: Vec<_> = all.filter(|setting| setting.names_secrets).collect();
    naming.sort_by(|a, b| a.variable.cmp(&b.variable));
    naming.dedup_by(|a, b| a.variable == b.variable);
    naming
}

/// The key, where a function reads secrets at all.
pub(super) fn parameters(deployment: &Deployment) -> Map {
    if naming(deployment).is_empty() {
        return Map::new();
    }
    let about =
        "The ARN of the KMS key of your own that secrets named by ARN are encrypted with; empty where it is AWS's";
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

/// Lets functions read the secrets that their settings name, and no others. A key of AWS's own lets in whoever may read
/// the secret; one of the account's own asks for a right of its own, which is given through the two services only (AWS
/// Secrets Manager User Guide, "Secret encryption and decryption").
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
        let roles: Vec<_> = readers.map(|function| reference(role_id(&function.name))).collect();
        let properties = Map::new().set("PolicyName", "secrets").set("Roles", roles).set("PolicyDocument", document);
        all.set(format!("{parameter}Access"), resource_if(&has(&parameter), "AWS::IAM::Policy", properties))
    })
}
