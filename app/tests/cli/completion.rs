//! Shells complete commands and names, and every command has a page for man.

use std::process::Command;

use crate::support::Place;

/// Returns what bash completes, when Tab is pressed behind the last of these words.
fn completed(place: &Place, words: &[&str]) -> Vec<String> {
    let script = r#"source ./lamp.bash
        COMP_WORDS=(lamp "$@"); COMP_CWORD=$#
        _lamp lamp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .args(words)
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_names() {
    let place = Place::new();
    place.write("lamp.bash", &place.lamp(&["completion", "bash"]).ok());
    assert_eq!(completed(&place, &["que"]), ["queues"]);
    assert_eq!(completed(&place, &["schedule", "tri"]), ["trigger"]);
    assert_eq!(completed(&place, &["jobs", "--sin"]), ["--since"]);
    assert_eq!(completed(&place, &["jobs", "--job", "webhook"]), ["webhook.deliver"]);
    assert_eq!(completed(&place, &["jobs", "--queue", "im"]), ["images", "imports"]);
    assert_eq!(completed(&place, &["jobs", "--state", "f"]), ["failed"]);
    assert!(completed(&place, &["enqueue", "report"]).contains(&"report.daily".to_owned()));
    assert!(completed(&place, &["pause", "web"]).contains(&"webhooks".to_owned()));
    assert!(completed(&place, &["schedule", "pause", "rep"]).contains(&"report-daily".to_owned()));
}

#[test]
fn a_script_touches_no_file() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.lamp(&["completion", shell]).ok();
        assert!(script.contains("dead-letters"), "{shell}: {script}");
    }
    place.lamp(&["completion", "tcsh"]).fails_at_once();
    assert!(std::fs::read_dir(place.path()).unwrap().next().is_none(), "something was made");
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    let page = place.lamp(&["man"]).ok();
    assert!(page.contains(".TH lamp 1") && page.contains("lamp\\-jobs(1)"), "{page}");
    let page = place.lamp(&["man", "new", "job"]).ok();
    assert!(page.contains(".TH lamp-new-job 1") && page.contains("\\-\\-function"), "{page}");
    place.lamp(&["man", "job", "job"]).fails(2, &["lamp job has no command \"job\""]);
    place.lamp(&["man", "jbos"]).fails(2, &["no command \"jbos\"", "\"jobs\""]);

    place.lamp(&["man", "--output", "pages/man1"]).ok();
    let pages = std::fs::read_dir(place.path().join("pages/man1")).unwrap();
    let names: Vec<_> = pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in ["lamp.1", "lamp-jobs.1", "lamp-schedule-add.1", "lamp-infra-cost.1"] {
        assert!(names.iter().any(|one| one == name), "{name} is missing in {names:?}");
    }
    let page = std::fs::read_to_string(place.path().join("pages/man1/lamp-jobs.1")).unwrap();
    assert!(page.contains("Examples:") && page.contains("\\-\\-state"), "{page}");
}
