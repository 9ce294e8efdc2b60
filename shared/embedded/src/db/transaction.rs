//! A transaction in progress, and the changes that are written at its end.

use rusqlite::{CachedStatement, Connection};

use super::{catalog::Catalog, signals::Effects};
use crate::{
    operations::{clock, errors::Errors, relations},
    time,
};

/// The file has the next number for all processes. Each takes so many at once: a transaction that adds one job then writes a
/// page less. After another process has written, the rest is not used, so that later rows have higher numbers.
const RESERVED: i64 = 64;

/// A transaction in progress.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) catalog: &'a mut Catalog,
    /// The moment of the transaction.
    pub(crate) now: i64,
    /// Whether the clock has jumped far forward recently.
    pub(crate) leapt: bool,
    pub(crate) effects: Effects,
    pub(crate) relations: relations::Relations,
    /// Attempts that have failed.
    pub(crate) errors: Errors,
    /// The connection's number of changed rows before the transaction.
    changes: u64,
    /// Changes of the number of records, by kind and state. A transaction has only a handful of pairs, so a list is
    /// fastest.
    counts: Vec<((i64, i64), i64)>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(connection: &'a Connection, catalog: &'a mut Catalog, now: i64) -> Self {
        Self {
            connection,
            catalog,
            now,
            leapt: false,
            effects: Effects::default(),
            relations: relations::Relations::default(),
            errors: Errors::default(),
            changes: connection.total_changes(),
            counts: Vec::new(),
        }
    }

    /// Prepares a statement, or takes it from the cache.
    pub(crate) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        self.connection.prepare_cached(sql)
    }

    /// Returns a number that no row of this file has had before.
    pub(crate) fn next(&mut self) -> rusqlite::Result<i64> {
        let mut numbers = self.catalog.numbers.clone();
        if numbers.is_empty() {
            let first: i64 = self.prepare("SELECT next FROM sequence")?.query_row([], |row| row.get(0))?;
            numbers = first..first + RESERVED;
            self.prepare("UPDATE sequence SET next = ?1")?.execute([numbers.end])?;
        }
        let next = numbers.start;
        self.catalog.numbers = next + 1..numbers.end;
        Ok(next)
    }

    /// Gives back the last number from [`next`](Self::next), which was not used.
    pub(crate) fn unused(&mut self) {
        self.catalog.numbers.start -= 1;
    }

    /// Counts a record of a kind that enters a state.
    pub(crate) fn enters(&mut self, kind: i64, state: i64) {
        self.count(kind, state, 1);
    }

    /// Counts a record of a kind that leaves a state.
    pub(crate) fn leaves(&mut self, kind: i64, state: i64) {
        self.count(kind, state, -1);
    }

    fn count(&mut self, kind: i64, state: i64, change: i64) {
        if state == crate::state::UNTRACKED {
            return;
        }
        match self.counts.iter_mut().find(|(key, _)| *key == (kind, state)) {
            Some((_, sum)) => *sum += change,
            None => self.counts.push(((kind, state), change)),
        }
    }

    /// Writes the collected changes. Called just before the commit.
    pub(crate) fn finish(mut self) -> rusqlite::Result<Effects> {
        relations::follow(&mut self)?;
        self.put_errors()?;
        // A transaction that has changed nothing writes nothing here, or it would wake callers that wait for changes.
        // The page written here costs some 6 percent of a drain.
        let is_kept =
            self.catalog.kept.is_some_and(|kept| (kept..time::after(kept, clock::PRECISION)).contains(&self.now));
        if !is_kept && self.connection.total_changes() != self.changes {
            self.prepare(clock::KEEP)?.execute([self.now])?;
            self.catalog.kept = Some(self.now);
        }
        let mut count = self.prepare(
            "INSERT INTO counts (kind, state, jobs) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, state) DO UPDATE SET jobs = jobs + excluded.jobs",
        )?;
        for ((kind, state), change) in std::mem::take(&mut self.counts) {
            if change != 0 {
                count.execute([kind, state, change])?;
            }
        }
        Ok(self.effects)
    }
}
