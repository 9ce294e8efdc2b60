//! Summing up records, one at a time.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use lamplighter::{
    JobId, JobState, Record,
    record::{Attempt, AttemptOutcome},
};

/// Kinds of error kept for one job. Further kinds are summed up as others.
const MAX_KINDS: usize = 200;

/// The jobs of a day, summed up.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The day, UTC.
    pub day: Date,
    /// By job name.
    pub jobs: BTreeMap<String, JobSummary>,
    /// Jobs by the hour in which the store first saw them.
    pub hours: [Hour; 24],
    /// Whether it contains every job of the day.
    pub complete: bool,
}

/// One hour's jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// All.
    pub total: u64,
    /// Those that failed.
    pub failed: u64,
}

/// The jobs of one name, summed up.
#[derive(Debug, Clone, Default)]
pub struct JobSummary {
    /// Jobs by state, in the order of [`JobState::ALL`].
    pub states: [u64; JobState::ALL.len()],
    /// Executions that have ended.
    pub attempts: u64,
    /// Executions that ended neither in success nor because their job was cancelled.
    pub failed_attempts: u64,
    durations_ms: Vec<u64>,
    errors: BTreeMap<String, ErrorSummary>,
}

/// One kind of error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSummary {
    /// The latest text of this kind.
    pub text: String,
    /// Attempts that ended with it.
    pub count: u64,
    /// When the latest of them ended.
    pub last: Timestamp,
    /// Its job.
    pub id: JobId,
}

/// How long attempts took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations {
    /// Half of them took no longer.
    pub p50: u64,
    /// All but a twentieth took no longer.
    pub p95: u64,
    /// The longest.
    pub max: u64,
}

impl Summary {
    /// A day on which nothing has happened yet.
    #[must_use]
    pub fn new(day: Date) -> Self {
        Self { day, jobs: BTreeMap::new(), hours: [Hour::default(); 24], complete: true }
    }

    /// Adds one job.
    pub fn add(&mut self, record: &Record) {
        let job = self.jobs.entry(record.message.job.clone()).or_default();
        if let Some(state) = JobState::ALL.iter().position(|state| *state == record.state) {
            job.states[state] += 1;
        }
        for attempt in &record.attempts {
            job.add_attempt(&record.id, attempt);
        }
        let hour = TimeZone::UTC.to_datetime(record.created_at).hour();
        if let Some(hour) = usize::try_from(hour).ok().and_then(|hour| self.hours.get_mut(hour)) {
            hour.total += 1;
            hour.failed += u64::from(record.state == JobState::Failed);
        }
    }

    /// All jobs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.jobs.values().map(JobSummary::total).sum()
    }

    /// Jobs in a state.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        self.jobs.values().map(|job| job.count(state)).sum()
    }

    /// The most frequent errors of all jobs, each with its job's name.
    #[must_use]
    pub fn errors(&self, most: usize) -> Vec<(&str, &ErrorSummary)> {
        let mut errors: Vec<_> =
            self.jobs.iter().flat_map(|(name, job)| job.errors.values().map(move |error| (&**name, error))).collect();
        errors.sort_by(|(_, a), (_, b)| b.count.cmp(&a.count).then(b.last.cmp(&a.last)));
        errors.truncate(most);
        errors
    }
}

impl JobSummary {
    fn add_attempt(&mut self, id: &JobId, attempt: &Attempt) {
        self.attempts += 1;
        let took = attempt.ended_at.duration_since(attempt.started_at);
        self.durations_ms.push(u64::try_from(took.as_millis()).unwrap_or(0));
        // None of them is a failure.
        if matches!(attempt.outcome, AttemptOutcome::Succeeded | AttemptOutcome::Cancelled | AttemptOutcome::Continued)
        {
            return;
        }
        self.failed_attempts += 1;
        let text = attempt.error.as_ref().map_or_else(|| attempt.outcome.as_str().into(), ToString::to_string);
        let mut kind = kind(&text);
        if self.errors.len() >= MAX_KINDS && !self.errors.contains_key(&kind) {
            kind = "other errors".into();
        }
        let error = self.errors.entry(kind).or_insert_with(|| ErrorSummary {
            text: text.clone(),
            count: 0,
            last: attempt.ended_at,
            id: id.clone(),
        });
        error.count += 1;
        if attempt.ended_at >= error.last {
            (error.text, error.last, error.id) = (text, attempt.ended_at, id.clone());
        }
    }

    /// All jobs of this name.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.states.iter().sum()
    }

    /// Jobs in a state.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        JobState::ALL.iter().zip(self.states).filter(|(each, _)| **each == state).map(|(_, count)| count).sum()
    }

    /// The most frequent error.
    #[must_use]
    pub fn top_error(&self) -> Option<&ErrorSummary> {
        self.errors.values().max_by_key(|error| (error.count, error.last))
    }

    /// How long its attempts took; `None` when there was none.
    #[must_use]
    pub fn durations(&self) -> Option<Durations> {
        let mut sorted = self.durations_ms.clone();
        sorted.sort_unstable();
        let max = *sorted.last()?;
        // Nearest rank: the smallest value with at least this share of values at or below it.
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)];
        Some(Durations { p50: rank(50), p95: rank(95), max })
    }
}

/// The kind of an error: its text with every run of digits and every id taken out, so that `gave up after 3.2 s` and
/// `gave up after 4.7 s` are one kind.
fn kind(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let mut kind = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '-')).take(60) {
        let body = word.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '-'));
        if is_id(body) {
            kind.push('#');
        } else {
            for c in body.chars() {
                if !c.is_ascii_digit() {
                    kind.push(c);
                } else if !kind.ends_with('#') {
                    kind.push('#');
                }
            }
        }
        kind.push_str(&word[body.len()..]);
    }
    kind
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_and_ids_are_one_kind() {
        assert_eq!(kind("gave up after 3.25 s"), kind("gave up after 14.7 s"));
        assert_eq!(
            kind("no row 0198f2c1-77aa-7c3e-9b52-1f0c9d2e4b6a in orders"),
            kind("no row 0198f2c1-0000-7c3e-9b52-1f0c9d2e4b00 in orders")
        );
        assert_ne!(kind("connection refused"), kind("connection reset"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_kind(text in ".*") {
            prop_assert!(!kind(&text).bytes().any(|b| b.is_ascii_digit()));
        }

        #[test]
        fn percentiles_are_measured_values(durations in proptest::collection::vec(0u64..100_000, 1..300)) {
            let job = JobSummary { durations_ms: durations.clone(), ..JobSummary::default() };
            let Durations { p50, p95, max } = job.durations().unwrap();
            let not_above = |limit: u64| durations.iter().filter(|ms| **ms <= limit).count() * 100;
            let below = |limit: u64| durations.iter().filter(|ms| **ms < limit).count() * 100;
            for (percentile, share) in [(p50, 50), (p95, 95), (max, 100)] {
                prop_assert!(durations.contains(&percentile));
                prop_assert!(not_above(percentile) >= share * durations.len());
                prop_assert!(below(percentile) < share * durations.len());
            }
        }
    }

    #[test]
    fn no_measurements_have_no_percentiles() {
        assert_eq!(JobSummary::default().durations(), None);
    }
}
