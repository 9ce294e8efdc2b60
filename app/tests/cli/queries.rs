//! `--query` and tags.

use serde_json::json;

use crate::support::{Place, lines};

fn some_jobs() -> Place {
    let place = Place::new();
    for (id, args, tag) in [("ping-1", r#"{"sleep_ms":1}"#, "blue"), ("ping-2", r#"{"sleep_ms":2}"#, "green")] {
        place.lamp(&["enqueue", "lamp.ping", args, "--id", id, "--tag", tag, "--tag", "team:7", "--delay", "2h"]).ok();
    }
    place.lamp(&["enqueue", "lamp.ping", "--id", "now"]).ok();
    place.lamp(&["enqueue", "report.daily", "--id", "report"]).ok();
    place
}

fn ids(place: &Place, query: &str) -> Vec<String> {
    let found = place.lamp(&["jobs", "--json", "--query", query]);
    lines(&found.ok()).iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn jobs_are_found_by_a_query() {
    let place = some_jobs();
    for (query, found) in [
        ("", &["report", "now", "ping-2", "ping-1"][..]),
        ("state:scheduled", &["ping-2", "ping-1"]),
        ("state:scheduled,queued job:lamp.*", &["now", "ping-2", "ping-1"]),
        ("-job:lamp.ping", &["report"]),
        ("tag:blue,green args.sleep_ms:2", &["ping-2"]),
        ("ping-", &["ping-2", "ping-1"]),
        ("report.daily since:1h", &["report"]),
        ("error:anything", &[]),
    ] {
        assert_eq!(ids(&place, query), found, "{query}");
    }
    let first = place.lamp(&["jobs", "--json", "--query", "attempt:0", "--limit", "3"]);
    let cursor = first.err.trim().strip_prefix("next: ").expect("a cursor and nothing else").to_owned();
    let rest = place.lamp(&["jobs", "--json", "--query", "attempt:0", "--cursor", &cursor]);
    assert_eq!(lines(&rest.ok())[0]["id"], "ping-1");
}

#[test]
fn a_wrong_query_is_refused_with_what_is_right() {
    let place = some_jobs();
    for (args, says) in [
        (&["jobs", "--query", "stat:failed"][..], "did you mean state:?"),
        (&["jobs", "--query", "state:faild"], "did you mean failed?"),
        (&["jobs", "--query", "job:lamp.pin"], "did you mean \"lamp.ping\"?"),
        (&["jobs", "--query", "queue:lmap"], "did you mean \"lamp\"?"),
        (&["jobs", "--query", "tag:blue", "--state", "failed"], "cannot be used with"),
        (&["retry", "--query", "state:queued"], "a job that has not ended cannot run again"),
        (&["retry", "--query", "tag:blue", "--all"], "cannot be used with"),
        (&["cancel", "--query", "state:failed"], "a job that has ended cannot be cancelled"),
        (&["cancel", "--query", "tag:blue", "--open"], "cannot be used with"),
        (&["enqueue", "lamp.ping", "--tag", "a b"], "tags"),
    ] {
        let refused = place.lamp(args);
        assert!(refused.code == 2 && refused.err.contains(says), "{refused:?}");
    }
}

#[test]
fn jobs_that_fit_a_query_are_cancelled_and_run_again() {
    let place = some_jobs();
    let state = |id| lines(&place.lamp(&["job", id, "--json"]).ok())[0]["state"].as_str().unwrap().to_owned();
    let cancel = ["cancel", "--query", "args.sleep_ms:1,2 tag:blue"];
    let counted = place.lamp(&[&cancel[..], &["--dry-run"]].concat()).ok();
    assert!(counted.lines().any(|line| line.split_whitespace().eq(["lamp.ping", "lamp", "1"])), "{counted}");
    assert_eq!(state("ping-1"), "scheduled");
    let said = place.lamp(&[&cancel[..], &["--reason", "not needed", "--by", "ada"]].concat()).ok();
    assert!(said.contains("cancelled one job"), "{said}");
    assert_eq!((&*state("ping-1"), &*state("ping-2")), ("cancelled", "scheduled"));
    place.lamp(&["cancel", "--query", "tag:nothing"]).ok();

    place.lamp(&["retry", "--query", "tag:blue"]).ok();
    assert_eq!(state("ping-1"), "cancelled", "without a state, failed jobs are meant");
    place.lamp(&["retry", "--query", "tag:blue state:cancelled"]).ok();
    assert_eq!(state("ping-1"), "queued");
}

#[test]
fn tags_are_shown() {
    let place = some_jobs();
    let shown = place.lamp(&["job", "ping-1"]).ok();
    assert!(shown.contains("blue, team:7"), "{shown}");
    let record = lines(&place.lamp(&["job", "ping-1", "--json"]).ok())[0].clone();
    assert_eq!(record["tags"], json!(["blue", "team:7"]));
    let without = lines(&place.lamp(&["job", "now", "--json"]).ok())[0].clone();
    assert!(without.get("tags").is_none(), "{without}");
}
