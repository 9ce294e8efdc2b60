//! A collector that takes connections and never answers.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod support;

use std::{net::TcpListener, thread, time::Duration};

use aws_credential_types::Credentials;
use lamplighter::{Function, env::Env, mins, secs};
use lamplighter_aws::{
    AwsClients, QueueMap, Sqs,
    lambda::{Host, Invocation, Response},
};
use lamplighter_otel::Traces;
use serde_json::json;
use support::greet::greet;
use tokio::time::Instant;

/// On a clock that jumps where nothing else is to be done: it shows by how much an invocation was delayed, whatever the
/// speed of the machine.
#[tokio::test(start_paused = true)]
async fn a_silent_collector_delays_one_invocation_by_its_share_and_the_next_not_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Connections are kept, and nothing is read from them.
    thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let traces = Traces::builder().endpoint(endpoint).timeout(mins(10)).build().unwrap();
    traces.install().unwrap();
    let function = Function::new("greetings").job(greet).layer(traces.clone());
    let clients = AwsClients::fixed("eu-central-1", None, Credentials::new("test", "test", None, None, "test"));
    let host = Host::with_env(function, Sqs::new(clients, QueueMap::default()), Env::system());
    let invoke = async |budget: Duration| {
        let began = Instant::now();
        let payload = serde_json::from_value(json!({"job": "greeting.say"})).unwrap();
        let invocation = Invocation { request_id: "one".into(), deadline: began + budget, trace_header: None };
        let answer = host.handle(payload, invocation).await.unwrap();
        assert!(matches!(answer, Response::Job(job) if job.state == "succeeded"));
        began.elapsed()
    };
    let first = invoke(secs(6)).await;
    assert!(
        (Duration::from_millis(500)..Duration::from_millis(620)).contains(&first),
        "a tenth of six seconds: {first:?}"
    );
    let second = invoke(secs(6)).await;
    assert!(second < Duration::from_millis(100), "its collector is known to be silent: {second:?}");
}
