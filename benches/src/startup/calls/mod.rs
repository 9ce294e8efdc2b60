//! What a function's first calls of AWS cost, beside the same calls when it has made them before.
//!
//! A bootstrap with records is started, and then invoked four times with one job each: two that succeed, two that fail.
//! A success is two calls of DynamoDB (claim, settle), a failure one of SQS more (the delay until the next attempt). The
//! first of each pair bears what comes once: reading the machine's certificate authorities, connecting, shaking hands
//! by TLS, and touching code for the first time. Both services are on this machine, behind TLS, so that nothing is
//! counted for the way to them: on AWS, each connection takes two round trips more.
//!
//! CPU time is what counts on Lambda: within an invocation a function of 128 MB has 128/1769 of a processor (AWS Lambda
//! Developer Guide, "Configure Lambda function memory"), before its first one a whole one.

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

/// Where machines keep the certificate authorities that they trust, in one file: Amazon Linux, and Debian.
const AUTHORITIES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// What first calls cost.
#[derive(Debug, Clone, Serialize)]
pub struct FirstCalls {
    /// The binary's name.
    pub bootstrap: String,
    /// Whether connections were made before the first invocation.
    pub warmed: bool,
    /// From exec to the first call of `/next`.
    pub ready: Cost,
    /// The first job that succeeds.
    pub success: Cost,
    /// The second.
    pub next_success: Cost,
    /// The first job that fails.
    pub failure: Cost,
    /// The second.
    pub next_failure: Cost,
    /// The peak of the resident set at the end, in KiB.
    pub peak_kib: u64,
}

/// Medians.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Wall time.
    pub wall_ms: f64,
    /// User and system time.
    pub cpu_ms: f64,
}

impl Cost {
    /// What that much CPU takes at the least where a function of 128 MB has its share of a processor, in milliseconds.
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

/// What bootstraps are given to trust, and the services that show it.
pub(super) struct Stage {
    authority: Authority,
    trusted: tempfile::NamedTempFile,
}

impl Stage {
    /// With all authorities that this machine trusts, since reading them is part of the cost.
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

    /// Measures a bootstrap as it is and with connections made ahead, in turns.
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
        // What is measured is what was meant.
        let mut of_dynamodb = vec!["UpdateItem"; 8];
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

/// A batch of one.
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
