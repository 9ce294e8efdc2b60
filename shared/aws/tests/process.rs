//! The bootstrap as Lambda runs it: a separate process that polls a runtime API.
//!
//! The process is this test program again, with an environment variable that makes it a bootstrap.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "http/support/mod.rs"]
mod support;

use std::{
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use lamplighter_aws::lambda::{STOP_NOTICE_VARIABLE, WARM_UP_VARIABLE};
use lamplighter_fakes::{Answer, FakeSqs, Fault, RuntimeApi};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use support::{batch, body, function, record};

const BOOTSTRAP: &str = "LAMPLIGHTER_TEST_BOOTSTRAP";
/// A limit for everything: it ends a test that hangs, and measures no speed.
const PATIENCE: Duration = Duration::from_secs(600);

/// Not a test, but the bootstrap that the tests here start.
#[test]
fn bootstrap() {
    if std::env::var_os(BOOTSTRAP).is_none() {
        return;
    }
    let (report, mut ran) = tokio::sync::mpsc::unbounded_channel::<support::Ran>();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(async move {
            while let Some((id, ..)) = ran.recv().await {
                println!("begun: {id}");
            }
        });
        lamplighter_aws::lambda::run(function(report)).await.unwrap();
    });
}

fn start(environment: Vec<(&'static str, String)>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bootstrap", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env(BOOTSTRAP, "1")
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn invoke(api: &RuntimeApi, payload: &Value) -> Answer {
    timeout(PATIENCE, api.invoke(payload.to_string())).await.unwrap().expect("an answer")
}

fn response(answer: Answer) -> Value {
    match answer {
        Answer::Response(body) => serde_json::from_str(&body).unwrap(),
        Answer::Error(body) => panic!("the invocation failed: {body}"),
    }
}

fn error(answer: Answer) -> Value {
    match answer {
        Answer::Error(body) => serde_json::from_str(&body).unwrap(),
        Answer::Response(body) => panic!("the invocation succeeded: {body}"),
    }
}

/// A process's output, and how it ended.
async fn ended(mut child: Child) -> (String, String, ExitStatus) {
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reading = async { tokio::join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)) };
    let (_, status) = timeout(PATIENCE, async { tokio::join!(reading, child.wait()) }).await.unwrap();
    (out, err, status.unwrap())
}

fn environment(api: &RuntimeApi, sqs: &FakeSqs) -> Vec<(&'static str, String)> {
    let map = json!({"work": {"url": sqs.queue_url("work"), "dlq": sqs.queue_url("work-dlq")}});
    let mut environment = api.environment("actors");
    environment.extend([("LAMPLIGHTER_QUEUES", map.to_string()), ("AWS_ENDPOINT_URL", sqs.endpoint())]);
    environment
}

#[tokio::test]
async fn a_bootstrap_serves_invocations_in_order() {
    let (api, sqs) = (RuntimeApi::start().await.unwrap(), FakeSqs::start().await.unwrap());
    let mut child = start(environment(&api, &sqs));
    timeout(PATIENCE, api.first_next()).await.unwrap();
    assert_eq!(sqs.calls(), []);

    let all_good = invoke(&api, &batch([record("a", body("succeed")), record("b", body("succeed"))])).await;
    assert_eq!(response(all_good), json!({"batchItemFailures": []}));
    assert_eq!(sqs.calls(), []);

    let mixed = batch(["succeed", "retry", "panic", "fail"].map(|end| record(end, body(end))));
    let answer = response(invoke(&api, &mixed).await);
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "retry"}, {"itemIdentifier": "panic"}]}));
    let mut actions: Vec<_> = sqs.calls().into_iter().map(|call| call.action).collect();
    actions.sort();
    assert_eq!(actions, ["ChangeMessageVisibilityBatch", "SendMessageBatch"]);

    let message = json!({"job": "act.out", "id": "direct", "args": {"note": "hi"}});
    assert_eq!(response(invoke(&api, &message).await), json!({"id": "direct", "state": "succeeded", "output": "hi"}));
    let failing = json!({"job": "act.out", "id": "direct", "args": {"end": "fail", "note": "secret"}});
    let refused = error(invoke(&api, &failing).await);
    assert_eq!(refused["errorType"], "Lamplighter.JobFailed");
    assert_eq!(refused["errorMessage"], "job act.out direct has failed: for good");
    // A payload that is not JSON only fails its own invocation.
    let nonsense = timeout(PATIENCE, api.invoke("{nonsense")).await.unwrap().unwrap();
    assert!(matches!(nonsense, Answer::Error(_)));
    // An implausible deadline is ignored: `cargo lambda watch` sends this one.
    let one = batch([record("c", body("succeed"))]).to_string();
    let answer = timeout(PATIENCE, api.invoke_until(one, 600_000)).await.unwrap().unwrap();
    assert_eq!(response(answer), json!({"batchItemFailures": []}));

    child.start_kill().unwrap();
    let (out, ..) = ended(child).await;
    // The first line follows the test harness's output.
    let json = out.lines().filter_map(|line| line.find('{').map(|start| &line[start..]));
    let lines: Vec<Value> = json.map(|line| serde_json::from_str(line).unwrap()).collect();
    // One line for the batch, and none for each success.
    let of_batches: Vec<_> = lines.iter().filter(|line| line["message"] == "batch").collect();
    assert!(of_batches.iter().all(|line| line["level"] == "INFO" && line["Started"].is_number()), "{of_batches:?}");
    assert!(
        of_batches.iter().any(|line| line["Succeeded"] == 1 && line["slowest"]["id"] == "direct"),
        "{of_batches:?}"
    );
    assert!(!lines.iter().any(|line| line["message"] == "job succeeded"));
    // A handler's line tells its invocation and its job, and the handler's own spans after them.
    let acting = lines.iter().find(|line| line["message"] == "acting" && line["spans"][1]["id"] == "a").expect(&out);
    let names: Vec<_> = acting["spans"].as_array().unwrap().iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["Lambda runtime invoke", "job", "step"]);
    assert!(acting["spans"][0]["requestId"].is_string());
    let job = json!({"attempt": 1, "id": "a", "job": "act.out", "queue": "work", "name": "job"});
    assert_eq!((&acting["spans"][1], &acting["spans"][2]["number"]), (&job, &json!(1)));
    assert!(lines.iter().all(|line| line["timestamp"].is_string()));
    assert!(!out.contains("secret"), "arguments are not logged: {out}");
}

#[tokio::test]
async fn lines_of_text_tell_the_job_too() {
    let (api, sqs) = (RuntimeApi::start().await.unwrap(), FakeSqs::start().await.unwrap());
    let mut environment = environment(&api, &sqs);
    environment.retain(|(name, _)| *name != "AWS_LAMBDA_LOG_FORMAT");
    let mut child = start(environment);
    response(invoke(&api, &batch([record("a", body("succeed"))])).await);
    child.start_kill().unwrap();
    let (out, ..) = ended(child).await;
    let acting = out.lines().find(|line| line.ends_with(": acting")).expect(&out);
    assert!(acting.contains(" INFO Lambda runtime invoke{requestId="), "{acting}");
    assert!(acting.contains(r#"}:job{job="act.out" id=a attempt=1 queue="work"}:step{number=1}: acting"#), "{acting}");
}

/// The actions that were called before the bootstrap asked for an invocation, in no order, and how long after that many
/// calls it asked.
async fn called_before_next(sqs: &FakeSqs, more: &[(&'static str, &str)], calls: usize) -> (Vec<String>, Duration) {
    let api = RuntimeApi::start().await.unwrap();
    let mut environment = environment(&api, sqs);
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let _child = start(environment);
    timeout(PATIENCE, sqs.called(calls)).await.unwrap();
    let called = Instant::now();
    let next = timeout(PATIENCE, api.first_next()).await.unwrap();
    let mut actions: Vec<_> = sqs.calls().into_iter().map(|call| format!("{} {}", call.service, call.action)).collect();
    actions.sort();
    (actions, next.saturating_duration_since(called))
}

#[tokio::test]
async fn connections_are_opened_ahead_if_enabled_with_records() {
    let (table, ahead) = (("LAMPLIGHTER_TABLE", "jobs"), (WARM_UP_VARIABLE, "1"));
    for quiet in [&[table][..], &[ahead], &[table, (WARM_UP_VARIABLE, "0")]] {
        let (actions, _) = called_before_next(&FakeSqs::start().await.unwrap(), quiet, 0).await;
        assert!(actions.is_empty(), "{quiet:?}: {actions:?}");
    }
    // Both are refused here, once, which does not stop the function from serving.
    let sqs = FakeSqs::start().await.unwrap();
    sqs.fail("GetQueueAttributes", Fault::Refused(403, "AccessDenied", "as the test asked"));
    let (actions, _) = called_before_next(&sqs, &[table, ahead], 2).await;
    assert_eq!(actions, ["dynamodb GetItem", "sqs GetQueueAttributes"]);
}

#[tokio::test]
async fn a_silent_service_delays_a_start_by_a_second() {
    let sqs = FakeSqs::start().await.unwrap();
    for action in ["GetItem", "GetQueueAttributes"] {
        sqs.fail(action, Fault::Silence);
    }
    let started = Instant::now();
    let (actions, waited) =
        called_before_next(&sqs, &[("LAMPLIGHTER_TABLE", "jobs"), (WARM_UP_VARIABLE, "1")], 2).await;
    assert_eq!(actions.len(), 2);
    assert!(started.elapsed() >= Duration::from_secs(1));
    // Calls themselves wait for ten.
    assert!(waited < Duration::from_secs(9), "{waited:?}");
}

#[tokio::test]
async fn concurrent_invocations_share_the_process() {
    let (api, sqs) = (RuntimeApi::start().await.unwrap(), FakeSqs::start().await.unwrap());
    let mut environment = environment(&api, &sqs);
    environment.push(("AWS_LAMBDA_MAX_CONCURRENCY", "4".into()));
    let _child = start(environment);
    timeout(PATIENCE, api.first_next()).await.unwrap();
    // A job that hangs with plenty of time delays no other; one with a near deadline is ended by it.
    let in_time = |time: Duration| {
        let deadline = std::time::SystemTime::now() + time;
        deadline.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
    };
    let hanging = |id| batch([record(id, body("hang"))]).to_string();
    let hung = api.invoke_until(hanging("hangs"), in_time(PATIENCE));
    let others = async {
        for id in ["a", "b", "c"] {
            let answer = response(invoke(&api, &batch([record(id, body("succeed"))])).await);
            assert_eq!(answer, json!({"batchItemFailures": []}));
        }
        let ended = timeout(PATIENCE, api.invoke_until(hanging("ends"), in_time(Duration::from_secs(2)))).await;
        assert_eq!(response(ended.unwrap().unwrap()), json!({"batchItemFailures": [{"itemIdentifier": "ends"}]}));
    };
    tokio::select! {
        biased;
        answer = hung => panic!("it ended while the others ran: {:?}", answer.is_some()),
        () = others => {}
    }
}

#[tokio::test]
async fn a_stop_notice_releases_running_jobs() {
    let (api, sqs) = (RuntimeApi::start().await.unwrap(), FakeSqs::start().await.unwrap());
    let mut environment = environment(&api, &sqs);
    environment.push((STOP_NOTICE_VARIABLE, "1".into()));
    let mut child = start(environment);
    timeout(PATIENCE, api.first_next()).await.unwrap();
    assert_eq!(api.extensions(), ["lamplighter-stop-notice"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let event = batch([record("hangs", body("hang"))]);
    let stop = async {
        let begun = async { while !lines.next_line().await.unwrap().unwrap().ends_with("begun: hangs") {} };
        timeout(PATIENCE, begun).await.unwrap();
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    };
    let (answer, ()) = tokio::join!(invoke(&api, &event), stop);
    assert_eq!(response(answer), json!({"batchItemFailures": [{"itemIdentifier": "hangs"}]}));
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let mut said = false;
    while let Some(line) = lines.next_line().await.unwrap() {
        said |= line.contains("stop notice");
    }
    assert!(said);
    assert_eq!(support::visibilities(&sqs)["receipt-hangs"], 0);
}

#[tokio::test]
async fn without_a_stop_notice_no_extension_is_registered() {
    let (api, sqs) = (RuntimeApi::start().await.unwrap(), FakeSqs::start().await.unwrap());
    let _child = start(environment(&api, &sqs));
    timeout(PATIENCE, api.first_next()).await.unwrap();
    assert_eq!(api.extensions(), [""; 0]);
}

#[tokio::test]
async fn start_errors_are_explained() {
    let api = RuntimeApi::start().await.unwrap();
    let (.., err, status) = ended(start(vec![])).await;
    assert!(!status.success());
    assert!(err.contains("function actors runs inside AWS Lambda, and AWS_LAMBDA_RUNTIME_API is not set"), "{err}");
    let mut environment = api.environment("actors");
    environment.push(("LAMPLIGHTER_QUEUES", "nonsense".into()));
    let (.., err, status) = ended(start(environment)).await;
    assert!(!status.success());
    assert!(err.contains("LAMPLIGHTER_QUEUES does not say where the queues are"), "{err}");
}
