//! Runs requests in one transaction, and answers them after its commit.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use lamplighter::backend::StoreError;
use rusqlite::{Connection, ErrorCode};

use super::{
    Inner,
    look::Look,
    request::{Request, closed},
};
use crate::{
    db::{catalog::Catalog, connection::BUSY, transaction::Transaction, upkeep},
    error::{FileLost, is_of_the_file, store_error},
    operations::clock,
    time,
};

/// The shortest interval of checks that the file is still the one that was opened: a check costs as much as a job.
const CHECK_AGAIN: Duration = Duration::from_millis(1);

/// The interval of log messages while the file cannot be written.
const SAY_AGAIN: Duration = Duration::from_secs(30);
/// The shortest interval of emptying the log while the disk stays full.
const EMPTY_AGAIN: Duration = Duration::from_secs(5);

/// The connection, and the state kept from one transaction to the next.
pub(super) struct Core {
    /// `None` once it is closed.
    pub(super) connection: Option<Connection>,
    catalog: Catalog,
    /// SQLite's version number of other connections' writes.
    version: i64,
    /// Since when the file cannot be written, and when that was last logged.
    pub(super) trouble: Option<(Instant, Instant)>,
    /// When the file was last checked to be the one that was opened.
    checked: Option<Instant>,
    /// When the log was last emptied on a full disk.
    emptied: Option<Instant>,
}

/// A look at the clock, and the step by which it was set since the last one.
type Step = (Look, Option<SignedDuration>);

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

/// Why a transaction failed.
pub(super) enum Failure {
    /// One of the requests may be the cause.
    Request(rusqlite::Error),
    /// Nothing can be written now, for any request.
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

    /// Runs the requests in one transaction, except abandoned ones, which are removed from the list.
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

    /// Returns `false` if nothing was written, since a caller has abandoned its request meanwhile.
    fn attempt(&self, core: &mut Core, requests: &mut [Box<dyn Request>]) -> Result<bool, Failure> {
        let Core { connection, catalog, version, .. } = core;
        let Some(connection) = &*connection else { return Err(Failure::Closed) };
        if !connection.is_autocommit() {
            // Left by a panic in the last transaction.
            connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            catalog.forget();
        }
        let begin = || connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]);
        begin().map_err(Failure::File)?;
        let written = connection.total_changes();
        let look = self.look();
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
            let shown = time::nearest(look.map_or_else(|| self.env.now(), |(look, _)| look.clock));
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
            } else if let Some((_, Some(step))) = look {
                clock::was_set_forward(&mut tx, step)?;
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
                // After the worst errors SQLite has rolled back by itself; after others this is necessary.
                connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            }
        }
        match outcome {
            Ok(Some(effects)) => {
                // A job acknowledged just before the file was removed is as lost as one just after.
                let wrote = connection.total_changes() != written;
                if core.checked.is_none_or(|at| at.elapsed() >= CHECK_AGAIN) {
                    self.check().map_err(Failure::Lost)?;
                    core.checked = Some(Instant::now());
                }
                if wrote {
                    self.say_well(core);
                }
                self.signals.publish(&effects);
                if let Some(look) = look {
                    self.have_looked(look);
                }
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if is_of_the_file(&error) => Err(Failure::File(error)),
            Err(error) => Err(Failure::Request(error)),
        }
    }

    /// Looks at the clock, if an engine runs here. The first transaction after a step corrects the leases of its jobs.
    fn look(&self) -> Option<Step> {
        let last = (*self.looked())?;
        let look = Look::at(&self.env)?;
        Some((look, look.step_since(&last)))
    }

    /// The look's step has been followed.
    fn have_looked(&self, (look, step): Step) {
        if let Some(last) = &mut *self.looked() {
            *last = look;
        }
        let Some(step) = step else { return };
        let by = format!("{:#}", step.abs());
        if step.is_negative() {
            tracing::warn!(
                by,
                "the clock was set back; jobs that are due by the new time run, and delays keep their length"
            );
        } else {
            tracing::warn!(by, "the clock was set forward, or the machine has slept; jobs that are due by now run");
        }
        self.signals.everything();
    }

    fn error(&self, failure: &Failure) -> StoreError {
        match failure {
            Failure::Request(error) | Failure::File(error) => store_error(&self.location, error),
            Failure::Lost(lost) => lost.into(),
            Failure::Closed => closed(&self.location),
        }
    }

    /// Takes the requests that have waited for another process's lock for so long that another such wait would be too
    /// much.
    fn take_who_waited(&self, failure: &Failure) -> Vec<Box<dyn Request>> {
        let busy =
            matches!(failure, Failure::File(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        let long = |asked_at: Instant| asked_at.elapsed() >= BUSY / 2;
        let mut pending = self.pending();
        let count =
            if busy { pending.requests.iter().take_while(|request| long(request.asked_at())).count() } else { 0 };
        pending.requests.drain(..count).collect()
    }

    /// On a full disk, most of the log's content fits into the file, which frees the log's own space.
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

    /// Called only after a write: a transaction that writes nothing succeeds on a full disk too.
    fn say_well(&self, core: &mut Core) {
        if let Some((since, _)) = core.trouble.take() {
            let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(file = &*self.location, ms, "the file can be written again");
        }
    }
}
