//! A backend that does not answer.

use std::{io::Write, net::TcpStream, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Body;
use http::{Method, StatusCode};
use lamplighter::{
    Queue,
    backend::{
        Accuracy, Consumer, ConsumerKind, ConsumerState, DeadLetterCounts, DeadLetterFilter, DeadLetterPage,
        DeadLetterQuery, KnownNames, Operator, QueueFlow, QueueOrigin, QueueStatus, Redrive, RedriveProgress,
        RedriveResult, Rollups, StoreError,
    },
    env::Env,
    host::Stop,
    meter::{Rollup, RollupQuery},
};
use lamplighter_dashboard::{Dashboard, Site};
use lamplighter_embedded::SqliteBackend;
use tokio::{net::TcpListener, sync::watch};

use crate::support::{access, app, request, send};

/// Answers nothing, ever, but which queues there are, if it knows some.
#[derive(Default)]
struct Silent {
    known: Vec<QueueStatus>,
    /// Is told how many count dead letters.
    counting: watch::Sender<usize>,
}

/// Counts, until it is dropped.
struct Counting<'s>(&'s watch::Sender<usize>);

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|counting| *counting -= 1);
    }
}

async fn silence<T>() -> T {
    std::future::pending().await
}

#[async_trait]
impl Rollups for Silent {
    async fn read(&self, _: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        silence().await
    }
}

#[async_trait]
impl Operator for Silent {
    async fn known_names(&self) -> Result<KnownNames, StoreError> {
        match &self.known[..] {
            [] => silence().await,
            known => Ok(KnownNames::new(known.iter().map(|queue| queue.queue.clone()).collect(), QueueOrigin::RunTime)),
        }
    }

    async fn declare(&self, _: Queue) -> Result<(), StoreError> {
        silence().await
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        match self.known.is_empty() {
            true => silence().await,
            false => Ok(self.known.clone()),
        }
    }

    async fn flow(&self) -> Result<Vec<QueueFlow>, StoreError> {
        silence().await
    }

    async fn consumer(&self, _: &str) -> Result<Consumer, StoreError> {
        silence().await
    }

    async fn pause(&self, _: &str) -> Result<(), StoreError> {
        silence().await
    }

    async fn resume(&self, _: &str) -> Result<(), StoreError> {
        silence().await
    }

    async fn dead_letters(&self, _: &str, _: &DeadLetterQuery, _: &Stop) -> Result<DeadLetterPage, StoreError> {
        silence().await
    }

    async fn count_dead_letters(
        &self,
        _: &str,
        _: &DeadLetterFilter,
        _: &Stop,
    ) -> Result<DeadLetterCounts, StoreError> {
        self.counting.send_modify(|counting| *counting += 1);
        let _counting = Counting(&self.counting);
        silence().await
    }

    async fn redrive(
        &self,
        _: &str,
        _: &Redrive,
        _: &Stop,
        _: &(dyn Fn(RedriveProgress) + Send + Sync),
    ) -> Result<RedriveResult, StoreError> {
        silence().await
    }
}

#[tokio::test]
async fn a_silent_part_leaves_the_others_as_they_are_and_every_answer_comes_in_time() {
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    let ports = backend.backend().with_rollups(Arc::new(Silent::default()));
    let site = Site::new(&app(), ports, Env::system(), Arc::new(Silent::default()));
    let router = Dashboard::new(site, access()).unwrap().router();
    let started = std::time::Instant::now();
    let get = |path: &'static str| send(&router, request(Method::GET, path, "operator").body(Body::empty()).unwrap());
    let (overview, page, queues, letters, types) = tokio::join!(
        get("/api/v1/overview"),
        get("/"),
        get("/api/v1/queues"),
        get("/api/v1/dead-letters/orders"),
        get("/api/v1/types"),
    );
    assert_eq!((overview.status, page.status), (StatusCode::OK, StatusCode::OK));
    let overview = overview.json();
    for silent in ["activity", "queues"] {
        let why = overview[silent]["unavailable"].as_str().unwrap();
        assert!(why.contains("No answer from"), "{why}");
    }
    assert!(overview["errors"]["ready"].is_array() && overview["schedules"]["ready"].is_object(), "{overview}");
    assert_eq!(overview["verdict"]["findings"][0]["severity"], "error");
    for silent in [queues, letters, types] {
        assert_eq!(silent.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_count_of_all_ends_when_nobody_waits_for_it_any_more() {
    let consumer = Consumer { kind: ConsumerKind::Engine, state: ConsumerState::Active };
    let known = vec![QueueStatus::new("mails", false, consumer, Accuracy::Exact)];
    let operator = Arc::new(Silent { known, ..Silent::default() });
    let mut counting = operator.counting.subscribe();
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    let site = Site::new(&app(), backend.backend(), Env::system(), operator);
    let router = Dashboard::new(site, access()).unwrap().router();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async { axum::serve(listener, router).await });

    let mut stream = TcpStream::connect(address).unwrap();
    let body = r#"{"action":{"kind":"redrive"},"target":{"kind":"dead-letters","queue":"mails"}}"#;
    let head = format!(
        "POST /api/v1/operations/preview?count=all HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\nx-user: \
         operator\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let ends = Duration::from_secs(20);
    tokio::time::timeout(ends, counting.wait_for(|counting| *counting == 1)).await.unwrap().unwrap();
    drop(stream);
    tokio::time::timeout(ends, counting.wait_for(|counting| *counting == 0)).await.unwrap().unwrap();
    served.abort();
}
