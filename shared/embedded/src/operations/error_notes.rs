//! What people have written about error groups: a row for each group with a note, which goes with its group.

use lamplighter::record::{ErrorNote, Fingerprint};
use rusqlite::params;

use super::errors::number;
use crate::db::transaction::Transaction;

const HAS_GROUP: &str = "SELECT 1 FROM error_groups WHERE fingerprint = ?1";
const WRITE: &str = "INSERT OR REPLACE INTO error_notes (fingerprint, body) VALUES (?1, ?2)";
const REMOVE: &str = "DELETE FROM error_notes WHERE fingerprint = ?1";
const FORGET: &str = "DELETE FROM error_notes WHERE fingerprint NOT IN (SELECT fingerprint FROM error_groups)";

/// Replaces the note of a group. Returns whether there is such a group.
pub(crate) fn annotate(tx: &Transaction<'_>, fingerprint: Fingerprint, note: &ErrorNote) -> rusqlite::Result<bool> {
    let number = number(fingerprint);
    if !tx.prepare(HAS_GROUP)?.exists([number])? {
        return Ok(false);
    }
    if note.is_empty() {
        tx.prepare(REMOVE)?.execute([number])?;
        return Ok(true);
    }
    let body = serde_json::to_string(note).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    tx.prepare(WRITE)?.execute(params![number, body])?;
    Ok(true)
}

/// The note of a row; `None` if a newer version wrote it.
pub(super) fn read(body: Option<String>) -> Option<ErrorNote> {
    serde_json::from_str(&body?).ok()
}

impl Transaction<'_> {
    /// Deletes notes whose groups are gone.
    pub(super) fn forget_notes(&self) -> rusqlite::Result<usize> {
        self.prepare(FORGET)?.execute([])
    }
}
