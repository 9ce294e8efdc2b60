//! What fails, in groups, in the embedded file.

use serde_json::{Value, json};

use crate::{
    operator::with_failures,
    support::{Place, lines},
};

fn json(place: &Place, args: &[&str]) -> Vec<Value> {
    lines(&place.lamp(args).ok())
}

#[test]
fn failures_are_shown_in_groups_and_retried_by_their_fingerprint() {
    let place = with_failures();
    let groups = json(&place, &["errors", "--json"]);
    assert_eq!(groups.len(), 2, "{groups:?}");
    let images = groups.iter().find(|group| group["job"] == "image.thumbnail").unwrap();
    assert_eq!((&images["failures"], &images["jobs"], &images["queue"]), (&json!(3), &json!(3), &json!("images")));
    assert_eq!(images["outcome"], "error");
    let title = images["title"].as_str().unwrap();
    assert!(title.contains("nowhere-<n>.png"), "{title}");
    assert!(images["message"].as_str().unwrap().contains("nowhere-"), "{images}");
    let fingerprint = images["fingerprint"].as_str().unwrap();

    let table = place.lamp(&["errors"]).ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["FINGERPRINT", "JOB", "FAILURES", "JOBS", "FIRST", "LATEST", "ERROR"]);
    assert!(rows.iter().any(|row| row[..4] == [fingerprint, "image.thumbnail", "3", "3"]), "{table}");
    let hooks = json(&place, &["errors", "--job", "webhook.deliver", "--json"]);
    assert!(hooks.len() == 1 && hooks[0]["failures"] == 1, "{hooks:?}");
    let of_queue = json(&place, &["errors", "--queue", "images", "--since", "1h", "--json"]);
    assert!(of_queue.len() == 1 && of_queue[0] == *images, "{of_queue:?}");
    assert_eq!(place.lamp(&["errors", "--since", "2199-01-01T00:00:00Z"]).err, "no errors\n");
    let first = place.lamp(&["errors", "--limit", "1", "--json"]);
    let cursor = first.err.strip_prefix("next: ").unwrap().trim_end();
    let second = json(&place, &["errors", "--limit", "1", "--cursor", cursor, "--json"]);
    assert_eq!([lines(&first.out), second].concat(), groups);

    let shown = place.lamp(&["errors", fingerprint]).ok();
    assert!(shown.starts_with("image.thumbnail  error\n") && shown.contains(title), "{shown}");
    for id in ["image-0", "image-1", "image-2"] {
        assert!(shown.lines().any(|line| line.split_whitespace().next() == Some(id)), "{id} is missing: {shown}");
    }
    let one = json(&place, &["errors", fingerprint, "--json"]);
    assert_eq!((one.len(), one[0]["recent"].as_array().unwrap().len()), (1, 3));
    assert!(place.lamp(&["job", "image-0"]).ok().contains(&format!("       error {fingerprint}\n")));

    let jobs = |more: &[&str]| json(&place, &[&["jobs", "--error", fingerprint, "--json"], more].concat());
    assert!(jobs(&[]).iter().all(|job| job["attempts"][0]["fingerprint"] == fingerprint));
    assert_eq!((jobs(&[]).len(), jobs(&["--state", "retrying"]).len()), (3, 0));

    let counted = place.lamp(&["retry", "--error", fingerprint, "--dry-run"]).ok();
    let rows: Vec<Vec<&str>> = counted.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1..], [["image.thumbnail", "images", "3"]]);
    assert_eq!(place.lamp(&["retry", "--error", fingerprint, "--queue", "webhooks"]).err, "no failed jobs that fit\n");
    assert_eq!(place.lamp(&["retry", "--error", fingerprint]).ok(), "queued again 3 jobs\n");
    assert_eq!(place.lamp(&["retry", "--error", fingerprint]).err, "no failed jobs that fit\n");
    assert_eq!(jobs(&["--state", "queued"]).len(), 3, "their last attempt has failed so");
    assert_eq!(json(&place, &["jobs", "--state", "failed", "--json"]).len(), 1, "the other group's");
}

#[test]
fn a_fingerprint_that_is_none_is_refused() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping"]).ok();
    assert_eq!(place.lamp(&["errors"]).err, "no errors\n");
    let unknown = "00000000000000ff";
    place.lamp(&["errors", unknown]).fails(1, &["no error group 00000000000000ff", "`lamp errors`"]);
    assert_eq!(place.lamp(&["jobs", "--error", unknown]).err, "no jobs\n");
    for args in [
        &["errors", "xyz"][..],
        &["errors", unknown, "--job", "lamp.ping"],
        &["jobs", "--error", "xyz"],
        &["retry", "--error", "xyz"],
        &["retry", "--error", unknown, "--all"],
        &["retry", "--error", unknown, "some-id"],
        &["retry", "--queue", "lamp"],
    ] {
        place.lamp(args).fails_at_once();
    }
}
