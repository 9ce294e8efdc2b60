//! The place that commands work on: the embedded file, or a deployed stack.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, builder::NonEmptyStringValueParser};
use lamplighter::{
    Client, Definition, JobId, ListQuery, Record,
    backend::{Backend, ConsumerState, KnownNames, Operator, QueueOrigin},
    env::Env,
    operation::Runner,
    record::Fingerprint,
};
use lamplighter_aws::{AwsBackend, AwsClients, QueueMap, Stack, outbox::Outbox};
use lamplighter_embedded::SqliteBackend;

use crate::{
    catalog::Catalog,
    database::{self, Database},
    error::{Error, nearest},
};

const FILE: &str = "LAMPLIGHTER_DB";
pub(crate) const STACK: &str = "LAMPLIGHTER_STACK";

/// The embedded file, or a deployed stack. The command line overrides the environment.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The file that holds the jobs [env: LAMPLIGHTER_DB=] [default: .lamplighter/jobs.db]
    #[arg(long = "db", value_name = "FILE", conflicts_with = "stack", value_parser = database::file())]
    file: Option<PathBuf>,
    /// Work on this deployed CloudFormation stack, instead of a file [env: LAMPLIGHTER_STACK=]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stack: Option<String>,
}

/// The opened place that a command works on.
pub(crate) struct Target {
    pub(crate) operator: Arc<dyn Operator>,
    backend: Backend,
    env: Env,
    kind: TargetKind,
}

/// What a target is.
pub(crate) enum TargetKind {
    File(SqliteBackend, PathBuf),
    /// A deployed stack.
    Stack(Box<AwsBackend>, String),
}

enum Choice {
    File(Database),
    Stack(String),
}

/// The place of a worker.
pub(crate) enum Chosen {
    File(Database),
    Stack(String),
    /// The deployment that the environment describes, as for a Lambda function.
    Deployment,
}

impl Place {
    fn choose(&self) -> Result<Choice, Error> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        match (&self.file, &self.stack, set(FILE), set(STACK)) {
            (Some(file), ..) => Ok(Choice::File(Database::at(file))),
            (None, Some(stack), ..) => Ok(Choice::Stack(stack.clone())),
            (None, None, Some(_), Some(_)) => Err(Error::Usage(format!(
                "{FILE} and {STACK} are both set, so it is not clear where to look; say --db FILE or --stack NAME, or \
                 unset one of them"
            ))),
            (None, None, Some(file), None) => {
                let file = database::named(&file).map_err(|why| Error::Usage(format!("{FILE} is {file:?}: {why}")))?;
                Ok(Choice::File(Database::at(&file)))
            }
            (None, None, None, Some(stack)) => Ok(Choice::Stack(stack.to_string_lossy().into_owned())),
            (None, None, None, None) => Ok(Choice::File(Database::default())),
        }
    }

    /// Returns the place of a worker: from the command line, or else the deployment that the environment describes, if
    /// any.
    pub(crate) fn chosen(&self) -> Result<Chosen, Error> {
        let is_described = env::var_os(QueueMap::VARIABLE).is_some_and(|map| !map.is_empty());
        if self.file.is_none() && self.stack.is_none() && is_described {
            return Ok(Chosen::Deployment);
        }
        Ok(match self.choose()? {
            Choice::File(database) => Chosen::File(database),
            Choice::Stack(name) => Chosen::Stack(name),
        })
    }

    /// Returns whether it is a file that does not exist yet.
    pub(crate) fn is_to_be_made(&self) -> Result<bool, Error> {
        Ok(matches!(self.choose()?, Choice::File(database) if !database.path().exists()))
    }

    /// Opens an existing file, or reads the stack, for changes.
    pub(crate) async fn open(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::existing).await
    }

    /// Like [`open`](Self::open), but for reading: a file may be read-only.
    pub(crate) async fn look(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::to_look_at).await
    }

    /// Like [`look`](Self::look), but a file is opened for reading only, even where it could be written.
    pub(crate) async fn read_only(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::read_only).await
    }

    /// Like [`open`](Self::open), but creates the file if it does not exist.
    pub(crate) async fn open_or_make(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::open_or_make).await
    }

    /// Like [`open`](Self::open), but fails without a queue of that name. A file then contains the queue, even if no
    /// job has been enqueued there yet.
    pub(crate) async fn open_with_queue(&self, catalog: &Catalog, name: &str) -> Result<Target, Error> {
        let target = self.open().await?;
        target.check_queue(catalog, name).await?;
        if let Some(queue) = catalog.queue(name)
            && !target.has_queue(name).await?
        {
            target.operator.declare(queue).await?;
        }
        Ok(target)
    }
}

impl Choice {
    async fn open(self, open: impl FnOnce(&Database) -> Result<SqliteBackend, Error>) -> Result<Target, Error> {
        match self {
            Self::File(database) => Ok(Target::of_file(open(&database)?, database.path())),
            Self::Stack(name) => {
                let sdk = AwsClients::chain(None, None);
                let stack = Stack::read(&sdk, &name).await?;
                let aws = AwsBackend::new(sdk, stack.settings(), Env::system());
                let (operator, backend, env) = (aws.operator(), aws.backend(), aws.env().clone());
                Ok(Target { operator, backend, env, kind: TargetKind::Stack(Box::new(aws), name) })
            }
        }
    }
}

impl TargetKind {
    /// Returns the option that chooses it, and its value.
    fn options(&self) -> [String; 2] {
        match self {
            Self::File(_, path) => ["--db".to_owned(), path.display().to_string()],
            Self::Stack(_, name) => ["--stack".to_owned(), name.clone()],
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_, path) => path.display().fmt(f),
            Self::Stack(_, name) => write!(f, "the stack {name}"),
        }
    }
}

impl Target {
    /// An embedded file that is open.
    pub(crate) fn of_file(embedded: SqliteBackend, path: &Path) -> Self {
        let (operator, backend, env) = (embedded.operator(), embedded.backend(), embedded.env().clone());
        Self { operator, backend, env, kind: TargetKind::File(embedded, path.to_owned()) }
    }

    /// What it is.
    pub(crate) const fn kind(&self) -> &TargetKind {
        &self.kind
    }

    /// Its ports.
    pub(crate) const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Its time and chance.
    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// The option that chooses it, and its value.
    pub(crate) fn options(&self) -> [String; 2] {
        self.kind.options()
    }

    /// Returns whether a queue of that name exists here; where queues are created with their first job, the definitions
    /// may contain more.
    pub(crate) async fn has_queue(&self, name: &str) -> Result<bool, Error> {
        Ok(self.operator.known_names().await?.has_queue(name))
    }

    /// Returns whether its queues come with a deployment, so that there are no others.
    pub(crate) async fn is_deployed(&self) -> Result<bool, Error> {
        Ok(self.operator.known_names().await?.queue_origin == QueueOrigin::Deployed)
    }

    /// Checks that jobs can be enqueued on the queue of that definition. They can where queues are created with their
    /// first job.
    pub(crate) async fn check_destination(&self, definition: &Definition) -> Result<(), Error> {
        let queue = definition.queue.name();
        self.check_queue_among(&[queue], queue).await
    }

    /// Checks that a queue of that name exists: here, or in the definitions where queues are created with their first
    /// job.
    pub(crate) async fn check_queue(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        self.check_queue_among(&catalog.queues(), name).await
    }

    /// Checks that a queue of that name exists: here, or in `defined` where queues are created with their first job.
    async fn check_queue_among(&self, defined: &[&str], name: &str) -> Result<(), Error> {
        let KnownNames { queues: known, queue_origin, .. } = self.operator.known_names().await?;
        let mut all: Vec<_> = known.iter().map(String::as_str).collect();
        if queue_origin == QueueOrigin::RunTime {
            all.extend(defined);
        }
        if all.contains(&name) {
            return Ok(());
        }
        let (near, name, place) = (nearest(name, all), name.into(), self.kind.to_string());
        Err(match queue_origin {
            QueueOrigin::RunTime => Error::Unknown { kind: "queue", name, near, place },
            QueueOrigin::Deployed => Error::NoQueue { name, near, place, known: known.join(", ") },
        })
    }

    /// Checks the names by which records are asked for: see [`check_queue_of_records`](Self::check_queue_of_records) and
    /// [`check_job`](Self::check_job).
    pub(crate) async fn check_names(
        &self,
        catalog: &Catalog,
        queue: Option<&str>,
        job: Option<&str>,
    ) -> Result<(), Error> {
        if let Some(name) = queue {
            self.check_queue_of_records(catalog, name).await?;
        }
        if let Some(name) = job {
            self.check_job(catalog, name).await?;
        }
        Ok(())
    }

    /// Like [`check_queue`](Self::check_queue), but for records: a queue that no longer exists may have left some.
    async fn check_queue_of_records(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        let checked = self.check_queue(catalog, name).await;
        if checked.is_err() && self.has_records(ListQuery { queues: vec![name.into()], ..ListQuery::default() }).await?
        {
            return Ok(());
        }
        checked
    }

    /// Checks that there are or were jobs of that name: in the definitions or here.
    async fn check_job(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        let defined = catalog.definitions();
        if defined.iter().any(|definition| definition.name == name) {
            return Ok(());
        }
        let known = self.operator.known_names().await?.jobs;
        let found = match &known {
            Some(known) => known.iter().any(|known| known == name),
            None => self.has_records(ListQuery { jobs: vec![name.into()], ..ListQuery::default() }).await?,
        };
        if found {
            return Ok(());
        }
        let all = known.iter().flatten().map(String::as_str).chain(defined.iter().map(|definition| definition.name));
        Err(Error::Unknown { kind: "job", name: name.into(), near: nearest(name, all), place: self.kind.to_string() })
    }

    async fn has_records(&self, query: ListQuery) -> Result<bool, Error> {
        Ok(!self.records()?.list(&ListQuery { limit: 1, ..query }).await?.records.is_empty())
    }

    /// Returns a client, to enqueue jobs.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.backend.clone(), self.env.clone())
    }

    /// Returns what carries operations out, where they are kept.
    pub(crate) fn runner(&self, catalog: &Catalog) -> Option<Runner> {
        self.backend.operations.as_ref()?;
        Some(Runner::new(self.client(), catalog.definitions()).with_operator(self.operator.clone()))
    }

    /// Returns the error for a place that keeps no operations.
    pub(crate) fn no_operations(&self) -> Error {
        Error::failed(format_args!("{} keeps no operations, since it keeps no records", self.kind))
    }

    /// Returns the outbox in the table of a deployed stack.
    pub(crate) fn outbox(&self) -> Result<Option<Outbox>, Error> {
        match &self.kind {
            TargetKind::File(..) => Ok(None),
            TargetKind::Stack(aws, _) => Ok(Some(aws.outbox()?)),
        }
    }

    /// Returns whether a queue is known to be paused: a user who may enqueue is not always allowed to read that.
    pub(crate) async fn is_paused(&self, queue: &str) -> bool {
        self.operator.consumer(queue).await.is_ok_and(|consumer| consumer.state == ConsumerState::Paused)
    }

    /// Returns whether the states of schedules are stored here.
    pub(crate) fn keeps_schedules(&self) -> bool {
        self.backend.schedules.is_some()
    }

    /// Returns a client if records are kept here.
    pub(crate) fn records(&self) -> Result<Client, Error> {
        if self.backend.store.is_some() {
            return Ok(self.client());
        }
        let (name, option) = (&self.kind, self.options().join(" "));
        Err(Error::failed(format_args!(
            "{name} keeps no records, so there is nothing to ask after: its template has no table; \
             `lamp dead-letters {option}` and `lamp queues {option}` work without"
        )))
    }

    /// Returns the record of one job, which must exist.
    pub(crate) async fn record(&self, client: &Client, id: &JobId) -> Result<Record, Error> {
        client.get(id).await?.ok_or_else(|| self.no_job(id))
    }

    /// Returns the error for an error group that does not exist here.
    pub(crate) fn no_error(&self, fingerprint: Fingerprint) -> Error {
        Error::NoErrorGroup { fingerprint, place: self.kind.to_string() }
    }

    /// Returns the error for a job that does not exist here.
    pub(crate) fn no_job(&self, id: &JobId) -> Error {
        Error::NoJob { id: id.clone(), place: self.kind.to_string() }
    }
}
