//! The load on a queue, and the deployment that takes it.

use std::fmt::Write as _;

use lamplighter::{Function, QueueHost};

use super::quotas::{self, Quotas, SQS_BATCH};
use crate::{cost::Mode, deployment::Deployment};

/// Jobs that arrive at an even rate, and the queues, functions and tables that take them. All jobs are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Jobs a second.
    pub jobs_per_second: u64,
    /// How long a job runs.
    pub duration_ms: u64,
    /// The function's memory.
    pub memory_mb: u64,
    /// How much of a job is recorded.
    pub mode: Mode,
    /// Where the jobs run.
    pub host: Host,
    /// Whether the queue keeps the order of its groups.
    pub fifo: Option<Fifo>,
    /// The size of a message.
    pub message_bytes: u64,
    /// Queues that share the jobs evenly, each with a function of its own.
    pub queues: u64,
    /// Tables that share the jobs evenly.
    pub tables: u64,
    /// Whether each job is sent on its own, instead of ten at a time.
    pub sent_singly: bool,
    /// Jobs whose first attempt fails and whose second succeeds, in percent.
    pub retried_percent: f64,
    /// How long such a job waits, hidden in the queue.
    pub retry_delay_s: u64,
    /// Jobs that fail for good at their first attempt, in percent.
    pub failed_percent: f64,
    /// Jobs that a schedule of their own sends later, in percent.
    pub scheduled_percent: f64,
    /// How much later.
    pub scheduled_delay_s: u64,
    /// Jobs of a Lamplighter batch, if all jobs belong to batches.
    pub batch_jobs: Option<u64>,
    /// The account's quotas.
    pub quotas: Quotas,
}

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// In a Lambda function.
    Lambda(Mapping),
    /// In processes that poll the queue, so many jobs at a time each.
    Worker {
        /// Jobs at a time.
        jobs_at_once: u64,
    },
}

/// How a queue feeds its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Messages of an invocation.
    pub batch_size: u64,
    /// Jobs of an invocation that run at the same time. One, if they need the processor; up to the function's
    /// concurrency, if they wait.
    pub at_once: u64,
    /// The most invocations at the same time, if the queue limits them.
    pub max_concurrency: Option<u64>,
    /// The pollers, in provisioned mode.
    pub pollers: Option<Pollers>,
}

/// The pollers of a mapping in provisioned mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pollers {
    /// Those that are always there.
    pub least: u64,
    /// Those that it may have.
    pub most: u64,
}

/// A FIFO queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fifo {
    /// Message groups with jobs at the same time.
    pub groups: u64,
    /// Whether the queue is set to high throughput, which the template does not do by itself.
    pub fast: bool,
}

/// A load that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadError {
    /// A number is outside of its range.
    #[error("{name} is {value}; it can be {least} to {most}")]
    Range {
        /// What the number is.
        name: &'static str,
        /// The number.
        value: f64,
        /// The lowest.
        least: f64,
        /// The highest.
        most: f64,
    },
    /// Jobs of several kinds are more than all.
    #[error("the jobs that are retried, fail or are scheduled are {0} percent together; they can be 100 at most")]
    Shares(f64),
    /// An invocation would be longer than Lambda allows.
    #[error(
        "an invocation with {jobs} jobs runs for {seconds} s, and Lambda ends it after {limit} s: lower the batch \
         size, let more jobs run at once, or run them on workers"
    )]
    Timeout {
        /// Its jobs.
        jobs: u64,
        /// Its duration.
        seconds: f64,
        /// The longest.
        limit: u64,
    },
    /// Both ways to limit a mapping.
    #[error("a mapping has pollers of its own or a maximum concurrency, not both (AWS Lambda Developer Guide)")]
    PollersAndConcurrency,
    /// Pollers are the wrong way round.
    #[error("the pollers are {least} at least and {most} at most; the first cannot be above the second")]
    Pollers {
        /// The minimum.
        least: u64,
        /// The maximum.
        most: u64,
    },
    /// Untracked jobs in a batch.
    #[error("jobs of a batch have records: ask for lean or full ones")]
    UntrackedBatch,
    /// Something is not the name of a region.
    #[error("{0:?} is not the name of a region; write it as eu-central-1")]
    Region(String),
    /// There is no such quota.
    #[error("there is no quota {0:?}; `lamp infra limits --sources` lists them all")]
    NoQuota(String),
    /// A quota cannot have that value.
    #[error("the quota {name} is {value}; it can be 1 to 1000000000000")]
    QuotaValue {
        /// Its name.
        name: &'static str,
        /// The value.
        value: u64,
    },
    /// The app has no such queue.
    #[error("the app has no queue {name:?}; it has {known}")]
    NoQueue {
        /// The name.
        name: String,
        /// Its queues.
        known: String,
    },
}

impl Mapping {
    /// Batches of ten whose jobs run one after the other.
    pub const TEN: Self = Self { batch_size: 10, at_once: 1, max_concurrency: None, pollers: None };
}

impl Fifo {
    /// A hundred groups, without high throughput.
    pub const DEFAULT: Self = Self { groups: 100, fast: false };
}

impl Pollers {
    /// Provisioned mode's defaults (AWS Lambda API Reference, "ProvisionedPollerConfig").
    pub const DEFAULT: Self = Self { least: 2, most: 200 };
}

impl Load {
    /// The most jobs a second that are computed.
    pub const MOST_JOBS_PER_SECOND: u64 = 10_000_000;
    /// The longest a message can be held, and so the longest job on a worker, in milliseconds: 12 hours (Amazon SQS
    /// Developer Guide, "Visibility timeout").
    const LONGEST_MS: u64 = 12 * 3_600_000;

    /// Jobs of 100 milliseconds in a function of 128 MB, in batches of ten, that all succeed: on one standard queue,
    /// with one table, in an account with the default quotas.
    #[must_use]
    pub fn new(jobs_per_second: u64, mode: Mode) -> Self {
        Self {
            jobs_per_second,
            duration_ms: 100,
            memory_mb: 128,
            mode,
            host: Host::Lambda(Mapping::TEN),
            fifo: None,
            message_bytes: 300,
            queues: 1,
            tables: 1,
            sent_singly: false,
            retried_percent: 0.0,
            retry_delay_s: 60,
            failed_percent: 0.0,
            scheduled_percent: 0.0,
            scheduled_delay_s: 3_600,
            batch_jobs: None,
            quotas: Quotas::default(),
        }
    }

    /// Takes over what the definitions say of one of the app's queues: its kind, its host, its batches, and the memory
    /// and the fullest records of its jobs.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn on_queue(mut self, name: &str, deployment: &Deployment, functions: &[Function]) -> Result<Self, LoadError> {
        let Some(queue) = deployment.queue(name) else {
            let known: Vec<_> = deployment.queues.iter().map(|queue| queue.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(LoadError::NoQueue { name: name.into(), known });
        };
        let function = functions.iter().find(|function| function.name() == queue.function);
        let routes = function.into_iter().flat_map(Function::routes).filter(|route| route.queue.name() == name);
        let stateless = function.is_none_or(|function| function.spec().stateless);
        let modes = routes.map(|route| if stateless { Mode::Untracked } else { route.options.tracking.into() });
        self.mode = modes.max().unwrap_or(Mode::Untracked);
        self.fifo = queue.fifo.then_some(self.fifo.unwrap_or(Fifo::DEFAULT));
        self.host = match (queue.host, self.host) {
            (QueueHost::Worker, Host::Worker { .. }) => self.host,
            (QueueHost::Worker, Host::Lambda(_)) => Host::Worker { jobs_at_once: Host::WORKER_JOBS },
            (_, Host::Lambda(mapping)) => Host::Lambda(Mapping {
                batch_size: u64::from(queue.batch_size),
                max_concurrency: queue.max_concurrency.map(u64::from),
                ..mapping
            }),
            (_, Host::Worker { .. }) => self.host,
        };
        if let Some(deployed) = deployment.functions.iter().find(|function| function.name == queue.function) {
            self.memory_mb = u64::from(deployed.memory_mb);
        }
        Ok(self)
    }

    /// Checks that there can be such a load.
    ///
    /// # Errors
    /// The first number that is outside of its range, or contradicts another.
    pub fn check(&self) -> Result<(), LoadError> {
        let range = |name, value: u64, least: u64, most: u64| {
            let fits = (least..=most).contains(&value);
            let (value, least, most) = (value as f64, least as f64, most as f64);
            if fits { Ok(()) } else { Err(LoadError::Range { name, value, least, most }) }
        };
        range("the number of jobs a second", self.jobs_per_second, 1, Self::MOST_JOBS_PER_SECOND)?;
        range("a job's duration in milliseconds", self.duration_ms, 1, Self::LONGEST_MS)?;
        range("the memory in MB", self.memory_mb, 128, 10_240)?;
        range("the size of a message in bytes", self.message_bytes, 1, 1024 * 1024)?;
        range("the number of queues", self.queues, 1, 10_000)?;
        range("the number of tables", self.tables, 1, 2_500)?;
        range("the delay of a retry in seconds", self.retry_delay_s, 0, Self::LONGEST_MS / 1000)?;
        range("the delay by a schedule in seconds", self.scheduled_delay_s, 1, 366 * 86_400)?;
        for (name, percent) in [
            ("the percentage of retried jobs", self.retried_percent),
            ("the percentage of failed jobs", self.failed_percent),
            ("the percentage of scheduled jobs", self.scheduled_percent),
        ] {
            if !(0.0..=100.0).contains(&percent) {
                return Err(LoadError::Range { name, value: percent, least: 0.0, most: 100.0 });
            }
        }
        let shares = self.retried_percent + self.failed_percent + self.scheduled_percent;
        if shares > 100.0 {
            return Err(LoadError::Shares(shares));
        }
        if let Some(jobs) = self.batch_jobs {
            range("the number of jobs of a batch", jobs, 1, 100_000_000)?;
            if self.mode == Mode::Untracked {
                return Err(LoadError::UntrackedBatch);
            }
        }
        if let Some(fifo) = self.fifo {
            range("the number of message groups", fifo.groups, 1, 1_000_000_000)?;
        }
        match self.host {
            Host::Worker { jobs_at_once } => range("the number of jobs at a time", jobs_at_once, 1, 1_000_000),
            Host::Lambda(mapping) => self.check_mapping(mapping, range),
        }
    }

    fn check_mapping(
        &self,
        mapping: Mapping,
        range: impl Fn(&'static str, u64, u64, u64) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let most = if self.fifo.is_some() { self.quotas.get(&SQS_BATCH) } else { 10_000 };
        range("the batch size", mapping.batch_size, 1, most)?;
        range("the number of jobs at once", mapping.at_once, 1, 10_000)?;
        if let Some(concurrency) = mapping.max_concurrency {
            range("the maximum concurrency", concurrency, 2, 1_000)?;
        }
        if let Some(Pollers { least, most }) = mapping.pollers {
            if mapping.max_concurrency.is_some() {
                return Err(LoadError::PollersAndConcurrency);
            }
            range("the minimum of pollers", least, 2, self.quotas.get(&quotas::POLLERS_LEAST))?;
            range("the maximum of pollers", most, 2, self.quotas.get(&quotas::POLLERS_MOST))?;
            if least > most {
                return Err(LoadError::Pollers { least, most });
            }
        }
        let (jobs, seconds) = (self.jobs_of_invocation(mapping) as u64, self.invocation_s(mapping));
        let limit = Function::MAX_TIMEOUT.as_secs();
        if seconds > limit as f64 { Err(LoadError::Timeout { jobs, seconds, limit }) } else { Ok(()) }
    }

    /// The jobs of a full invocation: those that fit into its payload.
    pub(super) fn jobs_of_invocation(&self, mapping: Mapping) -> f64 {
        let fits = self.quotas.get(&quotas::LAMBDA_PAYLOAD) / self.message_bytes.max(1);
        mapping.batch_size.min(fits).max(1) as f64
    }

    /// How long a full invocation runs, in seconds.
    pub(super) fn invocation_s(&self, mapping: Mapping) -> f64 {
        let rounds = (self.jobs_of_invocation(mapping) / mapping.at_once as f64).ceil();
        rounds * self.duration_s()
    }

    pub(super) fn duration_s(&self) -> f64 {
        self.duration_ms as f64 / 1000.0
    }

    /// The options of `lamp infra limits` that ask for this load.
    #[must_use]
    pub fn options(&self) -> String {
        let plain = Self::new(self.jobs_per_second, self.mode);
        let mut text = format!("--mode {}", self.mode);
        let mut add = |differs: bool, option: String| {
            if differs {
                let _ = write!(text, " {option}");
            }
        };
        if let Some(fifo) = self.fifo {
            add(true, format!("--fifo --groups {}", fifo.groups));
            add(fifo.fast, "--high-throughput".into());
        }
        match self.host {
            Host::Worker { jobs_at_once } => add(true, format!("--worker-jobs {jobs_at_once}")),
            Host::Lambda(Mapping { batch_size, at_once, max_concurrency, pollers }) => {
                add(batch_size != Mapping::TEN.batch_size, format!("--batch-size {batch_size}"));
                add(at_once != Mapping::TEN.at_once, format!("--at-once {at_once}"));
                let most = max_concurrency.unwrap_or_default();
                add(max_concurrency.is_some(), format!("--max-concurrency {most}"));
                if let Some(Pollers { least, most }) = pollers {
                    add(true, format!("--pollers {most}"));
                    add(least != Pollers::DEFAULT.least, format!("--min-pollers {least}"));
                }
            }
        }
        add(self.memory_mb != plain.memory_mb, format!("--memory-mb {}", self.memory_mb));
        add(self.message_bytes != plain.message_bytes, format!("--message-bytes {}", self.message_bytes));
        add(self.sent_singly, "--single".into());
        add(self.queues != 1, format!("--queues {}", self.queues));
        add(self.tables != 1, format!("--tables {}", self.tables));
        for (percent, name) in
            [(self.retried_percent, "retried"), (self.failed_percent, "failed"), (self.scheduled_percent, "scheduled")]
        {
            add(percent > 0.0, format!("--{name}-percent {percent}"));
        }
        add(self.retry_delay_s != plain.retry_delay_s, format!("--retry-delay-s {}", self.retry_delay_s));
        add(
            self.scheduled_delay_s != plain.scheduled_delay_s,
            format!("--scheduled-delay-s {}", self.scheduled_delay_s),
        );
        add(self.batch_jobs.is_some(), format!("--batch-jobs {}", self.batch_jobs.unwrap_or_default()));
        add(self.quotas.region() != quotas::REGION, format!("--region {}", self.quotas.region()));
        for (name, value) in self.quotas.own() {
            add(true, format!("--quota {name}={value}"));
        }
        text
    }
}

impl Host {
    /// The jobs that a worker runs at the same time by default.
    pub const WORKER_JOBS: u64 = 256;
}

impl From<lamplighter::Tracking> for Mode {
    fn from(tracking: lamplighter::Tracking) -> Self {
        match tracking {
            lamplighter::Tracking::Untracked => Self::Untracked,
            lamplighter::Tracking::Lean => Self::Lean,
            lamplighter::Tracking::Full => Self::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load::new(1_000, Mode::Lean)
    }

    fn on_lambda(mapping: Mapping) -> Load {
        Load { host: Host::Lambda(mapping), ..load() }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let problem = |load: Load| load.check().unwrap_err().to_string();
        assert_eq!(load().check(), Ok(()));
        assert_eq!(
            problem(Load { jobs_per_second: 0, ..load() }),
            "the number of jobs a second is 0; it can be 1 to 10000000"
        );
        assert!(problem(Load { duration_ms: 0, ..load() }).contains("duration"));
        assert!(problem(Load { message_bytes: 2_000_000, ..load() }).contains("1048576"));
        assert!(problem(Load { retried_percent: f64::NAN, ..load() }).contains("NaN"));
        assert!(problem(Load { failed_percent: -1.0, ..load() }).contains("-1"));
        let shares = Load { retried_percent: 60.0, failed_percent: 60.0, ..load() };
        assert!(problem(shares).contains("120 percent"));
        assert!(problem(on_lambda(Mapping { batch_size: 10_001, ..Mapping::TEN })).contains("batch size"));
        let fifo = Load {
            fifo: Some(Fifo { groups: 10, fast: false }),
            ..on_lambda(Mapping { batch_size: 11, ..Mapping::TEN })
        };
        assert!(problem(fifo).contains("it can be 1 to 10"));
        let both = Mapping { max_concurrency: Some(5), pollers: Some(Pollers::DEFAULT), ..Mapping::TEN };
        assert_eq!(on_lambda(both).check(), Err(LoadError::PollersAndConcurrency));
        let turned = Mapping { pollers: Some(Pollers { least: 100, most: 10 }), ..Mapping::TEN };
        assert_eq!(on_lambda(turned).check(), Err(LoadError::Pollers { least: 100, most: 10 }));
        let untracked = Load { batch_jobs: Some(100), ..Load::new(1, Mode::Untracked) };
        assert_eq!(untracked.check(), Err(LoadError::UntrackedBatch));
        // Ten jobs of 100 s, one after the other.
        assert!(
            problem(Load { duration_ms: 100_000, ..load() })
                .contains("runs for 1000 s, and Lambda ends it after 900 s")
        );
        let beside = Load { duration_ms: 100_000, ..on_lambda(Mapping { at_once: 10, ..Mapping::TEN }) };
        assert_eq!(beside.check(), Ok(()));
        let worker = Load { duration_ms: 10_000_000, host: Host::Worker { jobs_at_once: 1 }, ..load() };
        assert_eq!(worker.check(), Ok(()), "workers take jobs of hours");
    }

    #[test]
    fn an_invocation_holds_what_its_payload_holds() {
        let large = Load { message_bytes: 1024 * 1024, ..load() };
        assert_eq!(large.jobs_of_invocation(Mapping::TEN), 6.0);
        assert_eq!(load().jobs_of_invocation(Mapping::TEN), 10.0);
        let three_rounds = load().invocation_s(Mapping { at_once: 4, ..Mapping::TEN });
        assert!((three_rounds - 0.3).abs() < 1e-9);
    }

    #[test]
    fn options_name_what_differs() {
        assert_eq!(load().options(), "--mode lean");
        let pollers = Some(Pollers { least: 10, most: 500 });
        let mut quotas = Quotas::in_region("eu-west-1").unwrap();
        quotas.set("lambda-concurrency", 5_000).unwrap();
        let own = Load {
            queues: 3,
            retried_percent: 0.5,
            quotas,
            ..on_lambda(Mapping { at_once: 10, pollers, ..Mapping::TEN })
        };
        assert_eq!(
            own.options(),
            "--mode lean --at-once 10 --pollers 500 --min-pollers 10 --queues 3 --retried-percent 0.5 \
             --region eu-west-1 --quota lambda-concurrency=5000"
        );
    }

    #[test]
    fn a_queue_of_the_app_brings_its_own_numbers() {
        let app = crate::test_app::shop();
        let deployment = crate::deployment(&app).unwrap();
        let functions = crate::functions(&app);
        let mails = Load::new(5, Mode::Untracked).on_queue("mails", &deployment, &functions).unwrap();
        assert_eq!((mails.mode, mails.memory_mb), (Mode::Full, 128));
        let none = Load::new(5, Mode::Full).on_queue("mail", &deployment, &functions).unwrap_err();
        assert!(none.to_string().starts_with("the app has no queue \"mail\"; it has "), "{none}");
    }
}
