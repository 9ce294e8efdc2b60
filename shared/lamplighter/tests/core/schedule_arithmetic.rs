//! Properties of schedules of every kind: texts, ticks and due ticks, for any input.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lamplighter::schedule::{Misfire, RUN_ALL_LIMIT, Rate, Schedule, When};
use proptest::prelude::*;

const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"];

const CRONS: [&str; 9] = [
    "* * * * *",
    "*/7 8-9 * * *",
    "@hourly",
    "0 6,18 * * 1-5",
    "0 9 13 * 5",
    "@monthly",
    "cron(0 9 ? * 6L *)",
    "cron(15 10 LW * ? *)",
    "0 0 29 2 *",
];

fn whens() -> impl Strategy<Value = When> {
    prop_oneof![
        3 => prop::sample::select(&CRONS[..]).prop_map(|text| When::parse(text).unwrap()),
        2 => (100..90_000u64).prop_map(|seconds| When::rate(Duration::from_secs(seconds)).unwrap()),
        1 => (1_420_000_000..2_200_000_000i64)
            .prop_map(|second| When::At(Timestamp::from_second(second).unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rates_and_moments_round_trip_in_order(seconds in 1..=315_360_000u64, second in -377_705_023_201..=253_402_207_200i64, nano in 0..1_000_000_000i32) {
        let rate = Rate::every(Duration::from_secs(seconds)).unwrap();
        prop_assert_eq!(Rate::parse(&rate.to_string()).unwrap(), rate);
        prop_assert_eq!(rate.to_aws().is_ok(), seconds.is_multiple_of(60));
        let moment = Timestamp::new(second, nano).unwrap_or(Timestamp::MAX);
        if let Some(next) = rate.next_after(moment) {
            prop_assert!(next > moment && next.as_second() % i64::try_from(seconds).unwrap() == 0);
            prop_assert!(rate.at_or_before(moment).is_none_or(|tick| tick <= moment && rate.next_after(tick) == Some(next)));
        }
        let when = When::At(moment);
        prop_assert_eq!(When::parse(&when.to_string()).unwrap(), when);
    }

    #[test]
    fn no_text_and_no_moment_panics(
        text in prop_oneof![r"\PC{0,40}", r"[0-9*/,\-?LW#@A-Fa-f ]{0,24}", r"(cron|rate|at)\([0-9*?LW#/ a-z:TZ+-]{0,24}\)?"],
        second in prop_oneof![any::<i64>(), Just(i64::MIN), -377_705_023_201..=253_402_207_200i64],
        zone in prop::sample::select(&ZONES[..]),
    ) {
        if let Ok(when) = When::parse(&text) {
            prop_assert_eq!(&When::parse(&when.to_string()).unwrap(), &when);
            let moment = Timestamp::from_second(second).unwrap_or(Timestamp::MIN);
            let schedule = Schedule::new("any", when).zone(zone).misfire(Misfire::RunAll);
            prop_assert!(schedule.next_after(moment).unwrap().is_none_or(|tick| tick > moment));
            prop_assert!(schedule.at_or_before(moment).unwrap().is_none_or(|tick| tick <= moment));
            let due = schedule.due(moment, Timestamp::MAX).unwrap();
            prop_assert!(due.ticks.len() <= RUN_ALL_LIMIT && due.ticks.is_sorted());
            let _ = schedule.eventbridge();
        }
    }

    /// At whatever times the engine wakes up, no tick is returned twice, and by policy none or some are left out.
    #[test]
    fn due_accounts_for_every_tick(
        when in whens(),
        second in 1_420_000_000..2_200_000_000i64,
        naps in prop::collection::vec(1..200_000i64, 1..12),
    ) {
        let start = Timestamp::from_second(second).unwrap();
        for misfire in [Misfire::RunOnce, Misfire::Skip, Misfire::RunAll] {
            let schedule = Schedule::new("any", when.clone()).misfire(misfire);
            let (mut last, mut now, mut ran) = (start, start, Vec::new());
            let mut passed_over = false;
            for nap in &naps {
                now += SignedDuration::from_secs(*nap);
                let due = schedule.due(last, now).unwrap();
                prop_assert!(due.last_tick >= last && due.last_tick <= now);
                prop_assert!(misfire == Misfire::RunAll || due.ticks.len() <= 1);
                last = due.last_tick;
                passed_over |= due.passed_over;
                ran.extend(due.ticks);
            }
            let all: Vec<Timestamp> = schedule.ticks_between(start, now).unwrap().collect();
            prop_assert!(ran.is_sorted() && ran.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert!(ran.iter().all(|tick| all.binary_search(tick).is_ok()));
            prop_assert_eq!(passed_over, ran != all);
            if misfire == Misfire::RunOnce {
                prop_assert_eq!(ran.last(), all.last());
            }
        }
    }
}
