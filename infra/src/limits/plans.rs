//! Deployments that carry a load: the smallest changes of the default one that keep every quota.

use super::{
    Host, Limit, Load, Mapping, Pollers,
    quotas::{self, LAMBDA_CONCURRENT, POLLERS_MOST, PUT_LOGS, QUOTAS},
    reached::{limits, workers},
    text::grouped,
};
use crate::cost::Mode;

/// The highest concurrency that a plan asks for: Lambda's guide has "tens of thousands" (AWS Lambda Developer Guide,
/// "Lambda quotas").
const MOST_CONCURRENCY: f64 = 50_000.0;
/// More changes than any plan needs.
const CHANGES: usize = 50;

/// Returns a deployment on Lambda that carries so many jobs a second; `None`, if it would need more than Lambda gives.
pub(super) fn on_lambda(jobs_per_second: u64, mode: Mode) -> Option<Load> {
    fit(Load::new(jobs_per_second, mode))
}

/// Returns a deployment with workers that carries so many jobs a second.
pub(super) fn on_workers(jobs_per_second: u64, mode: Mode) -> Option<Load> {
    fit(Load { host: Host::Worker { jobs_at_once: Host::WORKER_JOBS }, ..Load::new(jobs_per_second, mode) })
}

fn fit(mut load: Load) -> Option<Load> {
    for _ in 0..CHANGES {
        let rate = load.jobs_per_second as f64;
        let Some(first) = limits(&load).into_iter().next().filter(|limit| limit.at < rate * (1.0 - 1e-9)) else {
            return Some(load);
        };
        load = change(load, &first)?;
    }
    None
}

/// Makes room for what that limit holds back.
fn change(mut load: Load, limit: &Limit) -> Option<Load> {
    let times = limit.needed / limit.allowed;
    let more = |number: u64| (number as f64 * times - 1e-9).ceil() as u64;
    match (limit.quota, load.host) {
        (name, _) if name == LAMBDA_CONCURRENT.name || name == quotas::LAMBDA_REQUESTS.name => {
            let needed = rounded(load.quotas.of(&LAMBDA_CONCURRENT) * times);
            if needed > MOST_CONCURRENCY {
                return None;
            }
            load.quotas = load.quotas.raised(&LAMBDA_CONCURRENT, needed as u64);
        }
        (name, _) if name == PUT_LOGS.name => {
            let needed = rounded(load.quotas.of(&PUT_LOGS) * times);
            load.quotas = load.quotas.raised(&PUT_LOGS, needed as u64);
        }
        (name, Host::Lambda(mapping)) if name == quotas::MAPPING_CONCURRENT.name => {
            load.host = Host::Lambda(Mapping { pollers: Some(Pollers::DEFAULT), ..mapping });
        }
        (name, Host::Lambda(mapping @ Mapping { pollers: Some(pollers), .. })) if name.starts_with("poller-") => {
            let most = load.quotas.of(&POLLERS_MOST);
            let needed = rounded(pollers.most as f64 * times);
            load.queues = load.queues.max((needed / most).ceil() as u64);
            let pollers = Pollers { most: needed.min(most) as u64, ..pollers };
            load.host = Host::Lambda(Mapping { pollers: Some(pollers), ..mapping });
        }
        (name, _) if name == quotas::SQS_IN_FLIGHT.name => load.queues = more(load.queues),
        (name, _)
            if [quotas::TABLE_WRITES.name, quotas::TABLE_READS.name, quotas::PARTITION_WRITES.name].contains(&name) =>
        {
            load.tables = more(load.tables);
        }
        _ => return None,
    }
    Some(load)
}

/// Rounds up to two digits.
fn rounded(number: f64) -> f64 {
    let unit = 10.0_f64.powf((number.log10().floor() - 1.0).max(0.0));
    ((number / unit) - 1e-9).ceil() * unit
}

/// Returns in words what differs from the default deployment.
pub(super) fn changes(load: &Load) -> String {
    let mut parts = Vec::new();
    if let Some(workers) = workers(load) {
        parts.push(match workers {
            1 => "1 worker".into(),
            many => format!("{} workers", grouped(many as f64)),
        });
    }
    for (name, value) in load.quotas.own() {
        if QUOTAS.iter().any(|quota| quota.name == name && quota.adjustable) {
            parts.push(format!("{name} {}", grouped(value as f64)));
        }
    }
    if let Host::Lambda(Mapping { pollers: Some(pollers), .. }) = load.host {
        parts.push(format!("provisioned mode, {} pollers", grouped(pollers.most as f64)));
    }
    for (number, name) in [(load.queues, "queues"), (load.tables, "tables")] {
        if number > 1 {
            parts.push(format!("{} {name}", grouped(number as f64)));
        }
    }
    if parts.is_empty() { "the defaults".into() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Report;

    #[test]
    fn every_plan_keeps_every_quota() {
        for mode in Mode::ALL {
            for rate in [10, 100, 1_000, 10_000, 100_000, 1_000_000] {
                for load in [on_lambda(rate, mode), on_workers(rate, mode)].into_iter().flatten() {
                    let report = Report::of(load).unwrap();
                    assert_eq!(report.exceeded().count(), 0, "{mode} {rate}: {report:?}");
                }
                assert!(on_workers(rate, mode).is_some(), "{mode} {rate}");
            }
        }
    }

    #[test]
    fn plans_change_what_is_in_the_way() {
        let lambda = |rate, mode| on_lambda(rate, mode).map(|load| changes(&load));
        assert_eq!(lambda(1_000, Mode::Full).as_deref(), Some("the defaults"));
        assert_eq!(lambda(10_000, Mode::Full).as_deref(), Some("5 tables"));
        assert_eq!(
            lambda(100_000, Mode::Lean).as_deref(),
            Some("lambda-concurrency 10,000; logs-put 10,000; provisioned mode, 1,000 pollers; 5 tables")
        );
        assert_eq!(lambda(1_000_000, Mode::Untracked), None, "100,000 invocations at the same time");
        let workers = on_workers(1_000_000, Mode::Lean).map(|load| changes(&load));
        assert_eq!(workers.as_deref(), Some("391 workers; 50 tables"));
    }

    #[test]
    fn numbers_to_ask_for_are_round() {
        assert_eq!([7.0, 1_000.0, 1_001.0, 12_345.0].map(rounded), [7.0, 1_000.0, 1_100.0, 13_000.0]);
    }
}
