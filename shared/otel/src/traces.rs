//! Traces: what is installed, and put around handlers.

use std::{fmt, sync::Arc, time::Duration};

use lamplighter::trace::{self, AlreadyInstalled};
use opentelemetry::{InstrumentationScope, global, trace::TracerProvider as _};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

use crate::{
    builder::{TracesBuilder, TracesError},
    flush::Flusher,
};

/// Traces of jobs. Cloning is cheap.
///
/// - [`install`](Self::install) makes spans of enqueueing, and puts their context into messages.
/// - As a [layer](lamplighter::layer) of a function or an app, it makes spans of handlers.
/// - [`layer`](Self::layer) makes spans of the program's own ones, those of the crate `tracing`.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    flusher: Flusher,
    /// Whether there is nothing to trace.
    is_off: bool,
}

impl Traces {
    /// Exports spans by OTLP over HTTP, as OpenTelemetry's environment variables say: by default to
    /// `http://localhost:4318`, all of them whose parent is sampled or that have none. The variables are those of the
    /// specification for switching it off, the endpoint, headers, the timeout, the sampler, the batches of spans, and the resource
    /// (OpenTelemetry, "Environment Variable Specification").
    ///
    /// # Errors
    /// As [`TracesBuilder::build`].
    pub fn from_env() -> Result<Self, TracesError> {
        Self::builder().build()
    }

    /// As [`from_env`](Self::from_env), with what the program says itself.
    pub fn builder() -> TracesBuilder {
        TracesBuilder::default()
    }

    /// Traces through a provider of the program's own, with any exporter and sampler.
    #[must_use]
    pub fn with_provider(provider: SdkTracerProvider) -> Self {
        Self::of(provider, false)
    }

    /// Traces that are switched off.
    pub(crate) fn off() -> Self {
        Self::of(SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build(), true)
    }

    fn of(provider: SdkTracerProvider, is_off: bool) -> Self {
        let scope = InstrumentationScope::builder("lamplighter").with_version(env!("CARGO_PKG_VERSION")).build();
        let tracer = provider.tracer_with_scope(scope);
        Self(Arc::new(Inner { provider, tracer, flusher: Flusher::default(), is_off }))
    }

    /// The provider, for spans that are made with OpenTelemetry's own interface.
    #[must_use]
    pub fn provider(&self) -> &SdkTracerProvider {
        &self.0.provider
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.is_off
    }

    pub(crate) fn tracer(&self) -> &SdkTracer {
        &self.0.tracer
    }

    /// Makes the spans of enqueueing in this process, and lets hosts export spans before they end: at the end of each
    /// invocation on Lambda, and of a drain elsewhere. The provider becomes that of the process too. Where traces are switched
    /// off, nothing is installed.
    ///
    /// # Errors
    /// When traces are installed already.
    pub fn install(&self) -> Result<(), AlreadyInstalled> {
        if self.is_off() {
            return Ok(());
        }
        trace::install(Arc::new(self.clone()))?;
        global::set_tracer_provider(self.0.provider.clone());
        Ok(())
    }

    /// A layer for the program's `tracing` subscriber: its spans are exported, from level `info` on, with the events in
    /// them. Those of a handler belong to its job's trace. The library's own span, `job`, is for logs and left out.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.0.provider.tracer("tracing");
        let is_exported = FilterFn::new(|metadata| {
            *metadata.level() <= Level::INFO && metadata.target().split("::").next() != Some("lamplighter")
        });
        let filter = is_exported.with_max_level_hint(LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(filter)
    }

    /// Exports the spans that have ended, for programs without a host: before they exit. Returns after `within` at the
    /// latest.
    pub async fn flush(&self, within: Duration) {
        self.0.flusher.flush(&self.0.provider, within).await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("provider", &self.0.provider).finish_non_exhaustive()
    }
}
