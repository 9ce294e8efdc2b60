//! Copies the write-ahead log into the file, beside the writer.
//!
//! A copy waits for the disk, 20 ms and more. SQLite does it within a commit, and every caller waits with it. Here it is done
//! on a connection and a thread of its own, while the writer goes on (`PRAGMA wal_checkpoint(PASSIVE)`).
//!
//! **The log stays bounded.** The writer begins it anew when all of it has been copied and no reader uses it. Where nobody
//! ever pauses, the copy never catches up with the writer. So in a log of [`Sizes::restart`], the writer itself copies the last
//! few pages, right after a copy of all the others: with 20,000 jobs a second, 3 to 6 ms about twice a second. On a disk so slow
//! that the log grows to [`Sizes::most`] meanwhile, the writer waits for the copy, and does the rest. Only a reader that stays
//! in an old snapshot lets the log grow further, as always in SQLite. A process that is killed leaves such a log, which the next
//! one reads once.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, AtomicU32, Ordering},
};

use rusqlite::Connection;

use super::{Inner, commit::Core};
use crate::{
    db::connection::{self, Location},
    error::OpenError,
    settings::Durability,
};

/// Sizes of the log, in pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// So much that was written since the last copy starts the next. A page that changes often is copied less often than it is written.
    pub(super) copy: u32,
    /// The writer copies the rest, so that it can begin the log anew.
    pub(super) restart: u32,
    /// The writer waits for the copy.
    pub(super) most: u32,
}

impl Sizes {
    /// 32, 64 and 256 MiB. A log of twice the size is slower, since its pages are new to the system's cache for longer.
    fn of(connection: &Connection) -> Self {
        let page_size = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap_or(4096);
        let pages = |mebibytes: u32| (mebibytes << 20) / page_size.max(512);
        Self { copy: pages(32), restart: pages(64), most: pages(256) }
    }
}

/// The log of a file, as its writer sees it.
pub(crate) struct Log {
    location: Location,
    durability: Durability,
    sizes: Sizes,
    /// The pages in the log, after the last commit of this process.
    pages: Arc<AtomicU32>,
    /// Their number when the last copy began. Not how many it copied: a reader may hold it back, and another process's copy.
    copied_at: AtomicU32,
    state: AtomicU8,
    /// Opened by the first copy, and locked during each.
    copier: Mutex<Copier>,
}

#[derive(Default)]
struct Copier {
    connection: Option<Connection>,
    closed: bool,
}

/// No copy is under way.
const IDLE: u8 = 0;
const COPYING: u8 = 1;
/// Nearly all has been copied: the writer copies the rest.
const NEARLY: u8 = 2;

impl Log {
    /// `None` in memory.
    pub(crate) fn new(
        connection: &mut Connection,
        location: &Location,
        durability: Durability,
    ) -> rusqlite::Result<Option<Self>> {
        if matches!(location, Location::Memory) {
            return Ok(None);
        }
        let (sizes, pages) = (Sizes::of(connection), Arc::<AtomicU32>::default());
        let seen = pages.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            seen.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Some(Self {
            location: location.clone(),
            durability,
            sizes,
            pages,
            copied_at: AtomicU32::new(0),
            state: AtomicU8::new(IDLE),
            copier: Mutex::default(),
        }))
    }

    /// The pages that were written since the last copy.
    fn grown(&self) -> u32 {
        let (pages, before) = (self.pages.load(Ordering::Relaxed), self.copied_at.load(Ordering::Relaxed));
        // Fewer than before: the log has begun anew.
        pages.checked_sub(before).unwrap_or(pages)
    }

    /// Copies as much as no reader and no writer holds back, without waiting for them. Waits for the disk.
    fn copy(&self) -> Result<(), OpenError> {
        let mut copier = self.copier();
        // Too late: the writer has copied all of it, and a copy now would keep it from beginning anew.
        if copier.closed || self.state.load(Ordering::Acquire) != COPYING {
            return Ok(());
        }
        let failed = |error: rusqlite::Error| connection::unusable(self.location.path(), &error);
        let connection = match copier.connection.take() {
            Some(connection) => connection,
            None => connection::maintainer(&self.location, self.durability)?,
        };
        self.passive(&connection).map_err(failed)?;
        if self.pages.load(Ordering::Relaxed) >= self.sizes.restart {
            // What was written during the first one.
            self.passive(&connection).map_err(failed)?;
            self.state.store(NEARLY, Ordering::Release);
        }
        copier.connection = Some(connection);
        Ok(())
    }

    fn passive(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.copied_at.store(self.pages.load(Ordering::Relaxed), Ordering::Relaxed);
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    /// Copies what is left, on the writer's connection, between two transactions.
    fn copy_rest(&self, inner: &Inner, connection: &Connection) {
        if let Err(error) = self.passive(connection) {
            tracing::debug!(file = &*inner.location, %error, "the rest of the log could not be copied into the file");
        }
    }

    fn copier(&self) -> MutexGuard<'_, Copier> {
        self.copier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection, after a copy that is under way.
    pub(super) fn close(&self) {
        let mut copier = self.copier();
        *copier = Copier { connection: None, closed: true };
    }
}

/// A copy that is under way, until it is dropped.
struct Copying(Arc<Inner>);

impl Copying {
    fn run(self) {
        let Some(log) = &self.0.log else { return };
        if let Err(error) = log.copy() {
            tracing::warn!(file = &*self.0.location, %error, "the log could not be copied into the file");
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        if let Some(log) = &self.0.log {
            let _ = log.state.compare_exchange(COPYING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

impl Inner {
    /// Looks after the log, after a commit on this connection.
    pub(super) fn look_after_log(self: &Arc<Self>, core: &Core) {
        let (Some(log), Some(connection)) = (&self.log, &core.connection) else { return };
        let is_full = log.pages.load(Ordering::Relaxed) >= log.sizes.most;
        match log.state.load(Ordering::Acquire) {
            IDLE if log.grown() < log.sizes.copy => {}
            IDLE | COPYING if is_full => {
                // A copy that was started may not even have begun.
                let copier = log.copier();
                log.copy_rest(self, connection);
                log.state.store(IDLE, Ordering::Release);
                drop(copier);
            }
            IDLE => {
                log.copied_at.store(log.pages.load(Ordering::Relaxed), Ordering::Relaxed);
                log.state.store(COPYING, Ordering::Release);
                let copying = Copying(self.clone());
                match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => drop(runtime.spawn_blocking(move || copying.run())),
                    Err(_) => copying.run(),
                }
            }
            NEARLY => {
                log.copy_rest(self, connection);
                log.state.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lamplighter::env::Env;

    use super::*;
    use crate::{
        SqliteBackend,
        db::{signals::Signals, writer::Writer},
        settings::Settings,
    };

    const SIZES: Sizes = Sizes { copy: 20, restart: 60, most: 100 };
    /// The pages of one transaction, at most.
    const OF_ONE: u32 = 50;

    fn writer(path: &Path) -> Writer {
        let location = Location::file(path).unwrap();
        let (mut connection, _) = connection::writer(&location, Durability::Normal).unwrap();
        let mut log = Log::new(&mut connection, &location, Durability::Normal).unwrap().unwrap();
        log.sizes = SIZES;
        Writer::new(connection, Env::system(), Arc::new(Signals::new()), "jobs.db".into(), None, None, Some(log))
    }

    #[test]
    fn the_log_is_begun_anew_long_before_it_is_truncated() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::file(&folder.path().join("jobs.db")).unwrap();
        let (connection, _) = connection::writer(&location, Durability::Normal).unwrap();
        let page_size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        assert!(i64::from(Sizes::of(&connection).restart) * page_size * 5 / 4 < connection::LOG_LIMIT);
    }

    fn log(writer: &Writer) -> &Log {
        writer.0.log.as_ref().unwrap()
    }

    async fn write(writer: &Writer, number: usize) {
        let name = format!("{number}-{}", "x".repeat(4000));
        writer.run(1, move |tx| tx.queue(&name).map(drop)).await.unwrap();
    }

    async fn rest(writer: &Writer) {
        while log(writer).state.load(Ordering::Acquire) == COPYING {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_log_of_a_writer_without_a_pause_stays_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder.path().join("jobs.db"));
        let callers = (0..8).map(|caller| {
            let writer = writer.clone();
            tokio::spawn(async move {
                let (mut longest, mut restarts, mut last) = (0, 0, 0);
                for number in 0..200 {
                    write(&writer, caller * 200 + number).await;
                    let pages = log(&writer).pages.load(Ordering::Relaxed);
                    longest = longest.max(pages);
                    restarts += usize::from(pages < last);
                    last = pages;
                }
                (longest, restarts)
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            let (longest, restarts) = caller.await.unwrap();
            assert!(longest <= SIZES.most + OF_ONE, "{longest}");
            assert!(restarts > 0);
        }
    }

    #[tokio::test]
    async fn a_reader_in_an_old_snapshot_stops_nobody_and_the_log_begins_anew_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let writer = writer(&path);
        write(&writer, 0).await;
        let reader = connection::reader(&Location::file(&path).unwrap(), Durability::Normal).unwrap();
        let seen = || reader.query_row("SELECT count(*) FROM queues", [], |row| row.get::<_, i64>(0)).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(seen(), 1);
        let mut number = 1;
        while log(&writer).pages.load(Ordering::Relaxed) <= 2 * SIZES.most {
            write(&writer, number).await;
            number += 1;
        }
        assert_eq!(seen(), 1);
        reader.execute_batch("COMMIT").unwrap();
        while log(&writer).pages.load(Ordering::Relaxed) > OF_ONE {
            rest(&writer).await;
            write(&writer, number).await;
            number += 1;
            assert!(number < 1000, "the log does not begin anew");
        }
        assert_eq!(seen(), i64::try_from(number).unwrap());
    }

    #[tokio::test]
    async fn a_killed_process_leaves_all_that_was_committed_in_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let writer = writer(&path);
        for number in 0..50 {
            write(&writer, number).await;
        }
        rest(&writer).await;
        let left = folder.path().join("left.db");
        std::fs::copy(&path, &left).unwrap();
        std::fs::copy(folder.path().join("jobs.db-wal"), folder.path().join("left.db-wal")).unwrap();
        let embedded = SqliteBackend::open(&left, Settings::new()).unwrap();
        assert_eq!(embedded.operator().known_names().await.unwrap().queues.len(), 50);
    }

    #[tokio::test]
    async fn a_closed_file_leaves_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let writer = writer(&path);
        for number in 0..50 {
            write(&writer, number).await;
        }
        let closed = writer.clone();
        tokio::task::spawn_blocking(move || closed.close()).await.unwrap();
        assert!(!folder.path().join("jobs.db-wal").exists());
    }
}
