//! What jobs write down while they run: items under a key of their own, so that reading a record does not read them.
//!
//! Each write is an item `LOG#id`, sorted by the moment of its first line. A write that comes twice is the same item. Lines
//! about operations are together in the item `LOG#id`, `#`: in the list `ol`, with the operations' ids in the set `os`.

use lamplighter::{JobId, Timestamp, backend::StoreError, record::LogLine};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Dynamo, PIECES_KEPT, expiry,
    expression::Update,
    item::{Item, number, text},
};
use crate::sdk::explain;

/// Lines of one item, which then stays below DynamoDB's 400 KB (Amazon DynamoDB Developer Guide, "Service quotas").
const LINES: usize = 100;

/// The lines about operations, and those operations.
const LINES_OF_OPERATORS: &str = "ol";
const OPERATIONS: &str = "os";

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

    /// Adds a line about an operation to a job's log, unless it has one.
    pub(crate) async fn write_operation_line(
        &self,
        id: &JobId,
        operation: &JobId,
        line: &LogLine,
    ) -> Result<(), StoreError> {
        let line_text =
            serde_json::to_string(line).map_err(|error| StoreError::unavailable(format_args!("{error}")))?;
        let update = Update::new()
            .append(LINES_OF_OPERATORS, text(line_text))
            .add(OPERATIONS, AttributeValue::Ss(vec![operation.to_string()]))
            .set("ttl", expiry(line.at, PIECES_KEPT))
            .when("attribute_not_exists(#os) OR (NOT contains(#os, :op) AND size(#os) < :most)")
            .value("op", text(operation.as_str()))
            .value("most", number(LogLine::MAX_OF_OPERATORS));
        self.update_at(&key(id), update, || self.doing("write the log beside", id.as_str())).await.map(|_| ())
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
                let of_operators = item.0.get(LINES_OF_OPERATORS).and_then(|list| list.as_l().ok());
                let of_operators = of_operators.into_iter().flatten().filter_map(|line| line.as_s().ok());
                lines.extend(of_operators.filter_map(|json| serde_json::from_str::<LogLine>(json).ok()));
            }
        }
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }
}

fn nanoseconds(at: Timestamp) -> i128 {
    at.as_nanosecond().max(0)
}
