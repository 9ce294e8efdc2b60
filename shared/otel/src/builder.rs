//! Making an exporter.

use std::{sync::Arc, time::Duration};

use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::{http::Http, resource::resource, traces::Traces};

/// Traces that are about to be exported by OTLP.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is exported until it is built"]
pub struct TracesBuilder {
    endpoint: Option<String>,
    service: Option<String>,
    timeout: Option<Duration>,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// A setting is invalid.
    #[error("spans cannot be exported: {0}")]
    Settings(#[from] ExporterBuildError),
    /// Spans would be exported over TLS.
    #[error(
        "spans cannot be exported to {0}: this exporter speaks plain HTTP, to a collector nearby; let that export over \
         TLS, or pass a provider of your own to Traces::with_provider"
    )]
    Tls(String),
}

/// The time for one export where nothing sets another (OpenTelemetry Protocol Exporter).
const TIMEOUT: Duration = Duration::from_secs(10);

impl TracesBuilder {
    /// Sets the collector's address, such as `http://localhost:4318`. By default it is that of the variables
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT`, and without them `http://localhost:4318`,
    /// where a collector on this machine listens, and on Lambda that of its extension.
    pub fn endpoint(mut self, address: impl Into<String>) -> Self {
        self.endpoint = Some(address.into());
        self
    }

    /// Sets the program's name, unless the variables `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` do. By default
    /// it is the Lambda function's, or the executable's.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Sets the time for one export. By default it is that of the variables `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` or
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds, and without them 10 seconds.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Starts the thread that exports; with the variable `OTEL_SDK_DISABLED` set to `true`, no spans are made and nothing is
    /// started.
    ///
    /// # Errors
    /// When a variable's value is invalid, or the address begins with `https`.
    pub fn build(self) -> Result<Traces, TracesError> {
        self.build_with(|name| std::env::var(name).ok())
    }

    fn build_with(self, get: impl Fn(&str) -> Option<String>) -> Result<Traces, TracesError> {
        let variable = |name: &str| get(name).filter(|text| !text.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Ok(Traces::off());
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(variable);
        let address = self
            .endpoint
            .clone()
            .or_else(|| first(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]));
        if let Some(address) = address.filter(|address| address.starts_with("https:")) {
            return Err(TracesError::Tls(address));
        }
        let set = first(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]);
        let set = set.and_then(|text| text.parse().ok()).map(Duration::from_millis);
        let timeout = self.timeout.or(set).unwrap_or(TIMEOUT);
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            .with_shared_http_client(Arc::new(Http::new(timeout)));
        if let Some(address) = &self.endpoint {
            exporter = exporter.with_endpoint(format!("{}/v1/traces", address.trim_end_matches('/')));
        }
        // The sampler is that of the variable OTEL_TRACES_SAMPLER, by default parentbased_always_on.
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.build()?)
            .with_resource(resource(self.service.as_deref(), variable))
            .build();
        Ok(Traces::with_provider(provider))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span, Tracer};

    use super::*;

    #[test]
    fn the_specifications_switch_turns_all_off() {
        let build = |text: &str| {
            let text = text.to_owned();
            let get = move |name: &str| (name == "OTEL_SDK_DISABLED").then(|| text.clone());
            Traces::builder().endpoint("not an address").build_with(get)
        };
        for on in ["", "false", "1"] {
            assert!(build(on).is_err(), "{on:?}: it is to be exported");
        }
        let off = build("True").unwrap();
        let span = off.tracer().start("work");
        assert!(off.is_off() && !span.span_context().is_sampled() && !span.is_recording());
        off.install().unwrap();
        off.install().unwrap();
        assert!(!lamplighter::trace::is_installed());
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_with_a_reason() {
        let refused = |address: &str| Traces::builder().endpoint(address).build().unwrap_err();
        let tls = refused("https://collector.example:4318");
        assert!(matches!(&tls, TracesError::Tls(address) if address.contains("collector.example")), "{tls}");
        assert!(matches!(refused("not an address"), TracesError::Settings(_)));
    }
}
