//! What jobs write down while they run: items under a key of their own, so that reading a record does not read them.
//!
//! Each write is an item `LOG#id`, sorted by the moment of its first line. A write that comes twice is the same item.

use lamplighter::{JobId, Timestamp, backend::StoreError, record::LogLine};

use super::{
    Dynamo, PIECES_KEPT, expiry,
    item::{Item, text},
};
use crate::sdk::explain;

/// Lines of one item, which then stays below DynamoDB's 400 KB (Amazon DynamoDB Developer Guide, "Service quotas").
const LINES: usize = 100;

pub(super) fn key(id: &JobId) -> String {
    format!("LOG#{id}")
}

impl Dynamo {
    /// Adds lines to a job's log.
    pub(crate) async fn write_log(&self, id: &JobId, owner: u64, lines: &[LogLine]) -> Result<(), StoreError> {
        for (index, lines) in lines.chunks(LINES).enumerate() {
            let Some(first) = lines.first() else { continue };
            let json =
                serde_json::to_string(lines).map_err(|error| StoreError::unavailable(format_args!("{error}")))?;
            let put = self.client().await?.put_item().table_name(self.table());
            let place = format!("{:020}#{owner:016x}#{index}", nanoseconds(first.at));
            let put = put.item("pk", text(key(id))).item("sk", text(place)).item("m", text(json));
            let put = put.item("ttl", expiry(first.at, PIECES_KEPT));
            put.send().await.map_err(|error| explain(&error, &self.doing("write the log beside", id.as_str())))?;
        }
        Ok(())
    }

    /// Returns the lines of a job, oldest first.
    pub(crate) async fn read_log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        let query = self.client().await?.query().table_name(self.table()).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(key(id)));
        let mut pages = query.into_paginator().send();
        let mut lines: Vec<LogLine> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &self.doing("read the log beside", id.as_str())))?;
            for item in page.items.unwrap_or_default().into_iter().map(Item) {
                // Written by a newer version, if it cannot be read.
                let read = item.text("m").and_then(|json| serde_json::from_str::<Vec<LogLine>>(json).ok());
                lines.extend(read.unwrap_or_default());
            }
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }
}

fn nanoseconds(at: Timestamp) -> i128 {
    at.as_nanosecond().max(0)
}
