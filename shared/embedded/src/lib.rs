//! The embedded backend: one SQLite file that implements the ports of `lamplighter`, and an engine that does the work
//! of queues, event source mappings and the scheduler on one machine.
//!
//! ```
//! # use lamplighter::{Function, Job, JobError, JobState, Queue, env::Env};
//! # use lamplighter_embedded::{SqliteBackend, Engine};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct Greet { name: String }
//! # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
//! # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! use std::time::Duration;
//!
//! let embedded = SqliteBackend::memory(Env::system())?; // or SqliteBackend::open("jobs.db", Settings::default())?
//! let running = Engine::builder(&embedded).function(Function::new("greetings").job(greet)).start().await?;
//!
//! let client = embedded.client();
//! let job = client.enqueue(Greet { name: "Ada".into() }).await?;
//! let record = client.wait(job.id(), Duration::from_secs(10)).await?;
//! assert_eq!(record.state, JobState::Succeeded);
//! assert_eq!(record.output.unwrap().get(), r#""Hello, Ada!""#);
//!
//! running.drain(Duration::from_secs(20)).await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # Guarantees
//!
//! - When `enqueue` returns, the job survives the death of the process; see [`Durability`] for a loss of power.
//! - Several processes may have a file open and enqueue. One of them runs an [`Engine`]; a second engine is refused,
//!   by any path to the file.
//! - Every call ends: while another process holds the file, or the disk does not answer, it fails with `Unavailable`
//!   within ten seconds. Dropping a future withdraws its request: unless the commit has begun, nothing is written.
//! - While the file cannot be written, the engine retries, and continues within seconds once it can. When the file is
//!   removed or replaced, the engine ends and reports it: [`Running::failed`].
//! - Only its owner can read the file, regardless of the umask: see [`SqliteBackend::open`].
//! - An engine that dies leaves only leases. The next engine ends them when it starts: attempts that were running count
//!   as lost, and their jobs run again immediately.
//! - A message without a consumer stays in its queue. Enqueueing to an undeclared queue creates it, so a producer may
//!   start before its consumer.
//!
//! # Features
//!
//! Visibility, receive counts, delays (to the year 2262, where SQS ends at 15 minutes), maximum concurrency, FIFO
//! groups, dead-letter queues with redrive, paused queues, schedules with time zones and misfire policies, retention.
//! There is no batch window: it saves invocations on AWS, and there are none here.

mod backend;
mod db;
mod engine;
mod error;
mod health;
mod late;
mod measured;
mod operations;
mod operator;
pub mod outbox;
mod schedules;
mod settings;
mod state;
mod store;
mod time;

pub use self::{
    backend::SqliteBackend,
    db::upkeep::Compacted,
    engine::{Engine, EngineBuilder, EngineError, Running, StartError},
    error::{FileLost, OpenError},
    health::{EngineSeen, FileHealth, HostSeen},
    settings::{Durability, Settings},
};

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
