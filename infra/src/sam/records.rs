//! The table of records, and the bus for lifecycle events.

use super::{
    encryption,
    names::{BUS, TABLE, UNDELIVERED},
    resource,
};
use crate::node::{Map, Node, arn, attribute, reference, sub};

/// A sparse index of the table: items without its keys are not in it, and cost nothing there.
struct Index {
    name: &'static str,
    hash: &'static str,
    range: &'static str,
}

/// By state and time, for listings.
const LISTING: Index = Index { name: "listing", hash: "lpk", range: "lsk" };
/// By the moment a job is due, for the function that sends due jobs.
const DUE: Index = Index { name: "due", hash: "dpk", range: "dsk" };

pub(super) fn resources() -> Map {
    let note = "One item per job, and the items that belong to it. Kept when the stack is deleted, or when a change would\n\
                replace it: the history of jobs cannot be recreated. Not kept when the very first deployment fails, so that\n\
                the next one starts clean.";
    let table = Map::new()
        .set("Type", "AWS::DynamoDB::Table")
        .set("DeletionPolicy", "RetainExceptOnCreate")
        .set("UpdateReplacePolicy", "Retain")
        .set("Properties", table());
    let bus = Map::new()
        .set("Name", reference("AWS::StackName"))
        .set("Description", "What happens to jobs")
        .set("KmsKeyIdentifier", encryption::key())
        .set("DeadLetterConfig", Map::new().set("Arn", arn(UNDELIVERED)));
    Map::new().set_noted(note, TABLE, table).set(BUS, resource("AWS::Events::EventBus", bus))
}

fn table() -> Map {
    let keys = |hash: &str, range: &str| {
        let key = |name: &str, kind: &str| Map::new().set("AttributeName", name).set("KeyType", kind);
        vec![key(hash, "HASH"), key(range, "RANGE")]
    };
    let index = |index: &Index| {
        Map::new()
            .set("IndexName", index.name)
            .set("KeySchema", keys(index.hash, index.range))
            .set("Projection", Map::new().set("ProjectionType", "KEYS_ONLY"))
    };
    let names = ["pk", "sk", LISTING.hash, LISTING.range, DUE.hash, DUE.range];
    let attributes = names.map(|name| Map::new().set("AttributeName", name).set("AttributeType", "S"));
    Map::new()
        .set("BillingMode", "PAY_PER_REQUEST")
        .set("AttributeDefinitions", attributes)
        .set("KeySchema", keys("pk", "sk"))
        .set("GlobalSecondaryIndexes", [index(&LISTING), index(&DUE)])
        .set("TimeToLiveSpecification", Map::new().set("AttributeName", "ttl").set("Enabled", true))
        .set("PointInTimeRecoverySpecification", Map::new().set("PointInTimeRecoveryEnabled", true))
        .and(encryption::table())
}

/// Returns the ARN of the index for listings.
pub(super) fn listing_arn() -> Node {
    index_arn(&LISTING)
}

/// Returns the ARN of the index of due jobs.
pub(super) fn due_arn() -> Node {
    index_arn(&DUE)
}

fn index_arn(index: &Index) -> Node {
    sub(format!("${{{TABLE}.Arn}}/index/{}", index.name))
}

pub(super) fn bus_arn() -> Node {
    attribute(BUS, "Arn")
}
