//! `lamp infra limits`.

mod json;
mod tables;

use clap::{Args, ValueEnum};
use lamplighter_infra::{
    Deployment,
    cost::Mode,
    limits::{
        Drain, Fifo, Host, Limit, Load, LoadError, MOST_MESSAGES, Mapping, Pollers, Quotas, Report, Variant,
        quotas::{QUOTAS, READ, REGION},
        text::{dollars, grouped},
    },
};

use crate::{
    catalog::Catalog,
    error::{Error, nearest},
    output::{self, cell},
};

/// Show which quota of AWS a load reaches first and at what rate, what a day of it costs, and how a burst drains.
///
/// For each queue of the app; for one of them, --queue; or for a queue that the options describe, --mode. On paper,
/// from AWS's documentation: docs/scale.md says what the model leaves out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp infra limits --jobs-per-second 500 --duration-ms 100
  lamp infra limits --jobs-per-second 500 --duration-ms 100 --queue webhooks --quota lambda-concurrency=5000
  lamp infra limits --jobs-per-second 100000 --duration-ms 100 --mode lean --pollers 1000 --tables 5
  lamp infra limits --burst 10000000 --duration-ms 100 --mode untracked")]
pub(crate) struct Limits {
    /// Jobs a second. With --burst, these keep arriving behind it.
    #[arg(
        long,
        value_name = "N",
        required_unless_present_any = ["burst", "sources"],
        value_parser = clap::value_parser!(u64).range(1..=Load::MOST_JOBS_PER_SECOND)
    )]
    jobs_per_second: Option<u64>,
    /// How long a job runs, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        required_unless_present = "sources",
        value_parser = clap::value_parser!(u64).range(1..=43_200_000)
    )]
    duration_ms: Option<u64>,
    /// Drain so many messages that are all there at the beginning.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_MESSAGES))]
    burst: Option<u64>,
    /// A queue of the app: its kind, host, batches, memory and records are those of its definition.
    #[arg(long, value_name = "NAME", conflicts_with = "mode")]
    queue: Option<String>,
    /// A queue of no app: how much of its jobs is recorded.
    #[arg(long, value_enum)]
    mode: Option<Recorded>,
    #[command(flatten)]
    shape: Shape,
    /// The region whose quotas are the defaults.
    #[arg(long, value_name = "REGION", default_value = REGION)]
    region: String,
    /// A quota of your account, as --sources names it. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = quota)]
    quota: Vec<(String, u64)>,
    /// Print every quota, its default, and the page that documents it.
    #[arg(long, conflicts_with_all = ["jobs_per_second", "duration_ms", "burst", "queue", "mode"])]
    sources: bool,
    /// Print one queue, or with --sources one quota, per line as JSON.
    #[arg(long)]
    json: bool,
}

/// The queue, its jobs and what takes them.
#[derive(Debug, Args)]
struct Shape {
    /// The queue is a FIFO queue.
    #[arg(long, requires = "mode")]
    fifo: bool,
    /// Message groups of a FIFO queue that have jobs at the same time. Default 100.
    #[arg(long, value_name = "N")]
    groups: Option<u64>,
    /// The FIFO queue is set to high throughput.
    #[arg(long)]
    high_throughput: bool,
    /// Messages of an invocation.
    #[arg(long, value_name = "N", requires = "mode", conflicts_with = "worker_jobs")]
    batch_size: Option<u64>,
    /// Jobs of an invocation that run beside each other, since they wait. By default, one after the other.
    #[arg(long, value_name = "N", default_value_t = Mapping::TEN.at_once)]
    at_once: u64,
    /// The most invocations of the queue at the same time.
    #[arg(long, value_name = "N", requires = "mode")]
    max_concurrency: Option<u64>,
    /// Provisioned mode, with so many event pollers at most.
    #[arg(long, value_name = "N")]
    pollers: Option<u64>,
    /// The event pollers that are always there.
    #[arg(long, value_name = "N", requires = "pollers")]
    min_pollers: Option<u64>,
    /// Workers instead of Lambda, that run so many jobs at the same time each.
    #[arg(long, value_name = "N", conflicts_with_all = ["at_once", "max_concurrency", "pollers"])]
    worker_jobs: Option<u64>,
    /// The function's memory, in MB. Default 128.
    #[arg(long, value_name = "MB", requires = "mode")]
    memory_mb: Option<u64>,
    /// The size of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 300)]
    message_bytes: u64,
    /// Jobs are sent one by one, instead of ten at a time.
    #[arg(long)]
    single: bool,
    /// Queues that share the jobs evenly, each with its function.
    #[arg(long, value_name = "N", default_value_t = 1)]
    queues: u64,
    /// Tables that share the jobs evenly.
    #[arg(long, value_name = "N", default_value_t = 1)]
    tables: u64,
    /// Jobs whose first attempt fails, and whose second succeeds.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    retried_percent: f64,
    /// How long such a job waits.
    #[arg(long, value_name = "S", default_value_t = 60)]
    retry_delay_s: u64,
    /// Jobs that fail for good at their first attempt.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    failed_percent: f64,
    /// Jobs that a schedule of EventBridge sends later.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    scheduled_percent: f64,
    /// How much later.
    #[arg(long, value_name = "S", default_value_t = 3_600)]
    scheduled_delay_s: u64,
    /// All jobs belong to batches of so many jobs.
    #[arg(long, value_name = "N")]
    batch_jobs: Option<u64>,
}

/// A [`Mode`] at the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recorded {
    /// Nothing is recorded.
    Untracked,
    /// A record, listed while it is of interest.
    Lean,
    /// A record, listed in every state.
    Full,
}

impl From<Recorded> for Mode {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Untracked => Self::Untracked,
            Recorded::Lean => Self::Lean,
            Recorded::Full => Self::Full,
        }
    }
}

fn quota(text: &str) -> Result<(String, u64), String> {
    let example = || format!("{text:?} is not a quota and its value; write it as lambda-concurrency=5000");
    let (name, value) = text.split_once('=').ok_or_else(example)?;
    Ok((name.to_owned(), value.parse().map_err(|_| example())?))
}

impl Limits {
    pub(super) fn run(&self, catalog: &Catalog) -> Result<(), Error> {
        let quotas = self.quotas()?;
        if self.sources {
            return self.list_sources(&quotas);
        }
        let app = catalog.app();
        let load = self.load(quotas);
        if self.mode.is_some() {
            return self.answer(None, load);
        }
        let deployment = lamplighter_infra::deployment(app).map_err(Error::failed)?;
        let functions = lamplighter_infra::functions(app);
        let on_queue = |name: &str| {
            let load = Load { fifo: Some(self.fifo()), ..load.clone() };
            load.on_queue(name, &deployment, &functions).map_err(|error| usage(&error))
        };
        if let Some(name) = &self.queue {
            self.answer(Some(name), on_queue(name)?)?;
            return if self.json { Ok(()) } else { tables::rules(&deployment, &load.quotas) };
        }
        let names = deployment.queues.iter().map(|queue| queue.name.as_str());
        let loads = names.map(|name| Ok((name, on_queue(name)?))).collect::<Result<Vec<_>, Error>>()?;
        if loads.is_empty() {
            return Err(Error::Usage("the app has no queue; describe one with --mode".into()));
        }
        self.overview(loads, &deployment)
    }

    fn quotas(&self) -> Result<Quotas, Error> {
        let mut quotas = Quotas::in_region(&self.region).map_err(|error| usage(&error))?;
        for (name, value) in &self.quota {
            quotas.set(name, *value).map_err(|error| match &error {
                LoadError::NoQuota(_) => match nearest(name, QUOTAS.iter().map(|quota| quota.name)) {
                    Some(near) => Error::Usage(format!("{error} (did you mean {near:?}?)")),
                    None => usage(&error),
                },
                _ => usage(&error),
            })?;
        }
        Ok(quotas)
    }

    /// The load, on a queue of no app.
    fn load(&self, quotas: Quotas) -> Load {
        let shape = &self.shape;
        let pollers =
            shape.pollers.map(|most| Pollers { least: shape.min_pollers.unwrap_or(Pollers::DEFAULT.least), most });
        let host = match shape.worker_jobs {
            Some(jobs_at_once) => Host::Worker { jobs_at_once },
            None => Host::Lambda(Mapping {
                batch_size: shape.batch_size.unwrap_or(Mapping::TEN.batch_size),
                at_once: shape.at_once,
                max_concurrency: shape.max_concurrency,
                pollers,
            }),
        };
        let mode = self.mode.map_or(Mode::Full, Mode::from);
        // Without a rate, only a burst is asked for, for which the rate is not used.
        let plain = Load::new(self.jobs_per_second.unwrap_or(1), mode);
        Load {
            duration_ms: self.duration_ms.unwrap_or(plain.duration_ms),
            memory_mb: shape.memory_mb.unwrap_or(plain.memory_mb),
            host,
            fifo: shape.fifo.then_some(self.fifo()),
            message_bytes: shape.message_bytes,
            queues: shape.queues,
            tables: shape.tables,
            sent_singly: shape.single,
            retried_percent: shape.retried_percent,
            retry_delay_s: shape.retry_delay_s,
            failed_percent: shape.failed_percent,
            scheduled_percent: shape.scheduled_percent,
            scheduled_delay_s: shape.scheduled_delay_s,
            batch_jobs: shape.batch_jobs,
            quotas,
            ..plain
        }
    }

    fn fifo(&self) -> Fifo {
        Fifo { groups: self.shape.groups.unwrap_or(Fifo::DEFAULT.groups), fast: self.shape.high_throughput }
    }

    /// Answers for one queue.
    fn answer(&self, queue: Option<&str>, load: Load) -> Result<(), Error> {
        if load.fifo.is_none() && (self.shape.groups.is_some() || self.shape.high_throughput) {
            return Err(Error::Usage("--groups and --high-throughput are for FIFO queues, which this is not".into()));
        }
        let drains = self.drains(&load)?;
        let report = match self.jobs_per_second {
            Some(_) => Some(Report::of(load.clone()).map_err(|error| usage(&error))?),
            None => None,
        };
        if self.json {
            return output::json_lines([json::view(queue, &load, report.as_ref(), drains.as_deref())]);
        }
        if let Some(report) = &report {
            tables::limits(report)?;
            tables::rises(&report.rises)?;
            tables::day(report)?;
            output::print(|out| writeln!(out, "{}", report.verdict()))?;
        }
        if let Some(drains) = &drains {
            tables::drains(drains)?;
        }
        tables::remark(&load.quotas);
        Ok(())
    }

    fn drains(&self, load: &Load) -> Result<Option<Vec<(Variant, Drain)>>, Error> {
        let arriving = self.jobs_per_second.is_some();
        let drained = |messages| Report::burst(load, messages, arriving).map_err(|error| usage(&error));
        self.burst.map(drained).transpose()
    }

    /// Answers for each queue of the app in a line.
    fn overview(&self, loads: Vec<(&str, Load)>, deployment: &Deployment) -> Result<(), Error> {
        let Some(rate) = self.jobs_per_second else {
            return Err(Error::Usage(
                "say which queue the burst is on: --queue NAME, or --mode for one of no app".into(),
            ));
        };
        if self.burst.is_some() && !self.json {
            return Err(Error::Usage("a burst is shown for one queue: name it with --queue, or ask for --json".into()));
        }
        let quotas = loads.first().map(|(_, load)| load.quotas.clone()).unwrap_or_default();
        let mut views = Vec::new();
        let mut table = output::table(&["queue", "recorded", "host", "first quota", "at jobs/s", "reached", "$ a day"]);
        for (name, load) in loads {
            let of_queue = |error: LoadError| Error::Usage(format!("queue {name}: {error}"));
            let report = Report::of(load.clone()).map_err(of_queue)?;
            if self.json {
                views.push(json::view(Some(name), &load, Some(&report), self.drains(&load)?.as_deref()));
                continue;
            }
            let first = report.limits.first();
            let reached = report.exceeded().map(Limit::name).collect::<Vec<_>>().join(", ");
            table.add_row([
                cell(name),
                cell(load.mode),
                cell(if matches!(load.host, Host::Lambda(_)) { "Lambda" } else { "workers" }),
                cell(first.map_or("none", Limit::name)),
                tables::right(first.map_or_else(|| "–".into(), |first| grouped(first.at + 1e-6))),
                cell(if reached.is_empty() { "nothing" } else { reached.as_str() }),
                tables::right(dollars(report.day.total())),
            ]);
        }
        if self.json {
            return output::json_lines(views);
        }
        output::print_table(&table)?;
        output::print(|out| writeln!(out, "each queue alone, with {} jobs a second", grouped(rate as f64)))?;
        tables::rules(deployment, &quotas)?;
        tables::remark(&quotas);
        Ok(())
    }

    fn list_sources(&self, quotas: &Quotas) -> Result<(), Error> {
        if self.json {
            return output::json_lines(QUOTAS.map(|quota| json::source(&quota, quotas)));
        }
        tables::sources(quotas)?;
        output::hint(&format!("read in {READ}; values in {}", quotas.region()));
        Ok(())
    }
}

fn usage(error: &LoadError) -> Error {
    Error::Usage(error.to_string())
}
