//! Calls between the backend and the emulator: each is recorded, with its DynamoDB bill by the published rules, and
//! tests make calls fail as AWS or the network does.

mod proxy;
pub mod units;

pub use proxy::{Call, Emulator, Measure, Proxy, proxy};

/// Whether a call reads the record of a job: by its key, or from the listing, where error groups and operations are too.
#[must_use]
pub fn reads_a_record(call: &Call) -> bool {
    if call.service != "dynamodb" {
        return false;
    }
    let partition = call.body["ExpressionAttributeValues"][":partition"]["S"].as_str();
    let is_of_jobs = |partition: &str| !partition.starts_with("e#") && !partition.starts_with("a#");
    call.body.to_string().contains("JOB#") || (call.body["IndexName"] == "listing" && partition.is_none_or(is_of_jobs))
}
