//! How long a deployment at rest needs to reach a rate.

use super::{
    load::{Host, Load},
    need::{Need, Steps},
    quotas,
};

/// Something that grows step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Rise {
    /// The quota of its step.
    pub quota: &'static str,
    /// What grows.
    pub about: &'static str,
    /// What each mapping, function or table has at once.
    pub at_rest: f64,
    /// What each of them needs.
    pub needed: f64,
    /// The time until then; `None`, if it never reaches that.
    pub seconds: Option<f64>,
}

/// The time in which Lambda adds [`quotas::LAMBDA_RISE`] environments.
pub(super) const FUNCTION_STEP_S: f64 = 10.0;
/// The time in which a mapping adds invocations.
pub(super) const MAPPING_STEP_S: f64 = 60.0;
const MINUTE_S: f64 = 60.0;

/// The time in which something grows by the same number in each step; `None`, if it does not grow so far.
fn steps(needed: f64, at_rest: f64, step: f64, every_s: f64, most: f64) -> Option<f64> {
    (needed <= most).then(|| ((needed - at_rest) / step).ceil().max(0.0) * every_s)
}

/// Returns what has to grow before the load is carried.
pub(super) fn rises(load: &Load) -> Vec<Rise> {
    let need = Need::of(load, Steps::All);
    let of = |quota| load.quotas.of(quota);
    let mut rises = Vec::new();
    if let Host::Lambda(mapping) = load.host {
        let invocations = need.asked.deliveries * load.invocation_s(mapping) / load.jobs_of_invocation(mapping);
        let needed = load.jobs_per_second as f64 * invocations / load.queues as f64;
        let (quota, about, at_rest, most) = match mapping.pollers {
            None => {
                let most = mapping.max_concurrency.map_or(of(&quotas::MAPPING_CONCURRENT), |most| most as f64);
                (&quotas::MAPPING_RISE, "invocations of a mapping", of(&quotas::MAPPING_START).min(most), most)
            }
            Some(pollers) => {
                let each = of(&quotas::POLLER_CONCURRENT);
                let (least, most) = (pollers.least as f64 * each, pollers.most as f64 * each);
                (&quotas::POLLER_RISE, "invocations of a mapping's pollers", least, most)
            }
        };
        let seconds = steps(needed, at_rest, of(quota), MAPPING_STEP_S, most);
        rises.push(Rise { quota: quota.name, about, at_rest, needed, seconds });
        let step = of(&quotas::LAMBDA_RISE);
        let most = of(&quotas::LAMBDA_CONCURRENT);
        let seconds = steps(needed, step, step, FUNCTION_STEP_S, most);
        rises.push(Rise {
            quota: quotas::LAMBDA_RISE.name,
            about: "environments of a function",
            at_rest: step,
            needed,
            seconds,
        });
    }
    if need.table_writes > 0.0 {
        let needed = load.jobs_per_second as f64 * need.table_writes.max(need.listing_writes()) / load.tables as f64;
        let at_rest = of(&quotas::TABLE_WARM_WRITES);
        let doublings = (needed / at_rest).log2().ceil().max(0.0);
        let seconds = doublings * of(&quotas::TABLE_DOUBLES) * MINUTE_S;
        rises.push(Rise {
            quota: quotas::TABLE_DOUBLES.name,
            about: "writes of a new table, or of its listing",
            at_rest,
            needed,
            seconds: (needed <= of(&quotas::TABLE_WRITES)).then_some(seconds),
        });
    }
    rises
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cost::Mode,
        limits::{Mapping, Pollers},
    };

    fn seconds(load: &Load) -> Vec<Option<f64>> {
        rises(load).iter().map(|rise| rise.seconds).collect()
    }

    #[test]
    fn a_deployment_needs_minutes_to_rise() {
        // 100 invocations: 95 above five, in the first minute. 2,000 writes are below those of a new table.
        assert_eq!(seconds(&Load::new(1_000, Mode::Lean)), [Some(60.0), Some(0.0), Some(0.0)]);
        // 1,000 invocations: 995 above five; 20,000 writes are three doublings of 4,000.
        assert_eq!(seconds(&Load::new(10_000, Mode::Lean)), [Some(240.0), Some(0.0), Some(5_400.0)]);
        assert_eq!(seconds(&Load::new(10, Mode::Untracked)), [Some(0.0), Some(0.0)]);
        assert_eq!(seconds(&Load::new(100_000, Mode::Lean)), [None, None, None]);
    }

    #[test]
    fn provisioned_mode_begins_higher() {
        let mapping = Mapping { pollers: Some(Pollers { least: 100, most: 1_000 }), ..Mapping::TEN };
        let mut load = Load { host: Host::Lambda(mapping), ..Load::new(35_000, Mode::Untracked) };
        load.quotas.set("lambda-concurrency", 5_000).unwrap();
        // 3,500 invocations: three steps above 1,000, for the mapping in minutes, for the function in ten seconds.
        assert_eq!(seconds(&load), [Some(180.0), Some(30.0)]);
        let workers = Load { host: Host::Worker { jobs_at_once: 10 }, ..load };
        assert_eq!(seconds(&workers), []);
    }
}
