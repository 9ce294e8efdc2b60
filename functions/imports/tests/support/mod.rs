//! An import on an embedded backend in memory, whose processes can be interrupted at each of their steps.
#![allow(dead_code, reason = "each test uses some")]

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use imports::{Limits, Report, Settings, function_with};
use lamplighter::{
    Batch, Client, EnqueueError, Enqueued, Function, Job, JobId, JobState, ListQuery, Record,
    backend::{Backend, BatchJobs, Batches, EnqueueRequest, NewBatch, StoreError},
    env::Env,
    host::{Delivery, JobResult, Stop, Worker},
    mins, secs,
};
use lamplighter_embedded::{Engine, Running, SqliteBackend};
use lamplighter_jobs::ImportCsv;
use lamplighter_objects::{Key, Objects};

/// The id of imports.
pub(crate) const ID: &str = "posts";
/// The id of their batches.
pub(crate) const BATCH: &str = "posts:rows";

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn id(text: &str) -> JobId {
    JobId::new(text).unwrap()
}

/// A backend and an object store.
pub(crate) struct Place {
    pub(crate) embedded: SqliteBackend,
    pub(crate) objects: Objects,
    pub(crate) limits: Limits,
}

impl Place {
    /// With this CSV as `a.csv`.
    pub(crate) async fn with(text: impl Into<Vec<u8>>) -> Self {
        let objects = Objects::from_url("memory:///").unwrap();
        objects.put(&key("a.csv"), text.into(), "text/csv").await.unwrap();
        let env = Env::driven("2026-11-23T12:00:00Z".parse().unwrap(), 7);
        // Many windows in a small CSV.
        let limits = Limits { window: 1500, ..Limits::default() };
        Self { embedded: SqliteBackend::memory(env).unwrap(), objects, limits }
    }

    pub(crate) fn client(&self) -> Client {
        self.embedded.client()
    }

    pub(crate) fn function(&self) -> Function {
        function_with(Settings { objects: self.objects.clone(), limits: self.limits })
    }

    pub(crate) async fn enqueue(&self, job: &ImportCsv) {
        self.client().enqueue(job.clone()).id(ID).await.unwrap();
    }

    /// Starts an engine. If there was another process, it is dead now.
    pub(crate) async fn start(&self) -> Running {
        Engine::builder(&self.embedded).function(self.function()).start().await.unwrap()
    }

    /// Waits for the end of a job or a batch.
    pub(crate) async fn end(&self, of: &JobId) -> Record {
        self.client().wait(of, secs(300)).await.unwrap()
    }

    /// Waits for the end of the import, and reads its report.
    pub(crate) async fn report(&self) -> Report {
        let import = self.end(&id(ID)).await;
        assert_eq!(import.state, JobState::Succeeded, "{import:?}");
        self.end(&id(BATCH)).await;
        let report = self.end(&self.only("csv.report").await.id).await;
        assert_eq!(report.state, JobState::Succeeded, "{report:?}");
        self.read_report().await
    }

    pub(crate) async fn read_report(&self) -> Report {
        let bytes = self.objects.get(&key("imports/posts/report.json"), 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Runs the import to its end.
    pub(crate) async fn import(&self, job: &ImportCsv) -> Report {
        self.enqueue(job).await;
        let engine = self.start().await;
        let report = self.report().await;
        engine.drain(secs(20)).await;
        report
    }

    /// The records of jobs of this name, oldest first.
    pub(crate) async fn records(&self, job: &str) -> Vec<Record> {
        let query = ListQuery { jobs: vec![job.into()], limit: 1000, ..ListQuery::default() };
        let mut records = self.client().list(&query).await.unwrap().records;
        records.reverse();
        records
    }

    /// The only job of this name.
    pub(crate) async fn only(&self, job: &str) -> Record {
        let mut records = self.records(job).await;
        assert_eq!(records.len(), 1, "{job}: {records:?}");
        records.remove(0)
    }

    pub(crate) async fn batch(&self) -> Batch {
        self.client().batch(&id(BATCH)).await.unwrap().unwrap()
    }

    /// All objects but the CSV and the report, with their contents.
    pub(crate) async fn results(&self) -> BTreeMap<String, String> {
        let mut results = BTreeMap::new();
        for object in self.objects.list(Some(&key("imports")), 10_000).await.unwrap() {
            let bytes = self.objects.get(&object.key, 1 << 24).await.unwrap();
            results.insert(object.key.to_string(), String::from_utf8(bytes.to_vec()).unwrap());
        }
        results.remove("imports/posts/report.json");
        results
    }

    /// The rows that were converted, as one text.
    pub(crate) async fn rows(&self) -> String {
        let results = self.results().await;
        results.iter().filter(|(name, _)| name.ends_with(".ndjson")).map(|(_, rows)| rows.as_str()).collect()
    }

    /// Runs one job in a process of its own, over the backend as it is, or one that interrupts it.
    pub(crate) async fn perform(&self, record: &Record, backend: Backend, stop: Stop) -> JobResult {
        let worker = Worker::new(self.function(), backend, self.embedded.env().clone(), "another", stop);
        let body = record.message.to_json();
        let delivery = Delivery::new(ImportCsv::QUEUE.name(), "message", "receipt", body);
        worker.perform(delivery, tokio::time::Instant::now() + mins(10)).await
    }

    /// Runs `csv.import`, and returns the record of `csv.split`.
    pub(crate) async fn begun(&self, job: &ImportCsv) -> Record {
        self.enqueue(job).await;
        let import = self.only("csv.import").await;
        let result = self.perform(&import, self.embedded.backend(), Stop::new()).await;
        assert_eq!(result.state, Some(JobState::Succeeded), "{:?}", result.error);
        self.only("csv.split").await
    }
}

/// Around the creation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

type Hook = Arc<dyn Fn(usize, When) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Batches with something that happens before and after each creation of one, by its number.
pub(crate) struct Hooked {
    inner: Arc<dyn Batches>,
    created: AtomicUsize,
    hook: Hook,
}

impl Hooked {
    pub(crate) fn backend<F>(place: &Place, hook: impl Fn(usize, When) -> F + Send + Sync + 'static) -> Backend
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut backend = place.embedded.backend();
        let inner = backend.batches.take().unwrap();
        let hook: Hook = Arc::new(move |number, when| Box::pin(hook(number, when)));
        backend.batches = Some(Arc::new(Self { inner, created: AtomicUsize::new(0), hook }));
        backend
    }
}

#[async_trait]
impl Batches for Hooked {
    async fn create(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError> {
        let number = self.created.fetch_add(1, Ordering::SeqCst);
        (self.hook)(number, When::Before).await;
        let created = self.inner.create(batch).await;
        (self.hook)(number, When::After).await;
        created
    }

    async fn add(&self, id: &JobId, jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError> {
        self.inner.add(id, jobs).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        self.inner.get(id).await
    }

    async fn jobs(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<BatchJobs, StoreError> {
        self.inner.jobs(id, cursor, limit).await
    }
}
