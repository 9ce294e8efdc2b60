//! `lamp replay`, and its page: the table and the picture in `docs` are the command's output.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::Place;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/replay.md");
const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/replay.svg");

/// With `UPDATE_DOCS=1`, writes the file.
fn assert_fresh(file: &str, text: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file, text).unwrap();
    }
    let committed = fs::read_to_string(file).unwrap_or_default();
    assert!(committed == text, "{file} is stale: run this test with UPDATE_DOCS=1 and commit the file");
}

#[test]
fn the_page_has_the_table_and_the_picture_of_seed_1() {
    let place = Place::new();
    let printed = place.lamp(&["replay", "--seed", "1", "--picture", "replay.svg"]).ok();
    assert_fresh(PICTURE, &fs::read_to_string(place.path().join("replay.svg")).unwrap());

    let page = fs::read_to_string(PAGE).unwrap();
    let (head, rest) = page.split_once("by a test -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /replay -->").unwrap();
    assert_fresh(PAGE, &format!("{head}by a test -->\n```text\n{printed}```\n<!-- /replay -->{tail}"));
}

#[test]
fn scripts_get_the_figures_as_json() {
    let place = Place::new();
    let lines = |args: &[&str]| -> Vec<Value> {
        let printed = place.lamp(&[&["replay", "--json", "--days", "7"], args].concat()).ok();
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let one = lines(&["--seed", "7"]);
    assert_eq!(one.len(), 11);
    assert_eq!((&one[0]["first_seed"], &one[0]["seeds"], &one[0]["days"]), (&json!(7), &json!(1), &json!(7)));
    for host in &one {
        let count = |figure: &str| host[figure].as_u64().unwrap();
        assert_eq!(count("jobs"), count("done") + count("missed") + count("lost"), "{host}");
        assert!(count("longest_stuck_ms") <= count("stuck_ms"), "{host}");
    }
    let worst = lines(&["--seeds", "3", "--seed", "7"]);
    assert!(worst[0]["late"].as_u64() >= one[0]["late"].as_u64());
    assert_eq!(worst[0]["seeds"], 3);
}

#[test]
fn many_years_end_with_a_verdict() {
    let printed = Place::new().lamp(&["replay", "--seeds", "2", "--days", "14"]).ok();
    assert!(printed.contains("seeds 1 to 2") && printed.contains("no host of Lamplighter's lost a job"), "{printed}");
}

#[test]
fn invalid_options_are_refused() {
    let place = Place::new();
    for refused in [&["--days", "0"][..], &["--seeds", "0"], &["--seeds", "2", "--picture", "a.svg"], &["--seed", "-1"]]
    {
        place.lamp(&[&["replay"], refused].concat()).fails_at_once();
    }
    place.lamp(&["replay", "--days", "1", "--picture", "a.svg"]).fails(2, &["no whole night", "--days 2"]);
    let nowhere = ["replay", "--days", "2", "--picture", "nowhere/a.svg"];
    place.lamp(&nowhere).fails(1, &["cannot write nowhere/a.svg", "--picture"]);
    assert!(!Path::new("a.svg").exists() && !place.path().join(".lamplighter").exists(), "it needs no jobs file");
}
