//! Text from outside never reaches a terminal as a command. Hostile text is written into every field that a sender can
//! fill, and every command that shows such a field is run.

use lamplighter::{
    JobId, RawValue, Tracking,
    backend::{Claim, ClaimRequest, Completion, Decision, Token},
    message::Message,
    record::{AttemptOutcome, ErrorText, Fingerprint, Progress},
    secs,
};
use lamplighter_embedded::{Settings, SqliteBackend};
use lamplighter_fakes::{FakeDeployment, FakeMessage, Fault};
use serde_json::{Value, json};

use crate::support::{Done, Place};

/// The clipboard, C1, DEL, a bidi override, zero widths, a tag, separators, and line ends.
const HOSTILE: &str =
    "x\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{2028}\r\nerror: y\t";

/// Returns the characters that a terminal interprets or hides, except the line ends of the output itself.
fn obeyed(text: &str) -> Vec<char> {
    let hidden = |letter: &char| {
        (letter.is_control() && *letter != '\n')
            || matches!(*letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(*letter, '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().filter(hidden).collect()
}

#[track_caller]
fn harmless(args: &[&str], done: &Done) {
    for text in [&done.out, &done.err] {
        assert_eq!(obeyed(text), Vec::<char>::new(), "lamp {args:?}: {text:?}");
        // The hostile text has not begun a line of its own.
        assert!(!text.lines().any(|line| line.trim_start().starts_with("error: y")), "lamp {args:?}: {text}");
    }
    if args.contains(&"--json") {
        for line in done.out.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("lamp {args:?}: {error}: {line}"));
        }
    }
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + secs(60)
}

fn raw(value: &Value) -> Box<RawValue> {
    // As a sender may write it: only what JSON requires is escaped, and it has several lines.
    let text = serde_json::to_string(value).unwrap();
    let text = text.replace("\\u007f", "\u{7f}").replacen('{', "{\r\n\t", 1);
    RawValue::from_string(text).unwrap()
}

async fn attempt(embedded: &SqliteBackend, id: &str, decision: Decision) {
    let client = embedded.client();
    let store = client.store().unwrap();
    let id = JobId::new(id).unwrap();
    let record = client.get(&id).await.unwrap().unwrap();
    let token = Token { attempt: 1, owner: 7 };
    let (message, until) = (record.message.clone(), jiff::Timestamp::now() + secs(600));
    let mut request = ClaimRequest::new(id.clone(), record.queue.as_str(), message, token.owner, until);
    request.message_id = "m".into();
    request.host = HOSTILE.into();
    request.max_attempts = 5;
    assert!(matches!(store.claim(vec![request], soon()).await.remove(0).unwrap(), Claim::Run { .. }));
    let now = jiff::Timestamp::now();
    let mut settle = Completion::new(id, record.queue.as_str(), token, (now, now), decision);
    settle.message_id = "m".into();
    settle.host = HOSTILE.into();
    settle.progress = Some(Progress { done: 1, total: 2 });
    store.settle(vec![settle], soon()).await.remove(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_a_file_contains_no_terminal_commands() {
    let place = Place::new();
    std::fs::create_dir_all(place.database().parent().unwrap()).unwrap();
    {
        let embedded = SqliteBackend::open(place.database(), Settings::default()).unwrap();
        let client = embedded.client();
        let args = || raw(&json!({ HOSTILE: HOSTILE, "deep": [{ "text": HOSTILE }] }));
        for id in ["queued", "failed", "retrying", "succeeded"] {
            client.enqueue_raw("some.job", HOSTILE, Tracking::Full, args()).id(id).await.unwrap();
        }
        let error = || ErrorText { message: HOSTILE.into(), chain: vec![HOSTILE.into(), HOSTILE.into()] };
        let output = Some(raw(&json!({ "output": HOSTILE })));
        attempt(&embedded, "succeeded", Decision::Succeeded { output, retention: secs(600) }).await;
        let outcome = AttemptOutcome::Error;
        let failed = Decision::Failed {
            outcome,
            reason: lamplighter::backend::DeadLetterReason::Failed,
            error: error(),
            retention: secs(600),
        };
        attempt(&embedded, "failed", failed).await;
        attempt(&embedded, "retrying", Decision::Retry { outcome, error: error(), delay: secs(600) }).await;
        // A sender's own body with an invalid schedule name, and a body that is no job at all.
        let body = json!({ "job": "lamp.ping", "schedule": HOSTILE, "x": HOSTILE }).to_string();
        assert!(body.parse::<Message>().is_err());
        for queue in ["lamp", "images"] {
            embedded.send_raw(queue, body.clone()).await.unwrap();
            embedded.send_raw(queue, HOSTILE).await.unwrap();
        }
        let schedule = lamplighter::schedule::Schedule::rate("hourly", secs(3600)).unwrap().description(HOSTILE);
        let (job, queue) = ("some.job".into(), HOSTILE.into());
        let scheduled = lamplighter::ScheduledJob { schedule, job, queue, tracking: Tracking::Full, args: args() };
        client.schedule_raw(scheduled).await.unwrap();
    }
    // The engine dead-letters messages that are not jobs.
    let dev = crate::support::Dev::start(&place);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while place.lamp(&["dead-letters", "images", "--json"]).ok().lines().count() < 2 {
        assert!(std::time::Instant::now() < until, "nothing was dead-lettered");
    }
    drop(dev);

    let error = ErrorText { message: HOSTILE.into(), chain: vec![HOSTILE.into(), HOSTILE.into()] };
    let group = Fingerprint::of("some.job", AttemptOutcome::Error, &error).to_string();
    assert!(place.lamp(&["errors", &group]).ok().contains(&group), "the group of the jobs that have failed");
    let mut seen = 0;
    for args in [
        &["errors"][..],
        &["errors", &group],
        &["errors", "--queue", HOSTILE],
        &["errors", "--cursor", HOSTILE],
        &["errors", HOSTILE],
        &["jobs"],
        &["jobs", "--error", &group],
        &["jobs", "--queue", HOSTILE],
        &["jobs", "--queue", "\u{9b}2J"],
        &["jobs", "--job", HOSTILE],
        &["jobs", "--cursor", HOSTILE],
        &["jobs", "--limit", HOSTILE],
        &["job", "queued"],
        &["job", "failed"],
        &["job", "retrying"],
        &["job", "succeeded"],
        &["job", HOSTILE],
        &["cancel", HOSTILE],
        &["queues"],
        &["dead-letters"],
        &["dead-letters", "images"],
        &["dead-letters", HOSTILE],
        &["schedules"],
        &["schedule", "pause", HOSTILE],
        &["schedule", "trigger", "hourly"],
        &["schedule", "remove", "hourly"],
        &["schedule", "add", HOSTILE, "--every", "1h", "lamp.ping"],
        &["retry", "--failed", "--queue", HOSTILE, "--dry-run"],
        &["retry", "--failed", "--job", HOSTILE],
        &["retry", HOSTILE],
        &["redrive", "images", "--dry-run"],
        &["redrive", HOSTILE],
        &["pause", HOSTILE],
        &["resume", HOSTILE],
        &["enqueue", HOSTILE],
        &["enqueue", "lamp.ping", HOSTILE],
        &["enqueue", "lamp.ping", &format!("@{HOSTILE}")],
        &["enqueue", "lamp.ping", &json!({ HOSTILE: HOSTILE }).to_string()],
        &["enqueue", "report.daily", &json!({ "day": HOSTILE }).to_string()],
        &["enqueue", "lamp.ping", "--from", HOSTILE],
        &["enqueue", "lamp.ping", "--queue-url", HOSTILE],
        &["definitions", HOSTILE],
        &["new", "job", HOSTILE],
        &["doctor", HOSTILE],
        &["infra", HOSTILE],
        &["demo", "--job", HOSTILE],
        &[HOSTILE],
        &["jobs", "--db", HOSTILE],
    ] {
        let done = place.lamp(args);
        harmless(args, &done);
        seen += usize::from((done.out + &done.err).contains("\\u{1b}]52"));
        if matches!(args[0], "errors" | "jobs" | "job" | "queues" | "dead-letters" | "schedules" | "retry" | "redrive")
        {
            let json: Vec<_> = args.iter().copied().chain(["--json"]).collect();
            harmless(&json, &place.lamp(&json));
        }
    }
    assert!(seen > 20, "only {seen} commands have shown it");

    // JSON contains the original value.
    let listed = place.lamp(&["job", "failed", "--json", "--reveal"]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let job: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&job["args"][HOSTILE], &job["queue"]), (&json!(HOSTILE), &json!(HOSTILE)));
    assert_eq!(job["attempts"][0]["host"], HOSTILE);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_a_stack_contains_no_terminal_commands() {
    let fake = FakeDeployment::start().await.unwrap();
    let queue = json!({"url": fake.queue_url("shop-work"), "dlq": fake.queue_url("shop-work-dlq")});
    fake.stack.set_output("Queues", Some(&json!({ "webhooks": queue, "\u{9b}2J\u{202e}": queue }).to_string()));
    let place = Place::new();
    for body in [HOSTILE.to_owned(), json!({ "job": "webhook.deliver", "id": "a", "schedule": HOSTILE }).to_string()] {
        let attributes = [("lamplighter.reason", HOSTILE), ("lamplighter.error", HOSTILE)];
        let sent = jiff::Timestamp::now().as_millisecond();
        fake.sqs.put("shop-work-dlq", &FakeMessage { body: &body, attributes: &attributes, sent, group: None });
    }
    for args in [
        &["queues"][..],
        &["queues", "--json"],
        &["dead-letters"],
        &["dead-letters", "--json"],
        &["dead-letters", "webhooks"],
        &["dead-letters", "webhooks", "--json"],
        &["redrive", "webhooks", "--dry-run"],
        &["redrive", "webhooks", "--dry-run", "--json"],
        &["redrive", HOSTILE],
        &["pause", "\u{9b}2J\u{202e}"],
        &["enqueue", "image.thumbnail", r#"{"key":"a.png"}"#],
    ] {
        let mut command = place.command(args);
        command.envs(fake.client_environment()).env("LAMPLIGHTER_STACK", FakeDeployment::STACK);
        harmless(args, &Done::of(command).await);
    }
    let mut denied = place.command(&["queues", "--stack", FakeDeployment::STACK]);
    denied.envs(fake.client_environment());
    fake.fail("DescribeStacks", Fault::Refused(403, "AccessDenied", "not \u{9b}2J\u{202e} yours"));
    harmless(&["queues"], &Done::of(denied).await);
}
