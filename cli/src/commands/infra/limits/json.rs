//! The answers as JSON.

use lamplighter_infra::{
    cost::prices,
    limits::{
        Day, Drain, Limit, Load, Phase, Quotas, Report, Rise, Variant,
        quotas::{Quota, READ},
    },
};
use serde::Serialize;

/// An answer as `--json` shows it. Rates are jobs a second, costs dollars a day.
#[derive(Serialize)]
pub(super) struct View {
    queue: Option<String>,
    mode: String,
    options: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<RateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    burst: Option<Vec<DrainView>>,
    region: String,
    quotas_of: &'static str,
    prices_of: &'static str,
}

#[derive(Serialize)]
struct RateView {
    jobs_per_second: u64,
    verdict: String,
    limits: Vec<LimitView>,
    rises: Vec<RiseView>,
    day: DayView,
    workers: Option<u64>,
}

#[derive(Serialize)]
struct LimitView {
    quota: Option<&'static str>,
    about: String,
    allowed: f64,
    needed: f64,
    at: f64,
    reached: bool,
    remedy: &'static str,
}

#[derive(Serialize)]
struct RiseView {
    quota: &'static str,
    about: &'static str,
    at_rest: f64,
    needed: f64,
    seconds: Option<f64>,
}

#[derive(Serialize)]
struct DayView {
    sqs: f64,
    lambda: f64,
    pollers: f64,
    dynamodb: f64,
    eventbridge: f64,
    logs: f64,
    xray: f64,
    total: f64,
}

#[derive(Serialize)]
struct DrainView {
    deployment: &'static str,
    options: String,
    messages: u64,
    seconds: Option<f64>,
    empty_after: Option<f64>,
    peak: f64,
    in_flight: f64,
    oldest_s: f64,
    throttled: bool,
    phases: Vec<PhaseView>,
}

#[derive(Serialize)]
struct PhaseView {
    from: f64,
    to: f64,
    limited_by: &'static str,
    running: [f64; 2],
    rate: [f64; 2],
}

#[derive(Serialize)]
pub(super) struct SourceView {
    quota: &'static str,
    value: u64,
    adjustable: bool,
    about: &'static str,
    title: &'static str,
    url: &'static str,
    read: &'static str,
}

/// One quota.
pub(super) fn source(quota: &Quota, quotas: &Quotas) -> SourceView {
    SourceView {
        quota: quota.name,
        value: quotas.get(quota),
        adjustable: quota.adjustable,
        about: quota.about,
        title: quota.source.title,
        url: quota.source.url,
        read: READ,
    }
}

/// One queue.
pub(super) fn view(
    queue: Option<&str>,
    load: &Load,
    report: Option<&Report>,
    drains: Option<&[(Variant, Drain)]>,
) -> View {
    View {
        queue: queue.map(str::to_owned),
        mode: load.mode.to_string(),
        options: load.options(),
        rate: report.map(rate_view),
        burst: drains.map(|drains| drains.iter().map(drain_view).collect()),
        region: load.quotas.region().to_owned(),
        quotas_of: READ,
        prices_of: prices::DATE,
    }
}

fn rate_view(report: &Report) -> RateView {
    let reached: Vec<_> = report.exceeded().collect();
    let limit = |limit: &Limit| LimitView {
        quota: Some(limit.quota).filter(|name| !name.is_empty()),
        about: limit.about.clone(),
        allowed: limit.allowed,
        needed: limit.needed,
        at: limit.at,
        reached: reached.contains(&limit),
        remedy: limit.remedy,
    };
    let rise = |rise: &Rise| {
        let Rise { quota, about, at_rest, needed, seconds } = *rise;
        RiseView { quota, about, at_rest, needed, seconds }
    };
    let Day { sqs, lambda, pollers, dynamodb, eventbridge, logs, xray } = report.day;
    let total = report.day.total();
    RateView {
        jobs_per_second: report.load.jobs_per_second,
        verdict: report.verdict(),
        limits: report.limits.iter().map(limit).collect(),
        rises: report.rises.iter().map(rise).collect(),
        day: DayView { sqs, lambda, pollers, dynamodb, eventbridge, logs, xray, total },
        workers: report.workers,
    }
}

fn drain_view((variant, drain): &(Variant, Drain)) -> DrainView {
    let phase = |phase: &Phase| {
        let Phase { from, to, limited_by, running, rate } = *phase;
        PhaseView { from, to, limited_by, running: running.into(), rate: rate.into() }
    };
    DrainView {
        deployment: variant.name,
        options: variant.load.options(),
        messages: drain.messages,
        seconds: drain.seconds,
        empty_after: drain.empty_after,
        peak: drain.peak,
        in_flight: drain.in_flight,
        oldest_s: drain.oldest_s,
        throttled: drain.throttled,
        phases: drain.phases.iter().map(phase).collect(),
    }
}
