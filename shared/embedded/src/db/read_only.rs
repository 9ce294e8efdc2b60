//! Read-only connections: they change neither the file nor anything beside it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    connection::unusable,
    look::unchanging,
    schema::{APPLICATION, LAYOUT},
};
use crate::error::OpenError;

/// Opens a file for reading only.
///
/// To be read by several processes, a write-ahead log needs a file beside the database; where that file does not exist
/// and cannot be created, a file without a log is read as one that does not change.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_ONLY;
    let opened = Connection::open_with_flags(path, flags).and_then(ready);
    let connection = match opened {
        Err(error) if error.sqlite_error_code() != Some(rusqlite::ErrorCode::NotADatabase) && !has_log(path) => {
            Connection::open_with_flags(unchanging(&absolute(path)), flags | OpenFlags::SQLITE_OPEN_URI).and_then(ready)
        }
        opened => opened,
    };
    let (connection, application, layout) = connection.map_err(|error| unusable(path, &error))?;
    match (application, layout) {
        (APPLICATION, LAYOUT) => Ok(connection),
        (APPLICATION, newer) if newer > LAYOUT => {
            Err(OpenError::Newer { path: path.to_owned(), found: newer, known: LAYOUT })
        }
        (APPLICATION, _) => {
            let reason = "an earlier version made the file; open it once for writing".into();
            Err(OpenError::Unusable { path: path.to_owned(), reason })
        }
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Configures the connection, and reads the file's ids, which shows whether it can be read.
fn ready(connection: Connection) -> rusqlite::Result<(Connection, i64, i64)> {
    connection.busy_timeout(super::connection::BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "query_only", "ON")?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, layout) = (number("application_id")?, number("user_version")?);
    Ok((connection, application, layout))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns whether there is a write-ahead log: its commits would be missed.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|log| log.len() > 0)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;
    use crate::{Settings, SqliteBackend};

    /// The files in the folder, with their sizes.
    fn files(folder: &Path) -> BTreeMap<String, u64> {
        let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect()
    }

    #[tokio::test]
    async fn reading_a_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // Each of these characters has a meaning in a URI.
        let path = folder.path().join("a%20b?c#d.db");
        let args = lamplighter::RawValue::from_string("{}".into()).unwrap();
        {
            let embedded = SqliteBackend::open(&path, Settings::default()).unwrap();
            let client = embedded.client();
            client.enqueue_raw("a", "q", lamplighter::Tracking::Full, args.clone()).id("one").await.unwrap();
            embedded.close().await.unwrap();
        }
        let before = (files(folder.path()), fs::read(&path).unwrap());
        let embedded = SqliteBackend::read_only(&path, Settings::default()).unwrap();
        let client = embedded.client();
        assert_eq!(client.list(&lamplighter::ListQuery::default()).await.unwrap().records.len(), 1);
        let known = embedded.operator().known_names().await.unwrap();
        assert_eq!((&*known.queues, known.jobs), (&["q".to_owned()][..], Some(vec!["a".to_owned()])));
        let refused = client.enqueue_raw("a", "q", lamplighter::Tracking::Full, args).await.unwrap_err();
        assert!(refused.to_string().contains("may not be written"), "{refused}");
        drop((client, embedded));
        let mut after = files(folder.path());
        // Files that readers share; SQLite creates them where it may.
        after.retain(|name, _| !name.ends_with("-shm") && !name.ends_with("-wal"));
        let mut same = before.0;
        same.retain(|name, _| !name.ends_with("-shm") && !name.ends_with("-wal"));
        assert_eq!((after, fs::read(&path).unwrap()), (same, before.1));
        // As in a folder where no file can be created beside it.
        Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        assert!(!has_log(&path));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let (_, application, layout) =
            ready(Connection::open_with_flags(unchanging(&absolute(&path)), flags).unwrap()).unwrap();
        assert_eq!((application, layout), (APPLICATION, LAYOUT));
    }

    #[tokio::test]
    #[cfg(unix)]
    async fn a_file_that_was_replaced_is_not_shown_as_if_it_were_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, away) = (folder.path().join("jobs.db"), folder.path().join("away.db"));
        drop(SqliteBackend::open(&path, Settings::default()).unwrap());
        let client = SqliteBackend::read_only(&path, Settings::default()).unwrap().client();
        client.list(&lamplighter::ListQuery::default()).await.unwrap();
        fs::rename(&path, &away).unwrap();
        let lost = client.list(&lamplighter::ListQuery::default()).await.unwrap_err();
        assert_eq!(lost.kind(), lamplighter::backend::StoreErrorKind::Broken, "{lost}");
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| open(path).unwrap_err().to_string();
        let text = folder.path().join("text");
        fs::write(&text, "This is a text, and by no means a database. ".repeat(20)).unwrap();
        assert!(refused(&text).contains("holds something else"), "{}", refused(&text));
        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
        assert!(refused(&foreign).contains("holds something else"), "{}", refused(&foreign));
        let path = folder.path().join("other.db");
        drop(SqliteBackend::open(&path, Settings::default()).unwrap());
        let version =
            |layout: i64| Connection::open(&path).unwrap().pragma_update(None, "user_version", layout).unwrap();
        version(99);
        assert!(refused(&path).contains("newer version"), "{}", refused(&path));
        version(0);
        assert!(refused(&path).contains("earlier version"), "{}", refused(&path));
        assert!(refused(&folder.path().join("nowhere.db")).contains("cannot be used"));
    }
}
