//! One deployment: an account, a folder, a host, and a ledger of the runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use e2e_azure::{Act, Behaviour, Hold, RECORDS, app};
use e2e_function::{LEDGER, Run, read};
use lamplighter::{Client, Job, JobId, backend::Backend, env::Env};
use lamplighter_azure::AzureQueues;
use lamplighter_infra::AzureFiles;
use lamplighter_tests::{
    azure::{Account, DeadLetter, FunctionsHost, Setup, StorageQueue, account},
    ministack::{PATIENCE, eventually, package},
};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A failed invocation's message returns after a moment, so that tests need not wait for it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The maximum number of concurrent deployments: all share one emulator, and each host polls it all the time.
static DEPLOYMENTS: Semaphore = Semaphore::const_new(4);

/// A deployment.
pub(crate) struct Deployment {
    pub(crate) account: Account,
    folder: TempDir,
    program: PathBuf,
    queue_service: String,
    records: bool,
    _permit: SemaphorePermit<'static>,
}

impl Deployment {
    /// Creates an account and a folder; nothing runs yet.
    pub(crate) async fn new() -> Self {
        let permit = DEPLOYMENTS.acquire().await.unwrap();
        // Both block, and a build takes long.
        let made = tokio::task::spawn_blocking(|| (account().unwrap(), package::binary("e2e-azure").unwrap()));
        let (account, program) = made.await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = AzureFiles::derive(&app().unwrap(), "e2e-azure").unwrap();
        for (path, text) in files.iter() {
            let path = folder.path().join("app").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let queue_service = account.address.clone();
        Self { account, folder, program, queue_service, records: false, _permit: permit }
    }

    /// Adds records.
    pub(crate) fn with_records(mut self) -> Self {
        self.records = true;
        self
    }

    /// Points the handler at an unavailable queue service.
    pub(crate) fn without_queue_service(mut self) -> Self {
        // No service is known to use this port below 1024, so none listens.
        self.queue_service = "http://127.0.0.1:1/nobody?sig=none".into();
        self
    }

    /// Starts a host with its handler.
    pub(crate) async fn host(&self) -> FunctionsHost {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let mut settings =
            vec![(AzureQueues::VARIABLE.to_owned(), self.queue_service.clone()), (LEDGER.to_owned(), path("ledger"))];
        if self.records {
            settings.push((RECORDS.to_owned(), path("records.db")));
        }
        let setup = Setup {
            folder: self.folder.path().join("app"),
            program: self.program.clone(),
            settings,
            visibility_timeout: Some(AT_ONCE),
            function_timeout: None,
        };
        FunctionsHost::start(&self.account, setup).await.unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn client(&self) -> Client {
        let queues = AzureQueues::new(&self.account.address).unwrap();
        Client::new(Backend::new(Arc::new(queues)), Env::system())
    }

    pub(crate) async fn act(&self, label: &str, behaviour: Behaviour) -> JobId {
        self.enqueue(Act { label: label.into(), behaviour }).await
    }

    pub(crate) async fn hold(&self, label: &str, behaviour: Behaviour) -> JobId {
        self.enqueue(Hold { label: label.into(), behaviour }).await
    }

    async fn enqueue<J: Job>(&self, job: J) -> JobId {
        self.client().enqueue(job).await.unwrap().id().clone()
    }

    /// Returns all runs of a label.
    pub(crate) fn runs(&self, label: &str) -> Vec<Run> {
        let runs = read(&self.folder.path().join("ledger")).unwrap();
        runs.into_iter().filter(|run| run.label == label).collect()
    }

    /// Waits until a label has run this many times, and returns the runs.
    pub(crate) async fn until_runs(&self, label: &str, count: usize) -> Vec<Run> {
        let what = format!("{label} has run {count} times");
        let runs = eventually(what, PATIENCE, async || {
            let runs = self.runs(label);
            if runs.len() >= count { Ok(runs) } else { Err(format!("{runs:?}")) }
        });
        runs.await.unwrap()
    }

    pub(crate) async fn queue(&self, name: &str) -> StorageQueue {
        self.account.queue(name).await.unwrap()
    }

    /// Waits until a queue has no message, hidden or not.
    pub(crate) async fn until_empty(&self, name: &str) {
        let queue = self.queue(name).await;
        let empty = eventually(format!("queue {name} is empty"), PATIENCE, async || match queue.count().await {
            Ok(0) => Ok(()),
            Ok(count) => Err(format!("{count} messages")),
            Err(error) => Err(error.to_string()),
        });
        empty.await.unwrap();
    }

    /// Waits until a queue has this many dead letters, and returns them.
    pub(crate) async fn until_dead(&self, name: &str, count: usize) -> Vec<DeadLetter> {
        let poison = self.queue(&format!("{name}-poison")).await;
        let dead = eventually(format!("{count} messages of {name} are dead"), PATIENCE, async || {
            let dead = poison.dead_letters().await.map_err(|error| error.to_string())?;
            if dead.len() >= count { Ok(dead) } else { Err(format!("{dead:?}")) }
        });
        dead.await.unwrap()
    }
}

pub(crate) fn attempts(runs: &[Run]) -> Vec<u32> {
    runs.iter().map(|run| run.attempt).collect()
}
