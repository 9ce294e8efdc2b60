//! Troubles: failures and deployments.

use crate::{
    clock::{DAY, HOUR, Moment, WEEK, is_weekend, range},
    numbers::trouble,
    random::Random,
};

/// An event that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) at: Moment,
    pub(crate) kind: TroubleKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// The deployment of a new version.
    Deployment,
    /// The process that runs jobs crashes.
    Crash,
    /// The machine fails, and is available again at this moment.
    MachineFailure { until: Moment },
}

pub(super) fn troubles(mut random: Random, end: Moment) -> Vec<Trouble> {
    let mut all = Vec::new();
    let mut outage = random.split();
    let mut some = |a_week: f64, when: fn(Moment) -> bool, kind: &mut dyn FnMut(Moment) -> TroubleKind| {
        // Outside of its hours nothing happens, so the rate within them is higher.
        let within = (0..WEEK).step_by(HOUR as usize).filter(|hour| when(*hour)).count() as f64;
        let rate = a_week / within * (WEEK / HOUR) as f64;
        let mut weeks = random.until_next(rate);
        while weeks * (WEEK as f64) < end as f64 {
            let at = (weeks * WEEK as f64) as Moment;
            if when(at) {
                all.push(Trouble { at, kind: kind(at) });
            }
            weeks += random.until_next(rate);
        }
    };
    let a_week = 7.0 / 365.0;
    some(trouble::DEPLOYMENTS, is_working_hour, &mut |_| TroubleKind::Deployment);
    some(trouble::CRASHES * a_week, |_| true, &mut |_| TroubleKind::Crash);
    some(trouble::MACHINE_FAILURES * a_week, |_| true, &mut |at| TroubleKind::MachineFailure {
        until: at + outage.between(range(trouble::OUTAGE)),
    });
    all.sort_by_key(|trouble| trouble.at);
    all
}

fn is_working_hour(moment: Moment) -> bool {
    !is_weekend(moment) && (10..17).contains(&(moment % DAY / HOUR))
}
