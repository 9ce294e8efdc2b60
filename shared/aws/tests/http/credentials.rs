//! Errors on a terminal when credentials, region or endpoint are missing, and how soon they come.
//!
//! Environment variables belong to a process, so each case starts this test program again.

use std::{sync::Arc, time::Duration};

use lamplighter::{Client, backend::Backend, env::Env};
use lamplighter_aws::Sqs;
use lamplighter_fakes::FakeSqs;
use tokio::{process::Command, time::timeout};

use crate::support::Act;

const URL: &str = "LAMPLIGHTER_TEST_URL";

/// Not a test, but the program that the tests here start: sends one job, and prints the result.
#[test]
fn sender() {
    let Ok(url) = std::env::var(URL) else { return };
    let sqs = if url == "environment" { Sqs::from_env().unwrap() } else { Sqs::for_url("work", &url).unwrap() };
    let client = Client::new(Backend::new(Arc::new(sqs)), Env::system());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(async { client.enqueue(Act::default()).id("one").await }) {
        Ok(enqueued) => println!("answer: sent {}", enqueued.id()),
        Err(error) => println!("answer: {error}"),
    }
}

/// The program's output, given an environment.
async fn send(url: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "credentials::sender", "--nocapture", "--test-threads=1"]).env_clear().env(URL, url);
    // Neither a profile of this machine's user nor a role of this machine is used.
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    command.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    command.envs(environment.iter().copied()).kill_on_drop(true);
    // People do not wait for minutes. On a quiet machine the slowest case here takes little more than a second.
    let output = timeout(Duration::from_secs(600), command.output()).await.expect("it hangs").unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answer = said.lines().find_map(|line| line.split_once("answer: ").map(|(_, answer)| answer.to_owned()));
    answer.unwrap_or_else(|| format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

#[tokio::test]
async fn a_job_is_sent_to_the_endpoint_of_its_url() {
    let fake = FakeSqs::start().await.unwrap();
    assert_eq!(send(&fake.queue_url("work"), &KEYS).await, "sent one");
    assert_eq!(fake.bodies("SendMessageBatch").len(), 1);
}

#[tokio::test]
async fn missing_credentials_are_explained() {
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/work";
    let said = send(url, &[]).await;
    assert!(said.contains("there are no usable AWS credentials here"), "{said}");
    assert!(said.contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{said}");
    let said = send(url, &[("AWS_PROFILE", "nobody")]).await;
    assert!(said.contains("credentials") && said.contains("AWS_PROFILE"), "{said}");
    let map = (("LAMPLIGHTER_QUEUES"), r#"{"work":{"url":"https://sqs.eu-west-1.amazonaws.com/123456789012/work"}}"#);
    let said = send("environment", &[map, ("AWS_REGION", "eu-west-1")]).await;
    assert!(said.contains("there are no usable AWS credentials here"), "{said}");
    let said = send("environment", &[map]).await;
    assert!(said.contains("no AWS region is set: set AWS_REGION"), "{said}");
}

#[tokio::test]
async fn an_unreachable_endpoint_is_explained() {
    let fake = FakeSqs::start().await.unwrap();
    let url = fake.queue_url("work");
    drop(fake);
    let said = send(&url, &KEYS).await;
    assert!(said.contains(&url) && said.contains("does not answer") && said.contains("check the address"), "{said}");
    let mut empty = KEYS.to_vec();
    empty.push(("AWS_ENDPOINT_URL", ""));
    let said = send("https://sqs.eu-west-1.amazonaws.com/123456789012/work", &empty).await;
    assert!(said.contains("AWS_ENDPOINT_URL is set, but empty"), "{said}");
}
