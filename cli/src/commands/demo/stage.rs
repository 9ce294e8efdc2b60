//! Where the demo plays: a folder of its own, a receiver, and the engine.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, civil::Date};
use lamplighter::{Client, schedule::Schedule, secs};
use lamplighter_embedded::{Engine, Running, Settings, SqliteBackend};
use lamplighter_jobs::DailyReport;
use lamplighter_objects::Objects;

use super::receiver::Receiver;
use crate::{catalog, error::Error};

/// What the webhooks are signed with. It signs nothing but the demo's own webhooks.
const SECRET: &str = "whsec_bGFtcGxpZ2h0ZXItZGVtby1zZWNyZXQtMDEyMzQ=";

/// Everything the demo needs.
pub(super) struct Stage {
    folder: PathBuf,
    embedded: SqliteBackend,
    receiver: Receiver,
    day: Date,
}

impl Stage {
    /// Sets the stage in a folder that holds nothing else.
    pub(super) async fn set(output: Option<PathBuf>) -> Result<Self, Error> {
        let began = just_within_a_day().await;
        let folder = match output {
            Some(folder) => empty(folder)?,
            None => fresh(began)?,
        };
        let embedded = SqliteBackend::open(folder.join("jobs.db"), Settings::default()).map_err(Error::failed)?;
        let receiver = Receiver::start(SECRET).await.map_err(|error| {
            Error::failed(format_args!("cannot listen on 127.0.0.1: {error}; allow it, the demo needs a receiver"))
        })?;
        Ok(Self { folder, embedded, receiver, day: jiff::tz::Offset::UTC.to_datetime(began).date() })
    }

    /// Starts the engine, with a report every three seconds.
    pub(super) async fn start(&self) -> Result<Running, Error> {
        let report = Schedule::rate("demo-report", secs(3))
            .and_then(|schedule| schedule.starts(&DailyReport { day: Some(self.day) }))
            .map_err(Error::failed)?;
        let settings = webhooks::Settings {
            secrets: webhooks::Secrets::new(SECRET).map_err(Error::failed)?,
            // The receiver is on this machine, where webhooks do not go unless they are allowed to.
            destinations: "127.0.0.1".parse().map_err(Error::failed)?,
        };
        let objects = Objects::from_url(&self.objects_folder().to_string_lossy()).map_err(Error::failed)?;
        let mut engine = Engine::builder(&self.embedded).schedules([report]);
        for function in catalog::functions(webhooks::function_with(settings), objects) {
            engine = engine.function(function);
        }
        engine.start().await.map_err(Error::failed)
    }

    /// Enqueues, and asks after jobs.
    pub(super) fn client(&self) -> Client {
        self.embedded.client()
    }

    /// Closes the embedded file, once the engine has stopped: the one file then holds everything.
    pub(super) async fn close(&self) -> Result<(), Error> {
        Ok(self.embedded.close().await?)
    }

    /// Who gets the webhooks.
    pub(super) fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The day that the reports are about.
    pub(super) fn day(&self) -> Date {
        self.day
    }

    /// The embedded file.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("jobs.db")
    }

    /// Where reports are written.
    pub(super) fn reports_folder(&self) -> PathBuf {
        self.objects_folder().join("reports")
    }

    /// The folder that is the object store.
    pub(super) fn objects_folder(&self) -> PathBuf {
        self.folder.join("objects")
    }
}

/// The present moment; in the last seconds of a day the first one of the next. The reports are about the day on which
/// the jobs are enqueued, and that must not change in between.
async fn just_within_a_day() -> Timestamp {
    const SECONDS_A_DAY: i64 = 86_400;
    let now = Timestamp::now();
    let left = SECONDS_A_DAY - now.as_second().rem_euclid(SECONDS_A_DAY);
    if left > 5 {
        return now;
    }
    tokio::time::sleep(Duration::from_secs(left.unsigned_abs())).await;
    Timestamp::now()
}

/// A new folder, named after the time.
fn fresh(now: Timestamp) -> Result<PathBuf, Error> {
    let parent = Path::new("demo-output");
    let make = || -> io::Result<PathBuf> {
        fs::create_dir_all(parent)?;
        // Whatever folder this is: what a demo leaves there is nothing to commit.
        fs::write(parent.join(".gitignore"), "*\n")?;
        let name = now.strftime("%Y-%m-%d-%H%M%S").to_string();
        let mut number = 1;
        loop {
            let folder = parent.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    };
    make().map_err(|error| cannot_use(parent, &error))
}

/// The folder that was asked for: nothing that lies there is ever written over.
fn empty(folder: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&folder).map_err(|error| cannot_use(&folder, &error))?;
    let mut content = fs::read_dir(&folder).map_err(|error| cannot_use(&folder, &error))?;
    match content.next() {
        None => Ok(folder),
        Some(_) => Err(Error::Usage(format!(
            "{} is not empty; name a folder that is, or leave out --output",
            folder.display()
        ))),
    }
}

fn cannot_use(folder: &Path, error: &io::Error) -> Error {
    Error::failed(format_args!(
        "cannot use the folder {}: {}; go where you may write, or name one with --output",
        folder.display(),
        crate::error::reason(error)
    ))
}
