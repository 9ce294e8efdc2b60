//! All answers about one load.

use super::{
    Day, Drain, Limit, Load, LoadError, MOST_MESSAGES, Rise, Variant,
    burst::{drain, variants},
    reached::{limits, workers},
    rise::rises,
    text::grouped,
};

/// What a load reaches, how long it takes until it is carried, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The load.
    pub load: Load,
    /// The quotas, the one that is reached first at the head.
    pub limits: Vec<Limit>,
    /// What has to grow first.
    pub rises: Vec<Rise>,
    /// The cost of a day.
    pub day: Day,
    /// The workers that it takes; none on Lambda.
    pub workers: Option<u64>,
}

impl Report {
    /// Answers for a load.
    ///
    /// # Errors
    /// There can be no such load.
    pub fn of(load: Load) -> Result<Self, LoadError> {
        load.check()?;
        let (limits, rises, day, workers) = (limits(&load), rises(&load), Day::of(&load), workers(&load));
        Ok(Self { load, limits, rises, day, workers })
    }

    /// Returns the quotas that the load goes beyond.
    pub fn exceeded(&self) -> impl Iterator<Item = &Limit> {
        let rate = self.load.jobs_per_second as f64;
        // A load that meets a quota exactly does not go beyond it, whatever a sum of shares was rounded to.
        self.limits.iter().filter(move |limit| limit.at < rate * (1.0 - 1e-9))
    }

    /// Returns the answer in one sentence.
    #[must_use]
    pub fn verdict(&self) -> String {
        let rate = grouped(self.load.jobs_per_second as f64);
        let at = |limit: &Limit| format!("{}, at {} jobs a second", limit.name(), grouped(limit.at + 1e-6));
        let Some(first) = self.limits.first() else { return format!("{rate} jobs a second: no quota is reached") };
        match self.exceeded().count() {
            0 => format!("{rate} jobs a second: no quota is reached; the first is {}", at(first)),
            1 => format!("{rate} jobs a second: one quota is reached, {}", at(first)),
            many => format!("{rate} jobs a second: {many} quotas are reached, the first is {}", at(first)),
        }
    }

    /// Drains a burst with each variant of the deployment, while the load keeps arriving if `arriving` says so.
    ///
    /// # Errors
    /// There can be no such burst.
    pub fn burst(load: &Load, messages: u64, arriving: bool) -> Result<Vec<(Variant, Drain)>, LoadError> {
        load.check()?;
        if !(1..=MOST_MESSAGES).contains(&messages) {
            return Err(LoadError::Range {
                name: "the number of messages of a burst",
                value: messages as f64,
                least: 1.0,
                most: MOST_MESSAGES as f64,
            });
        }
        let rate = if arriving { load.jobs_per_second } else { 0 };
        let drained = |variant: Variant| {
            let drained = drain(messages, rate, &variant.load);
            (variant, drained)
        };
        Ok(variants(load).into_iter().map(drained).collect())
    }
}

impl Limit {
    /// The quota's name; what is limited, where that is no quota.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.quota.is_empty() { &self.about } else { self.quota }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Mode;

    fn verdict(load: Load) -> String {
        Report::of(load).unwrap().verdict()
    }

    #[test]
    fn the_verdict_names_the_first_quota() {
        assert_eq!(
            verdict(Load::new(10_000, Mode::Untracked)),
            "10,000 jobs a second: no quota is reached; the first is lambda-concurrency, at 10,000 jobs a second"
        );
        assert_eq!(
            verdict(Load::new(3_000, Mode::Full)),
            "3,000 jobs a second: one quota is reached, partition-writes, at 2,000 jobs a second"
        );
        assert_eq!(
            verdict(Load::new(100_000, Mode::Untracked)),
            "100,000 jobs a second: 3 quotas are reached, the first is lambda-concurrency, at 10,000 jobs a second"
        );
    }

    #[test]
    fn what_cannot_be_has_no_answer() {
        assert!(Report::of(Load::new(0, Mode::Lean)).is_err());
        let none = Report::burst(&Load::new(1, Mode::Lean), 0, false).unwrap_err().to_string();
        assert_eq!(none, "the number of messages of a burst is 0; it can be 1 to 10000000000");
        assert!(Report::burst(&Load::new(1, Mode::Lean), MOST_MESSAGES + 1, false).is_err());
    }
}
