//! The operator's commands on a separate stack: the tests' function again, with queues that no other test uses.

use std::{path::PathBuf, process::Command, sync::Arc};

use aws_sdk_cloudwatch::{
    primitives::DateTime,
    types::{Dimension, MetricDatum},
};
use aws_sdk_sqs::config::Credentials;
use e2e_function::Run;
use lamplighter::{
    JobId, JobState,
    backend::{
        Accuracy, ConsumerKind, ConsumerState, DeadLetterCount, DeadLetterFilter, Operator, Redrive, RedriveMethod,
        RedriveResult,
    },
    env::Env,
    host::Stop,
};
use lamplighter_aws::{AwsBackend, AwsClients, Output, Stack};
use lamplighter_tests::ministack::{REGION, ROOT_KEY, eventually, package};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use crate::cloud::{Cloud, INVOCATION, SOON, attribute, cloud, deploy, give_time, template};

const NAME: &str = "operated";

struct Operated {
    cloud: &'static Cloud,
    stack: &'static Stack,
    aws: AwsBackend,
    operator: Arc<dyn Operator>,
    ledger: &'static PathBuf,
}

async fn operated() -> Operated {
    static DEPLOYED: OnceCell<(Stack, PathBuf)> = OnceCell::const_new();
    let cloud = cloud().await;
    let (stack, ledger) = DEPLOYED.get_or_init(async || deployed(cloud).await).await;
    // One for each test: connections belong to the runtime in which they were opened.
    let aws = AwsBackend::new(sdk(cloud), stack.settings(), Env::system());
    let operator = aws.operator();
    Operated { cloud, stack, aws, operator, ledger }
}

async fn deployed(cloud: &Cloud) -> (Stack, PathBuf) {
    let ledger = cloud.aws.log().with_file_name("operated.jsonl");
    let parameters = [("E2eLedger", ledger.to_str().unwrap()), ("Metrics", "cloudwatch")];
    let mut template = template(&[e2e_function::function()]);
    give_time(&mut template, INVOCATION);
    // The emulator knows no alarm of an expression.
    template["Resources"].as_object_mut().unwrap().retain(|_, resource| resource["Properties"]["Metrics"].is_null());
    deploy(&cloud.aws, NAME, template, &parameters, &[("e2e", "e2e-function")]).await;
    (Stack::read(&sdk(cloud), NAME).await.unwrap(), ledger)
}

fn sdk(cloud: &Cloud) -> AwsClients {
    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
    AwsClients::fixed(REGION, Some(cloud.aws.endpoint()), credentials)
}

impl Operated {
    fn url(&self, queue: &str) -> &str {
        &self.stack.queues().get(queue).unwrap().url
    }

    fn dead(&self, queue: &str) -> &str {
        self.stack.queues().get(queue).unwrap().dlq.as_deref().unwrap()
    }

    async fn send(&self, queue: &str, job: &str, label: &str, behaviour: Value) {
        let body = json!({ "job": job, "id": label, "args": { "label": label, "behaviour": behaviour } });
        let send = self.cloud.aws.sqs().send_message().queue_url(self.url(queue)).message_body(body.to_string());
        let fifo = self.url(queue).ends_with(".fifo").then(|| label.to_owned());
        let send = send.set_message_deduplication_id(fifo.clone()).set_message_group_id(fifo.map(|_| "one".to_owned()));
        send.send().await.unwrap();
    }

    fn runs(&self, label: &str) -> Vec<Run> {
        e2e_function::read(self.ledger).unwrap().into_iter().filter(|run| run.label == label).collect()
    }

    async fn has_run(&self, label: &str, times: usize) -> Vec<Run> {
        eventually(format!("{label} has run {times} times"), SOON, async || match self.runs(label) {
            runs if runs.len() >= times => Ok(runs),
            runs => Err(format!("{} runs", runs.len())),
        })
        .await
        .unwrap()
    }

    /// The emulator has no move tasks, so dead letters are moved one by one.
    async fn redrive(&self, queue: &str, filter: DeadLetterFilter) -> RedriveResult {
        let redrive = Redrive::all().with_filter(filter);
        let result = self.operator.redrive(queue, &redrive, &Stop::new(), &|_| {}).await.unwrap();
        assert_eq!(result.method, RedriveMethod::Manual);
        result
    }
}

/// Held by tests that read dead letters of `acts`, which another test might move.
static LETTERS: Mutex<()> = Mutex::const_new(());

fn of_job(job: &str) -> DeadLetterFilter {
    DeadLetterFilter::all().with_job(job)
}

#[tokio::test]
async fn a_stack_is_found_by_its_name() {
    let operated = operated().await;
    let names: Vec<_> = operated.stack.queues().iter().map(|(name, queue)| (name, queue.is_fifo())).collect();
    for queue in [("acts", false), ("ordered", true), ("ticks", false)] {
        assert!(names.contains(&queue), "{names:?}");
    }
    assert!(operated.stack.output(Output::Table).is_some(), "{:?}", operated.stack);
    let error = Stack::read(&sdk(operated.cloud), "nowhere").await.unwrap_err().to_string();
    assert!(error.contains("no stack \"nowhere\" in us-east-1"), "{error}");
}

#[tokio::test]
async fn a_paused_queue_runs_nothing_and_a_resumed_one_all() {
    let operated = operated().await;
    let consumer = async || operated.operator.consumer("ticks").await.unwrap().state;
    operated.operator.pause("ticks").await.unwrap();
    assert_eq!(consumer().await, ConsumerState::Paused);
    let labels: Vec<_> = (0..5).map(|n| format!("paused-{n}")).collect();
    for label in &labels {
        operated.send("ticks", "e2e.tick", label, json!("succeed")).await;
    }
    // Another queue continues; when it is empty, this one would have been empty, too.
    for n in 0..5 {
        operated.send("ordered", "e2e.ordered", &format!("beside-{n}"), json!("succeed")).await;
    }
    operated.has_run("beside-4", 1).await;
    assert!(labels.iter().all(|label| operated.runs(label).is_empty()));
    let queues = operated.operator.queues().await.unwrap();
    let ticks = queues.iter().find(|queue| queue.queue == "ticks").unwrap();
    assert!(ticks.consumer.state == ConsumerState::Paused && ticks.waiting >= 5, "{ticks:?}");
    assert_eq!((ticks.consumer.kind, ticks.accuracy), (ConsumerKind::EventSourceMapping, Accuracy::Approximate));

    operated.operator.resume("ticks").await.unwrap();
    assert_eq!(consumer().await, ConsumerState::Active);
    for label in &labels {
        assert_eq!(operated.has_run(label, 1).await.len(), 1);
    }
}

#[tokio::test]
async fn chosen_dead_letters_run_again_under_their_ids_and_the_others_stay() {
    let _letters = LETTERS.lock().await;
    let operated = operated().await;
    let labels: Vec<_> = (0..12).map(|n| format!("redriven-{n:02}")).collect();
    for label in &labels {
        operated.send("acts", "e2e.act", label, json!("give_up")).await;
    }
    let stranger = r#"{"job":"somebody.elses","id":"stranger"}"#;
    operated.cloud.aws.send(operated.dead("acts"), stranger).await.unwrap();
    operated.cloud.holds(operated.dead("acts"), "redriven-", 12).await;
    let counted = operated.operator.count_dead_letters("acts", &DeadLetterFilter::all(), &Stop::new()).await.unwrap();
    let failed = |count: &DeadLetterCount| (&*count.job, &*count.reason) == ("e2e.act", "failed");
    assert!(counted.counts.iter().any(|count| failed(count) && count.dead_letters >= 12), "{counted:?}");
    let stranger = DeadLetterCount::new("somebody.elses", "max-receive-count", 1);
    assert!(counted.counts.contains(&stranger), "{counted:?}");

    let redriven = operated.redrive("acts", of_job("e2e.act")).await;
    assert!(redriven.error.is_none() && redriven.progress.moved >= 12 && redriven.progress.left >= 1, "{redriven:?}");
    for label in &labels {
        let runs = operated.has_run(label, 2).await;
        assert!(runs.iter().all(|run| run.id == *label && run.attempt == 1), "{runs:?}");
    }
    // They fail again, once each: a redrive moves no dead letter that arrived after it began.
    operated.cloud.holds(operated.dead("acts"), "redriven-", 12).await;
    assert!(labels.iter().all(|label| operated.runs(label).len() == 2));
    let left = operated.cloud.holds(operated.dead("acts"), "somebody.elses", 1).await;
    assert!(left[0].is_visible, "{left:?}");

    let client = operated.aws.client();
    let record = client.get(&JobId::new(&labels[0]).unwrap()).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Failed, 1, 2));
}

#[tokio::test]
async fn dead_letters_of_a_fifo_queue_are_not_deduplicated_away() {
    let operated = operated().await;
    operated.send("ordered", "e2e.ordered", "again", json!("give_up")).await;
    let letters = operated.cloud.holds(operated.dead("ordered"), "\"again\"", 1).await;
    assert_eq!(attribute(&letters[0], "lamplighter.reason"), "failed");
    // At once, while SQS still remembers the deduplication id of the first send.
    let redriven = operated.redrive("ordered", DeadLetterFilter::all()).await;
    assert!(redriven.error.is_none() && redriven.progress.moved >= 1, "{redriven:?}");
    operated.has_run("again", 2).await;
}

/// Runs the real program, as an operator does, and returns its output.
async fn lamp(operated: &Operated, args: &[&str]) -> String {
    let lamp = tokio::task::spawn_blocking(|| package::binary("lamp").unwrap()).await.unwrap();
    let mut command = Command::new(&lamp);
    command.args(args).envs(operated.cloud.aws.environment()).env("LAMPLIGHTER_STACK", NAME);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "lamp {args:?}: {out}{err}");
    out
}

#[tokio::test]
async fn the_command_works_on_the_stack() {
    let _letters = LETTERS.lock().await;
    let operated = operated().await;
    let queues = lamp(&operated, &["queues", "--json"]).await;
    let queues: Vec<Value> = queues.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acts = queues.iter().find(|queue| queue["queue"] == "acts").unwrap();
    assert_eq!((&acts["mapping"], &acts["paused"]), (&json!("enabled"), &json!(false)), "{queues:?}");

    operated.send("acts", "e2e.act", "by-hand", json!("give_up")).await;
    operated.cloud.holds(operated.dead("acts"), "by-hand", 1).await;
    let job: Value = serde_json::from_str(&lamp(&operated, &["job", "by-hand", "--json"]).await).unwrap();
    assert_eq!((&job["state"], &job["attempts"][0]["outcome"]), (&json!("failed"), &json!("error")), "{job}");
    lamp(&operated, &["retry", "by-hand"]).await;
    operated.has_run("by-hand", 2).await;
    // A retry leaves the dead letter where it is, and the second failure adds another one.
    operated.cloud.holds(operated.dead("acts"), "by-hand", 2).await;
    let moved: Value =
        serde_json::from_str(&lamp(&operated, &["redrive", "acts", "--job", "e2e.act", "--json"]).await).unwrap();
    assert!(moved["moved"].as_u64().is_some_and(|moved| moved >= 1), "{moved}");
    operated.has_run("by-hand", 3).await;
}

/// Takes the metrics from a function's log as CloudWatch does (Amazon CloudWatch User Guide, "Specification: Embedded metric
/// format"): the emulator keeps metrics, and does not look for them in logs. Returns the lines that have any.
async fn take_metrics(operated: &Operated, function: &str) -> Vec<Value> {
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&operated.cloud.aws.sdk_config());
    let log = operated.cloud.aws.function_log(function).await.unwrap();
    let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let lines: Vec<Value> = lines.into_iter().filter(|line| line["_aws"].is_object()).collect();
    for line in &lines {
        let at = DateTime::from_millis(line["_aws"]["Timestamp"].as_i64().unwrap());
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            let names = directive["Dimensions"][0].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let dimension = |name: &str| Dimension::builder().name(name).value(line[name].as_str().unwrap()).build();
            let dimensions: Vec<_> = names.map(dimension).collect();
            let datum = |metric: &Value| {
                let name = metric["Name"].as_str().unwrap();
                let values = match &line[name] {
                    Value::Array(values) => values.iter().map(|value| value.as_f64().unwrap()).collect(),
                    value => vec![value.as_f64().unwrap()],
                };
                let datum = MetricDatum::builder().metric_name(name).timestamp(at).set_values(Some(values));
                datum.set_dimensions(Some(dimensions.clone())).build()
            };
            let data = directive["Metrics"].as_array().unwrap().iter().map(datum).collect();
            let put = cloudwatch.put_metric_data().namespace(directive["Namespace"].as_str().unwrap());
            put.set_metric_data(Some(data)).send().await.unwrap();
        }
    }
    lines
}

#[tokio::test]
async fn lamp_stats_shows_what_the_functions_have_measured() {
    let _letters = LETTERS.lock().await;
    let operated = operated().await;
    for n in 0..3 {
        operated.send("acts", "e2e.act", &format!("measured-{n}"), json!("succeed")).await;
    }
    operated.send("acts", "e2e.act", "measured-failure", json!("give_up")).await;
    for n in 0..3 {
        operated.has_run(&format!("measured-{n}"), 1).await;
    }
    operated.cloud.holds(operated.dead("acts"), "measured-failure", 1).await;
    let function = format!("{NAME}-e2e");
    assert_eq!(operated.stack.output(Output::Functions), Some(&*function));
    let count = |lines: &[Value], metric: &str| -> u64 {
        let of_job = lines.iter().filter(|line| line["Job"] == "e2e.act" && line["Queue"] == "acts");
        of_job.filter_map(|line| line[metric].as_u64()).sum()
    };
    let written = eventually("all four are in the log", SOON, async || {
        let log = operated.cloud.aws.function_log(&function).await.unwrap();
        let lines: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        match count(&lines, "Succeeded") >= 3 && count(&lines, "Failed") >= 1 {
            true => Ok(()),
            false => Err(format!("{log:#?}")),
        }
    });
    written.await.unwrap();
    let lines = take_metrics(&operated, &function).await;
    let out = lamp(&operated, &["stats", "--since", "1h", "--json"]).await;
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let acts = rows.iter().find(|row| row["job"] == "e2e.act" && row["queue"] == "acts").unwrap();
    for (field, metric) in [("succeeded", "Succeeded"), ("failed", "Failed"), ("retried", "Retried")] {
        assert_eq!(acts[field].as_u64().unwrap(), count(&lines, metric), "{field}: {acts}");
    }
    assert!(acts["duration"]["p99_ms"].as_f64().unwrap() >= acts["duration"]["p50_ms"].as_f64().unwrap(), "{acts}");
    let none =
        lamp(&operated, &["stats", "--queue", "acts", "--job", "e2e.act", "--since", "3h", "--before", "2h"]).await;
    assert_eq!(none, "");
}
