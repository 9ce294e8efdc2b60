//! `lamp package`: the files that platforms need to run this program as a worker.
#![cfg(unix)]

use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, process::Command};

use serde_json::{Value, json};

use crate::support::Place;

/// Returns the files of a zip file: names, permissions, and the beginning of each.
fn files(place: &Place, name: &str) -> Vec<(String, u32, String)> {
    let mut zip = zip::ZipArchive::new(File::open(place.path().join(name)).unwrap()).unwrap();
    let mut all = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut start = vec![0; 200];
        let length = file.read(&mut start).unwrap();
        let text = String::from_utf8_lossy(&start[..length]).into_owned();
        all.push((file.name().unwrap().into_owned(), file.unix_mode().unwrap() & 0o777, text));
    }
    all
}

#[test]
fn a_continuous_webjob_is_a_singleton_and_sets_its_stopping_wait() {
    let place = Place::new();
    let done = place.lamp(&["package", "webjob", "--continuous", "--name", "jobs", "--", "--db", "/home/data/jobs.db"]);
    assert!(done.err.contains("webjob.zip holds the continuous WebJob jobs"), "{done:?}");
    let files = files(&place, "webjob.zip");
    let names: Vec<_> = files.iter().map(|(name, mode, _)| (&**name, *mode)).collect();
    let folder = "App_Data/jobs/continuous/jobs";
    assert_eq!(
        names,
        [
            (&*format!("{folder}/settings.job"), 0o644),
            (&*format!("{folder}/run.sh"), 0o755),
            (&*format!("{folder}/lamp"), 0o755),
        ]
    );
    let settings: Value = serde_json::from_str(&files[0].2).unwrap();
    assert_eq!(settings, json!({ "is_singleton": true, "stopping_wait_time": 60 }));
    assert!(files[1].2.ends_with("/lamp\" work --db /home/data/jobs.db --killed-after 60s\n"), "{}", files[1].2);
    assert!(files[2].2.contains("ELF"));
}

#[test]
fn an_unpacked_triggered_webjob_runs_and_ends_when_it_is_idle() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "waiting"]).ok();
    let made = ["package", "webjob", "--triggered", "0 3 * * *", "-o", "nightly.zip"];
    place.lamp(&[&made[..], &["--", "--idle-end", "2s"]].concat()).ok();
    assert_eq!(files(&place, "nightly.zip")[0].2.replace(char::is_whitespace, ""), r#"{"schedule":"003***"}"#);
    let mut zip = zip::ZipArchive::new(File::open(place.path().join("nightly.zip")).unwrap()).unwrap();
    zip.extract(place.path().join("wwwroot")).unwrap();
    // Runs the script as Kudu does, with the variables of a triggered job.
    let script = place.path().join("wwwroot/App_Data/jobs/triggered/lamplighter/run.sh");
    assert_ne!(script.metadata().unwrap().permissions().mode() & 0o100, 0);
    let ran = Command::new(&script).current_dir(place.path()).env("WEBJOBS_NAME", "lamplighter").output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert!(place.lamp(&["job", "waiting"]).ok().contains("succeeded"));
}

#[test]
fn a_systemd_unit_notifies_and_restarts() {
    let place = Place::new();
    let unit = place.lamp(&["package", "systemd", "--program", "/usr/local/bin/lamp", "--", "--stack", "shop"]).ok();
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        "KillMode=mixed",
        "Restart=always",
        "WatchdogSec=60",
        "ExecStart=/usr/local/bin/lamp work --stack shop",
    ] {
        assert!(unit.lines().any(|one| one == line), "{line:?} is missing in {unit}");
    }
}

#[test]
fn an_image_has_no_root_user_and_only_the_program() {
    let place = Place::new();
    let file = place.lamp(&["package", "docker", "--", "--health", "0.0.0.0:8080"]).ok();
    let last = file.rsplit_once("\nFROM ").unwrap().1;
    assert!(last.starts_with("scratch\n") && last.contains("USER 65532:65532"), "{file}");
    assert!(last.ends_with("CMD [\"work\", \"--health\", \"0.0.0.0:8080\"]\n"), "{file}");
}

#[test]
fn arguments_that_a_platform_would_misread_are_refused() {
    let place = Place::new();
    place.lamp(&["package", "webjob"]).fails_at_once();
    place.lamp(&["package", "webjob", "--triggered", "rate(7 minutes)"]).fails(2, &["rate(7 minutes)", "divides"]);
    place.lamp(&["package", "webjob", "--continuous", "--name", "../up"]).fails(2, &["cannot name a WebJob"]);
    place.lamp(&["package", "systemd", "--", "--db", "a b"]).fails(2, &["\"a b\" has a character"]);
    place.write("notes.txt", "no program");
    let text = ["package", "webjob", "--continuous", "--program", "notes.txt"];
    place.lamp(&text).fails(2, &["a program of neither Linux nor Windows"]);
    assert!(!place.path().join("webjob.zip").exists());
}
