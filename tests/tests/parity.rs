//! What somebody who comes from Hangfire expects: each row of the table in `docs/from-hangfire.md` is held by tests, whose
//! names say it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The beginning of a row's first cell, and the tests that hold it.
const HELD: [(&str, &[&str]); 22] = [
    ("`BackgroundJob.Enqueue`", &["a_job_runs_once_and_its_output_is_kept", "an_id_names_one_job"]),
    ("`BackgroundJob.Schedule`", &["a_delayed_job_runs_when_it_is_due"]),
    ("`RecurringJob.AddOrUpdate`", &["a_schedule_is_replaced_and_stays_paused", "a_message_sent_twice_runs_once"]),
    (
        "`RecurringJob.TriggerJob`",
        &["a_triggered_schedule_starts_its_job_at_once", "a_schedule_is_made_paused_and_removed"],
    ),
    ("`MisfireHandling`", &["misfire_policies_after_a_missed_stretch", "a_tick_on_time_runs_under_every_policy"]),
    (
        "`AutomaticRetry`",
        &["a_failing_job_is_retried_until_it_succeeds", "a_message_without_attempts_left_is_dead_lettered"],
    ),
    ("`Failed` state", &["a_failed_job_runs_again_by_hand_with_its_history", "a_redriven_job_runs_again_under_its_id"]),
    ("`[Queue(\"critical\")]`", &["a_job_is_sent_to_its_queue", "a_fifo_group_runs_in_order"]),
    ("`WorkerCount`", &["as_many_jobs_run_at_once_as_their_limit_allows"]),
    (
        "`CancellationToken`",
        &["a_handler_that_asks_learns_within_seconds_that_its_job_is_cancelled", "a_timeout_is_an_attempt_that_failed"],
    ),
    (
        "`DisableConcurrentExecution`",
        &[
            "jobs_of_a_mutex_run_one_after_the_other",
            "a_crowd_of_jobs_begins_at_the_rate_of_its_limit",
            "a_thousand_jobs_on_one_mutex_run_one_after_the_other_and_hold_up_nobody",
        ],
    ),
    (
        "`PerformContext`",
        &[
            "what_a_job_logs_is_kept_with_its_attempts",
            "progress_and_checkpoints_are_kept_under_the_lease_only",
            "a_job_goes_on_from_its_checkpoints",
        ],
    ),
    ("job filters", &["a_layer_may_answer_in_the_handlers_place"]),
    ("`JobActivator`", &["a_layer_can_be_added_before_and_after_the_state"]),
    ("unique jobs", &["a_unique_job_is_the_only_one_until_it_has_ended"]),
    (
        "`ContinueJobWith`",
        &[
            "a_continuation_runs_after_the_outcome_that_it_waits_for",
            "a_job_waits_for_all_of_its_parents_and_gets_their_outputs",
        ],
    ),
    (
        "`BatchJob.StartNew`",
        &[
            "a_batch_with_a_job_that_is_refused_has_none",
            "jobs_are_added_to_a_batch_until_it_ends",
            "a_batch_within_another_counts_there_as_one_job",
            "a_batch_is_cancelled_with_all_of_its_jobs",
        ],
    ),
    ("`BackgroundJob.Delete`", &["a_cancelled_job_says_why_and_by_whom", "all_open_jobs_that_match_are_cancelled"]),
    ("sliding invisibility", &["a_zombie_changes_nothing", "an_ended_lease_is_counted_as_lost_and_given_on"]),
    (
        "the dashboard",
        &[
            "an_action_is_an_operation_by_the_user",
            "a_reader_changes_nothing",
            "api_and_commands_have_the_same_fields",
            "it_shows_jobs_and_cancels_one_and_leaves_the_terminal_as_it_was",
        ],
    ),
    ("SQL Server, Redis", &["after_repeated_kills_no_job_is_lost_or_succeeds_twice"]),
    ("the server inside the web process", &["a_clean_stop_hands_back_what_it_does_not_finish"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of all functions in the sources below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            functions(&path, found);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.match_indices("fn ").map(|(at, _)| &text[at + 3..]);
            found.extend(
                names.map(|rest| {
                    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
                }),
            );
        }
    }
}

#[test]
fn every_row_of_the_table_for_users_of_hangfire_is_held_by_tests() {
    let page = fs::read_to_string(root().join("docs/from-hangfire.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| Hangfire |")).skip(2);
    let rows: Vec<&str> = table.take_while(|line| line.starts_with("| ")).collect();
    let mut known = BTreeSet::new();
    for folder in ["app", "benches", "cli", "functions", "infra", "shared", "tests"] {
        functions(&root().join(folder), &mut known);
    }
    let mut wrong = Vec::new();
    for row in &rows {
        if !HELD.iter().any(|(cell, _)| row.trim_start_matches("| ").starts_with(cell)) {
            wrong.push(format!("no test holds the row {row}"));
        }
    }
    for (cell, tests) in HELD {
        if !rows.iter().any(|row| row.trim_start_matches("| ").starts_with(cell)) {
            wrong.push(format!("the table has no row {cell}"));
        }
        wrong.extend(tests.iter().filter(|test| !known.contains(**test)).map(|test| format!("{cell}: no test {test}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() > 15, "{rows:?}");
}
