//! Metrics for Prometheus.

use std::fmt;

use lamplighter::meter::{Instrument, Measurements, Meter, RunEnd};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Counts what workers measure, for Prometheus: a meter for an engine or a backend, read at `/metrics` of a
/// [`HealthServer`](crate::HealthServer) or as [text](Self::text).
///
/// The metrics are [`Instrument::ALL`], under their names for Prometheus. The labels are the job's declared name and its
/// queue: no sender adds any.
pub struct PrometheusMeter {
    registry: Registry,
    counters: Vec<(Instrument, Family<OfJob, Counter>)>,
    histograms: Vec<(Instrument, Family<OfJob, Histogram, Buckets>)>,
    of_batches: Vec<(Instrument, Histogram)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfJob {
    job: String,
    queue: String,
}

/// The media type of [`PrometheusMeter::text`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 1 ms to the 15 minutes that a Lambda invocation may take, in seconds.
const SECONDS: [f64; 18] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
const ATTEMPTS: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 15.0, 25.0];
/// Up to the 10,000 messages that an event source mapping puts into a batch.
const DELIVERIES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1000.0, 10_000.0];
const PARTS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

impl Default for PrometheusMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl PrometheusMeter {
    /// A meter that has counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let (mut counters, mut histograms, mut of_batches) = (Vec::new(), Vec::new(), Vec::new());
        for instrument in Instrument::ALL {
            let help = instrument.meaning.trim_end_matches('.');
            let buckets: Option<&'static [f64]> = match *instrument {
                Instrument::DURATION | Instrument::QUEUE_LATENCY => Some(&SECONDS),
                Instrument::ATTEMPTS => Some(&ATTEMPTS),
                Instrument::BATCH_SIZE => Some(&DELIVERIES),
                Instrument::DEADLINE_USED => Some(&PARTS),
                _ => None,
            };
            let (name, unit) = name_and_unit(instrument);
            match (buckets, instrument.is_by_job) {
                (None, _) => {
                    let family = Family::<OfJob, Counter>::default();
                    registry.register(name, help, family.clone());
                    counters.push((*instrument, family));
                }
                (Some(buckets), true) => {
                    let family = Family::new_with_constructor(Buckets(buckets));
                    register(&mut registry, name, help, unit, family.clone());
                    histograms.push((*instrument, family));
                }
                (Some(buckets), false) => {
                    let histogram = Histogram::new(buckets.iter().copied());
                    register(&mut registry, name, help, unit, histogram.clone());
                    of_batches.push((*instrument, histogram));
                }
            }
        }
        Self { registry, counters, histograms, of_batches }
    }

    /// The metrics so far, as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A `String` takes everything.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn count(&self, instrument: Instrument, of: &OfJob) {
        if let Some((_, family)) = self.counters.iter().find(|(known, _)| *known == instrument) {
            family.get_or_create(of).inc();
        }
    }

    fn observe(&self, instrument: Instrument, of: &OfJob, value: f64) {
        if let Some((_, family)) = self.histograms.iter().find(|(known, _)| *known == instrument) {
            family.get_or_create(of).observe(value);
        }
    }

    fn observe_batch(&self, instrument: Instrument, value: f64) {
        if let Some((_, histogram)) = self.of_batches.iter().find(|(known, _)| *known == instrument) {
            histogram.observe(value);
        }
    }
}

impl Meter for PrometheusMeter {
    fn record(&self, batch: &Measurements) {
        for run in &batch.runs {
            let of = OfJob { job: run.job.to_owned(), queue: run.queue.to_string() };
            self.count(Instrument::of_end(run.end), &of);
            if run.attempt > 0 {
                self.count(Instrument::STARTED, &of);
            }
            if run.dead_lettered {
                self.count(Instrument::DEAD_LETTERED, &of);
            }
            if let Some(took) = run.took {
                self.observe(Instrument::DURATION, &of, took.as_secs_f64());
            }
            if let Some(waited) = run.waited {
                self.observe(Instrument::QUEUE_LATENCY, &of, waited.as_secs_f64());
            }
            if run.end == RunEnd::Succeeded {
                self.observe(Instrument::ATTEMPTS, &of, f64::from(run.attempt));
            }
        }
        self.observe_batch(Instrument::BATCH_SIZE, batch.deliveries as f64);
        if !batch.budget.is_zero() {
            let part = batch.took.as_secs_f64() / batch.budget.as_secs_f64();
            self.observe_batch(Instrument::DEADLINE_USED, part);
        }
    }
}

/// Makes histograms with these bounds.
#[derive(Clone)]
struct Buckets(&'static [f64]);

impl prometheus_client::metrics::family::MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// The name without the endings that the registry adds.
fn name_and_unit(instrument: &Instrument) -> (&'static str, Option<Unit>) {
    let name = instrument.prometheus;
    let name = name.strip_suffix("_total").unwrap_or(name);
    match instrument.prometheus_unit {
        "seconds" => (name.strip_suffix("_seconds").unwrap_or(name), Some(Unit::Seconds)),
        "ratio" => (name.strip_suffix("_ratio").unwrap_or(name), Some(Unit::Other("ratio".into()))),
        _ => (name, None),
    }
}

fn register(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    metric: impl prometheus_client::registry::Metric,
) {
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric),
        None => registry.register(name, help, metric),
    }
}

impl fmt::Debug for PrometheusMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusMeter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lamplighter::meter::Run;

    use super::*;

    fn measured() -> PrometheusMeter {
        let meter = PrometheusMeter::new();
        let mut batch = Measurements::default();
        for end in RunEnd::ALL {
            let mut run = Run::new("a.b", "work", end);
            (run.attempt, run.dead_lettered) = (2, end == RunEnd::Failed);
            (run.took, run.waited) = (Some(Duration::from_millis(30)), Some(Duration::from_secs(2)));
            batch.runs.push(run);
        }
        (batch.deliveries, batch.took, batch.budget) = (6, Duration::from_secs(3), Duration::from_secs(30));
        meter.record(&batch);
        meter
    }

    /// The names of the samples, without the endings of a histogram's parts.
    fn check(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut of = String::new();
        assert!(text.ends_with("# EOF\n"));
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (what, name) = (words.next().unwrap(), words.next().unwrap());
                assert!(["HELP", "TYPE", "UNIT"].contains(&what) && words.next().is_some_and(|text| !text.is_empty()));
                of = name.to_owned();
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            let name = series.split('{').next().unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            assert!(name.starts_with(&of), "a sample stands below the lines about its metric: {line}");
            let labels = series.strip_prefix(name).unwrap();
            assert!(labels.is_empty() || labels.starts_with('{') && labels.ends_with('}'), "{line}");
            let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            names.push(name.to_owned());
        }
        names.dedup();
        names
    }

    #[test]
    fn every_instrument_is_in_the_text() {
        let text = measured().text();
        let names: Vec<_> = Instrument::ALL.iter().map(|instrument| instrument.prometheus.to_owned()).collect();
        assert_eq!(check(&text), names, "{text}");
        let has = |line: &str| assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        has(r#"lamplighter_started_total{job="a.b",queue="work"} 6"#);
        has(r#"lamplighter_dead_lettered_total{job="a.b",queue="work"} 1"#);
        has(r#"lamplighter_duration_seconds_bucket{le="0.05",job="a.b",queue="work"} 6"#);
        has(r#"lamplighter_duration_seconds_bucket{le="0.025",job="a.b",queue="work"} 0"#);
        has(r#"lamplighter_deadline_used_ratio_bucket{le="0.1"} 1"#);
        has("# UNIT lamplighter_queue_latency_seconds seconds");
    }

    #[test]
    fn a_label_cannot_break_out_of_its_line() {
        let meter = PrometheusMeter::new();
        let mut batch = Measurements::default();
        batch.runs.push(Run::new("a", "wo\"rk}\n\\evil 1", RunEnd::Lost));
        meter.record(&batch);
        let text = meter.text();
        assert!(
            text.lines().any(|line| line == r#"lamplighter_lost_total{job="a",queue="wo\"rk}\n\\evil 1"} 1"#),
            "{text}"
        );
    }
}
