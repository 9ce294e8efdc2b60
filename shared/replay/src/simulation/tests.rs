//! The behaviours of each library's model, one per test.

use super::*;
use crate::{
    clock::{HOUR, MINUTE},
    library::{Drain, engine, functions, in_asp_net, in_process, lambda, poller},
    numbers::{azure, hangfire, ours},
};

const SECOND: u64 = 1000;

fn job(due: Moment, work: u64) -> Job {
    Job { due, origin: Origin::Request, work, heeds_cancellation: false, failures: 0, luck: 1 }
}

fn tick(due: Moment) -> Job {
    Job { origin: Origin::Tick(0), ..job(due, SECOND) }
}

fn delayed(due: Moment) -> Job {
    Job { origin: Origin::Delayed(HOUR), ..job(due, SECOND) }
}

fn heeding(job: Job) -> Job {
    Job { heeds_cancellation: true, ..job }
}

fn alive(start: Moment, end: End) -> Lifetime {
    Lifetime { start, end }
}

const ALWAYS: Lifetime = Lifetime { start: 0, end: End::Never };

fn play(library: &Library, lifetimes: &[Lifetime], jobs: &[Job]) -> (Outcome, Vec<Run>) {
    simulate(library, lifetimes, &jobs.iter().collect::<Vec<_>>(), 0..Moment::MAX)
}

/// Returns when runs began and how they ended.
fn runs(library: &Library, lifetimes: &[Lifetime], jobs: &[Job]) -> Vec<(Moment, RunEnd)> {
    play(library, lifetimes, jobs).1.iter().map(|run| (run.from, run.end)).collect()
}

#[track_caller]
fn begins_within(library: &Library, lifetimes: &[Lifetime], job: Job, expected: std::ops::RangeInclusive<Moment>) {
    let runs = runs(library, lifetimes, &[job]);
    let (last, end) = runs.last().copied().unwrap();
    assert!(expected.contains(&last) && end == RunEnd::Done, "{last} is not in {expected:?}: {runs:?}");
}

mod hangfire_model {
    use super::*;

    const POLL: u64 = ms(hangfire::QUEUE_POLL);
    const SCHEDULE_POLL: u64 = ms(hangfire::SCHEDULE_POLL);

    #[test]
    fn a_queue_is_polled_five_times_a_second() {
        begins_within(&in_process(), &[ALWAYS], job(HOUR, SECOND), HOUR..=HOUR + POLL);
    }

    #[test]
    fn delayed_jobs_are_polled_every_fifteen_seconds_from_the_server_start() {
        let started = alive(4 * SECOND, End::Never);
        let found = 4 * SECOND + HOUR + SCHEDULE_POLL;
        begins_within(&in_process(), &[started], delayed(HOUR + 5 * SECOND), found..=found + POLL);
    }

    #[test]
    fn nothing_is_polled_while_no_server_is_alive() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(9 * HOUR, End::Never)];
        for late in [delayed(2 * HOUR), tick(2 * HOUR), job(2 * HOUR, SECOND)] {
            begins_within(&in_process(), &lifetimes, late, 9 * HOUR..=9 * HOUR + POLL);
        }
        let (outcome, _) = play(&in_process(), &lifetimes, &[delayed(2 * HOUR)]);
        assert_eq!((outcome.late, outcome.lost, outcome.stuck), (1, 0, 7 * HOUR));
    }

    #[test]
    fn one_run_makes_up_for_all_missed_ticks() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(2 * HOUR + 1, End::Never)];
        let ticks: Vec<_> = (1..=12).map(|number| tick(HOUR + number * 5 * MINUTE)).collect();
        let (outcome, runs) = play(&in_process(), &lifetimes, &ticks);
        assert_eq!((outcome.done, outcome.missed, runs.len()), (1, 11, 1));
        assert_eq!(runs[0].due, 2 * HOUR);
    }

    #[test]
    fn a_stopping_server_begins_nothing() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(HOUR + 10 * SECOND, End::Never)];
        begins_within(&in_process(), &lifetimes, job(HOUR, SECOND), HOUR + 10 * SECOND..=HOUR + 10 * SECOND + POLL);
    }

    #[test]
    fn a_job_that_ends_within_fifteen_seconds_of_the_stop_is_done() {
        let lifetimes = [alive(0, End::Stop(HOUR))];
        let long = job(HOUR - MINUTE, MINUTE + 14 * SECOND);
        assert_eq!(play(&in_process(), &lifetimes, &[long]).0.begun_again, 0);
    }

    #[test]
    fn a_cancellable_job_is_notified_after_half_a_second_and_put_back_at_once() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(HOUR + SECOND, End::Never)];
        let found = runs(&in_process(), &lifetimes, &[heeding(job(HOUR - 10 * MINUTE, 30 * MINUTE))]);
        assert_eq!(found[0].1, RunEnd::CutOff);
        assert_eq!(found[1], (HOUR + SECOND, RunEnd::Done));
    }

    #[test]
    fn a_job_that_ignores_it_is_abandoned_after_fifteen_seconds_and_found_again_in_five_minutes() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(HOUR + SECOND, End::Never)];
        let (outcome, runs) = play(&in_process(), &lifetimes, &[job(HOUR - 10 * MINUTE, 30 * MINUTE)]);
        let cut_off = HOUR + ms(hangfire::SHUTDOWN_TIMEOUT);
        assert_eq!((runs[0].to, runs[0].end), (cut_off, RunEnd::CutOff));
        assert!((cut_off + 4 * MINUTE..=cut_off + 5 * MINUTE).contains(&runs[1].from), "{runs:?}");
        assert_eq!((outcome.begun_again, outcome.lost, outcome.done), (1, 0, 1));
    }

    #[test]
    fn jobs_of_a_killed_server_are_found_five_minutes_after_their_last_touch() {
        let begun = HOUR + (job(0, 0).unit(luck::PICKUP) * POLL as f64) as u64;
        let lifetimes = [alive(0, End::Kill(begun + 150 * SECOND)), alive(begun + 160 * SECOND, End::Never)];
        let found = runs(&in_process(), &lifetimes, &[job(HOUR, 10 * MINUTE)]);
        // Touched each minute, the last time two minutes after it began.
        let untouched = begun + 2 * MINUTE + ms(hangfire::SLIDING_INVISIBILITY);
        assert_eq!(found, [(begun, RunEnd::CutOff), (untouched, RunEnd::Done)]);
    }

    #[test]
    fn a_long_job_of_a_living_server_is_not_taken_from_it() {
        assert_eq!(runs(&in_process(), &[ALWAYS], &[job(0, 3 * HOUR)]).len(), 1);
    }

    #[test]
    fn twenty_workers_run_twenty_jobs() {
        let jobs: Vec<_> = (0..21).map(|_| job(HOUR, MINUTE)).collect();
        let mut found = runs(&in_process(), &[ALWAYS], &jobs);
        found.sort_by_key(|(from, _)| *from);
        assert!(found[19].0 <= HOUR + POLL && found[20].0 >= HOUR + MINUTE);
    }

    #[test]
    fn a_failed_job_is_delayed_by_the_curve_and_found_by_the_next_poll() {
        let failing = Job { failures: 2, ..job(HOUR, SECOND) };
        let (outcome, runs) = play(&in_process(), &[ALWAYS], &[failing]);
        assert_eq!(
            runs.iter().map(|run| run.end).collect::<Vec<_>>(),
            [RunEnd::FailedByItself, RunEnd::FailedByItself, RunEnd::Done]
        );
        // After the first failure 15 to 44 seconds, after the second 16 to 74 (AutomaticRetryAttribute.cs).
        let waits = [runs[1].from - runs[0].to, runs[2].from - runs[1].to];
        assert!((15 * SECOND..=44 * SECOND + SCHEDULE_POLL + POLL).contains(&waits[0]), "{waits:?}");
        assert!((16 * SECOND..=74 * SECOND + SCHEDULE_POLL + POLL).contains(&waits[1]), "{waits:?}");
        assert!(runs[1..].iter().all(|run| run.from % SCHEDULE_POLL <= POLL));
        // Its own failures are not counted as its host's.
        assert_eq!((outcome.begun_again, outcome.stuck), (0, 0));
    }

    #[test]
    fn a_job_that_kills_its_server_is_fetched_without_limit() {
        let lifetimes: Vec<_> = (0..40).map(|at| alive(at * HOUR, End::Kill(at * HOUR + 59 * MINUTE))).collect();
        let (outcome, runs) = play(&in_process(), &lifetimes, &[job(0, 2 * HOUR)]);
        assert_eq!(runs.len(), 40);
        assert_eq!((outcome.begun_again, outcome.lost), (40, 1));
    }

    #[test]
    fn in_asp_net_the_stop_is_noticed_a_quarter_of_a_second_later() {
        let lifetimes = [alive(0, End::Stop(HOUR))];
        let (_, runs) = play(&in_asp_net(), &lifetimes, &[heeding(job(HOUR - MINUTE, HOUR))]);
        assert_eq!(runs[0].to, HOUR + ms(hangfire::SHUTDOWN_CHECK) + ms(hangfire::STOP_TIMEOUT));
    }

    #[test]
    fn a_job_whose_end_was_not_stored_runs_twice() {
        let begun = HOUR + (job(0, 0).unit(luck::PICKUP) * POLL as f64) as u64;
        let lifetimes = [alive(0, End::Kill(begun + MINUTE + 10)), alive(2 * HOUR, End::Never)];
        assert_eq!(play(&in_process(), &lifetimes, &[job(HOUR, MINUTE)]).0.ran_twice, 1);
    }
}

mod our_hosts {
    use super::*;

    #[test]
    fn a_worker_that_drains_hands_everything_back() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(HOUR + 40 * SECOND, End::Never)];
        for one in [job(HOUR - MINUTE, HOUR), heeding(job(HOUR - MINUTE, HOUR))] {
            let (outcome, runs) = play(&poller(Drain::Own), &lifetimes, std::slice::from_ref(&one));
            let told = if one.heeds_cancellation { HOUR } else { HOUR + ms(ours::DRAIN) };
            assert_eq!((runs[0].to, runs[1].from), (told, HOUR + 40 * SECOND));
            assert_eq!((outcome.begun_again, outcome.done), (1, 1));
        }
    }

    #[test]
    fn the_next_task_begins_released_jobs_at_once() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(HOUR, End::Never)];
        let (outcome, runs) = play(&poller(Drain::Within(aws::ECS_STOP_TIMEOUT)), &lifetimes, &[job(HOUR - 1, HOUR)]);
        assert_eq!((runs[1].from, outcome.stuck), (HOUR + 96 * SECOND, 0));
    }

    #[test]
    fn a_lease_of_a_dead_worker_ends_within_a_minute() {
        let lifetimes = [alive(0, End::Kill(HOUR)), alive(HOUR + 20 * SECOND, End::Never)];
        let (outcome, runs) = play(&poller(Drain::Own), &lifetimes, &[job(HOUR - 50 * SECOND, HOUR)]);
        // Renewed after 20 and 40 seconds.
        assert_eq!(runs[1].from, HOUR - 10 * SECOND + ms(ours::LEASE));
        assert_eq!(outcome.longest_stuck, 50 * SECOND);
    }

    #[test]
    fn schedules_and_delays_of_aws_need_no_process() {
        let lifetimes = [alive(0, End::Stop(HOUR)), alive(2 * HOUR + 1, End::Never)];
        let ticks: Vec<_> = (1..=12).map(|number| tick(HOUR + number * 5 * MINUTE)).collect();
        let (outcome, _) = play(&poller(Drain::Own), &lifetimes, &ticks);
        assert_eq!((outcome.done, outcome.missed), (12, 0));
        begins_within(&lambda(), &[ALWAYS], delayed(HOUR), HOUR..=HOUR + MINUTE);
    }

    #[test]
    fn the_engine_recovers_jobs_of_a_killed_one_at_its_start() {
        let lifetimes = [alive(0, End::Kill(HOUR)), alive(HOUR + 5 * SECOND, End::Never)];
        assert_eq!(runs(&engine(), &lifetimes, &[job(HOUR - 1, MINUTE)])[1].0, HOUR + 5 * SECOND);
    }

    #[test]
    fn the_engine_makes_up_for_missed_ticks_as_the_library_does() {
        use lamplighter::{Timestamp, schedule::Schedule};
        let lifetimes = [alive(0, End::Stop(HOUR + 1)), alive(2 * HOUR + 1, End::Never)];
        let ticks: Vec<_> = (1..=12).map(|number| tick(HOUR + number * 5 * MINUTE)).collect();
        let (outcome, runs) = play(&engine(), &lifetimes, &ticks);
        let schedule = Schedule::cron("sync", "*/5 * * * *").unwrap();
        let at = |moment: Moment| Timestamp::from_millisecond(moment as i64).unwrap();
        let due = schedule.due(at(HOUR), at(2 * HOUR + 1)).unwrap();
        assert_eq!(due.ticks, [at(runs[0].due)]);
        assert_eq!((runs.len(), outcome.missed), (1, 11));
    }

    #[test]
    fn messages_of_a_dead_sandbox_are_hidden_for_six_timeouts() {
        let lifetimes = [alive(0, End::Kill(HOUR + SECOND)), alive(HOUR + SECOND, End::Never)];
        let found = runs(&lambda(), &lifetimes, &[job(HOUR, MINUTE)]);
        assert_eq!(found[1], (HOUR + ms(ours::FUNCTION_TIMEOUT) * 6, RunEnd::Done));
    }

    #[test]
    fn a_message_that_kills_its_worker_becomes_a_dead_letter_in_the_end() {
        let lifetimes: Vec<_> = (0..40).map(|at| alive(at * HOUR, End::Kill(at * HOUR + 59 * MINUTE))).collect();
        for (library, deliveries) in [(poller(Drain::Own), 15), (functions(), azure::MAX_DEQUEUE_COUNT as usize)] {
            let (outcome, runs) = play(&library, &lifetimes, &[job(0, 2 * HOUR)]);
            assert_eq!((runs.len(), outcome.lost), (deliveries, 1));
        }
    }

    #[test]
    fn azure_hides_for_ten_minutes_and_polls_every_minute() {
        let idle = job(HOUR, SECOND);
        begins_within(&functions(), &[ALWAYS], idle, HOUR..=HOUR + ms(azure::LONGEST_POLL));
        let begun = HOUR + (job(0, 0).unit(luck::PICKUP) * ms(azure::LONGEST_POLL) as f64) as u64;
        let lifetimes = [alive(0, End::Kill(begun + 6 * MINUTE)), alive(begun + 7 * MINUTE, End::Never)];
        assert_eq!(runs(&functions(), &lifetimes, &[job(HOUR, HOUR)])[1].0, begun + 15 * MINUTE);
    }
}
