//! Encryption at rest: by keys of the services' own, or by the key of the one who deploys.
//!
//! What the key's policy must allow stands in `docs/infrastructure.md`.

use super::{
    names::{SCHEDULER_ROLE, role_id},
    policy, resource_if,
};
use crate::{
    deployment::Deployment,
    node::{Map, Node, either, only_if, reference, sub},
};

/// The condition that a key was given.
pub(super) const HAS_KEY: &str = "HasKey";
/// The parameter that names it.
pub(super) const KEY: &str = "KmsKeyArn";

/// The key, where one was given.
pub(super) fn key() -> Node {
    only_if(HAS_KEY, reference(KEY))
}

/// A queue's encryption: SQS's own, or by the key.
pub(super) fn queue() -> Map {
    Map::new().set("SqsManagedSseEnabled", either(HAS_KEY, false, true)).set("KmsMasterKeyId", key())
}

/// The table's. Without a key of one's own, DynamoDB encrypts with one of its own.
pub(super) fn table() -> Map {
    let own = Map::new().set("SSEEnabled", true).set("SSEType", "KMS").set("KMSMasterKeyId", reference(KEY));
    Map::new().set("SSESpecification", only_if(HAS_KEY, own))
}

/// A bucket's. With a key of the bucket's own below it, KMS is asked once for many objects.
pub(super) fn bucket() -> Map {
    let by_default = Map::new().set("SSEAlgorithm", either(HAS_KEY, "aws:kms", "AES256")).set("KMSMasterKeyID", key());
    let rule = Map::new()
        .set("ServerSideEncryptionByDefault", by_default)
        .set("BucketKeyEnabled", either(HAS_KEY, true, false));
    Map::new().set("BucketEncryption", Map::new().set("ServerSideEncryptionConfiguration", [rule]))
}

/// Lets the stack's roles use the key, as SQS, DynamoDB, S3 and Lambda ask of whoever calls them or runs: through these
/// services only, so that nobody decrypts with it himself. Services that come without a role (EventBridge's rules, CloudWatch
/// Logs) need the key's own policy.
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
    let properties = Map::new()
        .set("PolicyName", "key")
        .set("Roles", roles)
        .set("PolicyDocument", policy::document(vec![statement]));
    Map::new().set("KeyAccess", resource_if(HAS_KEY, "AWS::IAM::Policy", properties))
}
