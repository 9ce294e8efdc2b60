//! The web server.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use lamplighter::{
    Variables,
    backend::Backend,
    host::{Stop, Worker},
};
use tokio::{net::TcpListener, time::Instant};

use super::{
    Error, Handler,
    message::{Failed, QueueTrigger},
    request::Request,
    threads::Threads,
    timer::TimerTrigger,
};
use crate::contract::{queue_function, timer_function};

/// The answer to every invocation. An empty one would never end it, and a text in it could be parsed as base64.
const ANSWER: &str = r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#;
/// The header with an invocation's id.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// The triggers that the Functions host calls, by name.
#[derive(Clone)]
pub(super) struct Server(Arc<HashMap<String, Trigger>>);

enum Trigger {
    Queue(QueueTrigger),
    Timer(TimerTrigger),
}

impl Server {
    pub(super) fn new(handler: &Handler, stop: &Stop) -> Result<Self, Error> {
        let threads = Arc::new(Threads::new().map_err(Error::Threads)?);
        let mut triggers = HashMap::new();
        for function in handler.app.functions(&Variables::system()) {
            let store = handler.store.clone().filter(|_| !function.spec().stateless);
            let tracks = store.is_some();
            let mut backend = Backend::new(Arc::new(handler.queues.clone()));
            backend.store = store;
            let worker = Worker::new(function, backend, handler.env.clone(), host_name(), stop.clone());
            for queue in worker.function().queues() {
                let (worker, queues, threads) = (worker.clone(), handler.queues.clone(), threads.clone());
                let trigger = QueueTrigger { queue: queue.name().into(), worker, queues, threads, tracks };
                triggers.insert(queue_function(queue.name()), Trigger::Queue(trigger));
            }
        }
        for scheduled in &handler.app.schedules {
            let (queues, env) = (handler.queues.clone(), handler.env.clone());
            let trigger = TimerTrigger { scheduled: scheduled.clone(), queues, env };
            triggers.insert(timer_function(&scheduled.schedule.name), Trigger::Timer(trigger));
        }
        Ok(Self(Arc::new(triggers)))
    }

    /// Serves until `stop` is set.
    pub(super) async fn run(self, address: SocketAddr, stop: &Stop) -> Result<(), Error> {
        let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
        tracing::info!(%address, functions = self.0.len(), "ready");
        let stop = stop.clone();
        let until = async move { stop.draining().await };
        axum::serve(listener, self.router()).with_graceful_shutdown(until).await.map_err(Error::Server)
    }

    fn router(self) -> Router {
        let ready = || async { answer(StatusCode::OK) };
        Router::new().route("/", get(ready)).route("/{function}", post(invoke)).with_state(self)
    }
}

async fn invoke(State(server): State<Server>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let began = Instant::now();
    let invocation_id = headers.get(INVOCATION_ID).and_then(|id| id.to_str().ok()).unwrap_or("unknown");
    let Some(trigger) = server.0.get(&name) else {
        tracing::error!(
            function = name,
            "no queue and no schedule of this app is called so; deploy the folder that `lamp infra azure` writes"
        );
        return answer(StatusCode::NOT_FOUND);
    };
    let invoked = match trigger {
        Trigger::Queue(queue) => match Request::parse(&body) {
            Ok(request) => queue.run(&request, invocation_id, began).await,
            Err(error) => Err(Failed(format!("the request is not what a custom handler gets: {error}"))),
        },
        // The tick is determined here, so the request's content is not needed.
        Trigger::Timer(timer) => timer.run().await,
    };
    match invoked {
        Ok(()) => answer(StatusCode::OK),
        Err(error) => {
            tracing::error!(function = name, invocation_id, %error, "the invocation failed");
            answer(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn answer(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], ANSWER).into_response()
}

/// Returns the name of this instance, for histories.
fn host_name() -> String {
    let parts = ["WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID"].iter().filter_map(|name| std::env::var(name).ok());
    parts.fold("azure".to_owned(), |name, part| format!("{name} {part}"))
}
