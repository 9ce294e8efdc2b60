//! A burst of messages that all arrive at once, and how a mapping drains it: a deterministic model.
//!
//! In each step of ten seconds, as many invocations run as the smallest of all limits allows, each with full batches,
//! and take messages at an even rate. A mapping adds its invocations at the end of each minute, a function its
//! environments every ten seconds, and a table doubles its writes every half hour, as late as the documentation allows.
//! Throttled writes slow jobs down and fail none of them.

use super::{
    load::{Host, Load, Mapping, Pollers},
    need::{Class, Need, Steps, class_writes},
    quotas::{self, SQS_BATCH},
    rise::{FUNCTION_STEP_S, MAPPING_STEP_S},
};
use crate::cost::Mode;

/// How a burst is drained.
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// Jobs of the burst.
    pub messages: u64,
    /// When the last of them has ended, in seconds; `None`, if that takes more than two weeks.
    pub seconds: Option<f64>,
    /// When no message waits any more, those included that arrive meanwhile; `None`, if that takes more than two weeks.
    pub empty_after: Option<f64>,
    /// The most invocations at the same time, or jobs of workers.
    pub peak: f64,
    /// The most messages in flight.
    pub in_flight: f64,
    /// The highest age of the oldest message that waits, in seconds.
    pub oldest_s: f64,
    /// Whether the mapping receives more than may run, so that invocations are throttled: their messages stay hidden
    /// for the visibility timeout and count a receive.
    pub throttled: bool,
    /// What limits it, from when to when.
    pub phases: Vec<Phase>,
}

/// A time in which the same thing limits the drain.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// When it begins, in seconds.
    pub from: f64,
    /// When it ends.
    pub to: f64,
    /// What limits the drain.
    pub limited_by: &'static str,
    /// Invocations at the same time, at its beginning and at its end.
    pub running: (f64, f64),
    /// Jobs a second, at its beginning and at its end.
    pub rate: (f64, f64),
}

/// A deployment that is compared with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What it is.
    pub name: &'static str,
    /// The load, of which the rate is what arrives beside the burst.
    pub load: Load,
}

/// The most messages of a burst.
pub const MOST_MESSAGES: u64 = 10_000_000_000;
/// SQS keeps no message longer (Amazon SQS Developer Guide, "Amazon SQS message quotas").
const LONGEST_S: u64 = 14 * 86_400;
/// Nothing that grows changes within this time.
const STEP_S: f64 = FUNCTION_STEP_S;
const MINUTE_S: f64 = 60.0;

/// What something allows in a second: invocations at the same time, or jobs a second.
struct Cap {
    limited_by: &'static str,
    allowed: f64,
}

fn least(caps: impl IntoIterator<Item = Cap>) -> Cap {
    // The first of equals: the order is that of causes.
    caps.into_iter()
        .reduce(|a, b| if b.allowed < a.allowed { b } else { a })
        .unwrap_or(Cap { limited_by: "nothing", allowed: 0.0 })
}

/// The numbers of a load that a step needs.
struct Model<'a> {
    load: &'a Load,
    /// Jobs of an invocation, or one for a worker.
    jobs: f64,
    /// How long it runs, for each of the job's deliveries.
    busy_s: f64,
    deliveries: f64,
    table_writes: f64,
    listing: (Class, f64),
    listing_writes: f64,
}

impl<'a> Model<'a> {
    fn new(load: &'a Load) -> Self {
        let need = Need::of(load, Steps::Running);
        let (jobs, invocation_s) = match load.host {
            Host::Lambda(mapping) => (load.jobs_of_invocation(mapping), load.invocation_s(mapping)),
            Host::Worker { .. } => (1.0, load.duration_s()),
        };
        Self {
            load,
            jobs,
            busy_s: invocation_s,
            deliveries: need.asked.deliveries,
            table_writes: need.table_writes,
            listing: need.busiest(),
            listing_writes: need.listing_writes(),
        }
    }

    /// The invocations at the same time that each limit allows after that many seconds.
    fn slots(&self, second: f64) -> Vec<Cap> {
        let of = |quota| self.load.quotas.of(quota);
        let queues = self.load.queues as f64;
        let in_flight = match self.load.fifo {
            None => of(&quotas::SQS_IN_FLIGHT),
            Some(_) => of(&quotas::SQS_FIFO_IN_FLIGHT),
        };
        let mut caps = match self.load.host {
            Host::Lambda(mapping) => self.lambda_slots(mapping, second),
            Host::Worker { jobs_at_once } => {
                let jobs = queues * jobs_at_once as f64;
                vec![Cap { limited_by: "the jobs that workers run at once", allowed: jobs }]
            }
        };
        let hidden = self.load.retried_percent / 100.0 * self.load.retry_delay_s as f64;
        // Of the messages in flight, those that wait for a retry are not in an invocation.
        let running_share = self.deliveries * self.busy_s / (self.deliveries * self.busy_s + hidden);
        let allowed = queues * in_flight * running_share / self.jobs;
        caps.push(Cap { limited_by: "messages in flight", allowed });
        if let Some(fifo) = self.load.fifo {
            // Jobs of a group run one after the other: an invocation has a group of its own.
            caps.push(Cap { limited_by: "message groups", allowed: fifo.groups as f64 });
        }
        caps
    }

    fn lambda_slots(&self, mapping: Mapping, second: f64) -> Vec<Cap> {
        let of = |quota| self.load.quotas.of(quota);
        let queues = self.load.queues as f64;
        let minutes = (second / MAPPING_STEP_S).floor();
        let account = Cap { limited_by: "lambda-concurrency of the account", allowed: of(&quotas::LAMBDA_CONCURRENT) };
        let environments = of(&quotas::LAMBDA_RISE) * (1.0 + (second / FUNCTION_STEP_S).floor());
        let function = Cap { limited_by: "new environments of the function", allowed: queues * environments };
        let (rising, most, rise, top) = match mapping.pollers {
            None => (
                of(&quotas::MAPPING_START) + minutes * of(&quotas::MAPPING_RISE),
                mapping.max_concurrency.map_or(of(&quotas::MAPPING_CONCURRENT), |most| most as f64),
                "the mapping, which adds invocations each minute",
                "the mapping's most invocations",
            ),
            Some(pollers) => {
                let each = of(&quotas::POLLER_CONCURRENT);
                (
                    pollers.least as f64 * each + minutes * of(&quotas::POLLER_RISE),
                    pollers.most as f64 * each,
                    "the pollers, of which more come each minute",
                    "the most pollers",
                )
            }
        };
        vec![
            account,
            Cap { limited_by: top, allowed: queues * most },
            Cap { limited_by: rise, allowed: queues * rising },
            function,
        ]
    }

    /// The jobs a second that each limit allows after that many seconds, with so many invocations at the same time.
    fn rates(&self, second: f64, slots: Cap) -> Vec<Cap> {
        let of = |quota| self.load.quotas.of(quota);
        let per_slot = self.jobs / (self.busy_s * self.deliveries);
        let rate = slots.allowed * per_slot;
        let mut caps = vec![Cap { limited_by: slots.limited_by, allowed: rate }];
        if let Host::Lambda(Mapping { pollers: Some(Pollers { least, most }), .. }) = self.load.host {
            let minutes = (second / MAPPING_STEP_S).floor();
            let added = minutes * of(&quotas::POLLER_RISE) / of(&quotas::POLLER_CONCURRENT);
            let pollers = self.load.queues as f64 * (least as f64 + added).min(most as f64);
            let received = pollers * of(&quotas::POLLER_CALLS) * self.jobs.min(of(&SQS_BATCH)) / self.deliveries;
            let bytes = pollers * of(&quotas::POLLER_BYTES) / (self.load.message_bytes as f64 * self.deliveries);
            caps.push(Cap { limited_by: "receives of the pollers", allowed: received });
            caps.push(Cap { limited_by: "bytes of the pollers", allowed: bytes });
        }
        if let Some(fifo) = self.load.fifo {
            let calls = of(if fifo.fast { &quotas::SQS_FIFO_FAST_CALLS } else { &quotas::SQS_FIFO_CALLS });
            let received = self.load.queues as f64 * calls * self.jobs.min(of(&SQS_BATCH)) / self.deliveries;
            caps.push(Cap { limited_by: "calls on the FIFO queue", allowed: received });
            let in_order = fifo.groups as f64 / (self.load.duration_s() * self.deliveries);
            caps.push(Cap { limited_by: "message groups", allowed: in_order });
        }
        if self.table_writes > 0.0 {
            caps.extend(self.table_rates(second));
        }
        caps
    }

    fn table_rates(&self, second: f64) -> [Cap; 3] {
        let of = |quota| self.load.quotas.of(quota);
        let tables = self.load.tables as f64;
        let doublings = (second / (of(&quotas::TABLE_DOUBLES) * MINUTE_S)).floor();
        let warm = of(&quotas::TABLE_WARM_WRITES) * 2.0_f64.powf(doublings);
        let writes = self.table_writes.max(self.listing_writes);
        [
            Cap { limited_by: "the table's writes", allowed: tables * of(&quotas::TABLE_WRITES) / writes },
            Cap { limited_by: "the listing's keys", allowed: class_writes(self.load) * tables / self.listing.1 },
            Cap { limited_by: "the table, which doubles its writes in half an hour", allowed: tables * warm / writes },
        ]
    }
}

/// Drains a burst of that many messages, which are there at the beginning. `arriving` jobs a second come after them.
pub(super) fn drain(messages: u64, arriving: u64, load: &Load) -> Drain {
    let model = Model::new(load);
    let (burst, arriving) = (messages as f64, arriving as f64);
    let mut drain = Drain {
        messages,
        seconds: None,
        empty_after: None,
        peak: 0.0,
        in_flight: 0.0,
        oldest_s: 0.0,
        throttled: false,
        phases: Vec::new(),
    };
    let mut received = 0.0;
    for step in 0..LONGEST_S / STEP_S as u64 {
        let now = step as f64 * STEP_S;
        let slots = least(model.slots(now));
        drain.throttled |= is_throttled(&model, now, &slots);
        let running = slots.allowed;
        let Cap { limited_by, allowed: rate } = least(model.rates(now, slots));
        let waiting = burst + arriving * now - received;
        let empty = (rate > arriving).then(|| waiting / (rate - arriving)).filter(|after| *after <= STEP_S);
        let last = (received < burst).then(|| (burst - received) / rate).filter(|after| *after <= STEP_S);
        drain.peak = drain.peak.max(running);
        let in_flight = running * model.jobs;
        let hidden = rate * load.retried_percent / 100.0 * load.retry_delay_s as f64;
        drain.in_flight = drain.in_flight.max((in_flight + hidden).min(burst + arriving * now));
        if let Some(after) = last {
            drain.seconds = Some(now + after + model.busy_s);
            drain.oldest_s = now + after;
        } else if received >= burst && arriving > 0.0 {
            drain.oldest_s = drain.oldest_s.max(now - (received - burst) / arriving);
        }
        let to = now + empty.unwrap_or(STEP_S);
        extend(&mut drain.phases, Phase { from: now, to, limited_by, running: (running, running), rate: (rate, rate) });
        if let Some(after) = empty {
            drain.empty_after = Some(now + after);
            break;
        }
        received += rate * STEP_S;
    }
    if drain.seconds.is_none() {
        drain.oldest_s = LONGEST_S as f64;
    }
    drain
}

/// Whether the account or the function runs less than the mapping asks for.
fn is_throttled(model: &Model<'_>, second: f64, slots: &Cap) -> bool {
    let Host::Lambda(mapping) = model.load.host else { return false };
    let caps = model.lambda_slots(mapping, second);
    let asked =
        least(caps.into_iter().filter(|cap| cap.limited_by.contains("mapping") || cap.limited_by.contains("pollers")));
    let refused = slots.limited_by.contains("account") || slots.limited_by.contains("environments");
    refused && asked.allowed > slots.allowed
}

fn extend(phases: &mut Vec<Phase>, next: Phase) {
    match phases.last_mut() {
        Some(last) if last.limited_by == next.limited_by => {
            last.to = next.to;
            (last.running.1, last.rate.1) = (next.running.1, next.rate.1);
        }
        _ => phases.push(next),
    }
}

/// The concurrency of an account that has asked for more, and of one that has asked for much more: Lambda's guide has
/// "tens of thousands" (AWS Lambda Developer Guide, "Lambda quotas").
const RAISED: u64 = 10_000;
const RAISED_HIGH: u64 = 50_000;

/// Returns the deployments that a burst is shown with: as it is, and with provisioned mode and higher quotas, one after
/// the other.
pub(super) fn variants(load: &Load) -> Vec<Variant> {
    let mut variants = vec![Variant { name: "as it is", load: load.clone() }];
    let Host::Lambda(mapping) = load.host else { return variants };
    let provisioned = |load: &Load, pollers| {
        let host = Host::Lambda(Mapping { max_concurrency: None, pollers: Some(pollers), ..mapping });
        Load { host, ..load.clone() }
    };
    let raised = |load: &Load, concurrency| {
        let quotas = load.quotas.clone().raised(&quotas::LAMBDA_CONCURRENT, concurrency);
        Load { quotas, ..load.clone() }
    };
    let most = load.quotas.get(&quotas::POLLERS_MOST);
    let all = Pollers { least: load.quotas.get(&quotas::POLLERS_LEAST).min(most), most };
    variants.push(Variant { name: "provisioned", load: provisioned(load, Pollers::DEFAULT) });
    variants.push(Variant { name: "raised concurrency", load: raised(load, RAISED) });
    let both = raised(&provisioned(load, Pollers::DEFAULT), RAISED);
    variants.push(Variant { name: "provisioned, raised concurrency", load: both });
    let high = raised(&provisioned(load, all), RAISED_HIGH);
    if load.mode == Mode::Untracked {
        variants.push(Variant { name: "all pollers, concurrency raised high", load: high });
    } else {
        let warm = high.quotas.get(&quotas::TABLE_WRITES);
        variants.push(Variant { name: "all pollers, concurrency raised high", load: high.clone() });
        let quotas = high.quotas.clone().raised(&quotas::TABLE_WARM_WRITES, warm);
        variants.push(Variant { name: "the same, with a warm table", load: Load { quotas, ..high } });
    }
    variants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Fifo;

    const TEN_MILLION: u64 = 10_000_000;

    fn untracked() -> Load {
        Load::new(1, Mode::Untracked)
    }

    fn is(seconds: Option<f64>, expected: f64) -> bool {
        seconds.is_some_and(|seconds| (seconds - expected).abs() < 1e-6)
    }

    /// Each invocation runs ten jobs a second. In the first four minutes, 5, 305, 605 and 905 of them take 1,092,000
    /// jobs; then the account's 1,000 take 10,000 a second.
    #[test]
    fn the_defaults_drain_as_calculated_by_hand() {
        let drained = drain(TEN_MILLION, 0, &untracked());
        let last: f64 = 240.0 + (10_000_000.0 - 60.0 * 10.0 * (5.0 + 305.0 + 605.0 + 905.0)) / 10_000.0;
        assert!((last - 1_130.8).abs() < 1e-9);
        assert!(is(drained.seconds, last + 1.0), "{drained:?}");
        assert!(is(Some(drained.oldest_s), last) && is(drained.empty_after, last));
        assert_eq!((drained.peak, drained.in_flight, drained.throttled), (1_000.0, 10_000.0, true));
        let phases: Vec<_> = drained.phases.iter().map(|phase| (phase.from, phase.limited_by)).collect();
        assert_eq!(
            phases,
            [(0.0, "the mapping, which adds invocations each minute"), (240.0, "lambda-concurrency of the account")]
        );
        assert_eq!(drained.phases[0].rate, (50.0, 9_050.0));
    }

    /// The mapping ends at 1,250: 1,815,000 jobs in five minutes, then 12,500 a second.
    #[test]
    fn a_raised_account_leaves_the_mapping() {
        let mut load = untracked();
        load.quotas.set("lambda-concurrency", 10_000).unwrap();
        let drained = drain(TEN_MILLION, 0, &load);
        assert!(is(drained.seconds, 300.0 + (10_000_000.0 - 1_815_000.0) / 12_500.0 + 1.0), "{drained:?}");
        assert!(!drained.throttled && drained.peak == 1_250.0);
    }

    /// 200 pollers: 20 invocations, 1,020, then 2,000; their receives allow the same 100 jobs a second each.
    #[test]
    fn provisioned_pollers_rise_faster() {
        let mut load = untracked();
        load.quotas.set("lambda-concurrency", 10_000).unwrap();
        load.host = Host::Lambda(Mapping { pollers: Some(Pollers::DEFAULT), ..Mapping::TEN });
        let drained = drain(TEN_MILLION, 0, &load);
        let first_minutes = 60.0 * (200.0 + 10_200.0);
        assert!(is(drained.seconds, 120.0 + (10_000_000.0 - first_minutes) / 20_000.0 + 1.0), "{drained:?}");
        // Jobs of a millisecond: an invocation would take a thousand times as many as are received.
        load.duration_ms = 1;
        let short = drain(TEN_MILLION, 0, &load);
        assert_eq!(short.phases.last().unwrap().limited_by, "receives of the pollers");
        assert!(is(Some(short.phases.last().unwrap().rate.1), 20_000.0));
    }

    /// No way through is faster than the account's concurrency, nor slower than that after the mapping's rise.
    #[test]
    fn every_drain_is_between_its_bounds() {
        for duration_ms in [1, 10, 100, 1_000, 10_000] {
            for messages in [1_000, 1_000_000, TEN_MILLION] {
                let load = Load { duration_ms, ..untracked() };
                let seconds = drain(messages, 0, &load).seconds.unwrap();
                let fastest = messages as f64 * duration_ms as f64 / 1000.0 / 1_000.0;
                let invocation = duration_ms as f64 / 100.0;
                assert!(seconds >= fastest, "{messages} of {duration_ms} ms: {seconds}");
                assert!(seconds <= fastest + 240.0 + invocation, "{messages} of {duration_ms} ms: {seconds}");
            }
        }
    }

    /// A new table takes 2,000 lean jobs a second, and twice as many after half an hour. All have ended before the next
    /// one.
    #[test]
    fn a_new_table_holds_the_drain() {
        let load = Load::new(1, Mode::Lean);
        let drained = drain(TEN_MILLION, 0, &load);
        assert_eq!(drained.phases.last().unwrap().limited_by, "the table, which doubles its writes in half an hour");
        // The mapping is slower in the first minute: 50 a second instead of 2,000.
        let first = 60.0 * 50.0 + (1_800.0 - 60.0) * 2_000.0;
        assert!(is(drained.seconds, 1_800.0 + (10_000_000.0 - first) / 4_000.0 + 1.0), "{drained:?}");
        let mut warm = load;
        warm.quotas.set("table-warm-writes", 40_000).unwrap();
        assert!(is(drain(TEN_MILLION, 0, &warm).seconds, 1_131.8), "as without a table");
    }

    /// A job leaves the keys of open jobs and enters those of succeeded ones: 4,000 a second on four of each.
    #[test]
    fn the_listing_holds_full_records() {
        let mut load = Load::new(1, Mode::Full);
        load.quotas.set("table-warm-writes", 40_000).unwrap();
        let drained = drain(TEN_MILLION, 0, &load);
        let last = drained.phases.last().unwrap();
        assert_eq!((last.limited_by, last.rate.1), ("the listing's keys", 4_000.0));
    }

    #[test]
    fn messages_in_flight_limit_large_batches_of_long_jobs() {
        let mapping = Mapping { batch_size: 1_000, at_once: 256, ..Mapping::TEN };
        let mut load = Load { duration_ms: 60_000, host: Host::Lambda(mapping), ..untracked() };
        load.quotas.set("lambda-concurrency", 10_000).unwrap();
        let drained = drain(TEN_MILLION, 0, &load);
        assert_eq!((drained.phases.last().unwrap().limited_by, drained.peak), ("messages in flight", 120.0));
        assert_eq!(drained.in_flight, 120_000.0);
    }

    #[test]
    fn jobs_that_keep_arriving_wait_behind_the_burst() {
        let drained = drain(TEN_MILLION, 5_000, &untracked());
        assert!(is(drained.seconds, 1_131.8), "the burst came first");
        // 10,000 a second leave 5,000 for what has come.
        let behind = 10_000_000.0 - 1_092_000.0 + 240.0 * 5_000.0;
        assert!(is(drained.empty_after, 240.0 + behind / 5_000.0), "{drained:?}");
        let never = drain(1_000, 20_000, &untracked());
        assert_eq!(never.empty_after, None);
        assert!(never.seconds.is_some());
    }

    #[test]
    fn fifo_groups_and_workers_have_limits_of_their_own() {
        let fifo = Load { fifo: Some(Fifo { groups: 50, fast: true }), ..untracked() };
        // 50 groups of ten jobs a second each.
        assert!(is(drain(60_000, 0, &fifo).phases.last().map(|phase| phase.rate.1), 500.0));
        let workers = Load { host: Host::Worker { jobs_at_once: 256 }, ..untracked() };
        assert!(is(drain(TEN_MILLION, 0, &workers).seconds, 10_000_000.0 / 2_560.0 + 0.1));
    }

    #[test]
    fn each_variant_is_at_least_as_fast() {
        for mode in Mode::ALL {
            let drained: Vec<_> =
                variants(&Load::new(1, mode)).iter().map(|one| drain(TEN_MILLION, 0, &one.load)).collect();
            let seconds: Vec<_> = drained.iter().map(|one| one.seconds.unwrap()).collect();
            assert!(seconds[1..].iter().all(|one| *one <= seconds[0]), "{mode}: {seconds:?}");
            assert!(seconds.last() < seconds.first(), "{mode}: {seconds:?}");
        }
    }

    #[test]
    fn what_takes_more_than_two_weeks_has_no_end() {
        let slow = Load { duration_ms: 80_000, ..untracked() };
        let drained = drain(MOST_MESSAGES, 0, &slow);
        assert_eq!((drained.seconds, drained.empty_after, drained.oldest_s), (None, None, 1_209_600.0));
    }
}
