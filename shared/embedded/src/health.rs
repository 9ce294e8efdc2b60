//! How a file stands: its size, its layout, its engine, and the hosts that run its jobs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use lamplighter::{
    Timestamp,
    backend::{StoreError, StoreErrorKind},
};
use rusqlite::Connection;
use serde::Serialize;

use crate::{
    backend::SqliteBackend,
    db::{connection::Location, private::beside, schema::LAYOUT},
    engine::lock,
    operations::{clock, hosts},
    time,
};

/// How long a host counts as alive after its last sign of life.
const LATELY: Duration = Duration::from_secs(60);

/// How a file stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileHealth {
    /// The file; `None` in memory.
    pub path: Option<PathBuf>,
    /// The engine on it.
    pub engine: EngineSeen,
    /// The layout that it has.
    pub layout: i64,
    /// The latest layout that this version knows.
    pub latest_layout: i64,
    /// The file's size, in bytes.
    pub bytes: u64,
    /// The size of the write-ahead log beside it, in bytes.
    pub log_bytes: u64,
    /// What deleted records have left in the file for new ones, in bytes.
    pub free_bytes: u64,
    /// The latest moment at which something was written, to about a second; `None` in a new file.
    pub written_at: Option<Timestamp>,
}

/// The engine on a file, as far as this process sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[non_exhaustive]
pub enum EngineSeen {
    /// One runs in this process.
    Here,
    /// One runs in another process: `process 4711`, where that is known.
    Elsewhere {
        /// The process, for people.
        by: String,
    },
    /// None is seen. One in another container is not.
    Nowhere,
    /// This system does not tell.
    Unknown,
}

/// A host that has run jobs lately, or does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HostSeen {
    /// Its name, as in the history of jobs.
    pub host: String,
    /// Attempts that it runs, as far as the file knows: those of a host that has died count until their leases end.
    pub running: u64,
    /// When an attempt of it began or ended last.
    pub last_seen: Timestamp,
}

impl SqliteBackend {
    /// How the file stands. Reads no jobs.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn health(&self) -> Result<FileHealth, StoreError> {
        let read = |connection: &Connection| {
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let (layout, free) = (number("user_version")?, number("freelist_count")?);
            let (pages, size) = (number("page_count")?, number("page_size")?);
            Ok((layout, (free * size).unsigned_abs(), (pages * size).unsigned_abs(), clock::latest(connection)?))
        };
        let (layout, free_bytes, in_pages, latest) = self.0.readers.read(read).await?;
        let here = self.0.engine.load(Ordering::Acquire);
        let mut health = FileHealth {
            path: self.path(),
            engine: if here { EngineSeen::Here } else { EngineSeen::Nowhere },
            layout,
            latest_layout: LAYOUT,
            bytes: in_pages,
            log_bytes: 0,
            free_bytes,
            written_at: (latest > 0).then(|| time::moment(latest)),
        };
        if let Location::File { absolute, .. } = &self.0.location {
            let absolute = absolute.clone();
            let looking = tokio::task::spawn_blocking(move || look(&absolute));
            let (bytes, log_bytes, engine) = looking.await.map_err(StoreError::unavailable)?;
            health.bytes = bytes.map_err(|error| {
                let text = format_args!("the size of {} cannot be read: {error}", self.0.location.path().display());
                StoreError::new(StoreErrorKind::Unavailable, text)
            })?;
            health.log_bytes = log_bytes;
            if !here {
                health.engine = engine;
            }
        }
        Ok(health)
    }

    /// Whether anything runs the file's jobs, as far as can be told: an engine, or a host of which there was a sign of life
    /// within the last minute, since an engine in another container is not seen.
    pub(crate) async fn is_served(&self) -> Result<bool, StoreError> {
        if self.0.engine.load(Ordering::Acquire) {
            return Ok(true);
        }
        if let Location::File { absolute, .. } = &self.0.location {
            let absolute = absolute.clone();
            let looking = tokio::task::spawn_blocking(move || lock::seen(&absolute));
            if looking.await.map_err(StoreError::unavailable)? != EngineSeen::Nowhere {
                return Ok(true);
            }
        }
        let lately = self.env().now().saturating_sub(LATELY).unwrap_or(Timestamp::MIN);
        Ok(self.hosts().await?.first().is_some_and(|host| host.last_seen >= lately))
    }

    /// The hosts that run jobs, and those of the latest attempts, the latest first: of some hundred attempts, however many
    /// jobs there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn hosts(&self) -> Result<Vec<HostSeen>, StoreError> {
        let seen = self.0.readers.read(hosts::seen).await?;
        let host = |seen: hosts::Seen| HostSeen {
            host: seen.host,
            running: seen.running,
            last_seen: time::moment(seen.last_seen),
        };
        Ok(seen.into_iter().map(host).collect())
    }
}

/// What the system says about a file.
fn look(absolute: &Path) -> (std::io::Result<u64>, u64, EngineSeen) {
    let bytes = fs::metadata(absolute).map(|file| file.len());
    let log = fs::metadata(beside(absolute, "-wal")).map_or(0, |log| log.len());
    (bytes, log, lock::seen(absolute))
}

#[cfg(test)]
mod tests {
    use lamplighter::{Function, JobError, RawValue, Tracking, backend::EnqueueRequest, env::Env, message::Message};

    use super::*;
    use crate::{Engine, Settings};

    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Act {}

    impl lamplighter::Job for Act {
        const NAME: &'static str = "act";
        const QUEUE: lamplighter::Queue = lamplighter::Queue::standard("work");
    }

    async fn act(_: Act, _: lamplighter::Context) -> Result<(), JobError> {
        Ok(())
    }

    #[tokio::test]
    async fn a_file_says_how_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let embedded = SqliteBackend::open(&path, Settings::new()).unwrap();
        let health = embedded.health().await.unwrap();
        assert_eq!((health.layout, health.latest_layout, health.path.as_deref()), (LAYOUT, LAYOUT, Some(&*path)));
        assert!(health.bytes > 0 && health.free_bytes <= health.bytes, "{health:?}");
        assert!(health.written_at.is_none_or(|at| at <= embedded.env().now()), "{health:?}");
        let message = Message::new("act", RawValue::from_string("{}".into()).unwrap()).unwrap();
        let mut request = EnqueueRequest::new(lamplighter::JobId::generate(embedded.env()), "work", message.into());
        request.tracking = Tracking::Full;
        let id = request.id.clone();
        embedded.backend().queues.send(vec![request]).await.pop().unwrap().unwrap();
        let health = embedded.health().await.unwrap();
        assert!(health.log_bytes > 0 && health.written_at.is_some(), "{health:?}");
        assert!(embedded.hosts().await.unwrap().is_empty());

        let function = Function::new("actors").job(act).with_state(());
        let running = Engine::builder(&embedded).function(function).start().await.unwrap();
        assert_eq!(embedded.health().await.unwrap().engine, EngineSeen::Here);
        let other = SqliteBackend::open(&path, Settings::new()).unwrap();
        let seen = other.health().await.unwrap().engine;
        match cfg!(target_os = "linux") {
            true => assert_eq!(seen, EngineSeen::Elsewhere { by: format!("process {}", std::process::id()) }),
            false => assert_eq!(seen, EngineSeen::Unknown),
        }
        embedded.client().wait(&id, lamplighter::secs(30)).await.unwrap();
        let hosts = embedded.hosts().await.unwrap();
        assert_eq!((hosts.len(), hosts[0].running), (1, 0), "{hosts:?}");
        running.drain(lamplighter::secs(10)).await;
        let after = other.health().await.unwrap().engine;
        assert!(matches!(after, EngineSeen::Nowhere | EngineSeen::Unknown), "{after:?}");
    }

    #[tokio::test]
    async fn a_store_in_memory_has_no_path() {
        let embedded = SqliteBackend::memory(Env::system()).unwrap();
        let health = embedded.health().await.unwrap();
        assert_eq!((health.path, health.engine, health.log_bytes), (None, EngineSeen::Nowhere, 0));
    }
}
