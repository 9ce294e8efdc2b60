//! Two thousand jobs over three queues, on the generated template, with all kinds of faults: failures, panics,
//! timeouts, messages sent twice, and environments that are killed in the middle of their work.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use aws_sdk_sqs::types::QueueAttributeName;
use e2e_function::{Act, Behaviour, Ordered, REPAIRED, Run, TICK_SCHEDULE, Tick};
use lamplighter::{
    Batch, Client, JobId, JobState, ListQuery, Record,
    backend::{Operator, Redrive},
    env::Env,
    host::Stop,
    record::AttemptOutcome,
};
use lamplighter_aws::{AwsBackend, AwsClients, Stack as Deployed};
pub(crate) use lamplighter_tests::ministack::PATIENCE;
use lamplighter_tests::ministack::{MiniStack, REGION, ROOT_KEY, Stack, eventually};

use crate::cloud::deploy_own;

const ACTS: usize = 1500;
const ORDERED: usize = 200;
/// Multiplies the numbers of jobs and kills, for runs by hand: `E2E_SCALE=5` makes ten thousand jobs.
const SCALE: &str = "E2E_SCALE";
const GROUPS: usize = 20;
const TICKS: usize = 300;
/// The batch of the acts, and the job that is enqueued with it, to run at its end.
const BATCH: &str = "the-acts";
const END: &str = "the-end";
/// The number of environments that are killed, each after a number of further runs.
const KILLS: usize = 12;
const RUNS: usize = 100;
/// The time after which the messages of a killed environment return: when its lease has ended, and not much later.
const HIDDEN: Duration = Duration::from_secs(15);

/// Returns this number of jobs or kills, multiplied.
pub(crate) fn scaled(number: usize) -> usize {
    number * std::env::var(SCALE).map_or(1, |scale| scale.parse().unwrap())
}

/// An emulator with only the tests' own function, and its jobs.
pub(crate) struct Fleet {
    aws: Arc<MiniStack>,
    stack: Stack,
    pub(crate) client: Client,
    operator: Arc<dyn Operator>,
    ledger: std::path::PathBuf,
}

impl Fleet {
    /// Deploys the function, with these variables in addition to the template's, and this time limit for an invocation.
    pub(crate) async fn start(aws: Arc<MiniStack>, variables: &[(&str, String)], invocation: Duration) -> Self {
        let ledger = aws.log().with_file_name("ledger.jsonl");
        let stack = deploy_own(&aws, "fleet", e2e_function::workers(), &ledger, (variables, invocation)).await;
        let credentials = aws_sdk_sqs::config::Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
        let sdk = AwsClients::fixed(REGION, Some(aws.endpoint()), credentials);
        let deployed = Deployed::read(&sdk, "fleet").await.unwrap();
        let deployment = AwsBackend::new(sdk, deployed.settings(), Env::system());
        let (client, operator) = (deployment.client(), deployment.operator());
        Self { client, aws, stack, operator, ledger }
    }

    /// Returns all runs so far, except those of the stack's own schedule.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let own = format!("{TICK_SCHEDULE}@");
        e2e_function::read(&self.ledger).unwrap().into_iter().filter(|run| !run.id.starts_with(&own)).collect()
    }

    /// Disables the event source mappings, so that only workers poll the queues, and returns the workers' environment.
    pub(crate) async fn for_workers(&self) -> Vec<(&'static str, String)> {
        for queue in ["acts", "ordered", "ticks"] {
            self.operator.pause(queue).await.unwrap();
        }
        let output = |name| self.stack.output(name).unwrap().to_owned();
        let of_stack = [
            ("LAMPLIGHTER_QUEUES", output("Queues")),
            ("LAMPLIGHTER_TABLE", output("Table")),
            (e2e_function::LEDGER, self.ledger.display().to_string()),
        ];
        self.aws.environment().into_iter().chain(of_stack).collect()
    }

    fn url(&self, resource: &str) -> &str {
        self.stack.physical_id(resource).unwrap()
    }

    /// Enqueues the jobs, and returns their ids.
    pub(crate) async fn enqueue(&self) -> BTreeSet<JobId> {
        let acts = (0..scaled(ACTS)).map(|n| Act { label: format!("act-{n}"), behaviour: behaviour(n) });
        let ticks = (0..scaled(TICKS)).map(|n| Tick { label: format!("tick-{n}") });
        let end = Act { label: END.into(), behaviour: Behaviour::Succeed };
        let batch = self.client.enqueue_batch(acts).id(BATCH).on_end(end).await.unwrap();
        let mut ids: BTreeSet<_> =
            self.client.batch_jobs(batch.id(), None, usize::MAX).await.unwrap().ids.into_iter().collect();
        let ticks = self.client.enqueue_all(ticks).await;
        ids.extend(ticks.into_iter().map(|answer| answer.unwrap().id().clone()));
        // Groups concurrently, and the jobs of each group in order.
        let groups = (0..GROUPS).map(async |group| {
            let mut ids = Vec::new();
            for n in (group..scaled(ORDERED)).step_by(GROUPS) {
                let behaviour = if n % 40 == 7 { Behaviour::FailUntil { attempt: 2 } } else { Behaviour::Succeed };
                let job = Ordered { label: format!("ordered-{n}"), behaviour };
                ids.push(self.client.enqueue(job).group(format!("group-{group}")).await.unwrap().id().clone());
            }
            ids
        });
        ids.extend(futures_util::future::join_all(groups).await.into_iter().flatten());
        ids
    }

    /// Asserts that the batch has ended once, and has counted what the records of its jobs say.
    pub(crate) async fn batch_agrees(&self, records: &BTreeMap<JobId, Record>) {
        let id: JobId = BATCH.parse().unwrap();
        let batch = eventually("the batch has ended", PATIENCE, async || {
            let batch = self.client.batch(&id).await.unwrap().unwrap();
            if batch.state.is_final() { Ok(batch) } else { Err(format!("{batch:?}")) }
        });
        let batch = batch.await.unwrap();
        let count = |state| {
            records.values().filter(|record| record.message.batch.is_some() && record.state == state).count() as u64
        };
        let counted = (batch.total, batch.succeeded, batch.failed, batch.cancelled);
        assert_eq!(counted, (scaled(ACTS) as u64, count(JobState::Succeeded), count(JobState::Failed), 0));
        assert_eq!(batch.state, JobState::Failed);
        eventually("the job after the batch has run", PATIENCE, async || {
            match self.runs().iter().filter(|run| run.label == END).count() {
                1 => Ok(()),
                runs => Err(format!("{runs} runs")),
            }
        })
        .await
        .unwrap();
    }

    /// Returns every record of the fleet, by id, except those of the stack's own schedule, of the batch, and of the job
    /// behind it.
    async fn records(&self) -> BTreeMap<JobId, Record> {
        let mut records = BTreeMap::new();
        let mut query = ListQuery { limit: 1000, ..ListQuery::default() };
        loop {
            let page = self.client.list(&query).await.unwrap();
            let of_batch = |record: &Record| record.message.job == Batch::JOB || !record.message.after.is_empty();
            let made = page.records.into_iter();
            let made = made.filter(|record| !is_own(record.message.schedule.as_deref()) && !of_batch(record));
            records.extend(made.map(|record| (record.id.clone(), record)));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return records,
            }
        }
    }

    /// Sends the messages of some jobs a second time, as SQS itself may.
    async fn send_twice(&self) {
        for record in self.records().await.values().filter(|record| record.queue == "acts").take(100) {
            self.aws.send(self.url("ActsQueue"), record.message.to_json()).await.unwrap();
        }
    }

    /// Kills environments (kill -9), one after the other, while jobs are ending.
    async fn kill(&self) {
        let mut ended = 0;
        for kill in 0..scaled(KILLS) {
            let seen =
                eventually(format!("work goes on before kill {kill}"), PATIENCE, async || match self.runs().len() {
                    runs if runs > ended + RUNS => Ok(runs),
                    runs => Err(format!("{runs} runs")),
                });
            ended = seen.await.unwrap();
            if let Some(process) = environments(self.aws.pid()).into_iter().nth(kill % 3) {
                let _ = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
            }
        }
    }

    /// Waits until these jobs have ended, and returns their records: there are no others.
    pub(crate) async fn ended(&self, jobs: &BTreeSet<JobId>) -> BTreeMap<JobId, Record> {
        // Cheap questions first: listing thousands of records again and again would keep the emulator from everything else.
        self.queues_are_empty().await;
        let all = eventually("every job has ended", PATIENCE, async || {
            let records = self.records().await;
            let has_ended = |id: &&JobId| records.get(*id).is_some_and(|record| record.state.is_final());
            match jobs.iter().filter(has_ended).count() {
                ended if ended == jobs.len() => Ok(records),
                ended => Err(format!("{ended} of {}", jobs.len())),
            }
        });
        let records = all.await;
        let records =
            records.unwrap_or_else(|error| panic!("{error}; the emulator's log is {}", self.aws.log().display()));
        let others: Vec<_> = records.values().filter(|record| !jobs.contains(&record.id)).collect();
        assert!(others.is_empty(), "nobody has made {others:?}");
        records
    }

    /// Sets the visibility timeout of the queues, in place of the template's.
    async fn hide_for(&self, time: Duration) {
        for queue in ["ActsQueue", "OrderedQueue", "TicksQueue"] {
            let set = self.aws.sqs().set_queue_attributes().queue_url(self.url(queue));
            let seconds = time.as_secs().to_string();
            set.attributes(QueueAttributeName::VisibilityTimeout, seconds).send().await.unwrap();
        }
    }

    /// Sends a body to a queue, as a sender in any language would.
    pub(crate) async fn send(&self, queue: &str, body: &str) {
        self.aws.send(self.url(queue), body.to_owned()).await.unwrap();
    }

    /// Waits until a queue holds a message with this text.
    pub(crate) async fn holds(&self, queue: &str, text: &str) {
        eventually(format!("{queue} holds {text:?}"), PATIENCE, async || {
            match self.aws.peek(self.url(queue)).await.unwrap().iter().any(|held| held.body.contains(text)) {
                true => Ok(()),
                false => Err("it does not"),
            }
        })
        .await
        .unwrap();
    }

    async fn queues_are_empty(&self) {
        for queue in ["ActsQueue", "OrderedQueue", "TicksQueue"] {
            let url = self.url(queue);
            eventually(format!("{queue} is empty"), PATIENCE, async || match self.aws.depth(url).await {
                Ok(depth) if depth == Default::default() => Ok(()),
                Ok(depth) => Err(depth.to_string()),
                Err(error) => Err(error.to_string()),
            })
            .await
            .unwrap();
        }
    }

    /// Asserts that the dead-letter queues hold exactly the failed jobs.
    pub(crate) async fn dead_letters_are_the_failures(&self, records: &BTreeMap<JobId, Record>) {
        let queues = [("acts", "ActsDeadLetters"), ("ordered", "OrderedDeadLetters"), ("ticks", "TicksDeadLetters")];
        for (queue, dead) in queues {
            assert_eq!(self.dead(dead).await, failed(records, queue), "{dead}");
        }
    }

    /// Returns the ids of the jobs whose messages are in a dead-letter queue, except those of the stack's own schedule: a
    /// killed process may have run one of them too.
    pub(crate) async fn dead(&self, queue: &str) -> BTreeSet<JobId> {
        let held = self.aws.peek(self.url(queue)).await.unwrap();
        let messages = held.iter().map(|held| held.body.parse::<lamplighter::message::Message>().unwrap());
        messages.filter(|message| !is_own(message.schedule.as_deref())).filter_map(|message| message.id).collect()
    }
}

/// Whether a job with this schedule was made by the stack's own one.
fn is_own(schedule: Option<&str>) -> bool {
    schedule == Some(TICK_SCHEDULE)
}

/// Returns the jobs of a queue that have failed.
fn failed(records: &BTreeMap<JobId, Record>, queue: &str) -> BTreeSet<JobId> {
    let failed = records.values().filter(|record| record.queue == queue && record.state == JobState::Failed);
    failed.map(|record| record.id.clone()).collect()
}

/// Returns the behaviour of the fleet's acts.
fn behaviour(n: usize) -> Behaviour {
    match n % 50 {
        3 => Behaviour::FailUntilRepaired,
        11 => Behaviour::Panic,
        17 => Behaviour::GiveUp,
        23 | 29 | 31 => Behaviour::FailUntil { attempt: 2 },
        41 if n < 300 => Behaviour::Sleep,
        _ => Behaviour::Succeed,
    }
}

/// Returns the processes of a server's process group that run a bootstrap.
fn environments(server: u32) -> Vec<u32> {
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let runs_bootstrap = |process: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let group = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2)?.parse::<u32>().ok());
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        group == Some(server) && name.trim() == "bootstrap"
    };
    processes.filter(runs_bootstrap).collect()
}

/// Compares records with the runs that the handlers recorded themselves.
pub(crate) fn match_the_runs(records: &BTreeMap<JobId, Record>, runs: &[Run]) {
    let mut by_id: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        by_id.entry(&run.id).or_default().push(run);
    }
    for record in records.values() {
        matches_its_runs(record, by_id.get(record.id.as_str()).map(Vec::as_slice).unwrap_or_default());
    }
}

fn matches_its_runs(record: &Record, runs: &[&Run]) {
    let history = &record.attempts;
    let numbers: Vec<_> = history.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..=record.attempt).collect::<Vec<_>>(), "{record:?}");
    let succeeded = history.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Succeeded).count();
    assert_eq!(succeeded, usize::from(record.state == JobState::Succeeded), "{record:?}");
    // No attempt ran twice, and none is missing in the history.
    let ran: BTreeSet<_> = runs.iter().map(|run| run.attempt).collect();
    assert_eq!(ran.len(), runs.len(), "{runs:?}");
    assert!(ran.iter().all(|attempt| numbers.contains(attempt)), "{runs:?}, {record:?}");
    // An attempt that never recorded its run was lost.
    for attempt in history.iter().filter(|attempt| !ran.contains(&attempt.number)) {
        assert_eq!(attempt.outcome, AttemptOutcome::Lost, "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_jobs_end_once_under_all_faults() {
    let aws = Arc::new(MiniStack::start().await.unwrap());
    let fleet = Fleet::start(aws, &[], e2e_function::function().timeout()).await;
    fleet.hide_for(HIDDEN).await;
    let sending = async {
        let ids = fleet.enqueue().await;
        fleet.send_twice().await;
        ids
    };
    let (ids, ()) = tokio::join!(sending, fleet.kill());
    assert_eq!(ids.len(), scaled(ACTS + ORDERED + TICKS));
    let records = fleet.ended(&ids).await;

    let runs = fleet.runs();
    match_the_runs(&records, &runs);
    fleet.batch_agrees(&records).await;
    let lost = records.values().flat_map(|record| &record.attempts);
    let lost = lost.filter(|attempt| attempt.outcome == AttemptOutcome::Lost).count();
    assert!(lost > 0, "no environment was killed in the middle of its work");

    fleet.dead_letters_are_the_failures(&records).await;
    let repairable: BTreeSet<_> = records
        .values()
        .filter(|record| record.state == JobState::Failed && record.message.args.get().contains("fail_until_repaired"))
        .map(|record| record.id.clone())
        .collect();
    assert_eq!(repairable.len(), scaled(ACTS) / 50);

    // The cause is repaired, and the dead letters are moved back.
    std::fs::write(Path::new(&fleet.ledger).with_file_name(REPAIRED), "").unwrap();
    let redriven = fleet.operator.redrive("acts", &Redrive::all(), &Stop::new(), &|_| {}).await.unwrap();
    assert!(redriven.progress.moved >= failed(&records, "acts").len() as u64, "{redriven:?}");
    let again = eventually("the repaired ones succeed", PATIENCE, async || {
        let records = fleet.records().await;
        // A job that changes while pages are read may be on none of them.
        let state = |id: &JobId| records.get(id).map(|record| record.state);
        let open = ids.iter().filter(|id| !state(id).is_some_and(JobState::is_final)).count();
        let repaired = repairable.iter().filter(|id| state(id) == Some(JobState::Succeeded)).count();
        if open == 0 && repaired == repairable.len() {
            Ok(records)
        } else {
            Err(format!("{open} open, {repaired} repaired"))
        }
    });
    let again = again.await.unwrap();
    for id in &repairable {
        let outcomes: Vec<_> = again[id].attempts.iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes.len(), records[id].attempts.len() + 1, "its history is kept: {outcomes:?}");
        assert_eq!(again[id].attempt, 1, "its attempts are counted anew");
    }
}
