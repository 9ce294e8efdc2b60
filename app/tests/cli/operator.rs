//! Pausing queues, retrying failed jobs and moving dead letters back, in the embedded file.

use std::time::Instant;

use serde_json::Value;

use crate::support::{Dev, PATIENCE, Place, lines};

fn state(place: &Place, id: &str) -> String {
    lines(&place.lamp(&["job", id, "--json"]).ok())[0]["state"].as_str().unwrap().to_owned()
}

fn becomes(place: &Place, id: &str, wanted: &str) {
    let until = Instant::now() + PATIENCE;
    while state(place, id) != wanted {
        assert!(Instant::now() < until, "{id} is still {}", state(place, id));
    }
}

fn queue(place: &Place, name: &str) -> Value {
    let all = lines(&place.lamp(&["queues", "--json"]).ok());
    all.into_iter().find(|queue| queue["queue"] == name).unwrap()
}

#[test]
fn a_paused_queue_waits_until_it_is_resumed() {
    let place = Place::new();
    place.lamp(&["pause", "lamp"]).fails(1, &["no jobs file"]);
    place.lamp(&["enqueue", "image.thumbnail", r#"{"key":"nowhere.png"}"#, "--id", "other"]).ok();
    place.lamp(&["pause", "lmp"]).fails(2, &["no queue \"lmp\"", "\"lamp\""]);
    // No job has been enqueued on it yet.
    assert_eq!(
        lines(&place.lamp(&["pause", "lamp", "--json"]).ok()),
        [serde_json::json!({"queue": "lamp", "paused": true})]
    );
    let enqueued = place.lamp(&["enqueue", "lamp.ping", "--id", "waits"]);
    assert!(enqueued.err.contains("queue lamp is paused") && enqueued.err.contains("lamp resume lamp"), "{enqueued:?}");
    enqueued.ok();

    let _dev = Dev::start(&place);
    becomes(&place, "other", "failed");
    assert_eq!(state(&place, "waits"), "queued");
    let paused = queue(&place, "lamp");
    assert_eq!((&paused["paused"], &paused["waiting"]), (&true.into(), &1.into()));
    let shown = place.lamp(&["queues"]).ok();
    assert!(
        shown.lines().any(|line| line.trim_start().starts_with("lamp") && line.trim_end().ends_with("paused")),
        "{shown}"
    );

    assert_eq!(place.lamp(&["resume", "lamp"]).ok(), "resumed lamp\n");
    becomes(&place, "waits", "succeeded");
    assert!(place.lamp(&["enqueue", "lamp.ping"]).err.is_empty());
}

/// Runs three thumbnail jobs without a picture and a webhook to a forbidden address: they fail for good at once.
pub(crate) fn with_failures() -> Place {
    failing().0
}

/// The same, while the engine still runs.
pub(crate) fn failing() -> (Place, Dev) {
    let place = Place::new();
    let dev = Dev::start(&place);
    for n in 0..3 {
        let (args, id) = (format!(r#"{{"key":"nowhere-{n}.png"}}"#), format!("image-{n}"));
        place.lamp(&["enqueue", "image.thumbnail", &args, "--id", &id]).ok();
    }
    let args = r#"{"url":"http://169.254.169.254/","event":"e","payload":1}"#;
    place.lamp(&["enqueue", "webhook.deliver", args, "--id", "hook"]).ok();
    for id in ["image-0", "image-1", "image-2", "hook"] {
        becomes(&place, id, "failed");
    }
    (place, dev)
}

#[test]
fn failed_jobs_are_retried_singly_by_filter_or_all() {
    let place = with_failures();
    place.lamp(&["retry"]).fails_at_once();
    place.lamp(&["retry", "--failed", "--all"]).fails_at_once();
    place.lamp(&["retry", "--job", "image.thumbnail", "--all"]).fails_at_once();
    place.lamp(&["retry", "--failed"]).fails(2, &["--job, --queue or --since", "--all"]);
    place.lamp(&["retry", "--failed", "--job", "image.thumb"]).fails(2, &["\"image.thumbnail\""]);

    let counted = place.lamp(&["retry", "--all", "--dry-run"]).ok();
    let rows: Vec<Vec<&str>> = counted.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1..], [["image.thumbnail", "images", "3"], ["webhook.deliver", "webhooks", "1"]]);
    assert_eq!(place.lamp(&["retry", "--failed", "--since", "2199-01-01T00:00:00Z"]).err, "no failed jobs that fit\n");
    assert_eq!(state(&place, "hook"), "failed");

    assert_eq!(place.lamp(&["retry", "image-0", "hook"]).ok(), "queued again image-0\nqueued again hook\n");
    assert_eq!((state(&place, "image-0"), state(&place, "image-1")), ("queued".into(), "failed".into()));
    let some = place.lamp(&["retry", "image-0", "nobody", "image-1"]);
    assert_eq!((some.code, &*some.out), (1, "queued again image-1\n"), "{some:?}");
    assert!(some.err.contains("2 of 3 jobs were not queued again"), "{some:?}");
    assert!(some.err.contains("image-0 has not ended") && some.err.contains("no job nobody"), "{some:?}");

    let hour = ["retry", "--failed", "--queue", "images", "--since", "1h"];
    assert_eq!(place.lamp(&hour).ok(), "queued again one job\n");
    assert_eq!(place.lamp(&["retry", "--all"]).err, "no failed jobs that fit\n");
}

#[test]
fn dead_letters_are_counted_and_moved_back_by_filter() {
    let place = with_failures();
    let json = |args: &[&str]| lines(&place.lamp(args).ok());
    let letters = json(&["dead-letters", "images", "--json"]);
    assert_eq!(letters.len(), 3);
    // In the order in which they were dead-lettered, since the jobs ran concurrently.
    let mut ids: Vec<_> = letters.iter().filter_map(|letter| letter["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!((ids, &letters[0]["job"]), (vec!["image-0", "image-1", "image-2"], &"image.thumbnail".into()));
    assert!(letters[0]["number"].is_i64() && letters[0].get("message_id").is_none());

    let counted = json(&["redrive", "images", "--dry-run", "--json"]);
    let expected = serde_json::json!(
        {"queue": "images", "job": "image.thumbnail", "reason": "failed", "dead_letters": 3}
    );
    assert_eq!(counted, [expected]);
    for nothing in [&["--job", "webhook.deliver"][..], &["--since", "2199-01-01T00:00:00Z"]] {
        let args: Vec<_> = ["redrive", "images"].iter().chain(nothing).copied().collect();
        assert_eq!(place.lamp(&args).err, "no dead letters that fit on images\n");
    }
    assert_eq!(queue(&place, "images")["dead_letters"], 3);

    let moved = &json(&["redrive", "images", "--job", "image.thumbnail", "--rate", "20", "--json"])[0];
    assert_eq!((&moved["moved"], &moved["failed"], &moved["stopped"]), (&3.into(), &0.into(), &false.into()));
    assert_eq!(
        (queue(&place, "images")["dead_letters"].as_u64(), state(&place, "image-2")),
        (Some(0), "queued".into())
    );
    assert!(place.lamp(&["redrive", "webhooks"]).ok().starts_with("moved one dead letter back to webhooks in "));
    assert_eq!(place.lamp(&["redrive", "webhooks"]).err, "no dead letters on webhooks\n");
    // A queue that never had a job.
    assert_eq!(place.lamp(&["redrive", "reports"]).err, "no dead letters on reports\n");
    place.lamp(&["redrive", "images", "--since", "yesterday"]).fails_at_once();
    place.lamp(&["redrive", "images", "--rate", "0"]).fails_at_once();
}

#[test]
fn a_file_is_compacted_by_hand() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "stays"]).ok();
    let answer = place.lamp(&["compact", "--json"]).ok();
    let line: serde_json::Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    assert!(line["after"].as_u64().unwrap() > 0 && line["after"].as_u64() <= line["before"].as_u64(), "{line}");
    assert!(place.lamp(&["job", "stays"]).ok().contains("stays"));
    assert!(place.lamp(&["compact"]).ok().contains("compacted"));
    place.lamp(&["compact", "--db", "nowhere.db"]).fails(1, &["nowhere.db"]);
}
