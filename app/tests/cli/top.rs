//! `lamp top` on a terminal.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::support::{Place, lines};

/// Leaves the screen of a program in full size, and shows the cursor again.
const RESTORED: [&str; 2] = ["\u{1b}[?1049l", "\u{1b}[?25h"];

struct Drawn {
    code: i32,
    text: String,
}

/// Runs `lamp top` on a terminal of this size, and carries out the steps.
fn top(place: &Place, (rows, columns): (u16, u16), args: &[&str], steps: &str) -> Drawn {
    let lamp = place.command(&[&["top"], args].concat());
    let mut command = Command::new("python3");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/terminal.py");
    command.arg(script).args([rows.to_string(), columns.to_string()]).arg(lamp.get_program()).args(lamp.get_args());
    for (name, _) in lamp.get_envs() {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").env("USER", "ada").current_dir(place.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(steps.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    Drawn { code, text: String::from_utf8_lossy(&output.stdout).into_owned() }
}

fn with_jobs(jobs: usize) -> Place {
    let place = Place::new();
    place.write("pings.jsonl", &"{}\n".repeat(jobs));
    place.lamp(&["enqueue", "lamp.ping", "--from", "pings.jsonl", "--id-prefix", "ping"]).ok();
    place
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let place = with_jobs(1);
    place.lamp(&["top"]).fails(2, &["draws on a terminal", "lamp jobs"]);
}

#[test]
fn it_shows_jobs_and_cancels_one_and_leaves_the_terminal_as_it_was() {
    let place = with_jobs(3000);
    let steps = "wait Queues\nwait 3000\nkeys gj\nwait lamp.ping\nkeys /id:ping-17\\r\nwait Jobs id:ping-17\nwait ▌\nkeys c\nwait Enter\n\
                 keys \\r\nwait changed\nkeys q\n";
    let drawn = top(&place, (30, 110), &[], steps);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    for sequence in RESTORED {
        assert!(drawn.text.contains(sequence), "{sequence:?} is missing");
    }
    let cancelled = lines(&place.lamp(&["jobs", "--state", "cancelled", "--json"]).ok());
    assert_eq!(cancelled.len(), 1, "{cancelled:?}");
    let log = place.lamp(&["job", cancelled[0]["id"].as_str().unwrap(), "--log"]).ok();
    assert!(log.contains("cancelled by ada"), "{log}");
}

#[test]
fn a_small_terminal_and_a_signal() {
    let place = with_jobs(20);
    let drawn = top(
        &place,
        (12, 40),
        &["--read-only"],
        "wait Queues\nkeys gj\nwait queued\nwait ▌\nkeys c\nwait read-only\nsignal SIGTERM\n",
    );
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    for sequence in RESTORED {
        assert!(drawn.text.contains(sequence), "{sequence:?} is missing");
    }
}
