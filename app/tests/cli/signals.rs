//! `lamp dev` is asked to stop, by each of the usual signals.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json as value};

use crate::support::{PATIENCE, Place, lines};

/// Kills the child when the test ends, in any way.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Dev {
    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &*pid]).status().unwrap().success());
    }

    fn code(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let place = Place::new();
    // A receiver that accepts a webhook and never answers.
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    let mut command = place.command(&["dev", "--grace", "10m"]);
    command.env("LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE", "127.0.0.1");
    command.env("LAMPLIGHTER_WEBHOOK_SECRET", "whsec_bGFtcGxpZ2h0ZXItZGVtby1zZWNyZXQtMDEyMzQ=");
    let mut dev = Dev(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(dev.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.by_ref().any(|line| line.contains("lamp jobs")));
    let args = serde_json::json!({"url": url, "event": "e", "payload": 1}).to_string();
    place.lamp(&["enqueue", "webhook.deliver", &args]).ok();
    let (mut delivery, _) = receiver.accept().unwrap();
    delivery.read_exact(&mut [0]).unwrap();

    dev.signal("HUP");
    assert!(log.by_ref().any(|line| line.contains("stopping: running jobs have 10 min")));
    dev.signal("TERM");
    assert!(log.by_ref().any(|line| line.contains("stopped at once")));
    assert_eq!(dev.code(), Some(128 + 15));
}

#[test]
fn a_terminal_that_is_closed_is_a_clean_stop_and_no_panic() {
    let place = Place::new();
    let mut dev = Dev(place.command(&["dev"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(dev.0.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("lamp jobs") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    // From now on no log line can be written.
    drop(log);
    for id in ["one", "two"] {
        place.lamp(&["enqueue", "lamp.ping", r#"{"failures":1}"#, "--id", id]).ok();
    }
    let until = Instant::now() + std::time::Duration::from_secs(60);
    while place.lamp(&["jobs", "--state", "succeeded", "--json"]).ok().lines().count() < 2 {
        assert!(Instant::now() < until, "{:?}", place.lamp(&["jobs"]));
    }
    dev.signal("HUP");
    assert_eq!(dev.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn with_nohup_it_outlives_its_terminal() {
    let place = Place::new();
    let lamp = place.command(&["dev"]);
    let mut command = Command::new("nohup");
    command.arg(lamp.get_program()).args(lamp.get_args()).current_dir(place.path());
    let mut dev = Dev(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(dev.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.by_ref().any(|line| line.contains("lamp jobs")));
    dev.signal("HUP");
    place.lamp(&["enqueue", "lamp.ping", "--id", "after"]).ok();
    assert!(log.by_ref().any(|line| line.contains("job succeeded") && line.contains("after")));
    dev.signal("TERM");
    assert_eq!(dev.code(), Some(0));
}

fn json(place: &Place, args: &[&str]) -> Vec<Value> {
    lines(&place.lamp(args).ok())
}

/// Asks a process to stop, as Ctrl-C does.
fn interrupt(child: &std::process::Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn an_interrupted_operation_says_how_to_go_on() {
    let place = Place::new();
    let latest = || json(&place, &["ops", "--limit", "1", "--json"]);
    place.write("pings.jsonl", &"{}\n".repeat(8));
    place.lamp(&["enqueue", "lamp.ping", "--from", "pings.jsonl", "--id-prefix", "ping", "--delay", "2h"]).ok();
    let under_way = || {
        let until = Instant::now() + PATIENCE;
        loop {
            let last = latest();
            if last.first().is_some_and(|one| one["state"] == "running" && one["progress"]["changed"] != value!(0)) {
                break last[0]["id"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < until, "{last:?}");
        }
    };
    let begin = || {
        let mut command = place.command(&["cancel", "--query", "job:lamp.ping", "--rate", "1", "--by", "ada"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        (child, under_way())
    };
    let (child, id) = begin();
    let shown = place.lamp(&["ops", &id]).ok();
    assert!(shown.contains("running") && shown.contains(&format!("lamp ops {id} --stop")), "{shown}");
    interrupt(&child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped before the end") && said.contains(&format!("`lamp ops {id}`")), "{said}");
    let shown = place.lamp(&["ops", &id]).ok();
    assert!(shown.contains("stopped by ada") && shown.contains("once more: lamp cancel --query"), "{shown}");
    let open = || json(&place, &["jobs", "--state", "scheduled", "--json"]).len();
    assert!((1..8).contains(&open()), "some were cancelled, and some were not");

    // One whose process is killed is not lost: it waits for somebody to go on with it.
    let (mut child, id) = begin();
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let resumed = place.lamp(&["ops", &id, "--resume"]);
        if resumed.code == 0 {
            break;
        }
        // Its lease has not ended yet.
        assert!(resumed.err.contains("carried out by another process"), "{resumed:?}");
        assert!(Instant::now() < until, "{resumed:?}");
    }
    assert_eq!((open(), &latest()[0]["state"]), (0, &value!("done")));
}
