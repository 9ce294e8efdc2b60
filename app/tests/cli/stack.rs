//! The operator's commands on a deployed stack with fake endpoints.

use std::process::Command;

use lamplighter_fakes::{FakeDeployment, FakeMessage, Fault};
use serde_json::{Value, json};

use crate::support::{Done, Place};

/// A stack with the queues of this deployment, and a folder for the commands.
struct Shop {
    fake: FakeDeployment,
    place: Place,
}

impl Shop {
    async fn open() -> Self {
        let fake = FakeDeployment::start().await.unwrap();
        let queue = json!({"url": fake.queue_url("shop-work"), "dlq": fake.queue_url("shop-work-dlq")});
        fake.stack.set_output("Queues", Some(&json!({"webhooks": queue}).to_string()));
        Self { fake, place: Place::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.envs(self.fake.client_environment()).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Runs `lamp` with these arguments and the stack's name in the environment.
    async fn lamp(&self, args: &[&str]) -> Done {
        let mut command = self.command(args);
        command.env("LAMPLIGHTER_STACK", FakeDeployment::STACK);
        Done::of(command).await
    }

    async fn json(&self, args: &[&str]) -> Vec<Value> {
        let out = self.lamp(args).await.ok();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn dead_letter(&self, job: &str, id: &str) {
        let body = json!({"job": job, "id": id}).to_string();
        let attributes = [("lamplighter.reason", "failed"), ("lamplighter.error", "no")];
        let sent = jiff::Timestamp::now().as_millisecond();
        self.fake.sqs.put("shop-work-dlq", &FakeMessage { body: &body, attributes: &attributes, sent, group: None });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_listed_paused_and_resumed() {
    let shop = Shop::open().await;
    shop.dead_letter("webhook.deliver", "a");
    let queue = |paused: bool, mapping: &str| {
        json!({"queue": "webhooks", "fifo": false, "paused": paused, "waiting": 0, "in_flight": 0, "delayed": 0,
               "dead_letters": 1, "mapping": mapping, "consumer": if paused { "paused" } else { "active" },
               "is_exact": false})
    };
    assert_eq!(shop.json(&["queues", "--json"]).await, [queue(false, "enabled")]);
    assert_eq!(shop.lamp(&["pause", "webhooks"]).await.ok(), "paused webhooks\n");
    assert_eq!(shop.json(&["queues", "--json"]).await, [queue(true, "disabled")]);
    assert!(shop.lamp(&["queues"]).await.ok().trim_end().ends_with("paused"));
    assert_eq!(shop.lamp(&["resume", "webhooks"]).await.ok(), "resumed webhooks\n");
    assert!(shop.fake.mappings.is_enabled("mapping-work"));
    shop.lamp(&["pause", "webhoks"]).await.fails(2, &["stack shop has no queue \"webhoks\"", "\"webhooks\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_moved_back() {
    let shop = Shop::open().await;
    for id in ["a", "b", "c"] {
        shop.dead_letter("webhook.deliver", id);
    }
    shop.dead_letter("image.thumbnail", "d");
    let letters = shop.json(&["dead-letters", "webhooks", "--json"]).await;
    assert_eq!(letters.len(), 4);
    assert_eq!((&letters[0]["reason"], &letters[0]["error"]), (&json!("failed"), &json!("no")));
    assert!(letters[0]["message_id"].is_string() && letters[0].get("number").is_none());
    assert_eq!(shop.json(&["dead-letters", "--json"]).await, [json!({"queue": "webhooks", "dead_letters": 4})]);

    let count =
        |job: &str, letters| json!({"queue": "webhooks", "job": job, "reason": "failed", "dead_letters": letters});
    let counted = shop.json(&["redrive", "webhooks", "--dry-run", "--json"]).await;
    assert_eq!(counted, [count("image.thumbnail", 1), count("webhook.deliver", 3)]);
    assert_eq!(shop.fake.sqs.visible("shop-work-dlq").len(), 4);

    let moved = shop.json(&["redrive", "webhooks", "--job", "webhook.deliver", "--since", "1h", "--json"]).await;
    assert_eq!((&moved[0]["moved"], &moved[0]["obsolete"], &moved[0]["twice"]), (&json!(3), &json!(0), &json!(0)));
    assert_eq!((shop.fake.sqs.messages("shop-work").len(), shop.fake.sqs.visible("shop-work-dlq").len()), (3, 1));
    // The fake has no move tasks, which is no reason to fail.
    let rest = shop.lamp(&["redrive", "webhooks"]).await.ok();
    assert!(rest.starts_with("moved one dead letter back to webhooks in "), "{rest}");
    assert_eq!(shop.lamp(&["redrive", "webhooks"]).await.err, "no dead letters on webhooks\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_were_not_moved_are_reported() {
    let shop = Shop::open().await;
    shop.dead_letter("webhook.deliver", "a");
    shop.fake.fail("SendMessageBatch", Fault::Entries(vec![0], true));
    let done = shop.lamp(&["redrive", "webhooks", "--json"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let answer: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&answer["moved"], &answer["failed"]), (&json!(0), &json!(1)));
    assert!(done.err.contains("one dead letter was not moved: SQS says Injected"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_finds_its_queue_in_the_stack() {
    let shop = Shop::open().await;
    let args = r#"{"url":"https://example.com/","event":"e","payload":1}"#;
    shop.lamp(&["enqueue", "webhook.deliver", args, "--id", "order-42"]).await.ok();
    let sent: Value = serde_json::from_str(&shop.fake.sqs.messages("shop-work")[0]).unwrap();
    assert_eq!((&sent["job"], &sent["id"]), (&json!("webhook.deliver"), &json!("order-42")));
    shop.lamp(&["pause", "webhooks"]).await.ok();
    let paused = shop.lamp(&["enqueue", "webhook.deliver", args]).await;
    assert!(paused.err.contains("queue webhooks is paused"), "{paused:?}");
    assert_eq!(shop.fake.sqs.messages("shop-work").len(), 2);

    let image = ["enqueue", "image.thumbnail", r#"{"key":"a.png"}"#];
    shop.lamp(&image).await.fails(2, &["stack shop has no queue \"images\"; it has webhooks"]);
    shop.lamp(&["enqueue", "lamp.ping"]).await.fails(2, &["lamp.ping is not deployed", "without --stack"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_need_records_say_so_without_a_table() {
    let shop = Shop::open().await;
    for args in [&["jobs"][..], &["job", "a"], &["cancel", "a"], &["retry", "a"], &["retry", "--all"]] {
        shop.lamp(args).await.fails(1, &["the stack shop keeps no records", "no table"]);
    }
    assert!(shop.lamp(&["schedules"]).await.ok().contains("report-daily"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_is_given_or_asked_for() {
    let shop = Shop::open().await;
    let named = Done::of(shop.command(&["queues", "--stack", "shop", "--json"])).await;
    assert_eq!(named.ok().lines().count(), 1);
    let missing = Done::of(shop.command(&["queues", "--stack", "shoop"])).await;
    missing.fails(1, &["no stack \"shoop\" in us-east-1", "AWS_REGION"]);
    assert_eq!(shop.lamp(&["queues", "--stack", "shop", "--db", "x.db"]).await.code, 2);
    assert_eq!(shop.lamp(&["queues", "--stack", ""]).await.code, 2);
    let url = shop.fake.queue_url("shop-work");
    assert_eq!(shop.lamp(&["enqueue", "report.daily", "--queue-url", &url, "--stack", "shop"]).await.code, 2);
    // The command line overrides the environment, in which two variables are a conflict.
    shop.lamp(&["queues", "--db", "x.db"]).await.fails(1, &["no jobs file at x.db"]);
    let mut both = shop.command(&["queues"]);
    both.env("LAMPLIGHTER_STACK", "shop").env("LAMPLIGHTER_DB", "x.db");
    Done::of(both).await.fails(2, &["LAMPLIGHTER_DB and LAMPLIGHTER_STACK are both set"]);
    let mut file = shop.command(&["queues"]);
    file.env("LAMPLIGHTER_STACK", "").env("LAMPLIGHTER_DB", "x.db");
    Done::of(file).await.fails(1, &["no jobs file at x.db"]);

    let mut nobody = shop.command(&["queues", "--stack", "shop"]);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    nobody.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    Done::of(nobody).await.fails(1, &["cannot read the stack shop", "no usable AWS credentials"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_needs_a_stack_that_can_be_read() {
    let shop = Shop::open().await;
    let nowhere = Done::of(shop.command(&["doctor"])).await;
    nowhere.fails(2, &["which stack to look at", "--stack NAME", "LAMPLIGHTER_STACK"]);
    shop.lamp(&["doctor", "--stack", "shoop"]).await.fails(1, &["no stack \"shoop\" in us-east-1", "AWS_REGION"]);
    let denied = Fault::Refused(403, "AccessDenied", "not yours");
    shop.fake.fail("DescribeStacks", denied);
    shop.lamp(&["doctor", "--json"]).await.fails(1, &["cannot read the stack shop", "not yours"]);
    assert_eq!(shop.lamp(&["doctor", "--stack", ""]).await.code, 2);
}
