//! Many jobs from one file.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Write as _},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::support::{Place, lines};

fn ids(place: &Place) -> Vec<String> {
    let listed = lines(&place.lamp(&["jobs", "--json", "--limit", "0"]).ok());
    let mut ids: Vec<_> = listed.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn each_line_of_a_file_is_one_job_even_if_it_is_sent_twice() {
    let place = Place::new();
    let mut text = String::new();
    for number in 1..=1203 {
        writeln!(text, "{{\"sleep_ms\": {}}}", number % 1000).unwrap();
    }
    place.write("pings.jsonl", &text);
    let send = |more: &[&str]| {
        let args = ["enqueue", "lamp.ping", "--from", "pings.jsonl", "--id-prefix", "first"];
        place.lamp(&args.iter().chain(more).copied().collect::<Vec<_>>())
    };
    assert!(send(&["--dry-run"]).ok().starts_with("judged 1203 jobs lamp.ping on lamp in "));
    assert!(!place.database().exists(), "nothing was sent");
    assert!(send(&[]).ok().starts_with("enqueued 1203 jobs lamp.ping on lamp in "));
    let all = ids(&place);
    assert_eq!(all.len(), 1203);
    assert!(all.contains(&"first-1".into()) && all.contains(&"first-1203".into()));
    let again = send(&["--after-line", "1200"]).ok();
    assert!(again.starts_with("enqueued 0 jobs") && again.contains("there already 3 jobs"), "{again}");
    let again = lines(&send(&["--json"]).ok());
    assert_eq!(again.len(), 1203);
    let third =
        json!({"line": 3, "id": "first-3", "job": "lamp.ping", "queue": "lamp", "duplicate": true, "state": "queued"});
    assert_eq!(again[2], third);
    assert_eq!(ids(&place).len(), 1203);
}

#[test]
fn a_refused_line_is_reported_by_its_number_and_delays_no_other() {
    let place = Place::new();
    let long = format!("{{\"sleep_ms\": {}}}", "1".repeat(2 << 20));
    let text = format!(
        "{{\"sleep_ms\": 1}}\r\n\n{{\"sleep_ms\": 1.0}}\nnonsense\n{{\"sleep_ms\": 1001}}\n{{\"sleep_ms\": 1, \"sleep_ms\": \
         2}}\n{long}\n\u{feff}{{}}\n[]\n{{}}"
    );
    let sent = place.lamp_with(&["enqueue", "lamp.ping", "--from", "-"], &text);
    assert_eq!(sent.code, 1, "{sent:?}");
    assert!(sent.out.starts_with("enqueued 2 jobs lamp.ping on lamp in "), "{sent:?}");
    for says in [
        "line 3: these arguments do not fit lamp.ping: expected u64",
        "line 4: the arguments of lamp.ping are not JSON",
        "line 5: these arguments do not fit lamp.ping: \"sleep_ms\": value is greater than the maximum of 1000",
        "line 6: these arguments do not fit lamp.ping: duplicate field `sleep_ms`",
        "line 7: it is larger than a message may be",
        "line 8: the text begins with a byte order mark (BOM)",
        "line 9: these arguments do not fit lamp.ping: they are an array",
        "error: 7 lines were not enqueued, each reported above",
    ] {
        assert!(sent.err.contains(says), "{says:?} is missing in {}", sent.err);
    }
    assert!(!sent.err.contains("line 2:") && !sent.err.contains("line 10:"), "{sent:?}");
    assert_eq!(ids(&place).len(), 2);

    let printed = place.lamp_with(&["enqueue", "lamp.ping", "--from", "-", "--json"], &text);
    let answers = lines(&printed.out);
    assert_eq!((printed.code, answers.len()), (1, 9), "{printed:?}");
    assert!(answers[1]["error"].as_str().unwrap().contains("expected u64") && answers[1]["line"] == 3, "{printed:?}");
    assert!(answers[8]["id"].is_string() && answers[8]["line"] == 10, "{printed:?}");
}

#[test]
fn a_line_may_have_the_options_of_one_job() {
    let place = Place::new();
    let text = [
        r#"{"args": {"sleep_ms": 5}, "id": "own", "delay": "2h", "group": "a"}"#,
        r#"{"id": "moment", "at": "2199-12-24T18:00:00+01:00"}"#,
        r#"{}"#,
        r#"{"id": "no id"}"#,
        r#"{"delay": "soon"}"#,
        r#"{"delay": "2h", "at": "2199-12-24T18:00:00+01:00"}"#,
        r#"{"delays": "2h"}"#,
    ]
    .join("\n");
    let args = ["enqueue", "lamp.ping", "--from", "-", "--with-options", "--delay", "1h", "--id-prefix", "n"];
    let sent = place.lamp_with(&args, &text);
    assert!(sent.code == 1 && sent.out.starts_with("enqueued 3 jobs"), "{sent:?}");
    for says in [
        "line 4: a job id is",
        "line 5: delay: not a length of time",
        "line 6: it has both",
        "line 7: with --with-options",
    ] {
        assert!(sent.err.contains(says), "{says:?} is missing in {}", sent.err);
    }
    let job = |id: &str| lines(&place.lamp(&["job", id, "--json"]).ok()).remove(0);
    assert_eq!((&job("own")["state"], &job("own")["args"]), (&json!("scheduled"), &json!({"sleep_ms": 5})));
    assert_eq!(job("moment")["due_at"], "2199-12-24T17:00:00Z");
    // The options of the command line apply to lines without options.
    assert_eq!((&job("n-3")["state"], &job("n-3")["args"]), (&json!("scheduled"), &json!({})));
}

#[test]
fn an_unreadable_file_or_encoding_is_reported_before_anything_is_sent() {
    let place = Place::new();
    let send = |from: &str| place.lamp(&["enqueue", "lamp.ping", "--from", from]);
    send("nowhere.jsonl").fails(1, &["nowhere.jsonl", "no such file"]);
    send(".").fails(1, &["cannot read the arguments from ."]);
    std::fs::write(place.path().join("bom.jsonl"), b"\xef\xbb\xbf{}\n").unwrap();
    send("bom.jsonl").fails(2, &["bom.jsonl begins with a byte order mark (BOM)", "UTF-8"]);
    std::fs::write(place.path().join("utf16.jsonl"), b"\xff\xfe{\0}\0").unwrap();
    send("utf16.jsonl").fails(2, &["utf16.jsonl is UTF-16", "iconv"]);
    place.lamp(&["enqueue", "lamp.ping", "@bom.jsonl"]).fails(2, &["byte order mark (BOM)"]);
    place.lamp(&["enqueue", "lamp.ping", "@utf16.jsonl"]).fails(2, &["UTF-16"]);
    place.lamp(&["enqueue", "lamp.ping", "--from", "x", "--id-prefix", "a b"]).fails(2, &["a job id is"]);
    place.lamp(&["enqueue", "lamp.ping", "{}", "--from", "x"]).fails_at_once();
    place.lamp(&["enqueue", "lamp.ping", "--after-line", "3"]).fails_at_once();
}

#[test]
fn a_failing_backend_ends_it_with_the_progress_and_how_to_continue() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "there"]).ok();
    let other = rusqlite::Connection::open(place.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let args = ["enqueue", "lamp.ping", "--from", "-", "--after-line", "1"];
    let sent = place.lamp_with(&args, "{}\n{}\n{}\n");
    assert!(sent.code == 1 && sent.out.starts_with("enqueued 0 jobs"), "{sent:?}");
    for says in
        ["line 2: ", "line 3: ", "stopped after line 3; 2 lines up to there were not enqueued", "--after-line 3"]
    {
        assert!(sent.err.contains(says), "{says:?} is missing in {}", sent.err);
    }
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ids(&place), ["there"]);
}

/// A signal while the pipe is open: lines that have arrived are sent, and the error says how to continue.
#[cfg(unix)]
#[test]
fn an_interruption_reports_the_progress_and_how_to_continue() {
    let place = Place::new();
    let mut child = place
        .command(&["enqueue", "lamp.ping", "--from", "-", "--json", "--id-prefix", "cut"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{}\n{}\n{}\n").unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    // Lines are sent as they arrive, though more may follow.
    for number in 1..=3 {
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], format!("cut-{number}"));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("stopped after line 3: it was asked to stop") && err.contains("--after-line 3"), "{err}");
    drop(input);
    assert_eq!(ids(&place), ["cut-1", "cut-2", "cut-3"]);
}
