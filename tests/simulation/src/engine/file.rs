//! The file behind the engine's back: a trigger notes each change of a record's state.

use std::{collections::BTreeMap, path::Path, time::Duration};

use lamplighter::JobState;
use rusqlite::Connection;

use super::book::Book;
use crate::invariant::Invariant;

const WATCH: &str =
    "CREATE TABLE IF NOT EXISTS simulated (number INTEGER PRIMARY KEY, id TEXT, before INTEGER, after INTEGER);
    CREATE TRIGGER IF NOT EXISTS simulated_change AFTER UPDATE OF state ON jobs WHEN OLD.state != NEW.state
    BEGIN INSERT INTO simulated (id, before, after) VALUES (NEW.id, OLD.state, NEW.state); END;
    CREATE TRIGGER IF NOT EXISTS simulated_new AFTER INSERT ON jobs
    BEGIN INSERT INTO simulated (id, before, after) VALUES (NEW.id, 0, NEW.state); END";

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// Adds the trigger, if it is not there yet.
pub(super) fn watch(path: &Path) -> rusqlite::Result<()> {
    let connection = open(path)?;
    let has_it: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'simulated_new')",
        [],
        |row| row.get(0),
    )?;
    if has_it { Ok(()) } else { connection.execute_batch(WATCH) }
}

/// Checks the changes that it has noted.
pub(super) fn check(path: &Path, book: &mut Book) -> rusqlite::Result<()> {
    watch(path)?;
    let connection = open(path)?;
    let mut statement = connection.prepare("SELECT id, before, after FROM simulated ORDER BY number")?;
    let changes: Vec<(String, i64, i64)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<rusqlite::Result<_>>()?;
    let by_hand: BTreeMap<&str, bool> = book.jobs.iter().map(|(id, account)| (id.as_str(), account.by_hand)).collect();
    let mut broken = None;
    for (id, before, after) in &changes {
        let (before, Some(after)) = (state(*before), state(*after)) else { continue };
        let Some(before) = before else { continue };
        let is_by_hand = by_hand.get(id.as_str()).copied().unwrap_or(false);
        if before.is_final() && !(is_by_hand && after == JobState::Queued) {
            broken.get_or_insert((Invariant::FinalOnce, format!("{id} had ended as {before} and became {after}")));
        }
        // The record of a batch waits until it ends.
        let is_end_of_batch = book.batches.contains(id.as_str()) && before == JobState::Waiting && after.is_final();
        if !is_end_of_batch && !book.transitions.see(before, after) {
            broken.get_or_insert((Invariant::KnownTransition, format!("{id} changed from {before} to {after}")));
        }
    }
    if let Some((invariant, message)) = broken {
        book.violates(invariant, message);
    }
    Ok(())
}

/// The state with that number in the file; `None` for a message without a record.
fn state(number: i64) -> Option<JobState> {
    match number {
        1 => Some(JobState::Queued),
        2 => Some(JobState::Succeeded),
        3 => Some(JobState::Scheduled),
        4 => Some(JobState::Waiting),
        5 => Some(JobState::Running),
        6 => Some(JobState::Retrying),
        7 => Some(JobState::Failed),
        8 => Some(JobState::Cancelled),
        _ => None,
    }
}
