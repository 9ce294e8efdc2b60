//! The behaviours that every backend must have: one list, proven against each backend.
//!
//! A backend's test implements [`Subject`] and runs [`BEHAVIOURS`], each on a subject of its own.

#![expect(clippy::expect_used, clippy::panic, reason = "a proof ends at the first thing that does not hold")]

mod batches;
mod bytes;
mod clock;
mod continuations;
mod errors;
mod jobs;
mod lease;
mod limits;
mod manage;
mod operations;
mod operator;
mod outbox;
mod records;
mod run;
mod schedules;
mod search;
mod unique;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    Client, Function, JobId, Queue, ScheduledJob,
    backend::{Backend, Operator, Redrive},
    env::Env,
    host::Stop,
    outbox::OutboxEntry,
};

pub use clock::Ahead;
pub use jobs::{CHAIN, PLAIN};

/// How many behaviours are tested concurrently: they mostly wait.
pub const AT_ONCE: usize = 16;

/// A fresh backend under test, with a host or a substitute for one.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Its clock and randomness.
    fn env(&self) -> Env;
    /// Advances its clock while nothing runs; at once where possible.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
    /// Its queues and its store.
    fn backend(&self) -> Backend;
    /// Its operator.
    async fn operator(&self) -> Arc<dyn Operator>;
    /// Deploys these schedules with the code, in place of those deployed before. They take effect when a function is
    /// started next.
    async fn deploy(&self, schedules: Vec<ScheduledJob>);
    /// Starts to run the jobs of a function.
    async fn start(&self, function: Function);
    /// Stops cleanly: jobs that have not begun are handed back, running ones may take `budget` to end.
    async fn stop(&self, budget: Duration);
    /// Sends a body to a queue, as a sender in any language would.
    async fn inject(&self, queue: Queue, body: &str);
    /// Returns the messages in a queue's dead-letter queue.
    async fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter>;
    /// Writes entries into the outbox, in transactions of the caller's own.
    async fn write_entries(&self, entries: &[OutboxEntry]);
    /// Writes an entry into the outbox, in a transaction that is committed or rolled back.
    async fn write_entry(&self, entry: &OutboxEntry, is_committed: bool);
    /// Writes what may be no entry into the outbox.
    async fn write_text(&self, id: &JobId, text: &str);
    /// Enqueues what stands in the outbox.
    async fn sweep(&self);
    /// Returns the entries that cannot be enqueued, each with its id and its error.
    async fn failed_entries(&self) -> Vec<(String, String)>;
    /// Moves a queue's dead letters back, and returns their number.
    async fn redrive(&self, queue: Queue) -> u64 {
        let operator = self.operator().await;
        let result = operator.redrive(queue.name(), &Redrive::all(), &Stop::new(), &|_| {}).await.expect("begun");
        assert!(result.error.is_none(), "{result:?}");
        result.progress.moved
    }

    /// Returns a client.
    fn client(&self) -> Client {
        Client::new(self.backend(), self.env())
    }
}

/// A message in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its body.
    pub body: String,
    /// The reason: [`lamplighter::backend::DeadLetterReason::as_str`].
    pub reason: String,
}

/// A behaviour, and its proof.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// The behaviour, in one sentence.
    pub name: &'static str,
    /// The subject: the module here that proves it.
    pub about: &'static str,
    /// Panics when the subject does not have it.
    pub prove: Proof,
}

/// Proves a behaviour on a subject.
pub type Proof = for<'a> fn(&'a dyn Subject) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! behaviours {
    ($($module:ident :: $prove:ident),* $(,)?) => {
        /// All behaviours. Their names are those of the functions that prove them.
        pub const BEHAVIOURS: &[Behaviour] =
            &[$(Behaviour { name: stringify!($prove), about: stringify!($module), prove: |subject| Box::pin($module::$prove(subject)) }),*];
    };
}

behaviours! {
    records::an_enqueued_job_has_a_record,
    records::an_id_names_one_job,
    records::an_id_of_another_job_is_refused,
    records::one_of_many_racing_for_an_id_is_new,
    records::records_are_listed_newest_first_a_page_at_a_time,
    records::records_are_listed_by_state_job_queue_and_time,
    records::counts_agree_with_the_records,
    records::many_jobs_are_enqueued_at_once_and_answered_in_order,
    records::each_of_many_has_its_own_id_delay_and_group,
    records::a_cancelled_job_does_not_run,
    records::an_ended_job_cannot_be_cancelled,
    records::a_cancelled_job_says_why_and_by_whom,
    records::all_open_jobs_that_match_are_cancelled,
    records::a_failed_job_runs_again_by_hand_with_its_history,
    records::a_job_marked_queued_runs_when_its_message_arrives,
    manage::a_deleted_record_is_gone_with_its_log,
    manage::a_job_that_has_not_ended_is_not_deleted,
    manage::a_delayed_job_runs_at_once_when_it_is_told_to,
    manage::a_rescheduled_job_runs_at_its_new_time,
    manage::the_next_attempt_can_be_moved,
    manage::a_job_of_an_ordered_group_is_not_delayed,
    search::records_are_listed_by_several_states_jobs_and_queues,
    search::records_are_found_by_the_beginning_of_their_id,
    search::jobs_of_one_moment_are_all_on_some_page,
    search::a_query_finds_the_jobs_that_fit,
    search::a_count_ends_where_it_is_told_to,
    search::tags_are_kept_with_the_job,
    lease::a_claim_gives_the_lease_to_one,
    lease::an_ended_lease_is_counted_as_lost_and_given_on,
    lease::a_job_whose_last_attempt_is_lost_has_failed,
    lease::a_claim_that_comes_again_after_its_settlement_gets_nothing,
    lease::a_zombie_changes_nothing,
    lease::a_settlement_applied_twice_is_applied_once,
    lease::a_settlement_is_known_again_however_late_it_comes,
    lease::a_message_under_another_jobs_id_claims_nothing,
    lease::cancelling_takes_the_lease_away,
    lease::a_job_that_is_cancelled_while_it_runs_says_so_in_its_history,
    lease::an_ended_job_is_not_claimed_again,
    lease::a_released_attempt_does_not_count,
    lease::a_renewed_lease_outlasts_its_first_end,
    lease::a_lease_that_is_lost_cannot_be_renewed,
    lease::progress_and_checkpoints_are_kept_under_the_lease_only,
    lease::a_continued_job_counts_its_attempts_anew,
    lease::history_is_bounded,
    lease::a_job_that_nobody_announced_gets_a_record,
    lease::an_expired_job_is_cancelled_instead_of_claimed,
    errors::failures_of_one_cause_are_one_group,
    errors::every_attempt_that_fails_counts_in_its_group,
    errors::only_attempts_that_fail_count,
    errors::a_failure_that_is_settled_again_counts_once,
    errors::groups_are_listed_by_job_queue_and_time,
    errors::jobs_are_found_by_their_last_error,
    errors::a_hostile_error_has_a_short_title,
    errors::a_group_has_the_note_that_was_written_last,
    limits::a_job_waits_for_a_place_that_another_has,
    limits::one_of_several_jobs_gets_the_only_place,
    limits::a_limit_has_as_many_places_as_it_says,
    limits::a_job_needs_a_place_in_each_of_its_limits,
    limits::jobs_of_other_limits_run_concurrently,
    limits::every_end_of_an_attempt_frees_its_place,
    limits::a_repeated_settlement_frees_the_place,
    limits::the_place_of_a_dead_host_ends_with_its_lease,
    limits::a_renewed_lease_keeps_its_place,
    limits::a_lost_last_attempt_frees_its_place,
    limits::a_job_that_must_not_wait_is_cancelled,
    limits::jobs_begin_at_the_rate_of_their_limit,
    limits::jobs_of_a_mutex_run_one_after_the_other,
    limits::as_many_jobs_run_at_once_as_their_limit_allows,
    limits::a_crowd_of_jobs_begins_at_the_rate_of_its_limit,
    limits::a_job_says_for_which_limit_it_waits,
    run::a_job_runs_once_and_its_output_is_kept,
    run::a_failing_job_is_retried_until_it_succeeds,
    run::a_message_without_attempts_left_is_dead_lettered,
    run::a_job_that_says_so_fails_at_once,
    run::a_panic_is_an_attempt_that_failed,
    run::a_timeout_is_an_attempt_that_failed,
    run::a_handler_chooses_its_own_delay,
    run::a_snooze_does_not_count,
    run::a_delayed_job_runs_when_it_is_due,
    run::a_bad_body_is_dead_lettered_and_the_others_run,
    run::arguments_that_do_not_fit_are_dead_lettered,
    run::a_job_that_expires_after_the_last_moment_runs,
    run::a_message_sent_twice_runs_once,
    run::a_message_under_another_jobs_id_is_dead_lettered_and_that_job_runs,
    run::a_message_of_a_name_and_nothing_else_runs,
    run::a_redriven_job_runs_again_under_its_id,
    run::a_checkpoint_reaches_the_next_attempt,
    run::a_job_goes_on_from_its_checkpoints,
    run::children_name_their_parent,
    run::a_handler_is_refused_what_its_function_does_not_declare,
    run::a_handler_does_what_its_function_declares,
    run::a_fifo_group_runs_in_order,
    run::a_head_that_cannot_run_now_keeps_its_group,
    run::a_failure_in_a_group_holds_up_only_its_group,
    run::an_attempt_of_a_run_before_leaves_the_next_run_alone,
    run::what_a_job_logs_is_kept_with_its_attempts,
    run::a_log_is_bounded,
    run::a_handler_that_asks_learns_within_seconds_that_its_job_is_cancelled,
    run::a_clean_stop_hands_back_what_it_does_not_finish,
    continuations::a_continuation_runs_when_its_parent_has_succeeded,
    continuations::a_continuation_runs_after_the_outcome_that_it_waits_for,
    continuations::a_job_waits_for_all_of_its_parents_and_gets_their_outputs,
    continuations::a_job_that_waits_is_cancelled_with_those_behind_it,
    continuations::a_long_chain_of_continuations_runs_to_its_end,
    continuations::a_job_with_many_continuations_starts_them_all,
    continuations::a_continuation_is_delayed_and_joins_its_group,
    continuations::a_message_of_a_job_that_waits_does_not_run_it,
    continuations::a_job_that_cannot_wait_is_refused,
    batches::a_batch_succeeds_when_all_of_its_jobs_have,
    batches::the_first_failure_in_a_batch_is_told_at_once,
    batches::a_batch_exists_once_under_its_id,
    batches::a_batch_with_a_job_that_is_refused_has_none,
    batches::jobs_are_added_to_a_batch_until_it_ends,
    batches::a_batch_within_another_counts_there_as_one_job,
    batches::a_batch_is_cancelled_with_all_of_its_jobs,
    batches::a_batch_counts_each_job_once,
    batches::a_batch_counts_each_job_once_also_when_its_record_has_expired,
    batches::a_batch_of_many_jobs_ends_once,
    batches::a_batch_of_no_jobs_has_succeeded,
    unique::a_unique_job_is_the_only_one_until_it_has_ended,
    unique::a_key_is_free_again_when_its_job_has_started,
    unique::a_key_is_kept_for_its_time,
    unique::one_of_many_racing_for_a_key_is_new,
    unique::a_key_that_is_taken_can_be_an_error,
    unique::a_job_that_waits_has_its_key,
    unique::a_job_that_waits_gets_the_arguments_and_the_time_of_the_next_one,
    unique::the_last_of_many_delayed_jobs_runs_once_at_its_time,
    unique::a_job_that_has_begun_is_not_replaced,
    unique::replacing_and_claiming_at_once_runs_the_one_or_the_other,
    unique::a_job_that_waits_for_others_is_replaced,
    outbox::an_entry_becomes_a_job_once_its_transaction_is_committed,
    outbox::an_entry_that_is_swept_twice_is_one_job,
    outbox::an_entry_that_cannot_be_enqueued_blocks_no_other,
    outbox::an_entry_keeps_the_options_of_its_job,
    outbox::many_entries_are_swept_in_steps,
    operator::a_paused_queue_runs_nothing_and_a_resumed_one_goes_on,
    operator::a_running_job_ends_after_its_queue_is_paused,
    operator::queues_report_waiting_delayed_and_running_jobs,
    operator::dead_letters_have_their_job_reason_and_error,
    operator::dead_letters_are_counted_and_listed_by_job_reason_and_time,
    operator::a_redrive_moves_what_fits_and_the_rest_stays,
    operator::a_redrive_moves_no_more_than_its_limit,
    operator::a_second_redrive_moves_nothing_again,
    operator::a_redrive_ends_while_jobs_fail_again,
    operator::a_stopped_redrive_leaves_the_rest_for_another,
    operator::a_redrive_keeps_its_rate,
    operator::a_retried_job_is_not_run_again_by_a_redrive,
    operator::a_job_that_is_retried_and_redriven_runs_once,
    operator::a_redriven_fifo_group_runs_in_order,
    operator::a_queue_that_is_not_there_is_refused,
    operations::an_operation_is_kept_once_under_its_id,
    operations::an_operation_is_changed_by_its_version_until_it_ends,
    operations::operations_are_listed_newest_first_a_page_at_a_time,
    operations::open_operations_are_found_until_they_end,
    operations::all_that_match_are_retried_up_to_the_frozen_end,
    operations::an_operation_goes_on_where_its_runner_died,
    operations::an_operation_on_arguments_goes_on_where_their_job_is_not_defined,
    operations::an_interrupted_operation_says_so_and_goes_on_with_who_can,
    operations::an_operation_that_is_left_goes_on_with_the_next_call,
    operations::an_operation_stops_within_a_page,
    operations::an_operation_keeps_its_rate,
    operations::a_jobs_log_says_what_was_done_to_it,
    operations::a_key_begins_one_operation,
    operations::an_edited_job_runs_as_a_copy,
    operations::queues_are_paused_by_operations,
    operations::dead_letters_are_deleted_by_an_operation,
    bytes::arguments_and_outputs_keep_their_bytes,
    bytes::a_schedules_arguments_keep_their_bytes,
    schedules::a_schedule_starts_its_job_once_and_is_over,
    schedules::a_replaced_schedule_starts_the_new_job_only,
    schedules::a_removed_schedule_starts_nothing,
    schedules::a_paused_schedule_starts_nothing_and_a_resumed_one_goes_on,
    schedules::a_triggered_schedule_starts_its_job_at_once,
    schedules::schedules_are_listed_with_their_next_runs,
    schedules::a_backfill_starts_each_tick_once,
    schedules::the_runs_of_a_schedule_are_found_by_their_ticks,
    schedules::a_deployed_schedule_is_paused_and_triggered_but_not_replaced,
    schedules::what_was_made_at_run_time_outlives_a_deployment,
    schedules::a_schedule_that_makes_no_sense_is_refused,
    schedules::a_tick_that_may_be_skipped_is_cancelled_while_another_runs,
    schedules::a_tick_that_may_wait_runs_when_the_other_has_ended,
}
