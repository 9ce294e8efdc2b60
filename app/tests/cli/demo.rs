//! `lamp demo` keeps its promises, every time.

use std::fs;

use crate::support::Place;

#[test]
fn the_demo_succeeds_each_time() {
    let place = Place::new();
    for run in 1..=2 {
        let done = place.lamp(&["demo"]);
        assert_eq!(done.code, 0, "run {run}: {done:?}");
        assert_eq!(done.out.matches('✔').count(), 7, "run {run}: {done:?}");
        assert!(!done.out.contains('✘') && !done.out.contains('\u{1b}'), "run {run}: {done:?}");
        assert!(done.out.contains("420 rows of lamp-posts.csv became JSON"), "run {run}: {done:?}");
        assert!(done.out.contains("430 rows, 10 of them bad"), "run {run}: {done:?}");
        assert!(done.out.contains("webhook.deliver") && done.out.contains("report.daily"), "run {run}: {done:?}");
    }
    let outputs = fs::read_dir(place.path().join("demo-output")).unwrap();
    assert_eq!(outputs.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 2);
}

#[test]
fn the_demo_overwrites_no_file() {
    let place = Place::new();
    place.write("letter.txt", "dear reader");
    place.lamp(&["demo", "--output", "."]).fails(2, &["not empty", "--output"]);
    assert_eq!(fs::read_to_string(place.path().join("letter.txt")).unwrap(), "dear reader");
}

#[test]
fn users_add_their_own_jobs() {
    let place = Place::new();
    let jobs = ["--job", "lamp.ping", "--job", r#"lamp.ping={"failures":1}"#, "--job", "report.daily"];
    let done = place.lamp(&[&["demo"][..], &jobs].concat());
    assert_eq!(done.code, 0, "{done:?}");
    let rows = |text: &str| {
        done.out.lines().filter(|line| line.trim_start().starts_with("lamp.ping") && line.contains(text)).count()
    };
    assert_eq!((rows(r#"{"attempt":1}"#), rows(r#"{"attempt":2}"#)), (1, 1), "{done:?}");
    assert!(done.out.contains("lamp.ping  yours") && done.out.contains("report.daily  yours"), "{done:?}");
}

#[test]
fn wrong_jobs_are_refused_before_anything_starts() {
    let place = Place::new();
    let demo = |job: &str| place.lamp(&["demo", "--job", job]);
    demo("lamp.pong").fails(2, &["no job \"lamp.pong\"", "\"lamp.ping\""]);
    demo(r#"lamp.ping={"slep_ms":1}"#).fails(2, &["lamp.ping", "slep_ms", "sleep_ms"]);
    demo("lamp.ping={").fails(2, &["lamp.ping", "not JSON"]);
    demo("lamp.ping=@nowhere.json").fails(1, &["nowhere.json", "no such file"]);
    assert!(fs::read_dir(place.path()).unwrap().next().is_none(), "something was made");
}
