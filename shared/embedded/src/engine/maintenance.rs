//! Deletes expired records and dead letters, and limits the age of the write-ahead log.

use std::time::Duration;

use lamplighter::{backend::StoreError, host::Stop};
use rusqlite::Connection;
use tokio::time::Instant;

use crate::{
    backend::SqliteBackend,
    db::{
        connection::{self, Location},
        upkeep,
    },
    operations::retention,
    time,
};

/// Records deleted in one transaction: a few milliseconds of work.
const PORTION: usize = 500;
/// The shortest and longest pause between two checks: a record may be deleted this much late.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The longest age of a write-ahead log that stays below the size at which the writer empties it.
const LOG_AGE: Duration = Duration::from_secs(60);

/// Purges until the engine stops.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let (mut log, mut emptied) = (None, Instant::now());
    loop {
        let mut pause = match round(&embedded, &stop).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "old records could not be purged");
                PAUSES.1
            }
        };
        if emptied.elapsed() >= LOG_AGE {
            (log, emptied) = (empty_log(&embedded, log).await, Instant::now());
        }
        pause = pause.min(LOG_AGE);
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn round(embedded: &SqliteBackend, stop: &Stop) -> Result<Duration, StoreError> {
    while !stop.is_draining() {
        // Five rows per record: its own, its body, its job data, its attempts, and an index or two.
        let gone = embedded.0.writer.run(PORTION * 5, |tx| retention::purge(tx, PORTION)).await?;
        if gone < PORTION {
            break;
        }
    }
    let next = embedded.0.readers.read(retention::next).await?;
    let until = next.map_or(PAUSES.1, |next| embedded.env().until(time::moment(next)));
    Ok(until.clamp(PAUSES.0, PAUSES.1))
}

/// Empties the write-ahead log, on a connection that is kept for the next time.
async fn empty_log(embedded: &SqliteBackend, connection: Option<Connection>) -> Option<Connection> {
    let (location, durability) = (embedded.0.location.clone(), embedded.durability());
    if matches!(location, Location::Memory) {
        return None;
    }
    let work = move || {
        let connection = match connection {
            Some(connection) => connection,
            None => connection::maintainer(&location, durability).map_err(|error| error.to_string())?,
        };
        upkeep::checkpoint(&connection).map_err(|error| error.to_string())?;
        Ok::<_, String>(connection)
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            tracing::warn!(error, "the write-ahead log could not be copied into the file");
            None
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lamplighter::{Timestamp, env::Env};

    use super::*;
    use crate::{engine::Engine, settings::Settings};

    fn open(path: &Path) -> SqliteBackend {
        let env = Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1);
        SqliteBackend::open(path, Settings::new().env(env)).unwrap()
    }

    fn size(path: &Path, suffix: &str) -> u64 {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(Path::new(&name)).map_or(0, |file| file.len())
    }

    /// Waits on the engine's clock for a condition that does not depend on the machine's speed.
    async fn within(minutes: u64, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..minutes * 60 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(is_so(), "{what} within {minutes} minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_compacted_by_call_and_at_engine_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let embedded = open(&path);
        let body = format!(r#"{{"job":"a","args":"{}"}}"#, "x".repeat(10_000));
        for _ in 0..8000 {
            embedded.send_raw("work", body.clone()).await.unwrap();
        }
        let end = |tx: &mut crate::db::transaction::Transaction<'_>| {
            tx.connection.execute_batch("UPDATE jobs SET state = 2, visible_at = NULL, purge_at = since, kind = 1")
        };
        embedded.0.writer.run(1, end).await.unwrap();
        let running = Engine::builder(&embedded).start().await.unwrap();
        let counted = async || {
            let rows = |connection: &Connection| {
                connection.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0))
            };
            embedded.0.readers.read(rows).await.unwrap()
        };
        while counted().await > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        running.drain(Duration::ZERO).await;
        let large = size(&path, "");
        assert!(large > 64 << 20, "{large}: its free pages are still in the file");

        let copy = folder.path().join("copy.db");
        std::fs::copy(&path, &copy).unwrap();
        let compacted = open(&copy).compact().await.unwrap();
        assert!(compacted.before == large && compacted.after < 1 << 20, "{compacted:?}");
        assert_eq!(size(&copy, ""), compacted.after);

        Engine::builder(&embedded).start().await.unwrap().drain(Duration::ZERO).await;
        assert_eq!(size(&path, ""), compacted.after, "an engine does it where most of the file is free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_write_ahead_log_is_emptied_soon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let embedded = open(&path);
        let running = Engine::builder(&embedded).start().await.unwrap();
        embedded.send_raw("work", r#"{"job":"a"}"#).await.unwrap();
        assert!(size(&path, "-wal") > 0);
        within(3, "the log is empty", || size(&path, "-wal") == 0).await;
        running.drain(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_full_disk_empties_the_write_ahead_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let embedded = open(&path);
        embedded.send_raw("work", r#"{"job":"a"}"#).await.unwrap();
        let limit = |tx: &mut crate::db::transaction::Transaction<'_>| {
            let pages: i64 = tx.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            tx.connection.pragma_update(None, "max_page_count", pages)
        };
        embedded.0.writer.run(1, limit).await.unwrap();
        assert!(size(&path, "-wal") > 0);
        let body = format!(r#"{{"job":"a","args":"{}"}}"#, "x".repeat(100_000));
        let refused = embedded.send_raw("work", body).await.unwrap_err().to_string();
        assert!(refused.contains("the disk is full"), "{refused}");
        assert_eq!(size(&path, "-wal"), 0);
    }
}
