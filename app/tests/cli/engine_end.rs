//! How `lamp dev` ends, and which files it leaves.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::support::Place;

/// Starts `lamp dev` and waits until it runs. Returns the rest of its log.
fn dev(place: &Place) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = place.command(&["dev"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    while !log.next().expect("it says that it runs").contains("lamp jobs") {}
    (child, log)
}

#[test]
fn dev_ends_with_its_own_exit_code_when_its_file_is_removed() {
    let place = Place::new();
    let (mut child, log) = dev(&place);
    fs::remove_file(place.database()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let printed: Vec<_> = log.collect();
    let says = |part: &str| printed.iter().any(|line| line.contains(part));
    assert!(says("error: the engine ends") && says("was removed or renamed while it was in use"), "{printed:?}");
    assert!(!place.database().exists(), "nothing makes it again");
}

#[test]
fn dev_leaves_one_file_with_every_job_after_each_of_ten_stops() {
    let place = Place::new();
    for round in 0..10 {
        let (mut child, log) = dev(&place);
        let id = format!("job-{round}");
        place.lamp(&["enqueue", "lamp.ping", "{}", "--id", &id]).ok();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{:?}", log.collect::<Vec<_>>());
        let beside: Vec<_> =
            fs::read_dir(place.database().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!beside.iter().any(|name| name.to_string_lossy().contains("-wal")), "round {round}: {beside:?}");
        fs::copy(place.database(), place.path().join("copy.db")).unwrap();
        place.lamp(&["job", &id, "--db", "copy.db"]).ok();
    }
}
