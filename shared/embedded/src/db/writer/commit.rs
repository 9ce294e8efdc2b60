//! Requests become one transaction, and are answered after its commit.

use std::time::{Duration, Instant};

use lamplighter::backend::StoreError;
use rusqlite::{Connection, ErrorCode};

use super::{
    Inner,
    request::{Request, closed},
};
use crate::{
    db::{catalog::Catalog, connection::BUSY, transaction::Transaction, upkeep},
    error::{FileLost, is_of_the_file, store_error},
    operations::clock,
    time,
};

/// How often it is looked at most whether the file is still the one that was opened: a look costs as much as a job.
const CHECK_AGAIN: Duration = Duration::from_millis(1);

/// How often it is said that the file still cannot be written.
const SAY_AGAIN: Duration = Duration::from_secs(30);
/// While the disk stays full, the log is emptied no more often than this.
const EMPTY_AGAIN: Duration = Duration::from_secs(5);

/// The connection, and what is known about the file from one transaction to the next.
pub(super) struct Core {
    /// `None` once it is closed.
    pub(super) connection: Option<Connection>,
    catalog: Catalog,
    /// SQLite's number for what others have written.
    version: i64,
    /// Since when the file cannot be written, and when that was said last.
    pub(super) trouble: Option<(Instant, Instant)>,
    /// When it was last looked whether the file is still the one that was opened.
    checked: Option<Instant>,
    /// When the log was emptied since the disk was full.
    emptied: Option<Instant>,
}

impl Core {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Some(connection),
            catalog: Catalog::default(),
            version: -1,
            trouble: None,
            checked: None,
            emptied: None,
        }
    }
}

/// Why a transaction came to nothing.
pub(super) enum Failure {
    /// One of the requests may be to blame.
    Request(rusqlite::Error),
    /// Nothing can be written now, whatever is asked.
    File(rusqlite::Error),
    Lost(FileLost),
    Closed,
}

impl Inner {
    pub(super) fn perform(&self, core: &mut Core, mut requests: Vec<Box<dyn Request>>) {
        let began = Instant::now();
        let count = requests.len();
        match self.transact(core, &mut requests) {
            Ok(()) => {
                for request in requests {
                    request.answer(Ok(()));
                }
            }
            Err(Failure::Request(error)) if requests.len() > 1 => {
                tracing::warn!(file = &*self.location, %error, count, "a transaction failed; its parts are tried singly");
                for request in requests {
                    let mut single = vec![request];
                    let outcome = self.transact(core, &mut single).map_err(|failure| self.error(&failure));
                    for request in single {
                        request.answer(outcome.clone());
                    }
                }
            }
            Err(failure) => {
                let error = self.error(&failure);
                for request in requests.into_iter().chain(self.take_who_waited(&failure)) {
                    request.answer(Err(error.clone()));
                }
            }
        }
        if began.elapsed() > Duration::from_secs(1) {
            tracing::warn!(file = &*self.location, ms = began.elapsed().as_millis(), count, "a slow transaction");
        }
    }

    /// Runs the requests in one transaction, but for those that nobody waits for any more: they go from the list.
    fn transact(&self, core: &mut Core, requests: &mut Vec<Box<dyn Request>>) -> Result<(), Failure> {
        if let Some(lost) = self.lost.get() {
            return Err(Failure::Lost(lost.clone()));
        }
        loop {
            requests.retain(|request| !request.is_abandoned());
            if requests.is_empty() {
                return Ok(());
            }
            match self.attempt(core, requests) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Failure::File(error)) if self.makes_room(core, &error) => {}
                Err(Failure::File(error)) => {
                    self.say_trouble(core, &error);
                    return Err(Failure::File(error));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// `false`: nothing was written, since somebody whose request was in it has gone away meanwhile.
    fn attempt(&self, core: &mut Core, requests: &mut [Box<dyn Request>]) -> Result<bool, Failure> {
        let Core { connection, catalog, version, .. } = core;
        let Some(connection) = &*connection else { return Err(Failure::Closed) };
        if !connection.is_autocommit() {
            // A panic in the middle of the last one.
            connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            catalog.forget();
        }
        let begin = || connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]);
        begin().map_err(Failure::File)?;
        let written = connection.total_changes();
        let mut run = || {
            let seen = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
            if *version != seen {
                catalog.forget();
                *version = seen;
            }
            let latest = match catalog.latest {
                Some(latest) => latest,
                None => clock::latest(connection)?,
            };
            let shown = time::nearest(self.env.now());
            // Zero: nothing has been written yet.
            if latest > 0 && shown > time::after(latest, clock::LEAP) {
                self.signals.leapt();
            }
            let set_back = latest > time::after(shown, clock::SLACK);
            let now = if set_back { shown } else { shown.max(latest) };
            let mut tx = Transaction::new(connection, catalog, now);
            tx.catalog.latest = Some(now);
            tx.leapt = self.signals.has_just_leapt();
            if set_back {
                clock::set_right(&mut tx, latest)?;
            }
            for request in requests.iter_mut() {
                request.run(&mut tx)?;
            }
            let effects = tx.finish()?;
            if requests.iter().any(|request| request.is_abandoned()) {
                return Ok(None);
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(Some(effects))
        };
        let outcome = run();
        if !matches!(outcome, Ok(Some(_))) {
            catalog.forget();
            if !connection.is_autocommit() {
                // SQLite has rolled back by itself after the worst errors; after the others it must be told.
                connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            }
        }
        match outcome {
            Ok(Some(effects)) => {
                // A job that was acknowledged a moment before the file was removed is as lost as one a moment after.
                let wrote = connection.total_changes() != written;
                if core.checked.is_none_or(|at| at.elapsed() >= CHECK_AGAIN) {
                    self.check().map_err(Failure::Lost)?;
                    core.checked = Some(Instant::now());
                }
                if wrote {
                    self.say_well(core);
                }
                self.signals.publish(&effects);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if is_of_the_file(&error) => Err(Failure::File(error)),
            Err(error) => Err(Failure::Request(error)),
        }
    }

    fn error(&self, failure: &Failure) -> StoreError {
        match failure {
            Failure::Request(error) | Failure::File(error) => store_error(&self.location, error),
            Failure::Lost(lost) => lost.into(),
            Failure::Closed => closed(&self.location),
        }
    }

    /// Those who have waited for a lock of another process behind others, and for so long that the same wait once more
    /// would be too much.
    fn take_who_waited(&self, failure: &Failure) -> Vec<Box<dyn Request>> {
        let busy =
            matches!(failure, Failure::File(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        let long = |asked_at: Instant| asked_at.elapsed() >= BUSY / 2;
        let mut pending = self.pending();
        let count =
            if busy { pending.requests.iter().take_while(|request| long(request.asked_at())).count() } else { 0 };
        pending.requests.drain(..count).collect()
    }

    /// On a full disk, what the log holds fits into the file for the most part, and then the log's own room is free.
    fn makes_room(&self, core: &mut Core, error: &rusqlite::Error) -> bool {
        let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        if !full || core.emptied.is_some_and(|at| at.elapsed() < EMPTY_AGAIN) {
            return false;
        }
        let Some(connection) = &core.connection else { return false };
        core.emptied = Some(Instant::now());
        let emptied = upkeep::checkpoint(connection).unwrap_or(false);
        tracing::warn!(file = &*self.location, log_emptied = emptied, "the disk is full");
        true
    }

    fn say_trouble(&self, core: &mut Core, error: &rusqlite::Error) {
        let now = Instant::now();
        let (since, said) = core.trouble.unwrap_or((now, now));
        if core.trouble.is_none() || now.duration_since(said) >= SAY_AGAIN {
            let (seconds, error) = (now.duration_since(since).as_secs(), store_error(&self.location, error));
            tracing::error!(%error, seconds, "the file cannot be written; it is tried again");
            core.trouble = Some((since, now));
        }
    }

    /// To be called after a write: a transaction that wrote nothing also succeeds on a full disk.
    fn say_well(&self, core: &mut Core) {
        if let Some((since, _)) = core.trouble.take() {
            let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(file = &*self.location, ms, "the file can be written again");
        }
    }
}
