//! Generated pages of the documentation are up to date with the code.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::{fs, path::Path};

use lamplighter::{
    JobState,
    meter::Instrument,
    query::{KEYS, Query},
    schedule::{MISFIRE_GRACE, RUN_ALL_LIMIT},
};
use lamplighter_infra::{cost, doctor::Kind, limits};
use lamplighter_tests::conformance::BEHAVIOURS;

fn behaviours() -> String {
    let mut page = String::from(
        "# What every backend does\n\nOne list of behaviours, each proven on every backend by the same code: on the embedded one in memory \
         under a clock\nthat jumps, and in a file under the machine's own; on AWS over the real wire protocols, against an emulator.\n\
         `cargo test -p lamplighter-tests --test embedded --test aws` runs them all.\n\n| behaviour | embedded | AWS |\n| --- | --- | --- |\n",
    );
    for behaviour in BEHAVIOURS {
        page.push_str(&format!("| {} | proven | proven |\n", behaviour.name.replace('_', " ")));
    }
    page
}

/// With `UPDATE_DOCS=1`, writes the file.
fn assert_fresh(path: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, page).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == page, "{path} is stale: run this test with UPDATE_DOCS=1 and commit the file");
}

#[test]
fn behaviours_are_those_of_the_suite() {
    assert_fresh("docs/behaviours.md", &behaviours());
}

#[test]
fn costs_follow_from_the_operations() {
    assert_fresh("docs/costs.md", &cost::page());
}

/// Returns docs/metrics.md with the table between its marks.
fn metrics() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")).unwrap();
    let (head, rest) = page.split_once("a test -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /metrics -->").unwrap();
    let mut table = String::from(
        "| in CloudWatch | unit | for Prometheus | dimensions, labels | what it says |\n| --- | --- | --- | --- | --- |\n",
    );
    for instrument in Instrument::ALL {
        let Instrument { cloudwatch, cloudwatch_unit, prometheus, meaning, .. } = instrument;
        let by = if instrument.is_by_job { "function, queue, job" } else { "function" };
        table.push_str(&format!("| `{cloudwatch}` | {cloudwatch_unit} | `{prometheus}` | {by} | {meaning} |\n"));
    }
    format!("{head}a test -->\n{table}<!-- /metrics -->{tail}")
}

#[test]
fn metrics_are_those_of_the_code() {
    assert_fresh("docs/metrics.md", &metrics());
}

#[test]
fn scale_follows_from_the_quotas() {
    assert_fresh("docs/scale.md", &limits::page());
}

/// Returns ARCHITECTURE.md with the diagram between its marks.
fn states() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md")).unwrap();
    let (head, rest) = page.split_once("a test -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /states -->").unwrap();
    let mut diagram = String::from(
        "```mermaid\nstateDiagram-v2\n    [*] --> waiting: enqueued to run after others\n    [*] --> scheduled: enqueued with a delay\n    [*] --> queued: enqueued\n",
    );
    for (before, after) in JobState::TRANSITIONS {
        diagram.push_str(&format!("    {before} --> {after}{}\n", cause(*before, *after)));
    }
    for state in JobState::ALL.iter().filter(|state| state.is_final()) {
        diagram.push_str(&format!("    {state} --> [*]: its record expires\n"));
    }
    diagram.push_str("```\n");
    format!("{head}a test -->\n{diagram}<!-- /states -->{tail}")
}

fn cause(before: JobState, after: JobState) -> &'static str {
    match (before, after) {
        (JobState::Running, JobState::Queued) => ": released, snoozed, continued",
        (JobState::Running, JobState::Retrying) => ": failed, attempts left",
        (JobState::Running, JobState::Failed) => ": no attempts left, or told to fail",
        (JobState::Waiting, JobState::Queued) => ": the others have ended",
        (JobState::Waiting, JobState::Scheduled) => ": the others have ended, its delay has not",
        (JobState::Waiting, JobState::Cancelled) => ": cancelled, another ended otherwise",
        (JobState::Scheduled, JobState::Queued) | (JobState::Queued, JobState::Scheduled) => ": replaced, rescheduled",
        (JobState::Queued, JobState::Failed) => ": never ran, dead-lettered",
        (_, JobState::Running) => ": claimed",
        (_, JobState::Cancelled) => ": cancelled",
        (_, JobState::Queued) => ": run again by hand",
        _ => "",
    }
}

#[test]
fn the_state_diagram_is_that_of_the_code() {
    assert_fresh("ARCHITECTURE.md", &states());
}

#[test]
fn the_page_about_queries_has_every_key_and_no_query_that_is_wrong() {
    let page = include_str!("../../docs/queries.md");
    let (_, table) = page.split_once("| term | which jobs | found by |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: Vec<_> = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let keys = KEYS.iter().map(|(_, example)| *example);
    assert_eq!(listed, keys.chain(["order-4"]).collect::<Vec<_>>());
    let commands = page.lines().filter_map(|line| line.split_once("--query '")?.1.split('\'').next());
    let mentioned = page
        .split('`')
        .filter(|code| code.contains(':') && !code.contains([' ', '/', '…', '(']) && !code.contains("::"));
    let mentioned = mentioned.filter(|code| !code.ends_with(':') && !code.contains("\n"));
    let mut checked = 0;
    for text in listed.iter().copied().chain(commands).chain(mentioned) {
        text.parse::<Query>().unwrap_or_else(|error| panic!("{text}: {error}"));
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
    assert!(page.contains("2,000 characters and 50 terms") && (Query::MAX_CHARS, Query::MAX_TERMS) == (2000, 50));
}

#[test]
fn the_page_about_schedules_has_the_limits() {
    let page = include_str!("../../docs/schedules.md");
    assert_eq!((RUN_ALL_LIMIT, MISFIRE_GRACE.as_secs()), (1000, 60));
    assert!(page.contains("at most the latest 1,000") && page.contains("a minute after its time"));
}

#[test]
fn the_page_about_operations_has_every_kind_of_finding_and_no_other() {
    let page = include_str!("../../docs/operations.md");
    let (_, table) = page.split_once("| kind | breaks | repair |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let listed: Vec<_> = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(listed, kinds);
}
