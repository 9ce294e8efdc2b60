//! The cost of a day.

use super::{
    load::{Host, Load, Mapping},
    need::{Need, Steps},
    quotas::{self, SQS_BATCH},
};
use crate::cost::{GB, LOG_BYTES_PER_INVOCATION, LOG_BYTES_PER_JOB, MILLION, prices, traces};

/// The cost of a day, in dollars, at the prices of [`cost`](crate::cost). Without free tiers, and without what an idle
/// deployment costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Day {
    /// Messages.
    pub sqs: f64,
    /// Invocations and their time. None for workers: their machines are not counted.
    pub lambda: f64,
    /// The pollers of provisioned mode that the load keeps busy, at least their minimum.
    pub pollers: f64,
    /// Records.
    pub dynamodb: f64,
    /// Events and schedules.
    pub eventbridge: f64,
    /// Logs: one line per attempt, and Lambda's own lines.
    pub logs: f64,
    /// Traces, where tracing is active.
    pub xray: f64,
}

const DAY_S: f64 = 86_400.0;
const DAY_HOURS: f64 = 24.0;

impl Day {
    /// Calculates the cost of a day with that load.
    #[must_use]
    pub fn of(load: &Load) -> Self {
        let need = Need::of(load, Steps::All);
        let millions = load.jobs_per_second as f64 * DAY_S / MILLION;
        let mut day = Self {
            sqs: millions * need.billed_requests(load) * prices::SQS_MILLION_REQUESTS,
            dynamodb: millions
                * (need.asked.writes * prices::DYNAMODB_MILLION_WRITES
                    + need.asked.reads * prices::DYNAMODB_MILLION_READS),
            eventbridge: millions
                * (need.asked.scheduler * prices::SCHEDULER_MILLION + need.asked.events * prices::EVENTS_MILLION),
            logs: millions * MILLION * need.asked.deliveries * LOG_BYTES_PER_JOB / GB * prices::LOGS_GB,
            ..Self::default()
        };
        if let Host::Lambda(mapping) = load.host {
            let invocations = millions * need.asked.deliveries / load.jobs_of_invocation(mapping);
            let gb_seconds = invocations * load.invocation_s(mapping) * load.memory_mb as f64 / 1024.0;
            day.lambda =
                invocations * prices::LAMBDA_MILLION_REQUESTS + gb_seconds * MILLION * prices::LAMBDA_GB_SECOND;
            day.logs += invocations * MILLION * LOG_BYTES_PER_INVOCATION / GB * prices::LOGS_GB;
            day.xray = traces(invocations * MILLION, DAY_S) / MILLION * prices::XRAY_MILLION_TRACES;
            let busy = load.queues as f64 * busy_pollers(load, &need, mapping);
            day.pollers = busy * DAY_HOURS * prices::SQS_POLLER_HOUR;
        }
        day
    }

    /// Returns the total.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.sqs + self.lambda + self.pollers + self.dynamodb + self.eventbridge + self.logs + self.xray
    }
}

/// The pollers of each mapping that the load keeps busy.
fn busy_pollers(load: &Load, need: &Need, mapping: Mapping) -> f64 {
    let Some(pollers) = mapping.pollers else { return 0.0 };
    let of = |quota| load.quotas.of(quota);
    let messages = load.jobs_per_second as f64 * need.asked.deliveries / load.queues as f64;
    let invocations = messages / load.jobs_of_invocation(mapping);
    let running = invocations * load.invocation_s(mapping) / of(&quotas::POLLER_CONCURRENT);
    let receives = messages / load.jobs_of_invocation(mapping).min(of(&SQS_BATCH)) / of(&quotas::POLLER_CALLS);
    let bytes = messages * load.message_bytes as f64 / of(&quotas::POLLER_BYTES);
    running.max(receives).max(bytes).ceil().clamp(pollers.least as f64, pollers.most as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cost::{Estimate, Mode, Workload},
        limits::{Mapping, Pollers},
    };

    /// The two commands agree where they answer the same question.
    #[test]
    fn thirty_days_cost_what_a_month_costs() {
        for mode in Mode::ALL {
            for sent_singly in [false, true] {
                let load = Load { sent_singly, duration_ms: 250, memory_mb: 512, ..Load::new(1_000, mode) };
                let jobs = 1_000 * 86_400 * 30;
                let month = Estimate::new(&Workload { jobs, duration_ms: 250, memory_mb: 512, sent_singly }, mode);
                let day = Day::of(&load);
                assert!((day.total() * 30.0 / month.total() - 1.0).abs() < 1e-9, "{mode}: {day:?} {month:?}");
                assert!((day.sqs * 30.0 - month.sqs).abs() < 1e-6);
                assert!((day.dynamodb * 30.0 - month.dynamodb).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn pollers_events_and_reads_are_on_the_bill() {
        let mapping = Mapping { pollers: Some(Pollers { least: 10, most: 10 }), ..Mapping::TEN };
        let load = Load { host: Host::Lambda(mapping), queues: 2, failed_percent: 100.0, ..Load::new(100, Mode::Lean) };
        let day = Day::of(&load);
        assert!((day.pollers - 20.0 * 24.0 * 0.00925).abs() < 1e-9);
        assert!((day.eventbridge - 8.64).abs() < 1e-9, "an event of each of 8.64 million");
        // 5,000 jobs a second on each queue run in 500 invocations, ten for each poller.
        let mapping = Mapping { pollers: Some(Pollers { least: 10, most: 200 }), ..mapping };
        let busy = Day::of(&Load { jobs_per_second: 10_000, host: Host::Lambda(mapping), ..load.clone() });
        assert!((busy.pollers - 100.0 * 24.0 * 0.00925).abs() < 1e-9, "{busy:?}");
        let workers = Day::of(&Load { host: Host::Worker { jobs_at_once: 1 }, ..load });
        assert_eq!((workers.lambda, workers.pollers, workers.xray), (0.0, 0.0, 0.0));
    }

    /// Ten jobs that wait beside each other are billed for one duration.
    #[test]
    fn jobs_beside_each_other_share_their_time() {
        let plain = Load::new(100, Mode::Untracked);
        let mapping = Mapping { at_once: 10, ..Mapping::TEN };
        let beside = Load { host: Host::Lambda(mapping), ..plain.clone() };
        let time = |load: &Load| Day::of(load).lambda - 8.64 / 10.0 * 0.2;
        assert!((time(&plain) / time(&beside) - 10.0).abs() < 1e-9);
    }
}
