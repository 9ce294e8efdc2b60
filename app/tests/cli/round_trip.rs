//! Enqueued jobs can be listed, shown and run.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Instant,
};

use crate::support::{PATIENCE, Place, lines};
use lamplighter::{RawValue, Tracking};
use lamplighter_embedded::{Settings, SqliteBackend};
use serde_json::json;

#[test]
fn a_job_is_enqueued_listed_and_shown() {
    let place = Place::new();
    let answer = lines(&place.lamp(&["enqueue", "lamp.ping", r#"{"sleep_ms": 5}"#, "--json"]).ok());
    let id = answer[0]["id"].as_str().unwrap();
    assert_eq!((&answer[0]["job"], &answer[0]["duplicate"]), (&"lamp.ping".into(), &false.into()));

    let jobs = lines(&place.lamp(&["jobs", "--json"]).ok());
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0]["id"], id);
    assert_eq!(jobs[0]["state"], "queued");
    assert_eq!(jobs[0]["args"]["sleep_ms"], 5);

    let job = lines(&place.lamp(&["job", id, "--json"]).ok());
    assert_eq!(job, jobs);
    let shown = place.lamp(&["job", id]).ok();
    assert!(shown.contains(id) && shown.contains("\"sleep_ms\": 5") && shown.contains("none yet"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colours where no terminal is: {shown:?}");
    let listed = place.lamp(&["jobs"]).ok();
    assert!(listed.lines().nth(1).unwrap().trim_start().starts_with(id), "{listed}");
}

#[tokio::test]
async fn a_list_of_many_pages_is_one_table() {
    let place = Place::new();
    std::fs::create_dir_all(place.database().parent().unwrap()).unwrap();
    let client = SqliteBackend::open(place.database(), Settings::default()).unwrap().client();
    // Pages hold 500, newest first; the ids on the second are shorter, those on the third longer.
    for number in (0..1200).rev() {
        let id = match number {
            0..500 => format!("middle-{number:04}"),
            500..1000 => format!("s-{number:04}"),
            _ => format!("rather-long-{number:04}"),
        };
        let args = RawValue::from_string("{}".into()).unwrap();
        client.enqueue_raw("lamp.ping", "lamp", Tracking::Full, args).id(id).await.unwrap();
    }
    let listed = place.lamp(&["jobs", "--limit", "0"]).ok();
    assert_eq!(listed.lines().count(), 1201);
    assert_eq!(listed.matches("CREATED").count(), 1);
    let job = |line: &str| line.find("lamp.ping").unwrap();
    let columns: std::collections::BTreeSet<_> = listed.lines().skip(1).take(1000).map(job).collect();
    assert_eq!(columns.len(), 1, "the columns of the first pages do not stand below each other: {columns:?}");
}

#[test]
fn the_same_id_is_the_same_job() {
    let place = Place::new();
    let enqueue = || lines(&place.lamp(&["enqueue", "lamp.ping", "--id", "order-42", "--json"]).ok());
    assert_eq!(enqueue()[0]["duplicate"], false);
    let again = enqueue();
    assert_eq!((&again[0]["duplicate"], &again[0]["state"]), (&true.into(), &"queued".into()));
    assert!(place.lamp(&["enqueue", "lamp.ping", "--id", "order-42"]).ok().contains("there already"));
    assert_eq!(lines(&place.lamp(&["jobs", "--json"]).ok()).len(), 1);
}

#[test]
fn a_webhooks_payload_is_enqueued_byte_for_byte() {
    let place = Place::new();
    let args = r#"{"url":"https://example.com/","event":"e","payload":{"z":123456789012345678901, "a":19.90,"z":1}}"#;
    place.lamp(&["enqueue", "webhook.deliver", args, "--id", "raw"]).ok();
    let shown = place.lamp(&["job", "raw", "--json"]).ok();
    assert!(shown.contains(&format!("\"args\":{args}")), "{shown}");
}

#[test]
fn arguments_come_from_a_file_or_standard_input() {
    let place = Place::new();
    place.write("ping.json", "{\"sleep_ms\": 1}\n");
    place.lamp(&["enqueue", "lamp.ping", "@ping.json", "--id", "file"]).ok();
    place.lamp_with(&["enqueue", "lamp.ping", "-", "--id", "stdin"], "{\"sleep_ms\": 2}").ok();
    for (id, sleep) in [("file", 1), ("stdin", 2)] {
        assert_eq!(lines(&place.lamp(&["job", id, "--json"]).ok())[0]["args"]["sleep_ms"], sleep);
    }
}

#[test]
fn delays_are_kept_and_can_be_cancelled_and_retried() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "later", "--delay", "2h"]).ok();
    place.lamp(&["enqueue", "lamp.ping", "--id", "noel", "--at", "2199-12-24T18:00:00+01:00"]).ok();
    place.lamp(&["enqueue", "lamp.ping", "--id", "past", "--at", "2020-01-01T00:00:00Z"]).ok();
    let state = |id| lines(&place.lamp(&["job", id, "--json"]).ok())[0]["state"].as_str().unwrap().to_owned();
    assert_eq!((&*state("later"), &*state("past")), ("scheduled", "queued"));
    let noel = lines(&place.lamp(&["job", "noel", "--json"]).ok());
    assert_eq!(noel[0]["due_at"], "2199-12-24T17:00:00Z");

    place.lamp(&["cancel", "later"]).ok();
    assert_eq!(state("later"), "cancelled");
    place.lamp(&["retry", "later"]).ok();
    assert_eq!(state("later"), "queued");
}

#[test]
fn jobs_are_cancelled_by_id_and_by_filter_with_reason_and_name() {
    let place = Place::new();
    for n in 0..3 {
        place.lamp(&["enqueue", "lamp.ping", "--id", &format!("ping-{n}"), "--delay", "2h"]).ok();
    }
    place.lamp(&["enqueue", "lamp.ping", "--id", "now"]).ok();
    let record = |id| lines(&place.lamp(&["job", id, "--json"]).ok())[0].clone();
    place.lamp(&["cancel", "ping-0", "--reason", "a duplicate", "--by", "ada"]).ok();
    assert_eq!(record("ping-0")["reason"], "a duplicate (by ada)");
    let shown = place.lamp(&["job", "ping-0"]).ok();
    assert!(shown.contains("a duplicate (by ada)"), "{shown}");

    let scheduled = ["cancel", "--open", "--job", "lamp.ping", "--state", "scheduled"];
    let counted = place.lamp(&[&scheduled[..], &["--dry-run"]].concat()).ok();
    assert!(counted.lines().any(|line| line.split_whitespace().eq(["lamp.ping", "lamp", "2"])), "{counted}");
    assert_eq!(record("ping-1")["state"], "scheduled");
    let said = place.lamp(&[&scheduled[..], &["--by", "ada"]].concat()).ok();
    assert!(said.contains("cancelled 2 jobs"), "{said}");
    assert_eq!((&record("ping-2")["reason"], &record("now")["state"]), (&json!("by ada"), &json!("queued")));
    assert!(place.lamp(&["cancel", "--all"]).ok().contains("cancelled one job"));

    place.lamp(&["cancel", "--open"]).fails(2, &["--queue", "--all"]);
    for (args, says) in [
        (&["cancel"][..], "<ID>..."),
        (&["cancel", "--open", "--state", "failed"], "a job that has failed has ended already"),
        (&["cancel", "now", "--open"], "cannot be used with"),
    ] {
        let refused = place.lamp(args);
        assert!(refused.code == 2 && refused.err.contains(says), "{refused:?}");
    }
    place.lamp(&["cancel", "ping-0", "ping-1"]).ok();
}

#[test]
fn lists_are_filtered_and_paged() {
    let place = Place::new();
    for n in 0..5 {
        place.lamp(&["enqueue", "lamp.ping", "--id", &format!("ping-{n}")]).ok();
    }
    place.lamp(&["enqueue", "report.daily", "--id", "report"]).ok();
    let ids = |args: &[&str]| -> Vec<String> {
        let args: Vec<_> = ["jobs", "--json"].iter().chain(args).copied().collect();
        lines(&place.lamp(&args).ok()).iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&["--job", "report.daily"]), ["report"]);
    assert_eq!(ids(&["--queue", "lamp", "--state", "queued"]).len(), 5);
    assert_eq!(ids(&["--state", "failed"]).len(), 0);
    assert_eq!(ids(&["--limit", "0"]).len(), 6);

    let first = place.lamp(&["jobs", "--json", "--limit", "4"]);
    let cursor = first.err.trim().strip_prefix("next: ").expect("a cursor").to_owned();
    let second = ids(&["--limit", "4", "--cursor", &cursor]);
    let mut all: Vec<_> = lines(&first.ok()).iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    all.extend(second);
    assert_eq!(all, ids(&[]));
}

#[test]
fn definitions_and_schedules_need_no_file() {
    let place = Place::new();
    let definitions = lines(&place.lamp(&["definitions", "--json"]).ok());
    let names: Vec<_> = definitions.iter().map(|one| one["job"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for job in ["image.thumbnail", "lamp.ping", "report.daily", "webhook.deliver"] {
        assert!(names.contains(&job), "{job} is not among {names:?}");
    }
    assert!(definitions.iter().all(|one| one["schema"]["type"] == "object"), "{definitions:?}");
    assert!(place.lamp(&["definitions", "webhook.deliver"]).ok().contains("\"event\""));
    let schedules = lines(&place.lamp(&["schedules", "--json"]).ok());
    assert!(schedules.iter().all(|one| one["next"].as_array().unwrap().len() == 5), "{schedules:?}");
    assert!(!place.database().exists());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    for n in 0..3 {
        place.lamp(&["enqueue", "lamp.ping", "--id", &format!("ping-{n}")]).ok();
    }
    let mut child = place.command(&["jobs", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

/// Stops the child when the test ends, in any way.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn dev_runs_enqueued_jobs_and_stops_when_asked() {
    let place = Place::new();
    let mut dev = Dev(place.command(&["dev"]).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(dev.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let welcome: Vec<_> = log.by_ref().take_while(|line| !line.contains("lamp jobs")).collect();
    assert!(welcome.iter().any(|line| line.contains(".lamplighter/jobs.db")), "{welcome:?}");

    place.lamp(&["enqueue", "lamp.ping", r#"{"failures": 1}"#, "--id", "once-more"]).ok();
    let until = Instant::now() + PATIENCE;
    let job = loop {
        let job = lines(&place.lamp(&["job", "once-more", "--json"]).ok()).remove(0);
        if job["state"] == "succeeded" {
            break job;
        }
        assert!(Instant::now() < until, "{job}");
    };
    assert_eq!(job["output"]["attempt"], 2);
    let outcomes: Vec<_> = job["attempts"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["error", "succeeded"]);

    let pid = dev.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(dev.0.wait().unwrap().code(), Some(0));
    let printed: Vec<_> = log.collect();
    assert!(printed.iter().any(|line| line.contains("job succeeded") && line.contains("once-more")), "{printed:?}");
}
