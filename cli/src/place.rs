//! Where commands do their work: in the embedded file, or on a deployed stack.

use std::{env, path::PathBuf};

use clap::{Args, builder::NonEmptyStringValueParser};
use lamplighter::{Client, JobId, ListQuery, Record, env::Env};
use lamplighter_aws::{AwsBackend, AwsClients, MappingState, Operator, Stack};
use lamplighter_embedded::SqliteBackend;

use crate::{
    catalog::Catalog,
    database::{self, Database},
    error::{Error, nearest},
};

const FILE: &str = "LAMPLIGHTER_DB";
pub(crate) const STACK: &str = "LAMPLIGHTER_STACK";

/// The embedded file, or a deployed stack. What the command line says goes before the environment.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The file that holds the jobs [env: LAMPLIGHTER_DB=] [default: .lamplighter/jobs.db]
    #[arg(long = "db", value_name = "FILE", conflicts_with = "stack", value_parser = database::file())]
    file: Option<PathBuf>,
    /// Work on this deployed CloudFormation stack, instead of a file [env: LAMPLIGHTER_STACK=]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    stack: Option<String>,
}

/// What a command works on, opened.
pub(crate) enum Target {
    File(File),
    Stack(Deployed),
}

/// An embedded file.
pub(crate) struct File {
    pub(crate) embedded: SqliteBackend,
    path: PathBuf,
}

/// A deployed stack.
pub(crate) struct Deployed {
    pub(crate) stack: Stack,
    pub(crate) aws: AwsBackend,
    pub(crate) operator: Operator,
}

enum Choice {
    File(Database),
    Stack(String),
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

    /// Whether this is a file that has not been made yet.
    pub(crate) fn is_to_be_made(&self) -> Result<bool, Error> {
        Ok(matches!(self.choose()?, Choice::File(database) if !database.path().exists()))
    }

    /// Opens a file that is there, or reads the stack, to change something.
    pub(crate) async fn open(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::existing).await
    }

    /// As [`open`](Self::open), to look at it: a file may then be one that cannot be written.
    pub(crate) async fn look(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::to_look_at).await
    }

    /// As [`open`](Self::open), but a file that is not there is made.
    pub(crate) async fn open_or_make(&self) -> Result<Target, Error> {
        self.choose()?.open(Database::open_or_make).await
    }

    /// As [`open`](Self::open), where there must be a queue of that name. A file then knows it, even if no job has been
    /// enqueued there yet.
    pub(crate) async fn open_with_queue(&self, catalog: &Catalog, name: &str) -> Result<Target, Error> {
        let target = self.open().await?;
        target.check_queue(catalog, name).await?;
        if let Target::File(file) = &target
            && !file.has_queue(name).await?
        {
            file.embedded.declare(catalog.queue(name).as_slice()).await?;
        }
        Ok(target)
    }
}

impl Choice {
    async fn open(self, open: impl FnOnce(&Database) -> Result<SqliteBackend, Error>) -> Result<Target, Error> {
        match self {
            Self::File(database) => {
                Ok(Target::File(File { embedded: open(&database)?, path: database.path().to_owned() }))
            }
            Self::Stack(name) => {
                let sdk = AwsClients::chain(None, None);
                let stack = Stack::read(&sdk, &name).await?;
                let aws = AwsBackend::new(sdk.clone(), stack.settings(), Env::system());
                let operator = Operator::new(sdk, stack.queues().clone());
                Ok(Target::Stack(Deployed { stack, aws, operator }))
            }
        }
    }
}

impl File {
    /// Whether the file knows a queue of that name; the definitions may know more.
    pub(crate) async fn has_queue(&self, name: &str) -> Result<bool, Error> {
        Ok(self.embedded.queue_names().await?.iter().any(|known| known == name))
    }

    fn check<'a>(
        &self,
        kind: &'static str,
        name: &str,
        known: &'a [String],
        defined: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let all: Vec<_> = defined.into_iter().chain(known.iter().map(String::as_str)).collect();
        if all.contains(&name) {
            return Ok(());
        }
        Err(Error::Unknown { kind, name: name.into(), near: nearest(name, all), place: self.shown() })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

impl Deployed {
    /// Checks that the stack has a queue of that name.
    pub(crate) fn check_queue(&self, name: &str) -> Result<(), Error> {
        let known: Vec<_> = self.stack.queues().iter().map(|(name, _)| name).collect();
        if known.contains(&name) {
            return Ok(());
        }
        let near = nearest(name, known.iter().copied());
        let stack = self.stack.name().to_owned();
        Err(Error::QueueOfStack { name: name.into(), near, stack, known: known.join(", ") })
    }
}

impl Target {
    /// Checks that there is a queue of that name: in the definitions or here.
    pub(crate) async fn check_queue(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        match self {
            Self::File(file) => {
                let known = file.embedded.queue_names().await?;
                file.check("queue", name, &known, catalog.queues())
            }
            Self::Stack(deployed) => deployed.check_queue(name),
        }
    }

    /// As [`check_queue`](Self::check_queue), for a look at records: a queue that is no more may have left some.
    pub(crate) async fn check_queue_of_records(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        let checked = self.check_queue(catalog, name).await;
        if checked.is_err() && matches!(self, Self::Stack(_)) {
            let query = ListQuery { queue: Some(name.into()), limit: 1, ..ListQuery::default() };
            if !self.records()?.list(&query).await?.records.is_empty() {
                return Ok(());
            }
        }
        checked
    }

    /// Checks that there are or were jobs of that name: in the definitions or here.
    pub(crate) async fn check_job(&self, catalog: &Catalog, name: &str) -> Result<(), Error> {
        let defined = catalog.definitions();
        if defined.iter().any(|definition| definition.name == name) {
            return Ok(());
        }
        let defined = defined.iter().map(|definition| definition.name);
        match self {
            Self::File(file) => file.check("job", name, &file.embedded.job_names().await?, defined),
            Self::Stack(deployed) => {
                // The table tells no names, but whether it has anything of one.
                let query = ListQuery { job: Some(name.into()), limit: 1, ..ListQuery::default() };
                match self.records()?.list(&query).await?.records.is_empty() {
                    false => Ok(()),
                    true => Err(Error::Unknown {
                        kind: "job",
                        name: name.into(),
                        near: nearest(name, defined),
                        place: format!("the stack {}", deployed.stack.name()),
                    }),
                }
            }
        }
    }

    /// A client, to enqueue jobs.
    pub(crate) fn client(&self) -> Client {
        match self {
            Self::File(file) => file.embedded.client(),
            Self::Stack(deployed) => deployed.aws.client(),
        }
    }

    /// Whether a queue is paused, as far as can be told: whoever may enqueue need not be allowed to look.
    pub(crate) async fn is_paused(&self, queue: &str) -> bool {
        match self {
            Self::File(file) => file.embedded.is_paused(queue).await.unwrap_or(false),
            Self::Stack(deployed) => {
                deployed.operator.mapping(queue).await.is_ok_and(|state| state == MappingState::Disabled)
            }
        }
    }

    /// Whether it is known here how schedules stand.
    pub(crate) fn keeps_schedules(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Stack(deployed) => deployed.aws.backend().schedules.is_some(),
        }
    }

    /// A client of a place that keeps records.
    pub(crate) fn records(&self) -> Result<Client, Error> {
        let client = self.client();
        match (client.store().is_ok(), self) {
            (false, Self::Stack(deployed)) => Err(Error::failed(format_args!(
                "the stack {} keeps no records, so there is nothing to ask after: its template has no table; \
                 `lamp dead-letters --stack {0}` and `lamp queues --stack {0}` work without",
                deployed.stack.name()
            ))),
            _ => Ok(client),
        }
    }

    /// The record of one job, which must be there.
    pub(crate) async fn record(&self, client: &Client, id: &JobId) -> Result<Record, Error> {
        client.get(id).await?.ok_or_else(|| self.no_job(id))
    }

    /// There is no such job here.
    pub(crate) fn no_job(&self, id: &JobId) -> Error {
        let place = match self {
            Self::File(file) => file.shown(),
            Self::Stack(deployed) => format!("the stack {}", deployed.stack.name()),
        };
        Error::NoJob { id: id.clone(), place }
    }
}
