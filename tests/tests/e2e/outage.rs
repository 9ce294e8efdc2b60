//! The table is away for most of a minute in the middle of a run.

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
/// How long the table answers nothing but 500, at least: longer than a lease.
const OUTAGE: Duration = Duration::from_secs(50);
/// How long an invocation may take, also on a machine that is busy: one that is cut off would be an attempt that is lost. A
/// lease lasts five seconds more.
const INVOCATION: Duration = Duration::from_secs(40);
/// How many jobs are enqueued at a time.
const AT_ONCE: usize = 8;
/// How many calls it refuses at least: on a machine that is busy the outage lasts until then.
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
async fn a_table_that_is_away_loses_nothing_and_runs_nothing_twice() {
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
    fleet.queues_are_empty().await;
    let runs = fleet.runs();
    assert!(Instant::now() >= until && before < runs.len(), "the outage was in the middle of the run");
    assert!(refused.load(Ordering::Relaxed) >= REFUSED, "calls were refused: {refused:?}");
    match_the_runs(&records, &runs);
    // Every attempt ran, and is known by how it ended: none was eaten by the outage, none ran again because of it.
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
