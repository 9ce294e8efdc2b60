//! Counts the instructions of an invocation, relative to a handler written by hand.
//!
//! Both bootstraps are built as they are deployed, and run under Valgrind's `callgrind` against a runtime API on this
//! machine, which gives them the same batches of jobs that do nothing. Each is run twice, with few invocations and with many:
//! the difference, by the number of invocations between, is one invocation with everything that it takes in the process: the
//! runtime's HTTP, parsing, the handlers, the log. The start is not in it, nor what other processes do. Instructions are
//! counted, not time: they hardly depend on the machine's load.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use lamplighter_fakes::{Answer, RuntimeApi};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::startup::{
    StartupError,
    build::{self, Bootstrap},
    environment,
};

/// The bootstraps: the library's, and the one written by hand.
const OWN: &str = "stateless";
const HAND_WRITTEN: &str = "hand-written";
/// The library's with traces, which are switched off.
const TRACED: &str = "traced";

/// The options of the benchmark.
#[derive(Debug, Clone)]
pub struct Options {
    /// The numbers of jobs in a batch.
    pub batches: Vec<usize>,
    /// The invocations of the short run and of the long run.
    pub invocations: (u32, u32),
}

impl Default for Options {
    fn default() -> Self {
        Self { batches: vec![1, 10, 1000], invocations: (10, 30) }
    }
}

/// The instructions of one invocation.
#[derive(Debug, Clone, Serialize)]
pub struct Counted {
    /// The library's bootstrap.
    pub bootstrap: String,
    /// The jobs in the batch.
    pub jobs: usize,
    /// The log level, as `AWS_LAMBDA_LOG_LEVEL` has it.
    pub level: &'static str,
    /// What [`METRICS_VARIABLE`](lamplighter_aws::lambda::METRICS_VARIABLE) says.
    pub metrics: &'static str,
    /// Instructions of the library's bootstrap.
    pub own: u64,
    /// Instructions of the one written by hand.
    pub hand_written: u64,
}

impl Counted {
    /// The project's limit for [`ratio`](Self::ratio), in batches of at least [`Self::FROM`] jobs: for fewer, what an
    /// invocation takes by itself counts for more, its line of the log above all.
    pub const MOST: f64 = 1.15;
    /// The jobs from which on there is a limit.
    pub const FROM: usize = 10;

    /// How many times as many the library's are.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.own as f64 / self.hand_written.max(1) as f64
    }

    /// Whether it is beyond the limit.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        self.jobs >= Self::FROM && self.ratio() > Self::MOST
    }
}

/// Why nothing was counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LambdaError {
    /// A bootstrap could not be built or started.
    #[error(transparent)]
    Bootstrap(#[from] StartupError),
    /// Valgrind could not be started.
    #[error("valgrind could not be started: {0}; install it (the package is called valgrind)")]
    Valgrind(std::io::Error),
    /// A bootstrap answered with something else.
    #[error("{name} answered {answer} to a batch of jobs that do nothing")]
    Answer {
        /// The bootstrap.
        name: String,
        /// Its answer.
        answer: String,
    },
    /// Valgrind did not say how many instructions there were.
    #[error("valgrind did not count the instructions of {name}: {output}")]
    Uncounted {
        /// The bootstrap.
        name: String,
        /// The end of what it said.
        output: String,
    },
}

/// How long an invocation may take under Valgrind.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts, for each size of a batch, with the default log level, with metrics, with warnings alone, and with traces that are
/// switched off.
///
/// # Errors
/// When a bootstrap cannot be built or run, or Valgrind is missing.
pub async fn run(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Result<Vec<Counted>, LambdaError> {
    let own = build::bootstrap(OWN, progress).await?;
    let traced = build::bootstrap(TRACED, progress).await?;
    let hand_written = build::bootstrap(HAND_WRITTEN, progress).await?;
    let mut all = Vec::new();
    for &jobs in &options.batches {
        progress(&format!("counting the instructions of a batch of {jobs}"));
        let by_hand = invocation(&hand_written, jobs, ("INFO", "off"), options).await?;
        let settings =
            [(&own, "INFO", "log"), (&own, "INFO", "cloudwatch"), (&own, "WARN", "log"), (&traced, "INFO", "log")];
        for (bootstrap, level, metrics) in settings {
            let counted = invocation(bootstrap, jobs, (level, metrics), options).await?;
            let bootstrap = bootstrap.name.clone();
            all.push(Counted { bootstrap, jobs, level, metrics, own: counted, hand_written: by_hand });
        }
    }
    Ok(all)
}

/// The instructions of one invocation with so many jobs.
async fn invocation(
    bootstrap: &Bootstrap,
    jobs: usize,
    setting: (&str, &str),
    options: &Options,
) -> Result<u64, LambdaError> {
    let (few, many) = options.invocations;
    let less = count(bootstrap, jobs, setting, few).await?;
    let more = count(bootstrap, jobs, setting, many).await?;
    Ok(more.saturating_sub(less) / u64::from(many - few).max(1))
}

/// The instructions of a process that serves so many invocations.
async fn count(
    bootstrap: &Bootstrap,
    jobs: usize,
    (level, metrics): (&str, &str),
    invocations: u32,
) -> Result<u64, LambdaError> {
    let api = RuntimeApi::start().await.map_err(StartupError::Port)?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&bootstrap.path);
    command.env_clear().envs(environment::of(&api, OWN));
    // Which thread polls which task would change the count from run to run.
    command.env("TOKIO_WORKER_THREADS", "1");
    command.env("AWS_LAMBDA_LOG_LEVEL", level).env(lamplighter_aws::lambda::METRICS_VARIABLE, metrics);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(LambdaError::Valgrind)?;
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let served = serve(&api, bootstrap, jobs, invocations).await;
    // Valgrind prints its count when the process is ended by a signal.
    let _ = kill(id, Signal::SIGTERM);
    let output = ended.await.map_err(|error| LambdaError::Valgrind(error.into()))?.map_err(LambdaError::Valgrind)?;
    served?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().rev().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| LambdaError::Uncounted {
        name: bootstrap.name.clone(),
        output: said.lines().last().unwrap_or("it said nothing").to_owned(),
    })
}

async fn serve(api: &RuntimeApi, bootstrap: &Bootstrap, jobs: usize, invocations: u32) -> Result<(), LambdaError> {
    let event = event(jobs);
    for _ in 0..invocations {
        let answer = tokio::time::timeout(PATIENCE, api.invoke(event.clone())).await.ok().flatten();
        let is_done = match &answer {
            Some(Answer::Response(body)) => serde_json::from_str::<Value>(body)
                .is_ok_and(|body| body["batchItemFailures"].as_array().is_some_and(Vec::is_empty)),
            _ => false,
        };
        if !is_done {
            let mut answer = format!("{answer:?}");
            answer.truncate(200);
            return Err(LambdaError::Answer { name: bootstrap.name.clone(), answer });
        }
    }
    Ok(())
}

/// A batch as SQS delivers it.
fn event(jobs: usize) -> String {
    let record = |number: usize| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012}"),
            "receiptHandle": format!("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a{number}"),
            "body": json!({
                "job": "nothing.do",
                "id": format!("0197a1c4-7d55-7b1e-8b6e-{number:012}"),
                "enqueued_at": "2026-11-01T08:00:00Z",
                "args": {},
            }).to_string(),
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1793520000000",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1793520000001",
            },
            "messageAttributes": {},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": environment::queue_arn(),
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": (0..jobs).map(record).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_batches_have_a_limit() {
        let counted =
            |jobs, own| Counted { bootstrap: OWN.into(), jobs, level: "INFO", metrics: "log", own, hand_written: 100 };
        assert!(!counted(10, 115).is_beyond() && counted(10, 116).is_beyond());
        assert!(!counted(1, 130).is_beyond());
    }
}
