//! Encryption at rest: with the services' keys, or with your own key.
//!
//! `docs/infrastructure.md` says what the key's policy must allow.

use super::{
    names::{SCHEDULER_ROLE, role_id},
    policy, resource_if, workers,
};
use crate::{
    deployment::Deployment,
    node::{Map, Node, either, only_if, reference, sub},
};

/// The condition that a key is set.
pub(super) const HAS_KEY: &str = "HasKey";
/// The parameter that names the key.
pub(super) const KEY: &str = "KmsKeyArn";

/// Returns the key, if one is set.
pub(super) fn key() -> Node {
    only_if(HAS_KEY, reference(KEY))
}

/// Returns a queue's encryption: with SQS's keys, or with the given key.
pub(super) fn queue() -> Map {
    Map::new().set("SqsManagedSseEnabled", either(HAS_KEY, false, true)).set("KmsMasterKeyId", key())
}

/// Returns the table's encryption. Without a given key, DynamoDB uses one of its own.
pub(super) fn table() -> Map {
    let own = Map::new().set("SSEEnabled", true).set("SSEType", "KMS").set("KMSMasterKeyId", reference(KEY));
    Map::new().set("SSESpecification", only_if(HAS_KEY, own))
}

/// Returns a bucket's encryption. The bucket key below the given key saves a KMS call per object.
pub(super) fn bucket() -> Map {
    let by_default = Map::new().set("SSEAlgorithm", either(HAS_KEY, "aws:kms", "AES256")).set("KMSMasterKeyID", key());
    let rule = Map::new()
        .set("ServerSideEncryptionByDefault", by_default)
        .set("BucketKeyEnabled", either(HAS_KEY, true, false));
    Map::new().set("BucketEncryption", Map::new().set("ServerSideEncryptionConfiguration", [rule]))
}

/// Allows the stack's roles to use the key, which SQS, DynamoDB, S3 and Lambda require of their callers: only through
/// these services, so that no role can decrypt with it directly. Services that act without a role (EventBridge's rules,
/// CloudWatch Logs) need the key's own policy.
pub(super) fn access(deployment: &Deployment) -> Map {
    let mut services = vec!["lambda", "sqs"];
    if deployment.keeps_records() {
        services.push("dynamodb");
    }
    if deployment.keeps_records() || deployment.has_objects() {
        services.push("s3");
    }
    // AWS Key Management Service Developer Guide, "kms:ViaService".
    let through: Vec<Node> =
        services.iter().map(|service| sub(format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"))).collect();
    let statement = policy::allow(
        "UseKey",
        [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        vec![reference(KEY)],
    );
    let statement =
        statement.set("Condition", Map::new().set("StringEquals", Map::new().set("kms:ViaService", through)));
    let mut roles: Vec<Node> = deployment.functions.iter().map(|function| reference(role_id(&function.name))).collect();
    roles.push(reference(SCHEDULER_ROLE));
    if deployment.workers.is_some() {
        roles.push(workers::role());
    }
    let properties = Map::new()
        .set("PolicyName", "key")
        .set("Roles", roles)
        .set("PolicyDocument", policy::document(vec![statement]));
    Map::new().set("KeyAccess", resource_if(HAS_KEY, "AWS::IAM::Policy", properties))
}
