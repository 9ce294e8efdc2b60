//! Traces of Lamplighter's jobs, for OpenTelemetry.
//!
//! What enqueues a job, its handler, and the jobs that the handler enqueues are one trace: the context travels in the
//! job's [message](lamplighter::message::Message::trace). Spans are those of OpenTelemetry's semantic conventions for
//! messaging, and are exported by OTLP over HTTP.
//!
//! ```no_run
//! use lamplighter::{App, Function};
//! use lamplighter_otel::Traces;
//! use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};
//! # fn greetings() -> Function { Function::new("greetings") }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let traces = Traces::from_env()?; // where to, and how much: the variables OTEL_…
//! tracing_subscriber::registry().with(traces.layer()).init(); // the program's own spans
//! traces.install()?; // spans of sending, and exports before a host ends
//! let app = App::new("shop").function(greetings).layer(traces); // spans of handlers
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! The page `docs/traces.md` says which spans there are, and with which attributes.

mod attributes;
mod builder;
mod context;
mod flush;
mod http;
mod process;
mod resource;
mod send;
mod traces;

pub use lamplighter::trace::AlreadyInstalled;
pub use opentelemetry_sdk::trace::SdkTracerProvider;

pub use self::{
    builder::{TracesBuilder, TracesError},
    process::TracedService,
    traces::Traces,
};

/// The code in the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
