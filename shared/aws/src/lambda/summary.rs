//! The summary of an invocation: one line of the log, which CloudWatch also reads as metrics.
//!
//! The line is a JSON object. Its member `_aws` makes it a document in the embedded metric format (Amazon CloudWatch User
//! Guide, "Specification: Embedded metric format"): CloudWatch takes the metrics from the log, without a call. There is one
//! line for each job and queue of the batch, which mostly is one, and one more for every further hundred runs of a job: a
//! metric has at most a hundred values in a document.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use lamplighter::{
    JobId, Timestamp,
    meter::{Instrument, Measurements, Meter, Run, RunEnd},
};

/// What the summary is for: the variable that says so has one of these values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summaries {
    /// No summary is written.
    Off,
    /// A line of the log.
    Log,
    /// The same, as metrics too.
    CloudWatch,
}

impl Summaries {
    /// Parses the value of [`METRICS_VARIABLE`](super::METRICS_VARIABLE); `None` for one that it does not know.
    pub(super) fn named(text: &str) -> Option<Self> {
        match text.trim() {
            "off" => Some(Self::Off),
            "" | "log" => Some(Self::Log),
            "cloudwatch" => Some(Self::CloudWatch),
            _ => None,
        }
    }
}

/// The most values that a metric has in a document.
const MOST_VALUES: usize = 100;

/// Writes a summary of each invocation to standard output.
pub(super) struct SummaryLog {
    /// The function's name, as JSON text.
    function: String,
    as_metrics: bool,
}

impl SummaryLog {
    /// Returns `None` where no summary is wanted.
    pub(super) fn new(function: &str, summaries: Summaries) -> Option<Self> {
        let as_metrics = match summaries {
            Summaries::Off => return None,
            Summaries::Log => false,
            Summaries::CloudWatch => true,
        };
        Some(Self { function: json_text(function), as_metrics })
    }

    /// The lines, each with its end.
    fn lines(&self, batch: &Measurements, at: Timestamp) -> String {
        let mut text = String::with_capacity(1024);
        let mut groups: Vec<Group<'_>> = Vec::new();
        for run in &batch.runs {
            let same = |group: &&mut Group<'_>| {
                group.job == run.job && *group.queue == *run.queue && group.runs.len() < MOST_VALUES
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.runs.push(run),
                None => groups.push(Group { job: run.job, queue: &run.queue, runs: vec![run] }),
            }
        }
        if groups.is_empty() {
            // Nothing ran: all is to come again.
            groups.push(Group { job: "", queue: "", runs: Vec::new() });
        }
        for (index, group) in groups.iter().enumerate() {
            // The batch counts once.
            self.line(&mut text, group, (index == 0).then_some(batch), at);
            text.push('\n');
        }
        text
    }

    fn line(&self, text: &mut String, group: &Group<'_>, batch: Option<&Measurements>, at: Timestamp) {
        let mut metrics = Metrics::default();
        if !group.runs.is_empty() {
            group.measure(&mut metrics);
        }
        let by_job = metrics.names.len();
        if let Some(batch) = batch {
            metrics.number(Instrument::BATCH_SIZE, batch.deliveries as u64);
            if !batch.budget.is_zero() {
                let percent = batch.took.as_secs_f64() / batch.budget.as_secs_f64() * 100.0;
                metrics.add(Instrument::DEADLINE_USED);
                let _ = write!(metrics.values, "{percent:.1}");
            }
        }
        text.push('{');
        if self.as_metrics {
            let _ = write!(text, r#""_aws":{{"Timestamp":{},"CloudWatchMetrics":["#, at.as_millisecond());
            let (of_job, of_batch) = metrics.names.split_at(by_job);
            let mut separator = "";
            for (names, dimensions) in [(of_job, r#""Function","Queue","Job""#), (of_batch, r#""Function""#)] {
                if !names.is_empty() {
                    let namespace = Instrument::NAMESPACE;
                    let _ = write!(
                        text,
                        r#"{separator}{{"Namespace":"{namespace}","Dimensions":[[{dimensions}]],"Metrics":["#
                    );
                    for (index, Instrument { cloudwatch, cloudwatch_unit, .. }) in names.iter().enumerate() {
                        let comma = if index == 0 { "" } else { "," };
                        let _ = write!(text, r#"{comma}{{"Name":"{cloudwatch}","Unit":"{cloudwatch_unit}"}}"#);
                    }
                    text.push_str("]}");
                    separator = ",";
                }
            }
            text.push_str("]},");
        }
        // By the time and the level, Lambda's JSON format knows the line for one of the log.
        let _ = write!(text, r#""timestamp":"{at}","level":"INFO","message":"batch","Function":{}"#, self.function);
        if !group.runs.is_empty() {
            // Neither has a character that JSON escapes: they are declared names, and a queue's name on SQS.
            let _ = write!(text, r#","Queue":{},"Job":"{}""#, json_text(group.queue), group.job);
        }
        text.push_str(&metrics.values);
        if let Some((id, took)) = group.slowest() {
            let _ = write!(text, r#","slowest":{{"id":"{id}","ms":"#);
            push_milliseconds(text, took);
            text.push('}');
        }
        text.push('}');
    }
}

impl Meter for SummaryLog {
    fn record(&self, batch: &Measurements) {
        // One write: lines of concurrent invocations do not mix. A closed output is no reason to fail an invocation.
        let _ = std::io::stdout().lock().write_all(self.lines(batch, Timestamp::now()).as_bytes());
    }
}

/// Runs of one job on one queue.
struct Group<'a> {
    job: &'static str,
    queue: &'a str,
    runs: Vec<&'a Run>,
}

impl Group<'_> {
    fn measure(&self, metrics: &mut Metrics) {
        let runs = || self.runs.iter();
        let count = |which: &dyn Fn(&Run) -> bool| runs().filter(|run| which(run)).count() as u64;
        metrics.count(Instrument::STARTED, count(&|run| run.attempt > 0));
        for end in RunEnd::ALL {
            metrics.count(Instrument::of_end(end), count(&|run| run.end == end));
        }
        metrics.count(Instrument::DEAD_LETTERED, count(&|run| run.dead_lettered));
        metrics.durations(Instrument::DURATION, runs().filter_map(|run| run.took));
        metrics.durations(Instrument::QUEUE_LATENCY, runs().filter_map(|run| run.waited));
        let attempts = runs().filter(|run| run.end == RunEnd::Succeeded).map(|run| run.attempt);
        metrics.list(Instrument::ATTEMPTS, attempts, |text, attempt| push_number(text, attempt.into(), 0));
    }

    fn slowest(&self) -> Option<(&JobId, Duration)> {
        let took = self.runs.iter().filter_map(|run| Some((run.id.as_ref()?, run.took?)));
        took.max_by_key(|(_, took)| *took)
    }
}

/// The metrics of a line: their names, and members of JSON with their values.
#[derive(Default)]
struct Metrics {
    names: Vec<Instrument>,
    values: String,
}

impl Metrics {
    fn add(&mut self, instrument: Instrument) {
        self.names.push(instrument);
        let _ = write!(self.values, r#","{}":"#, instrument.cloudwatch);
    }

    fn number(&mut self, instrument: Instrument, number: u64) {
        self.add(instrument);
        let _ = write!(self.values, "{number}");
    }

    /// A count of nothing is left out: CloudWatch bills each metric that has a value.
    fn count(&mut self, instrument: Instrument, number: u64) {
        if number > 0 {
            self.number(instrument, number);
        }
    }

    fn durations(&mut self, instrument: Instrument, durations: impl Iterator<Item = Duration>) {
        self.list(instrument, durations, push_milliseconds);
    }

    fn list<T>(&mut self, instrument: Instrument, values: impl Iterator<Item = T>, push: impl Fn(&mut String, T)) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.add(instrument);
        let mut separator = '[';
        for value in values {
            self.values.push(separator);
            push(&mut self.values, value);
            separator = ',';
        }
        self.values.push(']');
    }
}

/// Appends milliseconds with three digits after the point, without those that are nothing.
fn push_milliseconds(text: &mut String, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    match micros % 1000 {
        0 => push_number(text, micros / 1000, 0),
        _ => push_number(text, micros, 3),
    }
}

/// Appends a number with so many of its digits after the point. There are up to three numbers for each job, and `write!`
/// takes several times as long.
fn push_number(text: &mut String, mut number: u64, fraction: usize) {
    // The most are twenty digits and a point.
    let mut written = [b'.'; 24];
    let mut start = written.len();
    let mut digits = 0;
    while digits <= fraction || number > 0 {
        if digits == fraction && fraction > 0 {
            start -= 1;
        }
        start -= 1;
        written[start] = b'0' + (number % 10) as u8;
        number /= 10;
        digits += 1;
    }
    text.push_str(str::from_utf8(&written[start..]).unwrap_or_default());
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::*;

    fn run(job: &'static str, end: RunEnd, attempt: u32) -> Run {
        let mut run = Run::new(job, "work", end);
        run.id = JobId::new(format!("{job}-{attempt}")).ok();
        run.attempt = attempt;
        run.dead_lettered = end == RunEnd::Failed;
        if attempt > 0 {
            (run.took, run.waited) = (Some(Duration::from_micros(1_500)), Some(Duration::from_millis(20)));
        }
        run
    }

    fn batch(runs: Vec<Run>) -> Measurements {
        let mut batch = Measurements::default();
        (batch.deliveries, batch.runs) = (runs.len(), runs);
        (batch.took, batch.budget) = (Duration::from_secs(1), Duration::from_secs(30));
        batch
    }

    fn lines(batch: &Measurements, as_metrics: bool) -> Vec<Value> {
        let log = SummaryLog { function: json_text("fun\"ction"), as_metrics };
        let text = log.lines(batch, Timestamp::from_second(1_800_000_000).unwrap());
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The rules of "Specification: Embedded metric format" (Amazon CloudWatch User Guide). Returns the metrics' names.
    fn validate(line: &Value) -> BTreeSet<String> {
        let root = line.as_object().unwrap();
        assert!(line.to_string().len() <= 256 * 1024);
        let meta = root["_aws"].as_object().unwrap();
        assert!(meta["Timestamp"].as_u64().is_some_and(|at| at > 1_500_000_000_000), "milliseconds: {meta:?}");
        let mut names = BTreeSet::new();
        for directive in meta["CloudWatchMetrics"].as_array().unwrap() {
            let directive = directive.as_object().unwrap();
            assert!(directive["Namespace"].as_str().is_some_and(|name| !name.is_empty() && name.len() <= 255));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for name in set {
                    let value = root[name.as_str().unwrap()].as_str().unwrap();
                    assert!((1..=1024).contains(&value.len()), "{name}");
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                names.insert(validate_metric(metric.as_object().unwrap(), root));
            }
        }
        names
    }

    fn validate_metric(metric: &Map<String, Value>, root: &Map<String, Value>) -> String {
        const UNITS: [&str; 5] = ["Seconds", "Microseconds", "Milliseconds", "Percent", "Count"];
        let name = metric["Name"].as_str().unwrap();
        assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{metric:?}");
        match &root[name] {
            Value::Array(values) => {
                assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number), "{name}");
            }
            value => assert!(value.is_number(), "{name}: {value}"),
        }
        name.to_owned()
    }

    #[test]
    fn every_instrument_is_a_valid_metric() {
        let mut runs: Vec<_> = RunEnd::ALL.iter().map(|end| run("a.b", *end, 1)).collect();
        runs.push(run(Run::UNKNOWN, RunEnd::Failed, 0));
        let lines = lines(&batch(runs), true);
        assert_eq!(lines.len(), 2, "one for each job");
        let names: BTreeSet<String> = lines.iter().flat_map(validate).collect();
        let all: BTreeSet<String> = Instrument::ALL.iter().map(|instrument| instrument.cloudwatch.to_owned()).collect();
        assert_eq!(names, all);
        assert_eq!((&lines[0]["Succeeded"], &lines[0]["Started"]), (&1.into(), &6.into()));
        assert_eq!(lines[0]["Duration"][0], 1.5);
        assert_eq!((&lines[1]["Job"], &lines[1]["DeadLettered"]), (&"unknown".into(), &1.into()));
        assert_eq!((&lines[0]["BatchSize"], lines[1].get("BatchSize")), (&7.into(), None), "it counts once");
    }

    #[test]
    fn a_large_batch_has_a_line_for_each_hundred_runs() {
        let lines = lines(&batch((1..=10_000).map(|n| run("a", RunEnd::Succeeded, n)).collect()), true);
        assert_eq!(lines.len(), 100);
        let sum: u64 = lines.iter().map(|line| line["Succeeded"].as_u64().unwrap()).sum();
        assert_eq!(sum, 10_000);
        lines.iter().for_each(|line| drop(validate(line)));
    }

    #[test]
    fn a_batch_in_which_nothing_ran_is_a_line_too() {
        let mut nothing = batch(Vec::new());
        nothing.deliveries = 3;
        let lines = lines(&nothing, true);
        assert_eq!(validate(&lines[0]), BTreeSet::from(["BatchSize".to_owned(), "DeadlineUsed".to_owned()]));
    }

    #[test]
    fn a_line_for_the_log_alone_has_no_metrics() {
        let lines = lines(&batch(vec![run("a", RunEnd::Retried, 2)]), false);
        assert_eq!(lines[0].get("_aws"), None);
        assert_eq!((&lines[0]["Retried"], &lines[0]["slowest"]["id"]), (&1.into(), &"a-2".into()));
    }

    #[test]
    fn numbers_are_written_as_json() {
        for (micros, text) in [
            (0, "0"),
            (7, "0.007"),
            (1_000, "1"),
            (1_050, "1.050"),
            (12_345_678, "12345.678"),
            (u64::MAX, "18446744073709551.615"),
        ] {
            let mut written = String::new();
            push_milliseconds(&mut written, Duration::from_micros(micros));
            assert_eq!(written, text);
        }
        for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
            let mut written = String::new();
            push_number(&mut written, number, 0);
            assert_eq!(written, number.to_string());
        }
    }

    #[test]
    fn the_variable_has_three_values() {
        assert_eq!(Summaries::named(" cloudwatch "), Some(Summaries::CloudWatch));
        assert_eq!((Summaries::named(""), Summaries::named("log")), (Some(Summaries::Log), Some(Summaries::Log)));
        assert_eq!((Summaries::named("off"), Summaries::named("on")), (Some(Summaries::Off), None));
    }
}
