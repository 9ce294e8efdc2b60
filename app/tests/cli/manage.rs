//! Deleting records, giving jobs another time, and a schedule's past ticks.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Dev, Place, lines};

#[test]
fn a_delayed_job_is_moved_and_its_record_deleted() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "later", "--delay", "1h"]).ok();
    place.lamp(&["delete", "later"]).fails(1, &["later has not ended", "scheduled", "lamp cancel later"]);
    place.lamp(&["reschedule", "later"]).ends_with(2);
    assert_eq!(place.lamp(&["reschedule", "later", "--in", "2h"]).ok(), "rescheduled later\n");
    assert_eq!(lines(&place.lamp(&["job", "later", "--json"]).ok())[0]["state"], "scheduled");
    assert_eq!(place.lamp(&["reschedule", "later", "--now"]).ok(), "rescheduled later\n");
    let _dev = Dev::start(&place);
    let (state, began) = (|| lines(&place.lamp(&["job", "later", "--json"]).ok())[0]["state"].clone(), Instant::now());
    while state() != "succeeded" {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not run: {}", state());
    }
    place.lamp(&["reschedule", "later", "--now"]).fails(1, &["later has succeeded already", "lamp retry later"]);
    assert_eq!(place.lamp(&["delete", "later"]).ok(), "deleted later\n");
    for command in [&["delete", "later"][..], &["reschedule", "later", "--now"]] {
        place.lamp(command).fails(1, &["no job later"]);
    }
}

#[test]
fn past_ticks_are_shown_and_run() {
    let place = Place::new();
    place.lamp(&["schedule", "add", "pulse", "--every", "1h", "lamp.ping"]).ok();
    let runs = lines(&place.lamp(&["schedule", "runs", "pulse", "--limit", "3", "--json"]).ok());
    assert!(runs.len() == 3 && runs.iter().all(|run| run["kind"] == "unknown"), "{runs:?}");
    let backfill = ["schedule", "backfill", "pulse", "3h..1s"];
    let ticks = lines(&place.lamp(&[&backfill[..], &["--dry-run", "--json"]].concat()).ok());
    assert!(ticks.len() >= 2, "{ticks:?}");
    assert!(place.lamp(&["jobs", "--json"]).ok().is_empty(), "nothing was started");
    let started = lines(&place.lamp(&[&backfill[..], &["--json"]].concat()).ok());
    assert!(started.len() >= 2 && started.iter().all(|run| run["new"] == json!(true)), "{started:?}");
    let runs = place.lamp(&["schedule", "runs", "pulse", "--limit", "2"]).ok();
    assert!(runs.contains("queued") && runs.contains("pulse@"), "{runs}");
    let backwards = place.lamp(&["schedule", "backfill", "pulse", "1s..3h"]);
    assert!(backwards.err.contains("write FROM..TO"), "{backwards:?}");
    backwards.ends_with(2);
    place.lamp(&["schedule", "runs", "unknown"]).fails(1, &["no schedule `unknown`"]);
}
