//! Measures the cost of a function's first AWS calls, relative to the same calls after the first time.
//!
//! A bootstrap with records is started, and then invoked four times with one job each: two that succeed, two that fail.
//! A success makes two calls of DynamoDB (claim, settle), a failure one more for its error group, and one of SQS (the delay
//! until the next attempt). The first of each pair includes one-time costs: reading the machine's certificate authorities, connecting,
//! the TLS handshake, and touching code for the first time. Both services are on this machine, with TLS, so no network
//! latency is counted: on AWS, each connection takes two more round trips.
//!
//! CPU time is what matters on Lambda: within an invocation a function of 128 MB has 128/1769 of a processor (AWS
//! Lambda Developer Guide, "Configure Lambda function memory"), before its first one a whole one.

mod services;

use std::{io::Write, path::Path, time::Instant};

use lamplighter_fakes::{Answer, Authority, Endpoint, RuntimeApi};
use serde::Serialize;
use serde_json::{Value, json};

use self::services::JobServices;
use super::{
    StartupError,
    build::Bootstrap,
    environment,
    process::{PATIENCE, Process, milliseconds},
};
use crate::embedded::median;

/// The files of trusted certificate authorities: on Amazon Linux, and on Debian.
const AUTHORITIES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// The cost of first calls.
#[derive(Debug, Clone, Serialize)]
pub struct FirstCalls {
    /// The binary's name.
    pub bootstrap: String,
    /// Whether connections were opened before the first invocation.
    pub warmed: bool,
    /// From exec to the first call of `/next`.
    pub ready: Cost,
    /// The first job that succeeds.
    pub success: Cost,
    /// The second job that succeeds.
    pub next_success: Cost,
    /// The first job that fails.
    pub failure: Cost,
    /// The second job that fails.
    pub next_failure: Cost,
    /// The peak of the resident set at the end, in KiB.
    pub peak_kib: u64,
}

/// Medians of one phase.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Wall time.
    pub wall_ms: f64,
    /// User and system time.
    pub cpu_ms: f64,
}

impl Cost {
    /// Returns the minimum wall time of that much CPU time with the processor share of a function of 128 MB, in
    /// milliseconds.
    #[must_use]
    pub fn at_128_mb(&self) -> f64 {
        self.cpu_ms * 1769.0 / 128.0
    }
}

/// One run of a bootstrap: each [`Cost`] in the order of [`FirstCalls`], and the peak.
struct Run {
    costs: [Cost; 5],
    peak_kib: u64,
}

/// The certificate authorities of the bootstraps, and the services with their certificates.
pub(super) struct Stage {
    authority: Authority,
    trusted: tempfile::NamedTempFile,
}

impl Stage {
    /// Creates it with all authorities that this machine trusts, since reading them is part of the cost.
    pub(super) fn new() -> Result<Self, StartupError> {
        let authority = Authority::new().map_err(|error| StartupError::Stage(error.to_string()))?;
        let unwritten = |error: std::io::Error| StartupError::Stage(error.to_string());
        let mut trusted = tempfile::NamedTempFile::new().map_err(unwritten)?;
        let machines = AUTHORITIES.iter().find(|file| Path::new(file).exists());
        let machines = machines.map(std::fs::read).transpose().map_err(unwritten)?.unwrap_or_default();
        trusted.write_all(&machines).map_err(unwritten)?;
        trusted.write_all(authority.pem().as_bytes()).map_err(unwritten)?;
        Ok(Self { authority, trusted })
    }

    /// Measures a bootstrap without and with connections opened ahead, in turns.
    pub(super) async fn measure(
        &self,
        bootstrap: &Bootstrap,
        warm_up: usize,
        turns: usize,
    ) -> Result<[FirstCalls; 2], StartupError> {
        let mut runs = [Vec::new(), Vec::new()];
        for turn in 0..warm_up + turns {
            for (ahead, runs) in [false, true].into_iter().zip(&mut runs) {
                let run = self.once(bootstrap, ahead).await?;
                if turn >= warm_up {
                    runs.push(run);
                }
            }
        }
        let [cold, warm] = runs;
        Ok([summary(bootstrap, false, &cold), summary(bootstrap, true, &warm)])
    }

    async fn once(&self, bootstrap: &Bootstrap, ahead: bool) -> Result<Run, StartupError> {
        let api = RuntimeApi::start().await.map_err(StartupError::Port)?;
        let dynamodb = Endpoint::with_tls(JobServices, &self.authority).await.map_err(StartupError::Port)?;
        let sqs = Endpoint::with_tls(JobServices, &self.authority).await.map_err(StartupError::Port)?;
        let mut environment = environment::of(&api, &bootstrap.name);
        environment.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.endpoint()),
            ("AWS_ENDPOINT_URL_SQS", sqs.endpoint()),
            ("SSL_CERT_FILE", self.trusted.path().display().to_string()),
            (lamplighter_aws::lambda::WARM_UP_VARIABLE, if ahead { "1" } else { "0" }.to_owned()),
        ]);
        let process = Process::start(bootstrap, environment)?;
        let wall = process.ready(bootstrap, &api).await?;
        let mut cpu = process.cpu()?;
        let ready = Cost { wall_ms: milliseconds(wall), cpu_ms: milliseconds(cpu) };
        let mut costs = [ready; 5];
        for (number, fail) in [false, false, true, true].into_iter().enumerate() {
            let start = Instant::now();
            let answer = tokio::time::timeout(PATIENCE, api.invoke(event(number, fail))).await;
            let wall = start.elapsed();
            let now = process.cpu()?;
            costs[number + 1] = Cost { wall_ms: milliseconds(wall), cpu_ms: milliseconds(now.saturating_sub(cpu)) };
            cpu = now;
            check(bootstrap, fail, answer.ok().flatten())?;
        }
        // The measured calls are the intended ones.
        let mut of_dynamodb = vec!["UpdateItem"; 10];
        let mut of_sqs = vec!["ChangeMessageVisibilityBatch"; 2];
        if ahead {
            of_dynamodb.insert(0, "GetItem");
            of_sqs.insert(0, "GetQueueAttributes");
        }
        for (service, endpoint, actions) in [("DynamoDB", &dynamodb, of_dynamodb), ("SQS", &sqs, of_sqs)] {
            let (called, connections) = (endpoint.actions(), endpoint.connections());
            if called != actions || connections != 1 {
                let what = format!(
                    "it called {service} in another way than is measured here: {called:?}, by {connections} connections"
                );
                return Err(StartupError::Calls { name: bootstrap.name.clone(), what });
            }
        }
        Ok(Run { costs, peak_kib: process.peak_kib()? })
    }
}

/// Returns a batch of one message.
fn event(number: usize, fail: bool) -> String {
    let record = json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012}"),
        "receiptHandle": format!("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a{number}"),
        "body": json!({ "job": "nothing.do", "args": { "fail": fail } }).to_string(),
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1793527200000" },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": environment::queue_arn(),
        "awsRegion": "us-east-1",
    });
    json!({ "Records": [record] }).to_string()
}

fn check(bootstrap: &Bootstrap, fail: bool, answer: Option<Answer>) -> Result<(), StartupError> {
    let failed = match &answer {
        Some(Answer::Response(body)) => {
            serde_json::from_str::<Value>(body).ok().and_then(|body| body["batchItemFailures"].as_array().map(Vec::len))
        }
        _ => None,
    };
    if failed == Some(usize::from(fail)) {
        return Ok(());
    }
    let what = format!("it answered {answer:?} to a job that should {}", if fail { "fail" } else { "succeed" });
    Err(StartupError::Calls { name: bootstrap.name.clone(), what })
}

fn summary(bootstrap: &Bootstrap, warmed: bool, runs: &[Run]) -> FirstCalls {
    let of = |value: &dyn Fn(&Run) -> f64| median(&runs.iter().map(value).collect::<Vec<_>>());
    let cost = |index: usize| Cost {
        wall_ms: of(&|run| run.costs[index].wall_ms),
        cpu_ms: of(&|run| run.costs[index].cpu_ms),
    };
    FirstCalls {
        bootstrap: bootstrap.name.clone(),
        warmed,
        ready: cost(0),
        success: cost(1),
        next_success: cost(2),
        failure: cost(3),
        next_failure: cost(4),
        peak_kib: of(&|run| run.peak_kib as f64) as u64,
    }
}
