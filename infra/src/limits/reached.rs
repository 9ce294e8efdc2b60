//! The rates at which quotas are reached.

use lamplighter_aws::layout;

use super::{
    load::{Fifo, Host, Load, Mapping, Pollers},
    need::{Need, Steps, class_writes},
    quotas::{self, Quota, SQS_BATCH},
};

/// A quota, and the rate at which this load reaches it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The quota's name in the [table](quotas::QUOTAS).
    pub quota: &'static str,
    /// What is limited.
    pub about: String,
    /// What the quota allows, for all queues or tables together, in its own unit.
    pub allowed: f64,
    /// What the load needs of that.
    pub needed: f64,
    /// Jobs a second that reach it.
    pub at: f64,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Limit {
    /// A quota of which each job a second needs so much.
    fn of(quota: &Quota, about: impl Into<String>, allowed: f64, each: f64, load: &Load, remedy: &'static str) -> Self {
        let needed = each * load.jobs_per_second as f64;
        Self { quota: quota.name, about: about.into(), allowed, needed, at: allowed / each, remedy }
    }
}

/// Returns the quotas that the load can reach, the one that is reached first at the head.
pub(super) fn limits(load: &Load) -> Vec<Limit> {
    let need = Need::of(load, Steps::All);
    let mut limits = queue(load, &need);
    match load.host {
        Host::Lambda(mapping) => limits.extend(lambda(load, &need, mapping)),
        Host::Worker { .. } => {}
    }
    limits.extend(table(load, &need));
    limits.extend(events(load, &need));
    limits.retain(|limit| limit.at.is_finite());
    limits.sort_by(|a, b| a.at.total_cmp(&b.at));
    limits
}

/// Returns how many workers that many jobs need; none on Lambda.
pub(super) fn workers(load: &Load) -> Option<u64> {
    let Host::Worker { jobs_at_once } = load.host else { return None };
    let running = load.jobs_per_second as f64 * Need::of(load, Steps::All).asked.deliveries * load.duration_s();
    Some((running / jobs_at_once as f64).ceil().max(1.0) as u64)
}

/// How long a message of a job is in flight: while its invocation runs, or the job itself on a worker, and hidden until
/// its retry.
fn in_flight_s(load: &Load, need: &Need) -> f64 {
    let held = match load.host {
        Host::Lambda(mapping) => load.invocation_s(mapping),
        Host::Worker { .. } => load.duration_s(),
    };
    need.asked.deliveries * held + load.retried_percent / 100.0 * load.retry_delay_s as f64
}

fn queue(load: &Load, need: &Need) -> Vec<Limit> {
    let queues = load.queues as f64;
    let quota = if load.fifo.is_some() { &quotas::SQS_FIFO_IN_FLIGHT } else { &quotas::SQS_IN_FLIGHT };
    let in_flight = Limit::of(
        quota,
        "messages in flight",
        queues * load.quotas.of(quota),
        in_flight_s(load, need),
        load,
        "more queues; shorter delays of retries",
    );
    let Some(Fifo { groups, fast }) = load.fifo else { return vec![in_flight] };
    let (quota, remedy) = match fast {
        true => (&quotas::SQS_FIFO_FAST_CALLS, "ask for more; more queues"),
        false => (&quotas::SQS_FIFO_CALLS, "high throughput; jobs sent ten at a time; more queues"),
    };
    let batch = load.quotas.of(&SQS_BATCH);
    let received = match load.host {
        Host::Lambda(mapping) => load.jobs_of_invocation(mapping).min(batch) / need.asked.deliveries,
        Host::Worker { .. } => batch / need.asked.deliveries,
    };
    let messages = if load.sent_singly { 1.0 } else { received.min(batch) };
    let calls = Limit::of(quota, "calls on FIFO queues", queues * load.quotas.of(quota), 1.0 / messages, load, remedy);
    let in_order = Limit {
        quota: "",
        about: "message groups, whose jobs run one after the other".into(),
        allowed: groups as f64,
        needed: load.jobs_per_second as f64 * need.asked.deliveries * load.duration_s(),
        at: groups as f64 / (need.asked.deliveries * load.duration_s()),
        remedy: "more message groups",
    };
    vec![in_flight, calls, in_order]
}

fn lambda(load: &Load, need: &Need, mapping: Mapping) -> Vec<Limit> {
    let of = |quota: &Quota| load.quotas.of(quota);
    let queues = load.queues as f64;
    let invocations = need.asked.deliveries / load.jobs_of_invocation(mapping);
    let concurrent = invocations * load.invocation_s(mapping);
    let account = of(&quotas::LAMBDA_CONCURRENT);
    let mut limits = vec![
        Limit::of(
            &quotas::LAMBDA_CONCURRENT,
            "invocations at the same time",
            account,
            concurrent,
            load,
            "ask for more; more jobs of a batch at once; workers",
        ),
        Limit::of(
            &quotas::LAMBDA_REQUESTS,
            "invocations a second",
            account * of(&quotas::LAMBDA_REQUESTS),
            invocations,
            load,
            "larger batches; a higher lambda-concurrency",
        ),
        Limit::of(
            &quotas::PUT_LOGS,
            "calls that write logs, if there is one for each invocation",
            of(&quotas::PUT_LOGS),
            invocations,
            load,
            "ask for more; larger batches; a higher log level",
        ),
    ];
    match mapping.pollers {
        None => {
            let most = mapping.max_concurrency.map(|most| most as f64).unwrap_or(of(&quotas::MAPPING_CONCURRENT));
            let (about, remedy) = match mapping.max_concurrency {
                Some(_) => ("invocations of the mappings, as the queue limits them", "a higher max_concurrency"),
                None => ("invocations of the mappings at the same time", "provisioned mode; more queues; workers"),
            };
            limits.push(Limit::of(&quotas::MAPPING_CONCURRENT, about, queues * most, concurrent, load, remedy));
        }
        Some(Pollers { most, .. }) => {
            let pollers = queues * most as f64;
            let receives = need.asked.deliveries / load.jobs_of_invocation(mapping).min(of(&SQS_BATCH));
            let bytes = need.asked.deliveries * load.message_bytes as f64;
            for (quota, about, each) in [
                (&quotas::POLLER_CONCURRENT, "invocations of the pollers at the same time", concurrent),
                (&quotas::POLLER_CALLS, "receives of the pollers", receives),
                (&quotas::POLLER_BYTES, "bytes of the pollers", bytes),
            ] {
                limits.push(Limit::of(quota, about, pollers * of(quota), each, load, "more pollers; more queues"));
            }
        }
    }
    limits
}

fn table(load: &Load, need: &Need) -> Vec<Limit> {
    let tables = load.tables as f64;
    let more = "ask for more; more tables";
    let (class, writes) = need.busiest();
    let of = |quota: &Quota| tables * load.quotas.of(quota);
    // The quota holds for the table and for its index, each for itself.
    let (units, about) = if need.listing_writes() > need.table_writes {
        (need.listing_writes(), "writes of the listing")
    } else {
        (need.table_writes, "writes of the tables")
    };
    let mut limits = vec![
        Limit::of(&quotas::TABLE_WRITES, about, of(&quotas::TABLE_WRITES), units, load, more),
        Limit::of(&quotas::TABLE_READS, "reads of the tables", of(&quotas::TABLE_READS), need.asked.reads, load, more),
        Limit::of(
            &quotas::PARTITION_WRITES,
            format!("writes of the listing's keys for {} jobs", class.name()),
            tables * class_writes(load),
            writes,
            load,
            "lean records; more tables",
        ),
    ];
    if let Some(jobs) = load.batch_jobs {
        let parts = layout::batch_parts(usize::try_from(jobs).unwrap_or(usize::MAX)) as f64;
        // A write in a transaction takes two units (Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How
        // it works").
        limits.push(Limit::of(
            &quotas::PARTITION_WRITES,
            "counts of one batch, if all jobs are of it",
            parts * load.quotas.of(&quotas::PARTITION_WRITES),
            2.0,
            load,
            "several batches, within one around them",
        ));
    }
    limits
}

fn events(load: &Load, need: &Need) -> Vec<Limit> {
    let scheduled = load.scheduled_percent / 100.0;
    let instead = "ask for more; functions without .schedules() delay jobs by the table";
    let limit = |quota: &Quota, about: &str, each: f64, remedy| {
        Limit::of(quota, about, load.quotas.of(quota), each, load, remedy)
    };
    vec![
        limit(&quotas::PUT_EVENTS, "events of failed jobs", need.asked.events, "ask for more"),
        limit(&quotas::CREATE_SCHEDULE, "new schedules", scheduled, instead),
        limit(&quotas::SCHEDULE_FIRES, "schedules that fire", scheduled, instead),
        limit(&quotas::SCHEDULES, "schedules that wait", scheduled * load.scheduled_delay_s as f64, instead),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Mode;

    fn at(load: &Load, quota: &Quota) -> f64 {
        limits(load).iter().find(|limit| limit.quota == quota.name).unwrap().at
    }

    fn first(load: &Load) -> (&'static str, f64) {
        let limits = limits(load);
        assert!(limits.is_sorted_by(|a, b| a.at <= b.at));
        (limits[0].quota, limits[0].at.floor())
    }

    /// An invocation runs ten jobs of 100 ms in a second: 10 jobs a second for each of 1,000 invocations.
    #[test]
    fn rates_are_as_calculated_by_hand() {
        let untracked = Load::new(1, Mode::Untracked);
        assert_eq!(first(&untracked), ("lambda-concurrency", 10_000.0));
        assert_eq!(at(&untracked, &quotas::MAPPING_CONCURRENT), 12_500.0);
        assert_eq!(at(&untracked, &quotas::LAMBDA_REQUESTS), 100_000.0);
        assert_eq!(at(&untracked, &quotas::PUT_LOGS), 50_000.0);
        assert_eq!(at(&untracked, &quotas::SQS_IN_FLIGHT), 120_000.0);
        let lean = Load::new(1, Mode::Lean);
        assert_eq!(first(&lean), ("lambda-concurrency", 10_000.0));
        assert_eq!(at(&lean, &quotas::TABLE_WRITES), 20_000.0);
        // Four keys of 1,000 writes; a job is put under one of them, and deleted there.
        assert_eq!(first(&Load::new(1, Mode::Full)), ("partition-writes", 2_000.0));
        let two = Load { tables: 2, ..Load::new(1, Mode::Full) };
        assert_eq!(first(&two), ("partition-writes", 4_000.0));
    }

    #[test]
    fn jobs_of_a_batch_beside_each_other_need_fewer_invocations() {
        let mapping = Mapping { at_once: 10, ..Mapping::TEN };
        let waiting = Load { host: Host::Lambda(mapping), ..Load::new(1, Mode::Untracked) };
        assert!((at(&waiting, &quotas::LAMBDA_CONCURRENT) - 100_000.0).abs() < 1e-6);
        assert_eq!(first(&waiting), ("logs-put", 50_000.0));
    }

    #[test]
    fn provisioned_pollers_have_three_limits_each() {
        let mapping = Mapping { pollers: Some(Pollers::DEFAULT), ..Mapping::TEN };
        let load = Load { host: Host::Lambda(mapping), ..Load::new(1, Mode::Untracked) };
        // 200 pollers: 2,000 invocations of ten jobs a second; 2,000 receives of ten; 200 MB of 300 bytes.
        assert_eq!(at(&load, &quotas::POLLER_CONCURRENT), 20_000.0);
        assert_eq!(at(&load, &quotas::POLLER_CALLS), 20_000.0);
        assert_eq!(at(&load, &quotas::POLLER_BYTES).floor(), 666_666.0);
        let limited = Mapping { max_concurrency: Some(50), ..Mapping::TEN };
        let load = Load { host: Host::Lambda(limited), queues: 2, ..load };
        assert_eq!(first(&load), ("mapping-concurrency", 1_000.0));
    }

    /// Of a hundred jobs, one waits for a minute: 0.6 s for each, and 1.01 s in invocations.
    #[test]
    fn retries_wait_in_flight() {
        let load = Load { retried_percent: 1.0, ..Load::new(1, Mode::Untracked) };
        assert_eq!(at(&load, &quotas::SQS_IN_FLIGHT).floor(), (120_000.0_f64 / 1.61).floor());
        let all = Load { retried_percent: 100.0, retry_delay_s: 3_600, ..Load::new(1, Mode::Untracked) };
        assert_eq!(first(&all), ("sqs-in-flight", 33.0));
    }

    #[test]
    fn fifo_queues_have_calls_and_groups() {
        let fifo = |groups, fast| Load { fifo: Some(Fifo { groups, fast }), ..Load::new(1, Mode::Untracked) };
        assert_eq!(first(&fifo(100, false)), ("", 1_000.0));
        assert_eq!(first(&fifo(1_000, false)), ("sqs-fifo-calls", 3_000.0));
        assert_eq!(at(&fifo(1_000, true), &quotas::SQS_FIFO_FAST_CALLS), 700_000.0);
        let singly = Load { sent_singly: true, ..fifo(1_000, false) };
        assert_eq!(first(&singly), ("sqs-fifo-calls", 300.0));
    }

    #[test]
    fn batches_count_in_parts() {
        let batch = |jobs| Load { batch_jobs: Some(jobs), ..Load::new(1, Mode::Lean) };
        let parts = |jobs| {
            let limits = limits(&batch(jobs));
            limits.iter().find(|limit| limit.about.starts_with("counts")).unwrap().at
        };
        assert_eq!(parts(64), 500.0);
        assert_eq!(parts(10_000), 157.0 * 500.0);
    }

    #[test]
    fn failures_and_schedules_have_quotas_of_eventbridge() {
        let load = Load { failed_percent: 1.0, scheduled_percent: 10.0, ..Load::new(1, Mode::Untracked) };
        assert!((at(&load, &quotas::PUT_EVENTS) - 1e6).abs() < 1e-3);
        assert!((at(&load, &quotas::SCHEDULE_FIRES) - 10_000.0).abs() < 1e-6);
        assert!((at(&load, &quotas::CREATE_SCHEDULE) - 50_000.0).abs() < 1e-6);
        // A tenth of the jobs waits for an hour: 360 schedules for each job a second.
        assert!((at(&load, &quotas::SCHEDULES) - 1e7 / 360.0).abs() < 1e-6);
    }

    #[test]
    fn workers_have_no_quota_of_lambda() {
        let load = Load { host: Host::Worker { jobs_at_once: 256 }, ..Load::new(1_000_000, Mode::Untracked) };
        assert_eq!(first(&load), ("sqs-in-flight", 1_200_000.0));
        assert_eq!(limits(&load).len(), 1);
        // 100,000 jobs run at any time, 256 in each process: 390.6 of them.
        assert_eq!((workers(&load), workers(&Load::new(1, Mode::Lean))), (Some(391), None));
    }
}
