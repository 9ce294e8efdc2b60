//! The machine's own yardstick: SQLite without this library.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, params};

use super::stats::rate;

/// A message as a producer writes it.
const BODY: &str = r#"{"job":"bench.noop","args":{"number":500000},"id":"01936f5e-6d3c-7c3a-9a51-0e5f7a3c9d42","enqueued_at":"2026-11-23T22:43:10.123456789Z"}"#;

/// The size of the log at which SQLite copies it into the file: the engine copies as much, beside its commits.
const COPIED_AT: i64 = 32 << 20;

/// Writes one row per transaction, each as large as a small job's message, through one connection with a prepared
/// statement and these pragmas. Returns rows per second.
pub(crate) fn measure(folder: &Path, pragmas: &[(String, String)], rows: usize) -> rusqlite::Result<f64> {
    let connection = Connection::open(folder.join("yardstick.db"))?;
    // The page size first: it can be chosen only before the file has pages.
    for page_size_first in [true, false] {
        for (name, value) in pragmas.iter().filter(|(name, _)| (name == "page_size") == page_size_first) {
            connection.pragma_update(None, name, value)?;
        }
    }
    let page_size = connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))?;
    connection.pragma_update(None, "wal_autocheckpoint", COPIED_AT / page_size)?;
    connection
        .execute_batch("DROP TABLE IF EXISTS rows; CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
    let began = Instant::now();
    {
        let mut insert = connection.prepare("INSERT INTO rows (body) VALUES (?1)")?;
        for _ in 0..rows {
            insert.execute(params![BODY])?;
        }
    }
    Ok(rate(rows, began.elapsed()))
}

#[cfg(test)]
mod tests {
    use lamplighter_embedded::{Durability, Settings, SqliteBackend};

    use super::*;

    /// The ratios have a meaning only if both sides use the same settings.
    #[test]
    fn the_yardstick_uses_the_engines_settings() {
        for durability in [Durability::Normal, Durability::Full] {
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings::default().durability(durability);
            let embedded = SqliteBackend::open(folder.path().join("jobs.db"), settings).unwrap();
            measure(folder.path(), embedded.pragmas(), 10).unwrap();
            let yardstick = Connection::open(folder.path().join("yardstick.db")).unwrap();
            // The settings that the file itself stores; the others belong to a connection, and are set by the same
            // loop.
            for (name, value) in
                embedded.pragmas().iter().filter(|(name, _)| name == "page_size" || name == "journal_mode")
            {
                let own =
                    yardstick.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
                let own = match own {
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => panic!("{name} is {other:?}"),
                };
                assert_eq!(&own, value, "{name}");
            }
        }
    }
}
