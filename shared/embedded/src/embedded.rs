//! An open file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use lamplighter::{Backend, Client, EnqueueError, Env, JobId, Queue, StoreError};

use crate::{
    error::OpenError,
    file::{
        connection::{self, Location},
        read_only,
        readers::Readers,
        signals::Signals,
        unit::Unit,
        writer::Writer,
    },
    settings::{Durability, Settings},
    store::EmbeddedStore,
    work::enqueue,
};

/// An open file of jobs, or a store of jobs in memory. Cloning is cheap, and clones are the same.
#[derive(Clone)]
pub struct Embedded(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) location: Location,
    pub(crate) settings: Settings,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) signals: Arc<Signals>,
    pub(crate) store: Arc<EmbeddedStore>,
    /// Whether an engine runs on this very value.
    pub(crate) engine: AtomicBool,
    pragmas: Vec<(String, String)>,
}

impl Embedded {
    /// Opens a file, and makes it and its folder where they do not exist yet.
    ///
    /// # Errors
    /// When the file or its folder cannot be made or written, when it holds something else, or when a newer version
    /// made it.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        Self::at(Location::File(path.as_ref().to_owned()), settings)
    }

    /// Opens a file that is there to look at it: also one that may not be written, or in a folder where nothing may be made.
    /// Whatever would change it fails.
    ///
    /// # Errors
    /// When the file cannot be read, when it holds something else, or when another version made it.
    pub fn read_only(path: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        let location = Location::File(path.as_ref().to_owned());
        let connection = read_only::open(location.path())?;
        let signals = Arc::new(Signals::new());
        let name: Arc<str> = location.path().display().to_string().into();
        let writer = Writer::new(connection, settings.env.clone(), signals.clone(), name);
        let readers = Readers::read_only(location.clone(), settings.durability, writer.clone());
        let store =
            Arc::new(EmbeddedStore::new(writer.clone(), readers.clone(), settings.env.clone(), signals.clone()));
        let (engine, pragmas) = (AtomicBool::new(false), Vec::new());
        Ok(Self(Arc::new(Inner { location, settings, writer, readers, signals, store, engine, pragmas })))
    }

    /// A store of jobs in memory: for tests, and gone with its last clone.
    ///
    /// # Errors
    /// When SQLite does not start.
    pub fn memory(env: Env) -> Result<Self, OpenError> {
        Self::at(Location::Memory, Settings::new().env(env))
    }

    fn at(location: Location, settings: Settings) -> Result<Self, OpenError> {
        let connection = connection::writer(&location, settings.durability)?;
        let pragmas = connection::report(&connection).map_err(|error| connection::unusable(location.path(), &error))?;
        let signals = Arc::new(Signals::new());
        let name: Arc<str> = location.path().display().to_string().into();
        let writer = Writer::new(connection, settings.env.clone(), signals.clone(), name);
        let readers = Readers::new(location.clone(), settings.durability, writer.clone());
        let store =
            Arc::new(EmbeddedStore::new(writer.clone(), readers.clone(), settings.env.clone(), signals.clone()));
        let engine = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { location, settings, writer, readers, signals, store, engine, pragmas })))
    }

    /// A client, to enqueue jobs and ask after them.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.backend(), self.env().clone())
    }

    /// The file behind the core's ports.
    #[must_use]
    pub fn backend(&self) -> Backend {
        let store = &self.0.store;
        Backend::new(store.clone()).with_store(store.clone()).with_schedules(store.clone())
    }

    /// The clock and the randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.0.settings.env
    }

    /// The file; none for a store in memory.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        match &self.0.location {
            Location::File(path) => Some(path.clone()),
            Location::Memory => None,
        }
    }

    /// What an acknowledged write survives.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.0.settings.durability
    }

    /// SQLite's settings that decide about durability and speed, each as the writing connection answered when it was
    /// asked for it.
    #[must_use]
    pub fn pragmas(&self) -> &[(String, String)] {
        &self.0.pragmas
    }

    /// Writes down which queues there are and of which kind, for every process that uses the file. An engine does this
    /// for its functions' queues; a producer that comes before the first engine may do it for its FIFO queues.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn declare(&self, queues: &[Queue]) -> Result<(), StoreError> {
        let queues = queues.to_vec();
        self.0.writer.run(queues.len(), move |unit| queues.iter().try_for_each(|queue| unit.declare(queue))).await
    }

    /// Puts a body on a queue as it is, as a sender in any language would. Gives the message's id, which becomes the
    /// job's where the body names none.
    ///
    /// # Errors
    /// When the file cannot be written, or the body is larger than SQS would take.
    pub async fn send_raw(&self, queue: &str, body: impl Into<String>) -> Result<JobId, EnqueueError> {
        let (queue, body) = (queue.to_owned(), body.into());
        if body.len() > lamplighter::MAX_MESSAGE_BYTES {
            let (bytes, limit) = (body.len(), lamplighter::MAX_MESSAGE_BYTES);
            return Err(EnqueueError::TooLarge { job: "this message".into(), bytes, limit });
        }
        let id = JobId::generate(self.env());
        let message = id.clone();
        let put = move |unit: &mut Unit<'_>| enqueue::inject(unit, &queue, message.as_str(), &body, None);
        self.0.writer.run(1, put).await?;
        Ok(id)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("location", &self.0.location).finish_non_exhaustive()
    }
}
