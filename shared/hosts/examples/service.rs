//! A web service that runs jobs beside its requests: the engine is a guest in its process.
//!
//! ```sh
//! cargo run --example service
//! curl -X POST localhost:3000/greet/Ada
//! curl localhost:3000/health
//! ```
//!
//! This is right where the process runs as long as there is work: in a container, under systemd, on a machine of your own. In
//! a host that ends idle processes (IIS application pools, App Service without Always On, Cloud Run) jobs in a web service's
//! process are what that host cannot see: run `lamp work` there, or let Lambda run them.
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use lamplighter::{
    Client, Function, Job, JobError, Queue,
    host::{Lifecycle, Monitor},
};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use lamplighter_hosts::Signals;
use serde_json::{Value, json};

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const NAME: &'static str = "greeting.say";
    const QUEUE: Queue = Queue::standard("greetings");
}

async fn greet(job: Greet) -> Result<String, JobError> {
    Ok(format!("Hello, {}!", job.name))
}

async fn enqueue(State(client): State<Client>, Path(name): Path<String>) -> Result<String, (StatusCode, String)> {
    match client.enqueue(Greet { name }).await {
        Ok(job) => Ok(format!("{}\n", job.id())),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

async fn health(State(engine): State<Monitor>) -> (StatusCode, Json<Value>) {
    let status = engine.status();
    let code = if status.is_live() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": status.is_ready(), "jobs": status.in_flight() })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = SqliteBackend::open("service.db", Settings::default())?;
    let engine = Engine::builder(&backend).function(Function::new("greetings").job(greet)).start().await?;

    let router = Router::new()
        .route("/greet/{name}", post(enqueue).with_state(backend.client()))
        .route("/health", get(health).with_state(engine.monitor()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 3000)).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let mut signals = Signals::listen(|| ())?;
    axum::serve(listener, router).with_graceful_shutdown(async move { drop(signals.stop_requested().await) }).await?;
    // No request is under way any more, so nothing enqueues; now the jobs get their time.
    println!("{}", engine.drain(Duration::from_secs(20)).await);
    backend.close().await?;
    Ok(())
}
