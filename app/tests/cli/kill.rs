//! `lamp dev` is killed again and again in the middle of its work: no acknowledged job is lost, and none succeeds
//! twice.

use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, Place};
use futures_util::future::join_all;
use lamplighter::{JobState, ListQuery, RawValue, Record, Tracking, record::AttemptOutcome};
use lamplighter_embedded::{Settings, SqliteBackend};

const JOBS: usize = 10_000;
const KILLS: usize = 50;

struct Dev(Child);

impl Dev {
    fn start(place: &Place) -> Self {
        Self(place.command(&["dev"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Dev {
    /// SIGKILL: no handler, no destructor and no flush of the child runs.
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_repeated_kills_no_job_is_lost_or_succeeds_twice() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    std::fs::create_dir_all(place.database().parent().unwrap()).unwrap();
    let embedded = SqliteBackend::open(place.database(), Settings::default()).unwrap();
    let client = embedded.client();
    for start in (0..JOBS).step_by(1000) {
        let answers = join_all((start..start + 1000).map(|number| {
            let args = RawValue::from_string(format!("{{\"sleep_ms\":{}}}", random.u32(0..40))).unwrap();
            client.enqueue_raw("lamp.ping", "lamp", Tracking::Full, args).id(format!("job-{number}")).into_future()
        }));
        assert!(answers.await.into_iter().all(|answer| !answer.unwrap().is_duplicate()));
    }

    let mut finished = Vec::new();
    for kill in 0..KILLS {
        let dev = Dev::start(&place);
        // While it starts or while it works, for as long as a busy machine needs for that.
        let within = if kill % 2 == 0 {
            20..400
        } else {
            let before = finished.last().copied().unwrap_or(0);
            have_ended(&embedded, (before + 1).min(JOBS), &finished).await;
            0..100
        };
        // A random moment for the kill; this waits for no condition.
        tokio::time::sleep(Duration::from_millis(random.u64(within))).await;
        drop(dev);
        finished.push(ended(&embedded).await);
    }

    let dev = Dev::start(&place);
    have_ended(&embedded, JOBS, &finished).await;
    drop(dev);

    let records = all(&embedded).await;
    assert_eq!(records.len(), JOBS);
    let mut states: BTreeMap<JobState, usize> = BTreeMap::new();
    let mut lost = 0;
    for record in &records {
        let outcomes = |outcome| record.attempts.iter().filter(|attempt| attempt.outcome == outcome).count();
        let successes = outcomes(AttemptOutcome::Succeeded);
        assert_eq!(successes, usize::from(record.state == JobState::Succeeded), "{record:?}");
        assert!(record.state.is_final(), "{record:?}");
        *states.entry(record.state).or_default() += 1;
        lost += outcomes(AttemptOutcome::Lost);
    }
    println!("{states:?}; {lost} attempts lost; ended after each kill: {finished:?}");
    assert!(lost > 0, "no kill hit a running job: this run has shown nothing; after each kill: {finished:?}");
    assert!(finished[KILLS / 2] < JOBS, "all was done before half of the kills: {finished:?}");
}

/// Waits until this many jobs have ended.
async fn have_ended(embedded: &SqliteBackend, jobs: usize, finished: &[usize]) {
    let until = Instant::now() + PATIENCE;
    while ended(embedded).await < jobs {
        let now = ended(embedded).await;
        assert!(Instant::now() < until, "{now} of {jobs} had ended; after each kill: {finished:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ended(embedded: &SqliteBackend) -> usize {
    let counts = embedded.client().store().unwrap().counts().await.unwrap();
    counts.iter().filter(|count| count.state.is_final()).map(|count| usize::try_from(count.jobs).unwrap()).sum()
}

async fn all(embedded: &SqliteBackend) -> Vec<Record> {
    let (client, mut records) = (embedded.client(), Vec::new());
    let mut query = ListQuery { limit: 1000, ..ListQuery::default() };
    loop {
        let page = client.list(&query).await.unwrap();
        records.extend(page.records);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return records;
        }
    }
}
