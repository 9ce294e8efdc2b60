//! Names and values at the command line: names in the file are valid too, and the command and the worker check
//! arguments alike.

use lamplighter::{RawValue, Tracking};
use lamplighter_embedded::{Settings, SqliteBackend};

use crate::support::{Place, lines};

/// Creates a file with a job on a queue that no definition contains.
async fn with_a_stranger() -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.database().parent().unwrap()).unwrap();
    let embedded = SqliteBackend::open(place.database(), Settings::default()).unwrap();
    let args = RawValue::from_string("{}".into()).unwrap();
    embedded.client().enqueue_raw("bill.send", "bills", Tracking::Full, args).id("bill").await.unwrap();
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_the_file_are_valid() {
    let place = with_a_stranger().await;
    for filter in [["--queue", "bills"], ["--job", "bill.send"]] {
        assert_eq!(lines(&place.lamp(&["jobs", "--json", filter[0], filter[1]]).ok()).len(), 1);
        let none = place.lamp(&["retry", "--failed", filter[0], filter[1]]);
        assert_eq!((none.code, &*none.err), (0, "no failed jobs that fit\n"));
    }
    assert_eq!(place.lamp(&["pause", "bills"]).ok(), "paused bills\n");
    assert_eq!(place.lamp(&["resume", "bills"]).ok(), "resumed bills\n");
    assert_eq!(place.lamp(&["dead-letters", "bills"]).err, "no dead letters on bills\n");
    assert_eq!(place.lamp(&["redrive", "bills", "--dry-run"]).err, "no dead letters that fit on bills\n");
    assert_eq!(place.lamp(&["redrive", "bills"]).err, "no dead letters on bills\n");
    // A typo finds the nearest name of both.
    place.lamp(&["pause", "bils"]).fails(2, &["no queue \"bils\"", "did you mean \"bills\"?"]);
    place.lamp(&["jobs", "--queue", "webhoks"]).fails(2, &["no queue \"webhoks\"", "\"webhooks\""]);
    place.lamp(&["jobs", "--job", "bill.sent"]).fails(2, &["no job \"bill.sent\"", "\"bill.send\""]);
    // Reading creates no queue.
    assert_eq!(place.lamp(&["jobs", "--queue", "images"]).err, "no jobs\n");
    assert_eq!(place.lamp(&["dead-letters", "images"]).err, "no dead letters on images\n");
    assert_eq!(lines(&place.lamp(&["queues", "--json"]).ok()).len(), 1);
}

#[test]
fn jobs_are_listed_by_the_time_of_their_enqueueing() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "one"]).ok();
    let created = lines(&place.lamp(&["job", "one", "--json"]).ok())[0]["created_at"].as_str().unwrap().to_owned();
    let count = |args: &[&str]| {
        let args: Vec<_> = ["jobs", "--json"].iter().chain(args).copied().collect();
        place.lamp(&args).ok().lines().count()
    };
    assert_eq!((count(&["--since", "1h"]), count(&["--since", &created])), (1, 1));
    assert_eq!((count(&["--before", "1h"]), count(&["--before", &created])), (0, 0));
    assert_eq!(count(&["--since", "1h", "--before", "2199-01-01T00:00:00Z"]), 1);
    place.lamp(&["jobs", "--since", "yesterday"]).fails_at_once();
}

/// The job's type decides, as in the worker: the command sends exactly the arguments that the type accepts.
#[test]
fn enqueued_arguments_are_those_that_the_worker_accepts() {
    let place = Place::new();
    let image = |args: &str| place.lamp(&["enqueue", "image.thumbnail", args]);
    image(r#"{"key":"a.png","sizes":[16.0]}"#).fails(2, &["image.thumbnail", "expected u32"]);
    image(r#"{"key":"a.png","key":"b.png"}"#).fails(2, &["duplicate field `key`"]);
    image(r#"{"key":"a.png","sizes":[5000],"sizes":[160]}"#).fails(2, &["duplicate field `sizes`"]);
    image(r#"{"key":"a.png","sizes":[160],"sizes":[5000]}"#).fails(2, &["duplicate field `sizes`"]);
    image(r#"{"key":"a.png","sizes":[5000]}"#).fails(2, &["\"sizes.0\": value is greater than the maximum of 4096"]);
    assert!(!place.database().exists());
    for url in [
        "https://a.example/?x[]=1",
        "https://a.example/a|b",
        "https://a.example/{id}",
        "https://bücher.example/ä",
        "https://a.example/%zz",
    ] {
        let args = serde_json::json!({"url": url, "event": "e", "payload": null}).to_string();
        assert!(serde_json::from_str::<lamplighter_jobs::DeliverWebhook>(&args).is_ok(), "{url}");
        place.lamp(&["enqueue", "webhook.deliver", &args]).ok();
    }
    let args = r#"{"url":"https//hooks.example/T0/SECRET","event":"e","payload":1}"#;
    let refused = place.lamp(&["enqueue", "webhook.deliver", args]);
    assert!(refused.code == 2 && refused.err.contains("\"url\"") && !refused.err.contains("SECRET"), "{refused:?}");
}

#[test]
fn a_moment_out_of_range_is_a_usage_error() {
    let place = Place::new();
    place
        .lamp(&["enqueue", "lamp.ping", "--delay", "400000 weeks"])
        .fails(2, &["lamp.ping cannot be delayed until", "2262"]);
    place.lamp(&["enqueue", "lamp.ping", "--at", "3000-01-01T00:00:00Z"]).fails(2, &["2262"]);
}

#[test]
fn special_file_names_are_expanded_or_refused() {
    let place = Place::new();
    let home = |args: &[&str]| {
        let mut command = place.command(args);
        command.env("HOME", place.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(home(&["enqueue", "lamp.ping", "--db=~/deep/jobs.db"]).0, Some(0));
    assert!(place.path().join("deep/jobs.db").exists() && !place.path().join("~").exists());
    let (code, err) = home(&["jobs", "--db", ":memory:"]);
    assert!(code == Some(2) && err.contains("gone with the command"), "{err}");
    let (code, err) = home(&["dev", "--db", "file:jobs.db?mode=ro"]);
    assert!(code == Some(2) && err.contains("URI"), "{err}");
    let mut command = place.command(&["jobs"]);
    command.env("LAMPLIGHTER_DB", ":memory:");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn an_unknown_log_level_is_refused_with_the_known_ones() {
    let place = Place::new();
    let mut command = place.command(&["dev"]);
    command.env("LAMPLIGHTER_LOG", "warning");
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("did you mean warn?") && err.contains("off, error, warn, info, debug, trace"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_enqueued_job_is_reported_even_if_the_output_fails() {
    let place = Place::new();
    for (args, says) in [
        (&["enqueue", "lamp.ping", "--id", "full"][..], "job full was enqueued"),
        (&["enqueue", "lamp.ping", "--id", "full", "--json"], "job full was there already"),
        (&["cancel", "full"], "job full was cancelled"),
        (&["pause", "lamp"], "queue lamp was paused"),
        (&["schedule", "add", "hourly", "--every", "1h", "lamp.ping"], "the schedule hourly was made"),
        (&["schedule", "trigger", "hourly", "--json"], "of the schedule hourly was started"),
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(args).stdout(full).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.contains(says), "{args:?}: {err}");
        assert!(err.contains("the answer cannot be written"), "{err}");
    }
    // A caller that cannot read the answer is informed all the same.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place.command(&["enqueue", "lamp.ping", "--id", "gone"]).stdout(writer).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(0) && err.contains("job gone was enqueued"), "{err}");
}

/// A user with read permission can read a file in a folder without write permission.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_file_can_be_read() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "there"]).ok();
    let folder = place.database().parent().unwrap().to_owned();
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    // The WAL is checkpointed into the file, as after a clean shutdown.
    rusqlite::Connection::open(place.database()).unwrap().pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path == place.database() { mode(&path, 0o444) } else { std::fs::remove_file(path).unwrap() }
    }
    mode(&folder, 0o555);
    mode(place.path(), 0o755);
    let as_nobody = |args: &[&str]| {
        let mut command = place.command(args);
        // Root may write everything.
        if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let before = std::fs::read(place.database()).unwrap();
    for args in
        [&["jobs"][..], &["job", "there"], &["queues"], &["dead-letters"], &["dead-letters", "lamp"], &["schedules"]]
    {
        let (code, out, err) = as_nobody(args);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        assert!(
            args[0] == "dead-letters" || out.contains("there") || out.contains("lamp") || out.contains("report"),
            "{args:?}: {out}"
        );
    }
    let (code, _, err) = as_nobody(&["cancel", "there"]);
    assert!(code == Some(1) && err.contains("may not be written"), "{err}");
    assert_eq!(std::fs::read(place.database()).unwrap(), before);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "something was made");
    mode(&folder, 0o755);
}
