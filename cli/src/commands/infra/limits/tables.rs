//! The answers as tables.

use comfy_table::{Cell, CellAlignment};
use lamplighter_infra::{
    Deployment,
    cost::prices,
    limits::{
        Day, Drain, Phase, Quotas, Report, Rise, Variant,
        quotas::{QUOTAS, READ, RULES},
        text::{amount, grouped, time},
    },
};

use crate::{
    error::Error,
    output::{self, cell},
};

pub(super) fn right(text: String) -> Cell {
    cell(text).set_alignment(CellAlignment::Right)
}

pub(super) fn remark(quotas: &Quotas) {
    output::hint(&format!(
        "on paper: quotas of {READ} in {}, prices of {} in {}, free tiers left out",
        quotas.region(),
        prices::DATE,
        prices::REGION
    ));
}

/// Says how many rules the deployment has.
pub(super) fn rules(deployment: &Deployment, quotas: &Quotas) -> Result<(), Error> {
    let (used, allowed) = (deployment.rules(), quotas.get(&RULES));
    output::print(|out| writeln!(out, "rules on the default bus: {used} of {}", grouped(allowed as f64)))
}

pub(super) fn limits(report: &Report) -> Result<(), Error> {
    let mut table = output::table(&["quota", "what", "needed", "allowed", "at jobs/s", "", "what to do"]);
    let reached: Vec<_> = report.exceeded().collect();
    for limit in &report.limits {
        let is_reached = reached.contains(&limit);
        table.add_row([
            cell(if limit.quota.is_empty() { "–" } else { limit.quota }),
            cell(&limit.about),
            right(amount(limit.needed)),
            right(amount(limit.allowed)),
            right(grouped(limit.at + 1e-6)),
            cell(if is_reached { "reached" } else { "" }),
            cell(limit.remedy),
        ]);
    }
    output::print_table(&table)
}

pub(super) fn rises(rises: &[Rise]) -> Result<(), Error> {
    if rises.is_empty() {
        return Ok(());
    }
    let mut table = output::table(&["from rest", "at once", "needed", "after", "quota"]);
    for rise in rises {
        table.add_row([
            cell(rise.about),
            right(amount(rise.at_rest)),
            right(amount(rise.needed)),
            right(rise.seconds.map_or_else(|| "never".into(), time)),
            cell(rise.quota),
        ]);
    }
    output::print_table(&table)
}

pub(super) fn day(report: &Report) -> Result<(), Error> {
    let Day { sqs, lambda, pollers, dynamodb, eventbridge, logs, xray } = report.day;
    let mut table = output::table(&["$ a day", ""]);
    for (name, sum) in [
        ("SQS", sqs),
        ("Lambda", lambda),
        ("Event pollers", pollers),
        ("DynamoDB", dynamodb),
        ("EventBridge", eventbridge),
        ("Logs", logs),
        ("X-Ray, unless Tracing is PassThrough", xray),
        ("Together", report.day.total()),
    ] {
        table.add_row([cell(name), right(format!("{sum:.2}"))]);
    }
    output::print_table(&table)?;
    match report.workers {
        Some(workers) => {
            let workers = grouped(workers as f64);
            output::print(|out| writeln!(out, "workers needed: {workers}; their machines are not in the cost"))
        }
        None => Ok(()),
    }
}

pub(super) fn drains(drains: &[(Variant, Drain)]) -> Result<(), Error> {
    let headers = ["deployment", "drained after", "running", "in flight", "oldest message", "throttled", "empty after"];
    let mut table = output::table(&headers);
    let never = || "more than two weeks".to_owned();
    for (variant, drain) in drains {
        table.add_row([
            cell(variant.name),
            right(drain.seconds.map_or_else(never, time)),
            right(grouped(drain.peak)),
            right(grouped(drain.in_flight)),
            right(time(drain.oldest_s)),
            cell(if drain.throttled { "yes" } else { "no" }),
            right(drain.empty_after.map_or_else(never, time)),
        ]);
    }
    output::print_table(&table)?;
    let mut table = output::table(&["deployment", "from", "until", "running", "jobs/s", "limited by"]);
    for (variant, drain) in drains {
        for (index, Phase { from, to, limited_by, running, rate }) in drain.phases.iter().enumerate() {
            table.add_row([
                cell(if index == 0 { variant.name } else { "" }),
                right(time(*from)),
                right(time(*to)),
                right(range(*running)),
                right(range(*rate)),
                cell(limited_by),
            ]);
        }
    }
    output::print_table(&table)
}

fn range((first, last): (f64, f64)) -> String {
    let (first, last) = (grouped(first + 1e-6), grouped(last + 1e-6));
    if first == last { first } else { format!("{first}–{last}") }
}

/// Every quota, with the page that documents it.
pub(super) fn sources(quotas: &Quotas) -> Result<(), Error> {
    let mut table = output::table(&["quota", "value", "on request", "what it counts", "source"]);
    for quota in &QUOTAS {
        table.add_row([
            cell(quota.name),
            right(grouped(quotas.get(quota) as f64)),
            cell(if quota.adjustable { "more" } else { "–" }),
            cell(quota.about),
            cell(format!("{}, {}", quota.source.title, quota.source.url)),
        ]);
    }
    output::print_table(&table)
}
