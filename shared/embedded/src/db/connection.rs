//! Connections, each with its pragmas read back: SQLite silently ignores a misspelt one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, types::Value};

use super::{
    identity::Named,
    look,
    private::{self, with_logs},
    schema,
};
use crate::{
    error::{OpenError, explain},
    settings::Durability,
};

/// The longest wait of a connection for another process's transaction.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Larger pages than SQLite's 4 KiB: rows are small and written in runs, and each page written costs a checksum and a
/// call. Measured with batches of 1,000: 20 to 50 percent faster than 4 KiB.
const PAGE_SIZE: i64 = 8192;
/// The writer's page cache in KiB: room for the inner pages of indexes over millions of jobs.
const WRITER_CACHE_KIB: i64 = 64 * 1024;
const READER_CACHE_KIB: i64 = 8 * 1024;
/// The size to which the write-ahead log is truncated after a long read has made it grow. More than the log has when it is begun
/// anew as usual: to truncate it then takes 10 ms, in a commit, and what is written next has to allocate it again.
pub(crate) const LOG_LIMIT: i64 = 192 << 20;

/// The location of the data.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    File {
        /// As given, for people.
        path: PathBuf,
        /// For the system: absolute, so that it stays the same after the process changes its directory.
        absolute: PathBuf,
    },
    Memory,
}

impl Location {
    pub(crate) fn file(path: &Path) -> Result<Self, OpenError> {
        let absolute = std::path::absolute(path).map_err(|error| OpenError::Unusable {
            path: path.to_owned(),
            reason: format!("it is not a path ({error}); name a file"),
        })?;
        Ok(Self::File { path: path.to_owned(), absolute })
    }

    /// The path as given, for people.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } => path,
            Self::Memory => Path::new("memory"),
        }
    }

    /// The file that has this path now; `None` for a store in memory.
    pub(crate) fn named(&self) -> Result<Option<Named>, OpenError> {
        match self {
            Self::Memory => Ok(None),
            Self::File { path, absolute } => Named::look(absolute.clone()).map(Some).map_err(|source| {
                OpenError::Unusable { path: path.clone(), reason: format!("it was not found: {}", io_reason(&source)) }
            }),
        }
    }
}

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Empties the write-ahead log and rewrites the file, concurrently with the writer.
    Maintainer,
}

/// Opens the writer's connection and updates the file's layout. Returns the file's identity. A file of another program
/// is left unchanged.
pub(crate) fn writer(location: &Location, durability: Durability) -> Result<(Connection, Option<Named>), OpenError> {
    if let Location::File { path, absolute } = location {
        look::look(path, absolute)?;
        if let Some(folder) = absolute.parent() {
            let shown = || path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(folder).to_owned();
            private::make_folder(folder).map_err(|source| OpenError::Folder { folder: shown(), source })?;
        }
        private::make_file(absolute).map_err(|source| OpenError::Unusable {
            path: path.clone(),
            reason: format!("{}; name a file that you may write", io_reason(&source)),
        })?;
        private::close_to_others(absolute);
    }
    let before = location.named().ok().flatten();
    let connection = open(location, Role::Writer, durability)?;
    schema::bring_up_to_date(&connection, location)?;
    let named = location.named()?;
    if let (Some(before), Some(named)) = (before, &named)
        && before.id() != named.id()
    {
        let reason = "another file has replaced it meanwhile; try again".into();
        return Err(OpenError::Unusable { path: location.path().to_owned(), reason });
    }
    if let Location::File { absolute, .. } = location {
        // Beside the target of a symbolic link, as SQLite does.
        let real = fs::canonicalize(absolute).unwrap_or_else(|_| absolute.clone());
        with_logs(&real).iter().for_each(|path| private::close_to_others(path));
    }
    Ok((connection, named))
}

/// Opens a connection for operations on a file as a whole.
pub(crate) fn maintainer(location: &Location, durability: Durability) -> Result<Connection, OpenError> {
    open(location, Role::Maintainer, durability)
}

/// Opens a connection that only reads.
pub(crate) fn reader(location: &Location, durability: Durability) -> Result<Connection, OpenError> {
    open(location, Role::Reader, durability)
}

fn open(location: &Location, role: Role, durability: Durability) -> Result<Connection, OpenError> {
    let path = location.path();
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
    if role == Role::Writer {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = match location {
        Location::File { absolute, .. } => Connection::open_with_flags(absolute, flags),
        Location::Memory => Connection::open_in_memory_with_flags(flags),
    }
    .map_err(|error| unusable(path, &error))?;
    connection.busy_timeout(BUSY).map_err(|error| unusable(path, &error))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Without this, SQLite uses the values of parameters for its plans, and plans again whenever one has changed: that
    // took a tenth of a drain.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|error| unusable(path, &error))?;
    for Pragma { name, value, answer } in pragmas(location, role, durability) {
        set(&connection, path, name, &value, &answer)?;
    }
    Ok(connection)
}

pub(crate) fn unusable(path: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign { path: path.to_owned() },
        _ => OpenError::Unusable { path: path.to_owned(), reason: explain(error).1 },
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "you may not write there".into(),
        _ => error.to_string(),
    }
}

/// A pragma, the value to set, and the expected answer.
struct Pragma {
    name: &'static str,
    value: String,
    answer: String,
}

fn pragmas(location: &Location, role: Role, durability: Durability) -> Vec<Pragma> {
    let pragma = |name, value: &str, answer: &str| Pragma { name, value: value.into(), answer: answer.into() };
    let number = |name, value: i64| Pragma { name, value: value.to_string(), answer: value.to_string() };
    let in_file = matches!(location, Location::File { .. });
    let mut all = Vec::new();
    if role == Role::Writer && in_file {
        // Set on the file itself, and only before it has pages; an existing file keeps its page size.
        all.push(Pragma { name: "page_size", value: PAGE_SIZE.to_string(), answer: String::new() });
    }
    if in_file {
        all.push(pragma("journal_mode", "WAL", "wal"));
    }
    all.push(match durability {
        Durability::Normal => pragma("synchronous", "NORMAL", "1"),
        Durability::Full => pragma("synchronous", "FULL", "2"),
    });
    all.push(number("cache_size", -if role == Role::Writer { WRITER_CACHE_KIB } else { READER_CACHE_KIB }));
    all.push(pragma("temp_store", "MEMORY", "2"));
    all.push(pragma("foreign_keys", "OFF", "0"));
    if in_file {
        // No commit copies the log into the file: that is done beside the writer.
        all.push(number("wal_autocheckpoint", 0));
        all.push(number("journal_size_limit", LOG_LIMIT));
    }
    if role == Role::Reader {
        all.push(pragma("query_only", "ON", "1"));
    }
    all
}

fn set(connection: &Connection, path: &Path, name: &'static str, value: &str, answer: &str) -> Result<(), OpenError> {
    // Two processes that create the same file concurrently: the second to change the journal mode gets "busy", and
    // SQLite does not wait here.
    let began = Instant::now();
    loop {
        match connection.pragma_update(None, name, value) {
            Ok(()) => break,
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && began.elapsed() < BUSY =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(unusable(path, &error)),
        }
    }
    let got = get(connection, name).map_err(|error| unusable(path, &error))?;
    if got == answer || answer.is_empty() {
        Ok(())
    } else {
        Err(OpenError::Pragma { path: path.to_owned(), pragma: name, wanted: value.into(), got })
    }
}

/// A pragma's answer.
pub(crate) fn get(connection: &Connection, name: &str) -> rusqlite::Result<String> {
    connection.pragma_query_value(None, name, |row| {
        Ok(match row.get::<_, Value>(0)? {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    })
}

/// The settings that affect durability and speed, as SQLite reports them on this connection.
pub(crate) fn report(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    ["journal_mode", "synchronous", "page_size", "cache_size", "wal_autocheckpoint", "journal_size_limit"]
        .into_iter()
        .map(|name| Ok((name.to_owned(), get(connection, name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pragma_reads_back_as_set() {
        let folder = tempfile::tempdir().unwrap();
        let file = Location::file(&folder.path().join("jobs.db")).unwrap();
        for location in [file, Location::Memory] {
            for durability in [Durability::Normal, Durability::Full] {
                let (connection, _) = writer(&location, durability).unwrap();
                for Pragma { name, answer, .. } in pragmas(&location, Role::Writer, durability) {
                    let answer = if name == "page_size" { PAGE_SIZE.to_string() } else { answer };
                    assert_eq!(get(&connection, name).unwrap(), answer, "{name}");
                }
            }
        }
        let file = Location::file(&folder.path().join("jobs.db")).unwrap();
        let connection = reader(&file, Durability::Normal).unwrap();
        for Pragma { name, answer, .. } in pragmas(&file, Role::Reader, Durability::Normal) {
            assert_eq!(get(&connection, name).unwrap(), answer, "{name}");
        }
        assert!(connection.execute("DELETE FROM jobs", []).is_err(), "a reader may not write");
    }

    #[test]
    fn an_ignored_pragma_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        let error = set(&connection, Path::new("x"), "journal_mode", "WAL", "wal").unwrap_err();
        assert!(matches!(error, OpenError::Pragma { pragma: "journal_mode", .. }), "{error}");
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path| writer(&Location::file(path).unwrap(), Durability::Normal).unwrap_err().to_string();
        assert!(open(folder.path()).contains("it is a folder"));
        let text = folder.path().join("text");
        fs::write(&text, "This is a text, and by no means a database. ".repeat(20)).unwrap();
        assert!(open(&text).contains("holds something else"), "{}", open(&text));
        let below = text.join("jobs.db");
        assert!(open(&below).contains("cannot create the folder"), "{}", open(&below));
        let foreign = folder.path().join("foreign.db");
        Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
        assert!(open(&foreign).contains("holds something else"), "{}", open(&foreign));
        let newer = folder.path().join("newer.db");
        drop(writer(&Location::file(&newer).unwrap(), Durability::Normal).unwrap());
        Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(open(&newer).contains("newer version"), "{}", open(&newer));
    }
}
