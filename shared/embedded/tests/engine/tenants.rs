//! One tenant's backlog beside others.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{Context, Function, Job, JobError, NewJob, Queue, State, mins};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {
    tenant: String,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = Queue::standard("acts");
}

/// The tenants, in the order of their runs.
type Runs = Arc<Mutex<Vec<String>>>;

async fn act(job: Act, _: Context, State(runs): State<Runs>) -> Result<(), JobError> {
    runs.lock().unwrap().push(job.tenant);
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

fn jobs(tenant: &str, count: usize) -> impl Iterator<Item = NewJob> {
    (0..count).map(move |_| {
        let job = NewJob::from(Act { tenant: tenant.into() });
        if tenant.is_empty() { job } else { job.group(tenant) }
    })
}

/// Runs a backlog of a noisy tenant, and jobs of the others that come when a part of it has run. Returns the number of
/// noisy jobs that have run between these and the last of theirs.
async fn noise_before_the_last_of(others: &[&str], noisy: &str, backlog: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let embedded = SqliteBackend::open(folder.path().join("jobs.db"), Settings::new()).unwrap();
    let client = embedded.client();
    let runs = Runs::default();
    assert!(client.enqueue_all(jobs(noisy, backlog)).await.iter().all(Result::is_ok));
    let function = Function::new("acts").concurrency(8).job(act).with_state(runs.clone());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    let count = || runs.lock().unwrap().len();
    while count() < 100 {
        tokio::task::yield_now().await;
    }
    let all: Vec<_> = others.iter().flat_map(|tenant| jobs(tenant, 3)).collect();
    assert!(client.enqueue_all(all).await.iter().all(Result::is_ok));
    let came = count();
    let total = backlog + 3 * others.len();
    let end = tokio::time::Instant::now() + mins(5);
    while count() < total {
        assert!(tokio::time::Instant::now() < end, "{} of {total} have run", count());
        tokio::task::yield_now().await;
    }
    running.drain(mins(1)).await;
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), total);
    let last = runs.iter().rposition(|tenant| tenant != noisy).unwrap();
    runs[came.min(last)..last].iter().filter(|tenant| *tenant == noisy).count()
}

const QUIET: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

#[tokio::test(flavor = "multi_thread")]
async fn ten_quiet_tenants_do_not_wait_for_the_backlog_of_a_noisy_one() {
    let noise = noise_before_the_last_of(&QUIET, "noisy", 4000).await;
    println!("{noise} jobs of the noisy tenant ran before the last of thirty of the quiet ones");
    assert!(noise < 2000, "{noise}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_without_a_tenant_do_not_wait_for_the_backlog_of_one() {
    let noise = noise_before_the_last_of(&[""], "noisy", 4000).await;
    assert!(noise < 2000, "{noise}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tenants_than_are_read_at_a_time_all_have_their_turn() {
    let names: Vec<String> = (0..150).map(|n| format!("tenant-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let noise = noise_before_the_last_of(&names, "noisy", 4000).await;
    assert!(noise < 3900, "{noise}");
}
