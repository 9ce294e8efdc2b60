//! Messages beside their records. Each write to a record costs by its size, so a message of more than a few hundred
//! bytes is stored in items of its own, which are written once.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{Timestamp, backend::StoreError};

use super::{
    Dynamo, MESSAGE_LIFE, expiry,
    item::{number, text},
    keys::{self, PIECE},
};
use crate::sdk::explain;

/// The largest message that is stored in the record itself, in bytes: with it, and a history of one attempt, a record
/// stays below the kilobyte of one write unit.
const INLINE: usize = 320;

/// Bytes in one piece: an item has at most 400 KB (Amazon DynamoDB Developer Guide, "Service quotas").
const PIECE_BYTES: usize = 350 * 1024;

/// A message in its record: inline, or the number of its pieces.
pub(super) fn message(json: &str) -> (&'static str, AttributeValue) {
    if json.len() <= INLINE { ("m", text(json)) } else { ("mp", number(cut(json).count())) }
}

/// Returns how long the pieces of a job that is due then are kept: as long as its message may live, and its failure be
/// read.
pub(super) fn kept(due_at: Timestamp, retention: Duration) -> AttributeValue {
    expiry(due_at, MESSAGE_LIFE.saturating_add(retention))
}

fn cut(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len().min(PIECE_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

/// The prefix of the keys of a writer's pieces.
pub(super) fn of_writer(writer: u64) -> String {
    format!("{PIECE}{writer:016x}#")
}

impl Dynamo {
    /// Writes the pieces of a message that does not fit into its record, for the record that `writer` creates. They are
    /// written before it is known whether that record will be created, so they must not overwrite another record's
    /// pieces.
    pub(super) async fn write_pieces(
        &self,
        id: &str,
        writer: u64,
        json: &str,
        ttl: AttributeValue,
    ) -> Result<(), StoreError> {
        if json.len() <= INLINE {
            return Ok(());
        }
        for (index, piece) in cut(json).enumerate() {
            let put = self.client().await?.put_item().table_name(self.table());
            let put = put.item("pk", text(keys::job_key(id))).item("sk", text(format!("{}{index}", of_writer(writer))));
            let put = put.item("m", text(piece)).item("ttl", ttl.clone());
            put.send().await.map_err(|error| explain(&error, &self.doing("write beside", id)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_split_between_characters_and_join_again() {
        for json in ["ü".repeat(400_000), "x".repeat(PIECE_BYTES), "x".repeat(PIECE_BYTES + 1), "{}".into()] {
            let pieces: Vec<_> = cut(&json).collect();
            assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES && !piece.is_empty()));
            assert_eq!(pieces.concat(), json);
            assert_eq!(pieces.len(), json.len().div_ceil(PIECE_BYTES));
        }
        assert_eq!(message("{}").0, "m");
        assert_eq!(message(&"x".repeat(INLINE + 1)), ("mp", number(1)));
    }
}
