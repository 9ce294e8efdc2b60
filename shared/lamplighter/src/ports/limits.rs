//! Limits that jobs share, as a store keeps them: who holds a place, and when the next job may begin.
//!
//! What a limit allows is decided here, for all stores; a store keeps the state, changes it atomically, and keeps the jobs
//! that wait in the order in which they were due.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::limit::Rate;

/// A limit within which a job is to run, identified by its key. A job gets its place together with the right to run, and
/// both end together.
///
/// A place is a lease like the job's own, until [`ClaimRequest::lease_until`](super::ClaimRequest::lease_until) and under
/// the same owner. It is free again as soon as the attempt is settled in any way, its job is cancelled or recorded as
/// failed, or its lease ends. None of these frees a place of another owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitRequest {
    /// The key: at most 512 bytes.
    pub key: String,
    /// How many jobs with this key run at once.
    pub at_once: Option<u32>,
    /// How many jobs with this key begin in a time.
    pub rate: Option<Rate>,
    /// The effect while there is no place.
    pub on_full: OnFull,
}

/// The effect on a claim while a limit has no place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnFull {
    /// [`Claim::Limited`](super::Claim::Limited).
    #[default]
    Wait,
    /// [`Claim::Skipped`](super::Claim::Skipped) for a job that has begun no attempt in its current run;
    /// [`Claim::Limited`](super::Claim::Limited) for any other.
    Cancel {
        /// Why, for the record.
        reason: String,
    },
}

impl LimitRequest {
    /// A limit with that key, which limits nothing yet; jobs wait.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), at_once: None, rate: None, on_full: OnFull::Wait }
    }

    /// One job at a time.
    #[must_use]
    pub fn mutex(key: impl Into<String>) -> Self {
        Self { at_once: Some(1), ..Self::new(key) }
    }

    /// Sets the effect while there is no place.
    #[must_use]
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }
}

/// The state of a limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitState {
    /// The jobs that have a place, by their ids.
    pub holders: BTreeMap<String, LimitHolder>,
    /// When jobs may begin.
    pub rate: RateState,
}

/// The holder of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHolder {
    /// The owner of the attempt that runs; `None` for a place that is kept for a job that was woken.
    pub owner: Option<u64>,
    /// The end of its lease.
    pub until: Timestamp,
}

/// When jobs may begin, in nanoseconds since 1970: a token bucket, as the generic cell rate algorithm keeps it, and the end
/// of a line of jobs that wait for theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateState {
    /// When the bucket is full again.
    pub full_at: i64,
    /// The turn of the next job that has to wait, if it is in the future.
    pub next: i64,
    /// The time that brings one token back.
    pub interval: i64,
}

/// What a limit says about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitAnswer {
    /// It has a place, and may begin.
    Free,
    /// All places are taken; the first of their leases ends at that moment.
    Full(Timestamp),
    /// It may begin at that moment: its turn.
    Later(Timestamp),
}

impl LimitState {
    /// How long a place is kept for a job that was woken. It may be held up on its queue, and then others go first.
    pub const KEPT: Duration = Duration::from_secs(10);
    /// The longest time that a waiting job is hidden, whatever happens to the signal that is to wake it.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);
    /// When a job asks again whose message the store cannot hide.
    pub const ASK_AGAIN: Duration = Duration::from_secs(15);
    /// The shortest time of which a part is added, at least a half, so that a crowd does not come back together.
    const SPREAD: Duration = Duration::from_secs(60);

    /// Returns whether this job may begin now, as far as this limit is concerned, and notes the place in the line that it
    /// has got, or the beginning. `turn` is the turn that it got earlier.
    ///
    /// Its place is only there when the caller [adds](Self::hold) it.
    pub fn admit(&mut self, limit: &LimitRequest, id: &str, now: Timestamp, turn: Option<Timestamp>) -> LimitAnswer {
        self.holders.retain(|_, holder| holder.until > now);
        if let Some(at_once) = limit.at_once {
            let others = || self.holders.iter().filter(|(other, _)| *other != id).map(|(_, holder)| holder.until);
            if others().count() >= usize::try_from(at_once).unwrap_or(usize::MAX) {
                return LimitAnswer::Full(others().min().unwrap_or(now));
            }
        }
        match limit.rate {
            Some(rate) => self.rate.admit(rate, now, turn),
            None => LimitAnswer::Free,
        }
    }

    /// Gives a job a place.
    pub fn hold(&mut self, id: &str, owner: u64, until: Timestamp) {
        self.holders.insert(id.to_owned(), LimitHolder { owner: Some(owner), until });
    }

    /// Keeps a free place for a job that is woken.
    pub fn keep(&mut self, id: &str, now: Timestamp) {
        let until = now.saturating_add(Self::KEPT).unwrap_or(Timestamp::MAX);
        self.holders.insert(id.to_owned(), LimitHolder { owner: None, until });
    }

    /// Returns until when a job is hidden that has waited since `since`: until its turn; or, if it is woken, about as long
    /// as it has waited. So it comes by itself if its signal was lost, and in a line of any length it comes few times in vain:
    /// once more each time that its wait doubles. `random` is in 0..1.
    #[must_use]
    pub fn hidden_until(answer: LimitAnswer, since: Timestamp, now: Timestamp, random: f64) -> Timestamp {
        let latest = now.saturating_add(Self::LONGEST_WAIT).unwrap_or(Timestamp::MAX);
        let until = match answer {
            LimitAnswer::Free => now,
            LimitAnswer::Later(turn) => turn,
            LimitAnswer::Full(until) => {
                let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
                let part = (1.0 + random.clamp(0.0, 1.0)) / 2.0;
                let spread = Self::SPREAD.max(waited.min(Self::LONGEST_WAIT)).mul_f64(part);
                until.max(now).saturating_add(spread).unwrap_or(latest)
            }
        };
        until.min(latest)
    }
}

impl RateState {
    /// A job may take a token before its turn if the bucket has been full for this time, at least: those before it are not
    /// there any more.
    const IDLE: i64 = 5_000_000_000;

    fn admit(&mut self, rate: Rate, now: Timestamp, turn: Option<Timestamp>) -> LimitAnswer {
        let nanos = |moment: Timestamp| i64::try_from(moment.as_nanosecond()).unwrap_or(i64::MAX);
        let (at, turn) = (nanos(now), turn.map(nanos));
        let jobs = i64::from(rate.jobs.max(1));
        let interval = i64::try_from(rate.per.as_nanos().div_ceil(u128::from(rate.jobs.max(1)))).unwrap_or(i64::MAX);
        let whole = interval.saturating_mul(jobs);
        self.interval = interval;
        // A bucket cannot be emptier than empty: the clock was set back.
        let full_at = self.full_at.min(at.saturating_add(whole));
        let is_idle = full_at.saturating_add(interval.max(Self::IDLE)) <= at;
        let free_at = full_at.max(at).saturating_sub(whole.saturating_sub(interval));
        let is_its_turn = match turn {
            Some(turn) => turn <= at || is_idle,
            None => self.next <= at,
        };
        if free_at <= at && is_its_turn {
            self.full_at = full_at.max(at).saturating_add(interval);
            return LimitAnswer::Free;
        }
        if let Some(turn) = turn.filter(|turn| *turn > at) {
            return LimitAnswer::Later(moment(turn));
        }
        let turn = self.next.max(free_at).max(at);
        self.next = turn.saturating_add(interval);
        LimitAnswer::Later(moment(turn))
    }

    /// Takes back the turn of a job that waits no more: those that come later wait for one less.
    pub fn give_back(&mut self) {
        self.next = self.next.saturating_sub(self.interval);
    }
}

fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secs;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + jiff::SignedDuration::from_secs_f64(seconds)
    }

    fn mutex() -> LimitRequest {
        LimitRequest::mutex("m")
    }

    fn of(jobs: u32, per: Duration) -> LimitRequest {
        LimitRequest { rate: Some(Rate { jobs, per }), ..LimitRequest::new("r") }
    }

    #[test]
    fn a_place_is_taken_until_its_lease_ends() {
        let mut state = LimitState::default();
        assert_eq!(state.admit(&mutex(), "a", at(0.0), None), LimitAnswer::Free);
        state.hold("a", 1, at(60.0));
        assert_eq!(state.admit(&mutex(), "b", at(1.0), None), LimitAnswer::Full(at(60.0)));
        assert_eq!(state.admit(&mutex(), "a", at(1.0), None), LimitAnswer::Free, "its own place");
        assert_eq!(state.admit(&mutex(), "b", at(60.0), None), LimitAnswer::Free);
    }

    #[test]
    fn a_kept_place_is_for_one_job_and_for_a_while() {
        let mut state = LimitState::default();
        state.keep("b", at(0.0));
        assert!(matches!(state.admit(&mutex(), "a", at(1.0), None), LimitAnswer::Full(_)));
        assert_eq!(state.admit(&mutex(), "b", at(1.0), None), LimitAnswer::Free);
        assert_eq!(state.admit(&mutex(), "a", at(11.0), None), LimitAnswer::Free);
    }

    #[test]
    fn jobs_begin_as_the_bucket_fills_and_in_line() {
        let (mut state, limit) = (LimitState::default(), of(3, secs(30)));
        let mut turn = |now: f64, turn: Option<Timestamp>| state.admit(&limit, "x", at(now), turn);
        for _ in 0..3 {
            assert_eq!(turn(0.0, None), LimitAnswer::Free);
        }
        assert_eq!(turn(0.0, None), LimitAnswer::Later(at(10.0)));
        assert_eq!(turn(1.0, None), LimitAnswer::Later(at(20.0)));
        // There is a token at 10 s, and it is another job's.
        assert_eq!(turn(10.0, None), LimitAnswer::Later(at(30.0)));
        assert_eq!(turn(10.0, Some(at(20.0))), LimitAnswer::Later(at(20.0)), "too early");
        assert_eq!(turn(11.0, Some(at(10.0))), LimitAnswer::Free);
        assert_eq!(turn(20.0, Some(at(20.0))), LimitAnswer::Free);
        assert_eq!(turn(30.0, Some(at(30.0))), LimitAnswer::Free);
        assert_eq!(turn(39.0, None), LimitAnswer::Later(at(40.0)));
    }

    #[test]
    fn turns_of_jobs_that_are_gone_hold_nobody_up_for_long() {
        let (mut state, limit) = (LimitState::default(), of(1, secs(60)));
        assert_eq!(state.admit(&limit, "a", at(0.0), None), LimitAnswer::Free);
        let turns: Vec<_> = (0..10).map(|_| state.admit(&limit, "x", at(0.0), None)).collect();
        assert_eq!(turns.last(), Some(&LimitAnswer::Later(at(600.0))));
        // Nine of them were cancelled.
        (0..9).for_each(|_| state.rate.give_back());
        assert_eq!(state.admit(&limit, "new", at(61.0), None), LimitAnswer::Later(at(120.0)));
        // The last one looks again before its turn: nothing has begun for two minutes.
        assert_eq!(state.admit(&limit, "x", at(121.0), Some(at(600.0))), LimitAnswer::Free);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_nobody_for_longer_than_the_bucket_takes_to_fill() {
        let (mut state, limit) = (LimitState::default(), of(2, secs(60)));
        state.admit(&limit, "a", at(1e6), None);
        state.rate.next = 0;
        let LimitAnswer::Later(turn) = state.admit(&limit, "b", at(0.0), None) else { panic!("it has to wait") };
        assert!(turn <= at(60.0), "{turn}");
    }

    #[test]
    fn a_waiting_job_is_hidden_for_longer_the_longer_it_has_waited() {
        let hidden = |since: f64, random: f64| {
            let until = LimitState::hidden_until(LimitAnswer::Full(at(30.0)), at(since), at(0.0), random);
            until.duration_since(at(0.0)).as_secs()
        };
        assert_eq!((hidden(0.0, 0.0), hidden(0.0, 1.0)), (60, 90));
        assert_eq!((hidden(-1200.0, 0.0), hidden(-1200.0, 1.0)), (630, 1230));
        assert_eq!(hidden(-1e9, 1.0), 3600);
        let turn = LimitAnswer::Later(at(1e5));
        assert_eq!(LimitState::hidden_until(turn, at(0.0), at(0.0), 0.5), at(3600.0));
    }

    proptest! {
        /// Jobs arrive in bursts; each that must wait comes back at its turn, some of them late.
        #[test]
        fn in_no_time_begin_more_jobs_than_the_bucket_and_what_flows_in(
            jobs in 1..20_u32,
            per in 1..100_u64,
            arrivals in proptest::collection::vec((0..50_u64, 0..3_u64), 1..200),
        ) {
            let (mut state, limit) = (LimitState::default(), of(jobs, secs(per)));
            let mut waiting: Vec<(Timestamp, Timestamp)> = Vec::new();
            let (mut begun, mut now) = (Vec::new(), at(0.0));
            let mut come = |state: &mut LimitState, now, turn| match state.admit(&limit, "x", now, turn) {
                LimitAnswer::Later(turn) => Some(turn),
                _ => {
                    begun.push(now);
                    None
                }
            };
            for (gap, late) in arrivals {
                now += secs(gap);
                while let Some((turn, comes)) = waiting.first().copied().filter(|(_, comes)| *comes <= now) {
                    waiting.remove(0);
                    if let Some(turn) = come(&mut state, comes, Some(turn)) {
                        prop_assert!(turn >= comes);
                        waiting.push((turn, turn));
                        waiting.sort_by_key(|(_, comes)| *comes);
                    }
                }
                if let Some(turn) = come(&mut state, now, None) {
                    waiting.push((turn, turn + secs(late)));
                    waiting.sort_by_key(|(_, comes)| *comes);
                }
            }
            // All that were late come by themselves.
            let mut turns = 0;
            while let Some((turn, comes)) = waiting.first().copied() {
                waiting.remove(0);
                turns += 1;
                prop_assert!(turns < 10_000, "somebody waits for ever");
                if let Some(turn) = come(&mut state, comes.max(now), Some(turn)) {
                    waiting.push((turn, turn));
                    waiting.sort_by_key(|(_, comes)| *comes);
                }
            }
            begun.sort();
            for (first, since) in begun.iter().enumerate() {
                for (last, until) in begun.iter().enumerate().skip(first) {
                    let passed = until.duration_since(*since).as_secs_f64();
                    let most = f64::from(jobs) * (1.0 + passed / per as f64) + 1e-6;
                    prop_assert!((last - first + 1) as f64 <= most, "{} in {passed} s", last - first + 1);
                }
            }
        }
    }
}
