//! The fleet's jobs on workers that poll; one of them is killed every few moments.

use std::{
    collections::BTreeSet,
    process::{Child, Command},
    sync::Arc,
};

use lamplighter::record::AttemptOutcome;
use lamplighter_tests::ministack::{MiniStack, eventually, package};

use crate::fleet::{Fleet, PATIENCE, match_the_runs, scaled};

const WORKERS: usize = 3;
/// The number of workers that are killed, each after a number of further runs: this goes on through most of the jobs.
const KILLS: usize = 12;
const RUNS: usize = 150;

/// A worker's process. It is killed when the test ends, in any way.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_on_workers_that_are_killed_end_once() {
    let aws = Arc::new(MiniStack::start().await.unwrap());
    let fleet = Fleet::start(aws, &[], e2e_function::function().timeout()).await;
    let environment = fleet.for_workers().await;
    let program = tokio::task::spawn_blocking(|| package::binary("e2e-worker").unwrap()).await.unwrap();
    let start = || Worker(Command::new(&program).envs(environment.iter().cloned()).spawn().unwrap());
    let mut workers: Vec<_> = (0..WORKERS).map(|_| start()).collect();
    let mut killed = BTreeSet::new();
    let kill = async {
        let mut seen = 0;
        for kill in 0..scaled(KILLS) {
            let goes_on = eventually(format!("work goes on before kill {kill}"), PATIENCE, async || {
                let runs = fleet.runs().len();
                if runs >= seen + RUNS { Ok(runs) } else { Err(format!("{runs} runs")) }
            });
            seen = goes_on.await.unwrap();
            // The old worker is killed here, and the new one replaces it.
            let old = std::mem::replace(&mut workers[kill % WORKERS], start());
            killed.insert(format!("worker, process {}", old.0.id()));
        }
    };
    let (ids, ()) = tokio::join!(fleet.enqueue(), kill);
    let records = fleet.ended(&ids).await;
    match_the_runs(&records, &fleet.runs());
    fleet.batch_agrees(&records).await;
    fleet.dead_letters_are_the_failures(&records).await;
    let lost = records.values().flat_map(|record| &record.attempts);
    let mut lost = lost.filter(|attempt| attempt.outcome == AttemptOutcome::Lost);
    assert!(lost.any(|attempt| killed.contains(&attempt.host)), "no worker was killed in the middle of its work");

    // The others stop cleanly.
    for worker in &mut workers {
        let id = worker.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(worker.0.wait().unwrap().code(), Some(0));
    }
}
