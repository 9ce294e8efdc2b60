//! A stage on which each action can be seen: jobs that fail when they are told to, wait when they are told to, and do nothing
//! else; and a look at the store that goes past the dashboard.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as At, State},
    routing::{get, post},
};
use http::StatusCode;
use jiff::Timestamp;
use lamplighter::{
    App, Context, Definition, Function, Job, JobError, Options, Queue, Retry, Variables,
    backend::{ConsumerState, DeadLetterFilter},
    days,
    env::Env,
    host::Stop,
    query::{Query, Search},
    schedule::{Misfire, Schedule},
};
use lamplighter_embedded::{Engine, Running, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Fails while its door is locked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Deliver {
    /// Which parcel.
    pub(crate) parcel: u64,
    pub(crate) street: String,
}

/// Nothing runs it: its queue is paused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Store {
    pub(crate) parcel: u64,
}

/// Runs until it is let go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Wait {
    pub(crate) parcel: u64,
}

impl Job for Deliver {
    const NAME: &'static str = "parcel.deliver";
    const QUEUE: Queue = Queue::standard("parcels");

    fn options() -> Options {
        Options::new().retry(Retry::never())
    }
}

impl Job for Store {
    const NAME: &'static str = "parcel.store";
    const QUEUE: Queue = Queue::standard("cellar");

    fn options() -> Options {
        Options::new().retry(Retry::never())
    }
}

impl Job for Wait {
    const NAME: &'static str = "parcel.wait";
    const QUEUE: Queue = Queue::standard("doorstep");
}

/// What jobs are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    is_open: Arc<AtomicBool>,
    released: Arc<tokio::sync::Notify>,
}

fn app(told: &Told) -> App {
    let (deliver, store, wait) = (told.clone(), told.clone(), told.clone());
    let may = |told: Told, parcel: u64| async move {
        match told.is_open.load(Ordering::Relaxed) {
            true => Ok(parcel),
            false => Err(JobError::fail("the door is locked")),
        }
    };
    App::new("Parcels")
        .function(move || {
            let told = deliver.clone();
            Function::new("parcels").job(move |job: Deliver, _: Context| may(told.clone(), job.parcel))
        })
        .function(move || {
            let told = store.clone();
            Function::new("cellar").job(move |job: Store, _: Context| may(told.clone(), job.parcel))
        })
        .function(move || {
            let told = wait.clone();
            Function::new("doorstep").job(move |_: Wait, _: Context| {
                let told = told.clone();
                async move {
                    told.released.notified().await;
                    Ok::<_, JobError>(())
                }
            })
        })
        .definitions([Definition::of::<Deliver>(), Definition::of::<Store>(), Definition::of::<Wait>()])
}

/// What the dashboard shows of it: with a schedule, which is far away.
pub(crate) fn site_app(told: &Told) -> App {
    let round = Schedule::cron("round", "0 4 1 1 *").unwrap().misfire(Misfire::Skip);
    app(told).schedules([round.starts(&Deliver { parcel: 4, street: "of the round".into() }).unwrap()])
}

/// A file with a hundred jobs that have failed, a hundred times over; and one that is queued.
pub(crate) fn fill(path: &Path, records: i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let start = Timestamp::now().checked_sub(Duration::from_secs(3_600)).unwrap();
        let backend = SqliteBackend::open(path, Settings::new().env(Env::driven(start, 3))).unwrap();
        let engine = Engine::builder(&backend).app(&app(&Told::default()), &Variables::system()).start().await.unwrap();
        let client = backend.client();
        for parcel in 0..100 {
            client.enqueue(Store { parcel }).await.unwrap();
        }
        while count(&backend, "state:failed").await < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::resume();
        engine.drain(Duration::from_secs(5)).await;
        backend.close().await.unwrap();
    });
    crate::repeat::repeat(path, records).unwrap();
}

/// Its engine. The cellar is paused.
pub(crate) async fn start(path: &Path, told: &Told) -> (SqliteBackend, Running) {
    let backend = SqliteBackend::open(path, Settings::new()).unwrap();
    backend.declare(&[Store::QUEUE, Deliver::QUEUE, Wait::QUEUE]).await.unwrap();
    backend.operator().pause("cellar").await.unwrap();
    let engine = Engine::builder(&backend).app(&site_app(told), &Variables::system()).start().await.unwrap();
    (backend, engine)
}

async fn count(backend: &SqliteBackend, query: &str) -> u64 {
    backend.client().count_matches(&query.parse().unwrap(), 50_000).await.unwrap().jobs
}

/// The look at the store.
pub(crate) fn probe(backend: SqliteBackend, told: Told) -> Router {
    Router::new()
        .route("/record/{id}", get(record))
        .route("/find/{query}", get(find))
        .route("/count/{query}", get(counted))
        .route("/queue/{queue}", get(queue))
        .route("/schedule/{schedule}", get(schedule))
        .route("/group/{fingerprint}", get(group))
        .route("/make/{kind}", post(make))
        .route("/door/{is_open}", post(open))
        .route("/release", post(release))
        .with_state((backend, told))
}

type Stage = State<(SqliteBackend, Told)>;

async fn record(State((backend, _)): Stage, At(id): At<String>) -> Json<Value> {
    let (client, id) = (backend.client(), id.parse().unwrap());
    let record = client.get(&id).await.unwrap();
    let log = client.log(&id).await.unwrap_or_default();
    Json(json!({ "record": record, "log": log.iter().map(|line| line.text.to_string()).collect::<Vec<_>>() }))
}

async fn find(State((backend, _)): Stage, At(query): At<String>) -> Json<Value> {
    let query: Query = query.parse().unwrap();
    Json(json!(backend.client().search(&Search::new(query)).await.unwrap().records))
}

async fn counted(State((backend, _)): Stage, At(query): At<String>) -> Json<u64> {
    Json(count(&backend, &query).await)
}

async fn queue(State((backend, _)): Stage, At(name): At<String>) -> Json<Value> {
    let operator = backend.operator();
    let queue = operator.queues().await.unwrap().into_iter().find(|queue| queue.queue == name).unwrap();
    let dead = operator.count_dead_letters(&name, &DeadLetterFilter::all(), &Stop::new()).await.unwrap();
    Json(
        json!({ "paused": queue.consumer.state == ConsumerState::Paused, "dead": dead.counts.iter().map(|count| count.dead_letters).sum::<u64>() }),
    )
}

async fn schedule(State((backend, _)): Stage, At(name): At<String>) -> Json<Value> {
    let all = backend.client().schedules().await.unwrap();
    let status = all.into_iter().find(|status| status.schedule.name == name).unwrap();
    Json(json!({ "paused": status.paused, "last": status.last_run }))
}

async fn group(State((backend, _)): Stage, At(fingerprint): At<String>) -> Json<Value> {
    Json(json!(backend.client().error_group(fingerprint.parse().unwrap()).await.unwrap().unwrap().note))
}

/// A job, in the state that a case needs.
async fn make(State((backend, _)): Stage, At(kind): At<String>) -> Result<Json<Value>, StatusCode> {
    let client = backend.client();
    let deliver = Deliver { parcel: 7, street: "Lantern Row".into() };
    if kind == "batch" {
        let batch = client.enqueue_batch([1, 2, 3].map(|parcel| Store { parcel })).await;
        return Ok(Json(json!(batch.unwrap().id())));
    }
    let enqueued = match &*kind {
        "delivered" => client.enqueue(deliver).await,
        "marked" => client.enqueue(Deliver { parcel: 31, street: "Mark Lane".into() }).delay(days(1)).await,
        "scheduled" => client.enqueue(deliver).delay(days(1)).await,
        "stored" => client.enqueue(Store { parcel: 1 }).await,
        "waiting" => client.enqueue(Wait { parcel: 9 }).await,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    Ok(Json(json!(enqueued.unwrap().id())))
}

async fn open(State((_, told)): Stage, At(is_open): At<bool>) {
    told.is_open.store(is_open, Ordering::Relaxed);
}

async fn release(State((_, told)): Stage) {
    told.released.notify_waiters();
}
