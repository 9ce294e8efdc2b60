//! Measures how fast the same function empties the same queue behind an event source mapping and on a worker, on the
//! emulator, and what the worker costs while the queue is empty:
//!
//! ```sh
//! cargo run --package lamplighter-tests --example poller -- 2000
//! ```
//!
//! The emulator does most of the work, in Python. The figures compare the two with each other; they do not predict AWS.

use std::{
    collections::BTreeMap,
    error::Error,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use aws_sdk_sqs::config::Credentials;
use e2e_function::{LEDGER, Tick};
use lamplighter::env::Env;
use lamplighter_aws::{AwsBackend, AwsClients, Stack};
use lamplighter_infra::{Deployment, Template};
use lamplighter_tests::ministack::{MiniStack, PATIENCE, REGION, ROOT_KEY, eventually, package};

const QUEUE: &str = "ticks";
/// The time over which an idle worker's CPU usage is measured.
const IDLE: Duration = Duration::from_secs(30);

/// A worker's process. It is killed with this one.
struct Worker(Child);

impl Worker {
    /// Returns the CPU time that it has used.
    fn used(&self) -> Result<Duration, Box<dyn Error>> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Fields 14 and 15 of proc_pid_stat(5), user and system time in ticks of 10 ms; the first two fields end with
        // the name.
        let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or_default();
        Ok(Duration::from_millis(10 * (ticks(11) + ticks(12))))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "figures are for the terminal")]
async fn main() -> Result<(), Box<dyn Error>> {
    let jobs = match std::env::args().nth(1) {
        Some(jobs) => jobs.parse()?,
        None => 2000,
    };
    let aws = MiniStack::start().await?;
    let ledger = aws.log().with_file_name("ledger.jsonl");
    let deployment = Deployment::derive(&[e2e_function::workers()], &[], &[])?;
    let code = tokio::task::spawn_blocking(|| package::bootstraps(&["e2e-function"])).await??;
    let code: BTreeMap<_, _> = code.into_values().map(|archive| ("e2e".to_owned(), archive)).collect();
    let place = ledger.to_str().ok_or("the ledger's path is not UTF-8")?;
    let parameters = [("Architecture", "x86_64"), ("E2eLedger", place)];
    let stack = aws.deploy("poller", Template::new(&deployment).to_json(), &parameters, &code).await?;

    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "poller");
    let sdk = AwsClients::fixed(REGION, Some(aws.endpoint()), credentials);
    let settings = Stack::read(&sdk, "poller").await?.settings();
    let backend = AwsBackend::new(sdk, settings, Env::system());
    let operator = backend.operator();

    let enqueue = async |round: &str| -> Result<(), Box<dyn Error>> {
        let all = (0..jobs).map(|number| Tick { label: format!("{round}-{number}") });
        for answer in backend.client().enqueue_all(all).await {
            answer?;
        }
        Ok(())
    };
    let emptied = async |jobs: usize| -> Result<f64, Box<dyn Error>> {
        let (began, before) = (Instant::now(), runs(&ledger));
        eventually("the jobs have run", PATIENCE, async || match runs(&ledger) - before {
            all if all >= jobs => Ok(()),
            some => Err(format!("{some} of {jobs}")),
        })
        .await?;
        Ok(jobs as f64 / began.elapsed().as_secs_f64())
    };

    // Both include a start: of environments here, of the process there.
    operator.pause(QUEUE).await?;
    enqueue("mapping").await?;
    operator.resume(QUEUE).await?;
    let mapping = emptied(jobs).await?;
    println!("event source mapping: {jobs} jobs, {mapping:.0} a second");

    operator.pause(QUEUE).await?;
    enqueue("worker").await?;
    let program = tokio::task::spawn_blocking(|| package::binary("e2e-worker")).await??;
    let output = |name| stack.output(name).map(str::to_owned);
    let mut start = Command::new(program);
    start.envs(aws.environment()).env("LAMPLIGHTER_QUEUES", output("Queues")?);
    let worker = Worker(start.env("LAMPLIGHTER_TABLE", output("Table")?).env(LEDGER, &ledger).spawn()?);
    let poller = emptied(jobs).await?;
    let used = worker.used()?;
    println!("one worker: {jobs} jobs, {poller:.0} a second, {:.1} times the mapping's rate", poller / mapping);
    println!("its processor time: {:.2} ms a job", used.as_secs_f64() * 1000.0 / jobs as f64);

    tokio::time::sleep(IDLE).await;
    let idle = worker.used()?.saturating_sub(used).as_secs_f64() / IDLE.as_secs_f64();
    println!("idle, polling three queues: {:.2} % of one processor", idle * 100.0);
    Ok(())
}

/// Returns the number of runs in the ledger.
fn runs(ledger: &Path) -> usize {
    std::fs::read_to_string(ledger).map_or(0, |text| text.lines().count())
}
