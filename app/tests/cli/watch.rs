//! `lamp watch` follows a job or a batch to its end.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{Dev, Place, lines};

fn kinds(changes: &[Value]) -> Vec<&str> {
    changes.iter().map(|change| change["kind"].as_str().unwrap()).collect()
}

#[test]
fn it_shows_every_change_until_the_end() {
    let place = Place::new();
    let _dev = Dev::start(&place);
    place.lamp(&["enqueue", "lamp.ping", r#"{"failures":1,"sleep_ms":20}"#, "--id", "ping"]).ok();
    let done = place.lamp(&["watch", "ping", "--json"]);
    assert_eq!((done.code, &*done.err), (0, ""), "{done:?}");
    let changes = lines(&done.out);
    let attempts: Vec<_> = changes.iter().filter(|change| change["kind"] == "attempt").collect();
    assert_eq!(attempts.len(), 2, "{changes:?}");
    assert_eq!((&attempts[0]["outcome"], &attempts[1]["outcome"]), (&"error".into(), &"succeeded".into()));
    let end = changes.last().unwrap();
    assert_eq!(
        (&end["kind"], &end["state"], &end["output"]["attempt"]),
        (&"end".into(), &"succeeded".into(), &2.into())
    );
    // Of a job that has ended already, the same.
    let again = lines(&place.lamp(&["watch", "ping", "--json"]).ok());
    assert_eq!(kinds(&again), ["attempt", "attempt", "end"]);
    let text = place.lamp(&["watch", "ping"]).ok();
    assert!(text.contains("attempt 1 after") && text.lines().last().unwrap().contains("succeeded"), "{text}");
}

#[test]
fn the_exit_code_says_how_it_ended() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "gone"]).ok();
    place.lamp(&["cancel", "gone", "--reason", "too late"]).ok();
    let done = place.lamp(&["watch", "gone", "--json"]);
    assert_eq!((done.code, &*done.err), (1, ""), "{done:?}");
    let end = lines(&done.out).pop().unwrap();
    assert_eq!(end["state"], "cancelled");
    assert!(end["reason"].as_str().unwrap().contains("too late"), "{end}");

    place.lamp(&["enqueue", "lamp.ping", "--id", "waits"]).ok();
    let done = place.lamp(&["watch", "waits", "--timeout", "50ms"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.out.contains("queued"), "{done:?}");
    assert!(done.err.contains("waits has not ended within 50 ms; it goes on"), "{done:?}");
    place.lamp(&["watch", "nobody"]).fails(1, &["no job nobody"]);
}

#[test]
fn a_batch_is_followed_to_its_end() {
    let place = Place::new();
    place.write("pings.jsonl", "{}\n{}\n{}\n");
    place.lamp(&["enqueue", "lamp.ping", "--from", "pings.jsonl", "--batch=pings"]).ok();
    let mut watch = place.command(&["watch", "pings", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(watch.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let first: Value = serde_json::from_str(&said.next().unwrap()).unwrap();
    assert_eq!((&first["kind"], &first["state"], &first["total"]), (&"batch".into(), &"waiting".into(), &3.into()));
    // It learns of what another process does.
    let _dev = Dev::start(&place);
    let last: Value = serde_json::from_str(&said.last().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["id"], &last["state"]), (&"end".into(), &"pings".into(), &"succeeded".into()));
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn it_stops_when_it_is_asked_to() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "waits"]).ok();
    let mut command = place.command(&["watch", "waits"]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first = BufReader::new(watch.stdout.as_mut().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.contains("queued"), "{first}");
    let pid = watch.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(4));
}
