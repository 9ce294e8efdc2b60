//! Buckets: for objects that jobs read and write, and for arguments that are too large for a message.

use lamplighter_objects::ClaimChecks;

use super::{encryption, policy, resource_if};
use crate::node::{Map, Node, arn, call, either, reference, sub};

/// A bucket that the stack creates, unless a parameter names one.
pub(super) struct Bucket {
    id: &'static str,
    note: &'static str,
    /// The parameter that names an existing bucket.
    pub(super) parameter: &'static str,
    /// The condition that the parameter is empty.
    pub(super) is_made: &'static str,
    /// Prefixes under which objects are removed after a while.
    passing: &'static [&'static str],
}

/// For objects that jobs read and write.
pub(super) const OBJECTS: Bucket = Bucket {
    id: "Objects",
    note: "Objects that jobs read and write. Kept when the stack is deleted, since they cannot be recreated.",
    parameter: "ObjectsBucket",
    is_made: "MakesObjectsBucket",
    passing: &[],
};

/// For arguments that are too large for a message.
pub(super) const PAYLOADS: Bucket = Bucket {
    id: "Payloads",
    note: "Large arguments. They expire; the bucket is kept when the stack is deleted, since jobs in dead-letter\n\
           queues may still need theirs.",
    parameter: "PayloadsBucket",
    is_made: "MakesPayloadsBucket",
    passing: &[ARGUMENTS],
};

/// The prefix of arguments in the bucket for payloads.
pub(super) const ARGUMENTS: &str = ClaimChecks::PREFIX;

impl Bucket {
    /// Returns its name, created here or set by the parameter.
    pub(super) fn name(&self) -> Node {
        either(self.is_made, reference(self.id), reference(self.parameter))
    }

    /// Returns a text in which `${Bucket}` is its name.
    pub(super) fn sub(&self, text: impl Into<String>) -> Node {
        sub(vec![Node::from(text.into()), Map::new().set("Bucket", self.name()).into()])
    }

    /// Returns the ARN of the objects under `path`, or of the bucket if `path` is empty.
    pub(super) fn arn(&self, path: &str) -> Node {
        self.sub(format!("arn:${{AWS::Partition}}:s3:::${{Bucket}}{path}"))
    }

    pub(super) fn resources(&self) -> Map {
        let private = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
            .into_iter()
            .fold(Map::new(), |map, name| map.set(name, true));
        let properties = encryption::bucket().and(self.lifecycle()).set("PublicAccessBlockConfiguration", private);
        let bucket = Map::new()
            .set("Type", "AWS::S3::Bucket")
            .set("Condition", self.is_made)
            .set("DeletionPolicy", "RetainExceptOnCreate")
            .set("UpdateReplacePolicy", "Retain")
            .set("Properties", properties);
        let objects = call("Join", vec![Node::from(""), vec![arn(self.id), "/*".into()].into()]);
        let everything = vec![arn(self.id), objects];
        let policy = Map::new()
            .set("Bucket", reference(self.id))
            .set("PolicyDocument", policy::document(vec![policy::refuse_plain_text("s3", everything)]));
        Map::new()
            .set_noted(self.note, self.id, bucket)
            .set(format!("{}Policy", self.id), resource_if(self.is_made, "AWS::S3::BucketPolicy", policy))
    }

    fn lifecycle(&self) -> Map {
        let rule = |id: String| Map::new().set("Id", id).set("Status", "Enabled");
        let unfinished = rule("unfinished-uploads".into())
            .set("AbortIncompleteMultipartUpload", Map::new().set("DaysAfterInitiation", 1u16));
        let passing = self.passing.iter().map(|prefix| {
            rule(prefix.trim_end_matches('/').into())
                .set("Prefix", *prefix)
                .set("ExpirationInDays", ClaimChecks::KEPT_DAYS)
        });
        let rules: Vec<Map> = passing.chain([unfinished]).collect();
        Map::new().set("LifecycleConfiguration", Map::new().set("Rules", rules))
    }
}
