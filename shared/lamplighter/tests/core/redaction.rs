//! Sensitive arguments stay inside the worker: no error that leaves it has them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::support::{Memory, delivery, log::Log, start};
use async_trait::async_trait;
use lamplighter::{
    Context, Function, Job, JobError, JobId, LogLevel, Options, Queue, RawValue, Retry, Sensitive, Timestamp,
    backend::{Backend, Decision, Event, Events, Payloads, StoreError},
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    layer::Metrics,
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

const SECRET: &str = "S3CRET \"pass\" wörd";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Charge {
    what: String,
    card: Sensitive<String>,
    #[serde(default)]
    pin: Option<Sensitive<u32>>,
    #[serde(default)]
    headers: BTreeMap<String, Sensitive<String>>,
}

impl Job for Charge {
    const NAME: &'static str = "card.charge";
    const QUEUE: Queue = Queue::standard("test");

    fn options() -> Options {
        Options::new().timeout(secs(10)).retry(Retry::fixed(secs(7)).attempts(2))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("card {card} was refused")]
struct Refused {
    card: String,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
#[error("the bank says: {0:?}")]
struct Cause(Charge2);

/// Shows all that it has, as a careless type does.
#[derive(Debug)]
#[expect(dead_code, reason = "shown by Debug")]
struct Charge2 {
    card: String,
    pin: u32,
}

struct Unwritable(String);

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format_args!("cannot write {}", self.0)))
    }
}

async fn charge(job: Charge, ctx: Context) -> Result<Option<Unwritable>, JobError> {
    let card = job.card.expose().clone();
    match &*job.what {
        "refuse" => {
            let shown = Charge2 { card: card.clone(), pin: job.pin.map_or(0, Sensitive::into_inner) };
            Err(Refused { card, cause: Cause(shown) }.into())
        }
        "fail" => Err(JobError::fail(format!("{{\"card\":{}}}", serde_json::to_string(&card)?))),
        "long" => Err(JobError::fail(format!("{}{card}", "x".repeat(4090)))),
        "log" => {
            ctx.log(LogLevel::Info, "begins");
            ctx.log(LogLevel::Info, format!("charges {card}"));
            Ok(None)
        }
        "panic" => panic!("no such card: {card}"),
        "output" => Ok(Some(Unwritable(card))),
        "debug" => Err(JobError::fail(format!("{job:?}"))),
        _ => Ok(None),
    }
}

fn args(what: &str) -> String {
    serde_json::json!({ "what": what, "card": SECRET, "pin": 735_379, "headers": { "auth": "Bearer 0123" } })
        .to_string()
}

fn message(what: &str) -> Delivery {
    delivery(what, &format!(r#"{{"job":"card.charge","id":"{what}","args":{}}}"#, args(what)))
}

/// Keeps what is published.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<Vec<Event>>>);

#[async_trait]
impl Events for Published {
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError> {
        self.0.lock().unwrap().extend(events);
        Ok(())
    }
}

/// Has arguments that are too large for a message.
struct Bucket;

#[async_trait]
impl Payloads for Bucket {
    async fn put(&self, _: &JobId, _: &RawValue, _: Option<Timestamp>) -> Result<String, StoreError> {
        Err(StoreError::unavailable("nothing is put here"))
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError> {
        Ok(RawValue::from_string(args(reference)).unwrap())
    }
}

struct Bench {
    memory: Memory,
    published: Published,
    worker: Worker,
}

impl Bench {
    fn new(backend: impl Fn(&Memory) -> Backend, function: Function) -> Self {
        let env = Env::driven(start(), 42);
        let (memory, published) = (Memory::new(&env), Published::default());
        let backend = backend(&memory).with_events(Arc::new(published.clone())).with_payloads(Arc::new(Bucket));
        let worker = Worker::new(function, backend, env, "test-host", Stop::new());
        Self { memory, published, worker }
    }

    /// All that leaves the worker when this message comes twice, and with it the log.
    async fn shown(&self, message: Delivery) -> String {
        let log = Log::of_this_thread();
        let mut shown = String::new();
        for receives in 1..=2 {
            let message = message.clone().received(receives);
            let settlements = self.worker.process(vec![message], Instant::now() + secs(30)).await;
            shown.push_str(&format!("{:?}\n", settlements[0].action));
        }
        for settle in self.memory.settled.lock().unwrap().iter() {
            shown.push_str(&serde_json::to_string(&settle.decision).unwrap());
            shown.push_str(&format!("{:?}\n", settle.decision));
        }
        shown.push_str(&format!("{:?}\n", self.published.0.lock().unwrap()));
        let logged = log.text();
        assert!(logged.contains("card.charge"), "the worker logs the job: {logged}");
        shown.push_str(&logged);
        shown
    }
}

fn function() -> Function {
    Function::new("test").job(charge)
}

fn assert_hidden(shown: &str) {
    for part in ["S3CRET", "wörd", r"pass", "735379", "Bearer 0123"] {
        assert!(!shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_causes_and_panics_leave_the_worker_without_sensitive_values() {
    for (what, says) in [
        ("refuse", r#"card [redacted] was refused: the bank says: Charge2 { card: "[redacted]", pin: [redacted] }"#),
        ("fail", r#"{"card":"[redacted]"}"#),
        ("panic", "panicked: no such card: [redacted]"),
        ("output", "the output cannot be written as JSON: cannot write [redacted]"),
        (
            "debug",
            r#"Charge { what: "debug", card: [redacted], pin: Some([redacted]), headers: {"auth": [redacted]} }"#,
        ),
    ] {
        let layered = Function::new("test").job(charge).layer(Metrics::new());
        for (name, bench) in [
            ("tracked", Bench::new(Memory::backend, function())),
            ("stateless", Bench::new(Memory::stateless, function())),
            ("layered", Bench::new(Memory::backend, layered)),
        ] {
            let shown = bench.shown(message(what)).await;
            assert_hidden(&shown);
            let event = bench.published.0.lock().unwrap()[0].error.clone().unwrap();
            assert_eq!(event.to_string(), says, "{name}");
            assert!(shown.contains("job failed") && shown.contains("DeadLetter"), "{shown}");
            for settle in bench.memory.settled.lock().unwrap().iter() {
                let (Decision::Retry { error, .. } | Decision::Failed { error, .. }) = &settle.decision else {
                    panic!()
                };
                assert_eq!(error.to_string(), says, "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lines_of_the_jobs_log_hide_them() {
    for (name, bench) in
        [("tracked", Bench::new(Memory::backend, function())), ("stateless", Bench::new(Memory::stateless, function()))]
    {
        let shown = bench.shown(message("log")).await;
        assert_hidden(&shown);
        let lines: Vec<_> = bench.memory.settled.lock().unwrap().iter().flat_map(|settle| settle.log.clone()).collect();
        let texts: Vec<_> = lines.iter().map(|line| &*line.text).collect();
        assert_eq!(texts, if name == "tracked" { vec!["begins", "charges [redacted]"] } else { vec![] }, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_cut_through_by_the_bound_of_texts_leaves_no_part() {
    let bench = Bench::new(Memory::backend, function());
    let shown = bench.shown(message("long")).await;
    assert_hidden(&shown);
    assert!(shown.contains("x[redac") && !shown.contains("S3"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn arguments_that_lie_elsewhere_are_hidden_too() {
    for what in ["refuse", "panic"] {
        let bench = Bench::new(Memory::backend, function());
        let body = format!(r#"{{"job":"card.charge","id":"a","args_at":"{what}"}}"#);
        let shown = bench.shown(delivery("m", &body)).await;
        assert!(shown.contains("[redacted]"), "{shown}");
        assert_hidden(&shown);
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_that_do_not_fit_are_told_of_without_values() {
    let bench = Bench::new(Memory::backend, function());
    let body = r#"{"job":"card.charge","id":"a","args":{"what":"x","card":["S3CRET"],"headers":{"S3CRET":1}}}"#;
    let shown = bench.shown(delivery("m", body)).await;
    assert!(
        shown.contains("the arguments do not fit card.charge: `card`: expected a string, found an array"),
        "{shown}"
    );
    assert_hidden(&shown);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_handed_over_directly_gives_a_clean_error() {
    let bench = Bench::new(Memory::stateless, function());
    let performed = bench.worker.perform(message("refuse"), Instant::now() + secs(30)).await;
    assert!(performed.error.unwrap().message.contains("card [redacted] was refused"));
    assert!(matches!(performed.action, MessageAction::Retry(_)));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_cannot_take_travels_clean() {
    let bench = Bench::new(Memory::backend, function());
    bench.memory.faults.lock().unwrap().settles = 3;
    bench.worker.process(vec![message("fail")], Instant::now() + secs(30)).await;
    let sent = bench.memory.sent.lock().unwrap();
    let settlement = sent[0].message.extra.values().next().unwrap().get();
    assert!(settlement.contains("[redacted]"), "{settlement}");
    assert_hidden(settlement);
    assert!(sent[0].message.args.get().contains("S3CRET"), "the message keeps its arguments: it must run again");
}
