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
fn top(place: &Place, size: (u16, u16), args: &[&str], steps: &str) -> Drawn {
    on_terminal(place, size, &[&["top"], args].concat(), "vi", steps)
}

/// Runs a command on a terminal of this size, with this editor, and carries out the steps.
fn on_terminal(place: &Place, (rows, columns): (u16, u16), args: &[&str], editor: &str, steps: &str) -> Drawn {
    let lamp = place.command(args);
    let mut command = Command::new("python3");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/terminal.py");
    command.arg(script).args([rows.to_string(), columns.to_string()]).arg(lamp.get_program()).args(lamp.get_args());
    for (name, _) in lamp.get_envs() {
        command.env_remove(name);
    }
    command
        .env("TERM", "xterm-256color")
        .env("USER", "ada")
        .env("EDITOR", editor)
        .env_remove("VISUAL")
        .current_dir(place.path());
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

#[test]
fn arguments_are_edited_and_a_copy_runs_with_them() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", r#"{"sleep_ms":1}"#, "--id", "first", "--delay", "2h"]).ok();
    // First it leaves what does not fit, and then what does.
    place.write("edit.sh", "grep -q ': 1$' \"$1\" && sed -i 's/: 1$/: 5000/' \"$1\" || sed -i 's/5000/7/' \"$1\"\n");
    let steps = "wait Queues\nkeys gj\nwait first\nkeys E\nwait maximum\nkeys \\r\nwait Enter: do it\nkeys \\r\nwait changed\nkeys q\n";
    let drawn = on_terminal(&place, (24, 80), &["top"], "sh ./edit.sh", steps);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    let jobs = lines(&place.lamp(&["jobs", "--json"]).ok());
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!((&jobs[0]["args"]["sleep_ms"], &jobs[0]["parent"]), (&7.into(), &"first".into()));
    assert_eq!((&jobs[1]["args"]["sleep_ms"], &jobs[1]["id"]), (&1.into(), &"first".into()));
    // The screen is left for the editor each time, and at the end.
    for sequence in RESTORED {
        assert_eq!(drawn.text.matches(sequence).count(), 3, "{sequence:?}");
    }
}

#[test]
fn an_editor_that_fails_changes_nothing_and_the_view_goes_on() {
    let place = with_jobs(1);
    for (editor, says) in [("false", "nothing was changed"), ("./no-such-editor", "nothing was changed")] {
        let steps = format!("wait Queues\nkeys gj\nwait ping-1\nkeys E\nwait {says}\nkeys gq\nwait lamp\nkeys q\n");
        let drawn = on_terminal(&place, (24, 100), &["top"], editor, &steps);
        assert_eq!(drawn.code, 0, "{}", drawn.text);
        for sequence in RESTORED {
            assert!(drawn.text.contains(sequence), "{sequence:?} is missing");
        }
    }
    assert_eq!(lines(&place.lamp(&["jobs", "--json"]).ok()).len(), 1);
}

#[test]
fn all_that_match_are_cancelled_at_once() {
    let place = with_jobs(300);
    let steps = "wait Queues\nkeys gj\nwait lamp.ping\nwait ▌\nkeys *\nwait all that match are marked\nkeys c\nwait Cancels 300 jobs\nwait Enter: do it\n\
                 keys \\r\nwait changed\nkeys :queue lamp\nwait ▌queue lamp\nkeys \\r\nwait Queues lamp\nkeys q\n";
    let drawn = top(&place, (24, 100), &[], steps);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    assert_eq!(lines(&place.lamp(&["jobs", "--state", "cancelled", "--limit", "0", "--json"]).ok()).len(), 300);
}

#[test]
fn a_terminal_that_shows_next_to_nothing() {
    let place = with_jobs(3);
    let steps = "wait Overview\nkeys gj\nwait Jobs\nwait ▌\nkeys ?\nwait Keys\nkeys q:\nwait Go to\nkeys \\x1b\nwait ▌\nkeys xX*c\nwait Really\nkeys nq\n";
    let drawn = top(&place, (5, 20), &[], steps);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
}

#[test]
fn the_editor_of_a_command_opens_again_until_the_arguments_fit() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", r#"{"sleep_ms":1}"#, "--id", "first", "--delay", "2h"]).ok();
    place.write(
        "edit.sh",
        "if grep -q maximum \"$1\"; then sed -i 's/5000/7/' \"$1\"; else sed -i 's/: 1$/: 5000/' \"$1\"; fi\n",
    );
    let drawn = on_terminal(&place, (24, 80), &["edit", "first"], "sh ./edit.sh", "wait a copy of first\n");
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    assert_eq!(lines(&place.lamp(&["jobs", "--json"]).ok())[0]["args"]["sleep_ms"], 7);
    // Left as it is, nothing runs.
    let drawn = on_terminal(&place, (24, 80), &["edit", "first"], "true", "wait as they were\n");
    assert_eq!(drawn.code, 1, "{}", drawn.text);
}

#[test]
fn the_editor_has_the_terminal_and_all_its_keys() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", r#"{"sleep_ms":1}"#, "--id", "first", "--delay", "2h"]).ok();
    place.write("edit.sh", "printf '\\033[2Jhow long?'\nread -r line\nsed -i \"s/: 1$/: $line/\" \"$1\"\n");
    let steps = "wait Queues\nkeys gj\nwait first\nkeys E\nwait how long?\nkeys 234\\r\n";
    let consent = format!("{steps}wait Enter: do it\nkeys \\r\nwait changed\nkeys q\n");
    let drawn = on_terminal(&place, (24, 80), &["top"], "sh ./edit.sh", &consent);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    assert_eq!(lines(&place.lamp(&["jobs", "--json"]).ok())[0]["args"]["sleep_ms"], 234);
    // Asked to end meanwhile, it waits for the editor, and does nothing more.
    let steps = steps.replace("keys 234", "signal SIGTERM\nkeys 345");
    let drawn = on_terminal(&place, (24, 80), &["top"], "sh ./edit.sh", &steps);
    assert_eq!(drawn.code, 0, "{}", drawn.text);
    assert_eq!(lines(&place.lamp(&["jobs", "--json"]).ok()).len(), 2);
}
