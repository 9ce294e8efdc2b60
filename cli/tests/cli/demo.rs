//! `lamp demo` keeps what it promises, and again.

use std::{fs, time::Duration};

use crate::support::Place;

#[test]
fn the_demo_ends_well_and_ends_the_same_when_it_runs_again() {
    let place = Place::new();
    for run in 1..=2 {
        let done = place.lamp_within(&["demo"], Duration::from_secs(100));
        assert_eq!(done.code, 0, "run {run}: {done:?}");
        assert_eq!(done.out.matches('✔').count(), 6, "run {run}: {done:?}");
        assert!(!done.out.contains('✘') && !done.out.contains('\u{1b}'), "run {run}: {done:?}");
        assert!(done.out.contains("webhook.deliver") && done.out.contains("report.daily"), "run {run}: {done:?}");
    }
    let outputs = fs::read_dir(place.path().join("demo-output")).unwrap();
    assert_eq!(outputs.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 2);
}

#[test]
fn the_demo_writes_over_nothing() {
    let place = Place::new();
    place.write("letter.txt", "dear reader");
    place.lamp(&["demo", "--output", "."]).fails(2, &["not empty", "--output"]);
    assert_eq!(fs::read_to_string(place.path().join("letter.txt")).unwrap(), "dear reader");
}
