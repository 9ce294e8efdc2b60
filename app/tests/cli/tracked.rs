//! What commands do to things that exist is in the audit trail, with who did it and why.

use serde_json::{Value, json};

use crate::{
    operator::with_failures,
    support::{Place, lines},
};

fn json(place: &Place, args: &[&str]) -> Vec<Value> {
    lines(&place.lamp(args).ok())
}

/// The latest operation.
fn latest(place: &Place) -> Value {
    json(place, &["ops", "--limit", "1", "--json"]).remove(0)
}

fn asked(operation: &Value) -> [&str; 4] {
    ["kind", "by", "reason", "state"].map(|field| operation[field].as_str().unwrap_or_default())
}

const WHO: [&str; 4] = ["--by", "ada", "--reason", "the supplier is away"];

#[test]
fn schedules_are_paused_resumed_triggered_and_backfilled_as_operations() {
    let place = Place::new();
    place.lamp(&["schedule", "add", "pulse", "--every", "1h", "lamp.ping"]).ok();
    let act = |verb: &[&str]| place.lamp(&[&["schedule"], verb, &WHO].concat()).ok();
    for (verb, kind) in [("pause", "pause-schedule"), ("resume", "resume-schedule"), ("trigger", "trigger-schedule")] {
        act(&[verb, "pulse"]);
        let operation = latest(&place);
        assert_eq!(asked(&operation), [kind, "ada", "the supplier is away", "done"]);
        assert_eq!(operation["target"], json!({ "kind": "schedule", "schedule": "pulse" }));
    }
    // The job that was triggered is the schedule's last run.
    let triggered = latest(&place)["results"][0].clone();
    let schedule =
        || json(&place, &["schedules", "--json"]).into_iter().find(|one| one["schedule"] == "pulse").unwrap();
    assert_eq!(schedule()["last"]["id"], triggered);
    let log = place.lamp(&["job", triggered.as_str().unwrap()]).ok();
    assert!(log.contains("pulse"), "{log}");

    let filled = lines(&act(&["backfill", "pulse", "3h..1s", "--json"]));
    let operation = latest(&place);
    assert_eq!(asked(&operation), ["backfill", "ada", "the supplier is away", "done"]);
    assert_eq!(operation["progress"]["changed"], json!(filled.len()));
    assert!(filled.iter().all(|tick| tick["new"] == json!(true)), "{filled:?}");
    for tick in &filled {
        assert_eq!(json(&place, &["job", tick["id"].as_str().unwrap(), "--json"])[0]["schedule"], "pulse");
    }
    let again = act(&["backfill", "pulse", "3h..1s"]);
    assert!(again.starts_with("started 0 jobs of pulse"), "{again}");
    assert_eq!(schedule()["last"]["id"], triggered, "ticks of the past are no last run");

    act(&["remove", "pulse"]);
    assert_eq!(asked(&latest(&place)), ["remove-schedule", "ada", "the supplier is away", "done"]);
    assert!(json(&place, &["schedules", "--json"]).iter().all(|one| one["schedule"] != "pulse"));
    place.lamp(&["schedule", "pause", "puls"]).fails(1, &["no schedule `puls`"]);
    assert_eq!(asked(&latest(&place))[3], "failed");
}

#[test]
fn notes_on_errors_are_operations() {
    let place = with_failures();
    let group = json(&place, &["errors", "--job", "image.thumbnail", "--json"]).remove(0);
    let fingerprint = group["fingerprint"].as_str().unwrap();
    let write = |what: &[&str]| json(&place, &[&["errors", fingerprint, "--json"], what, &WHO].concat()).remove(0);
    let noted = write(&["--note", "known", "--mute", "2h"]);
    assert_eq!((&noted["note"]["note"], &noted["note"]["by"]), (&json!("known"), &json!("ada")));
    assert!(noted["note"]["muted_until"].is_string(), "{noted}");
    let kinds: Vec<_> = json(&place, &["ops", "--json"]).iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["mute-error", "note-error"]);
    assert_eq!(asked(&latest(&place)), ["mute-error", "ada", "the supplier is away", "done"]);
    let unmuted = write(&["--unmute"]);
    assert_eq!((&unmuted["note"]["note"], unmuted["note"].get("muted_until")), (&json!("known"), None));
    assert_eq!(write(&["--note", ""]).get("note"), None, "an empty note takes it away");
    place.lamp(&["errors", fingerprint, "--reason", "why"]).fails(2, &["--note"]);
    place.lamp(&["errors", "00000000000000ff", "--note", "x"]).fails(1, &["no error group"]);
}

#[test]
fn a_copy_runs_with_edited_arguments_and_the_original_stays() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", r#"{"sleep_ms":1}"#, "--id", "first", "--delay", "2h"]).ok();
    let edit = |args: &[&str]| place.lamp(&[&["edit", "first"], args].concat());
    let copy = lines(&edit(&[&[r#"{"sleep_ms":2}"#, "--json"][..], &WHO].concat()).ok()).remove(0);
    assert_eq!((&copy["job"], &copy["queue"], &copy["parent"]), (&json!("lamp.ping"), &json!("lamp"), &json!("first")));
    let record = |id: &str| json(&place, &["job", id, "--json"]).remove(0);
    let made = record(copy["id"].as_str().unwrap());
    assert_eq!(
        (&made["args"], &made["parent"], &made["state"]),
        (&json!({ "sleep_ms": 2 }), &json!("first"), &json!("queued"))
    );
    assert_eq!(record("first")["args"], json!({ "sleep_ms": 1 }));
    assert_eq!(asked(&latest(&place)), ["edit-and-run", "ada", "the supplier is away", "done"]);
    let log = place.lamp(&["job", "first", "--log"]).ok();
    assert!(log.contains("run again with other arguments") && log.contains("the supplier is away"), "{log}");
    let piped = place.lamp_with(&["edit", "first", "-"], r#"{"sleep_ms":3}"#);
    assert!(piped.ok().contains("a copy of first"));

    edit(&[r#"{"sleep_ms":5000}"#]).fails(2, &["sleep_ms", "maximum"]);
    edit(&[r#"{"slep_ms":5}"#]).fails(2, &["slep_ms"]);
    edit(&["{"]).fails(2, &["not JSON"]);
    edit(&["[]"]).fails(2, &["object"]);
    edit(&[]).fails(2, &["an editor needs a terminal"]);
    place.lamp(&["edit", "nobody", "{}"]).fails(1, &["no job nobody"]);
    assert_eq!(json(&place, &["jobs", "--json"]).len(), 3, "nothing else was enqueued");
}

#[test]
fn a_rate_and_a_preview_are_for_many() {
    let place = with_failures();
    place.lamp(&["retry", "image-0", "--rate", "5"]).fails_at_once();
    place.lamp(&["retry", "--all", "--dry-run", "--rate", "5"]).fails_at_once();
    place.lamp(&["retry", "--all", "--rate", "0"]).fails_at_once();
    let counted = place.lamp(&["retry", "--all", "--dry-run"]);
    assert!(counted.err.contains("4 jobs would be queued again"), "{counted:?}");
    assert_eq!(place.lamp(&["retry", "--all", "--rate", "50"]).ok(), "queued again 4 jobs\n");
    let operation = latest(&place);
    assert_eq!((&operation["per_second"], &operation["expected"]), (&json!(50), &json!(4)));
    assert_eq!(place.lamp(&["retry", "--query", "state:failed tag:none"]).err, "no ended jobs that fit\n");
    assert_eq!(latest(&place), operation, "nothing begins where nothing fits");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_stops_nothing_half_way() {
    let place = Place::new();
    for id in ["a", "b", "c"] {
        place.lamp(&["enqueue", "lamp.ping", "--id", id, "--delay", "2h"]).ok();
    }
    let mut child = place.command(&["cancel", "a", "b", "c"]);
    let mut child = child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(json(&place, &["jobs", "--state", "cancelled", "--json"]).len(), 3);
    let said = String::from_utf8(ended.stderr).unwrap();
    for id in ["a", "b", "c"] {
        assert!(said.contains(&format!("job {id} was cancelled")), "{said}");
    }
}
