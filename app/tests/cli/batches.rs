//! The jobs of a file as one batch.

use serde_json::json;

use crate::support::{Dev, Place, lines};

const ENQUEUE: [&str; 4] = ["enqueue", "lamp.ping", "--from", "pings.jsonl"];

#[test]
fn a_file_is_enqueued_as_one_batch_and_watched_until_its_end() {
    let place = Place::new();
    place.write("pings.jsonl", "{\"sleep_ms\": 1}\n\n{\"sleep_ms\": 2}\n{}\n");
    let enqueue = |more: &[&str]| place.lamp(&[&ENQUEUE[..], more].concat());
    assert_eq!(enqueue(&["--batch=pings", "--dry-run"]).ok(), "judged 3 jobs\n");
    assert!(!place.database().exists(), "nothing was sent");
    assert_eq!(enqueue(&["--batch=pings"]).ok(), "enqueued batch pings 3 jobs, lamp.ping on lamp\n");
    assert_eq!(enqueue(&["--batch=pings"]).ok(), "there already batch pings waiting\n");
    let again = lines(&enqueue(&["--batch=pings", "--json"]).ok());
    assert_eq!(again, [json!({"batch": "pings", "jobs": 0, "duplicate": true, "state": "waiting"})]);
    let shown = place.lamp(&["batch", "pings"]).ok();
    assert!(shown.starts_with("batch  waiting\n") && shown.contains("0 of 3 have ended"), "{shown}");
    let shown = lines(&place.lamp(&["batch", "pings", "--json"]).ok());
    assert_eq!(
        (&shown[0]["total"], &shown[0]["succeeded"], &shown[0]["state"]),
        (&json!(3), &json!(0), &json!("waiting"))
    );
    let members = lines(&place.lamp(&["batch", "pings", "--jobs", "--json"]).ok());
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|member| member["job"] == "lamp.ping" && member["state"] == "queued"), "{members:?}");
    let job = place.lamp(&["job", members[0]["id"].as_str().unwrap()]).ok();
    assert!(job.contains("  batch      pings\n"), "{job}");

    let _dev = Dev::start(&place);
    let ended = place.lamp(&["batch", "pings", "--wait"]).ok();
    assert!(ended.starts_with("batch  succeeded\n") && ended.contains("3 of 3 have ended"), "{ended}");
    let table = place.lamp(&["batch", "pings", "--jobs"]).ok();
    assert_eq!(table.matches("succeeded").count(), 3, "{table}");
    place.lamp(&["retry", "pings"]).fails(1, &["pings is a batch", "`lamp batch pings` with --jobs"]);
}

#[test]
fn a_batch_is_cancelled_by_its_id() {
    let place = Place::new();
    place.write("pings.jsonl", "{}\n{}\n");
    let enqueued = place.lamp(&[&ENQUEUE[..], &["--batch", "--delay", "1h"]].concat()).ok();
    let id = enqueued.split_whitespace().nth(2).unwrap();
    place.lamp(&["cancel", id, "--reason", "enough"]).ok();
    let waited = place.lamp(&["batch", id, "--wait"]);
    assert!(waited.out.starts_with("batch  cancelled\n"), "{waited:?}");
    assert!(waited.code == 1 && waited.err.ends_with(&format!("error: batch {id} has been cancelled\n")), "{waited:?}");
    let members = lines(&place.lamp(&["batch", id, "--jobs", "--json"]).ok());
    assert!(members.len() == 2 && members.iter().all(|member| member["state"] == "cancelled"), "{members:?}");
}

#[test]
fn a_refused_line_keeps_the_whole_batch_from_being_enqueued() {
    let place = Place::new();
    place.write("pings.jsonl", "{}\nnonsense\n");
    let refused = place.lamp(&[&ENQUEUE[..], &["--batch=pings"]].concat());
    assert_eq!((refused.code, &*refused.out), (1, ""), "{refused:?}");
    for says in ["line 2: ", "error: one line was refused", "nothing was enqueued"] {
        assert!(refused.err.contains(says), "{says:?} is missing in {refused:?}");
    }
    place.lamp(&["enqueue", "lamp.ping", "--id", "one"]).ok();
    place.lamp(&["batch", "pings"]).fails(1, &["no job pings"]);
    place.lamp(&["batch", "one"]).fails(1, &["one is a job, not a batch"]);
    place.lamp(&[&ENQUEUE[..], &["--batch=not an id"]].concat()).fails(2, &["not an id"]);
    place.lamp(&[&ENQUEUE[..], &["--batch=a", "--id-prefix", "b"]].concat()).fails_at_once();
}
