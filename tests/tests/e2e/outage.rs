//! The table is unavailable for most of a minute in the middle of a run.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use e2e_function::{Act, Behaviour};
use futures_util::StreamExt;
use lamplighter::{JobState, record::AttemptOutcome};
use lamplighter_fakes::Fault;
use lamplighter_tests::{
    ministack::{MiniStack, eventually},
    wire::proxy,
};

use crate::fleet::{Fleet, PATIENCE, match_the_runs};

const JOBS: usize = 400;
/// The minimum time for which the table answers only 500: longer than a lease.
const OUTAGE: Duration = Duration::from_secs(50);
/// The time limit of an invocation, sufficient for a busy machine: an interrupted one would be a lost attempt. A lease
/// lasts five seconds more.
const INVOCATION: Duration = Duration::from_secs(40);
/// The number of jobs that are enqueued concurrently.
const AT_ONCE: usize = 8;
/// The minimum number of calls that it refuses: on a busy machine the outage lasts until then.
const REFUSED: usize = 30;
/// Jobs become due over this time: before, during and after the outage.
const SPREAD: usize = 65;

fn behaviour(n: usize) -> Behaviour {
    match n % 20 {
        3 => Behaviour::FailUntil { attempt: 2 },
        7 => Behaviour::GiveUp,
        11 => Behaviour::Panic,
        _ => Behaviour::Succeed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_table_loses_no_job_and_runs_none_twice() {
    let aws = Arc::new(MiniStack::start().await.unwrap());
    let proxy = proxy(aws.clone()).await.unwrap();
    let fleet = Fleet::start(aws, &[("AWS_ENDPOINT_URL_DYNAMODB", proxy.endpoint())], INVOCATION).await;
    let enqueueing = (0..JOBS).map(async |n| {
        let job = Act { label: format!("outage-{n}"), behaviour: behaviour(n) };
        let delay = Duration::from_secs((n % SPREAD) as u64);
        fleet.client.enqueue(job).delay(delay).await.unwrap().id().clone()
    });
    let ids: BTreeSet<_> = futures_util::stream::iter(enqueueing).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(ids.len(), JOBS);

    let begun = eventually("work has begun", PATIENCE, async || match fleet.runs().len() {
        runs if runs >= 30 => Ok(runs),
        runs => Err(format!("{runs} runs")),
    });
    let before = begun.await.unwrap();
    let (until, refused) = (Instant::now() + OUTAGE, Arc::new(AtomicUsize::new(0)));
    let counted = refused.clone();
    proxy.fail_when(move |call| {
        let is_over = Instant::now() >= until && counted.load(Ordering::Relaxed) >= REFUSED;
        let away = call.service == "dynamodb" && !is_over;
        counted.fetch_add(usize::from(away), Ordering::Relaxed);
        away.then_some(Fault::AWAY)
    });

    let records = fleet.ended(&ids).await;
    let runs = fleet.runs();
    assert!(Instant::now() >= until && before < runs.len(), "the outage was in the middle of the run");
    assert!(refused.load(Ordering::Relaxed) >= REFUSED, "calls were refused: {refused:?}");
    match_the_runs(&records, &runs);
    // Every attempt ran, and its end is recorded: the outage cost none, and made none run again.
    let attempts = records.values().map(|record| record.attempts.len()).sum::<usize>();
    assert_eq!(attempts, runs.len());
    for record in records.values() {
        assert!(record.attempts.iter().all(|attempt| attempt.outcome != AttemptOutcome::Lost), "{record:?}");
    }
    let failed = records.values().filter(|record| record.state == JobState::Failed);
    let failed: BTreeSet<_> = failed.map(|record| record.id.clone()).collect();
    assert_eq!(failed.len(), JOBS / 20 * 2, "those that give up, and those that panic");
    assert_eq!(fleet.dead("ActsDeadLetters").await, failed);
}
