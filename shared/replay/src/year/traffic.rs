//! Requests to the site.

use super::{Trouble, TroubleKind};
use crate::{
    clock::{DAY, HOUR, Moment, is_weekend},
    numbers::site,
    random::Random,
};

/// Generates a Poisson process with a rate for each hour of the week. Requests during an outage of the machine are not
/// answered, and enqueue nothing, on any host.
pub(super) fn requests(mut random: Random, end: Moment, troubles: &[Trouble]) -> Vec<Moment> {
    let mut requests = Vec::new();
    for hour in (0..end).step_by(HOUR as usize) {
        let rates = if is_weekend(hour) { &site::WEEKEND } else { &site::WORKING_DAY };
        let rate = rates[(hour % DAY / HOUR) as usize];
        let mut within = random.until_next(rate);
        while within < 1.0 {
            requests.push(hour + (within * HOUR as f64) as u64);
            within += random.until_next(rate);
        }
    }
    let outages: Vec<_> = troubles.iter().filter_map(Trouble::outage).collect();
    requests.retain(|at| !outages.iter().any(|outage| outage.contains(at)));
    requests
}

impl Trouble {
    fn outage(&self) -> Option<std::ops::Range<Moment>> {
        match self.kind {
            TroubleKind::MachineFailure { until } => Some(self.at..until),
            TroubleKind::Deployment | TroubleKind::Crash => None,
        }
    }
}
