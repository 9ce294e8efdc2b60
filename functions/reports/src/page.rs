//! The report as one self-contained HTML page.

use askama::Template;
use jiff::{Timestamp, tz::TimeZone};
use lamplighter::JobState;

use crate::summary::{Durations, Summary};

/// The most errors that are shown.
const ERRORS: usize = 12;
/// Error texts are cut at this length: the record has the whole.
const ERROR_CHARS: usize = 400;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    written: String,
    complete: bool,
    tiles: Vec<Tile>,
    bars: Vec<Bar>,
    busiest: String,
    jobs: Vec<Row>,
    errors: Vec<ErrorRow>,
}

struct Tile {
    label: &'static str,
    value: String,
    note: String,
    /// A class of the page's style sheet.
    tone: &'static str,
}

/// One hour in the chart; heights in units of its view box.
struct Bar {
    hour: usize,
    x: usize,
    ok: f64,
    failed: f64,
    label: String,
}

struct Row {
    name: String,
    total: String,
    succeeded: String,
    failed: String,
    open: String,
    attempts: String,
    p50: String,
    p95: String,
    max: String,
    /// Shares of succeeded and failed jobs in percent.
    ok_share: f64,
    failed_share: f64,
}

struct ErrorRow {
    job: String,
    text: String,
    count: String,
    last: String,
    id: String,
}

/// Height of the chart's bars in its view box.
const CHART: f64 = 100.0;

/// Writes the page.
pub(crate) fn render(summary: &Summary, now: Timestamp) -> Result<String, askama::Error> {
    let jobs = summary.jobs.iter().map(|(name, job)| {
        let (total, succeeded, failed) = (job.total(), job.count(JobState::Succeeded), job.count(JobState::Failed));
        let time = |of: fn(&Durations) -> u64| job.durations().map_or_else(|| "–".into(), |times| duration(of(&times)));
        Row {
            name: name.clone(),
            total: number(total),
            succeeded: number(succeeded),
            failed: number(failed),
            open: number(job.states.iter().zip(JobState::ALL).filter(|(_, s)| !s.is_final()).map(|(n, _)| n).sum()),
            attempts: number(job.attempts),
            p50: time(|times| times.p50),
            p95: time(|times| times.p95),
            max: time(|times| times.max),
            ok_share: percent(succeeded, total),
            failed_share: percent(failed, total),
        }
    });
    let errors = summary.errors(ERRORS).into_iter().map(|(job, error)| ErrorRow {
        job: job.into(),
        text: shortened(&error.text),
        count: number(error.count),
        last: TimeZone::UTC.to_datetime(error.last).strftime("%-d %b %H:%M").to_string(),
        id: error.id.to_string(),
    });
    Page {
        title: summary.day.strftime("%A, %-d %B %Y").to_string(),
        written: TimeZone::UTC.to_datetime(now).strftime("%Y-%m-%d %H:%M UTC").to_string(),
        complete: summary.complete,
        tiles: tiles(summary),
        bars: bars(summary),
        busiest: number(summary.hours.iter().map(|hour| hour.total).max().unwrap_or(0)),
        jobs: jobs.collect(),
        errors: errors.collect(),
    }
    .render()
}

fn tiles(summary: &Summary) -> Vec<Tile> {
    let (total, succeeded, failed) =
        (summary.total(), summary.count(JobState::Succeeded), summary.count(JobState::Failed));
    let cancelled = summary.count(JobState::Cancelled);
    let attempts: u64 = summary.jobs.values().map(|job| job.attempts).sum();
    let failed_attempts: u64 = summary.jobs.values().map(|job| job.failed_attempts).sum();
    let open = total - succeeded - failed - cancelled;
    let share = |part| if total == 0 { String::new() } else { format!("{:.1} %", percent(part, total)) };
    vec![
        Tile { label: "Jobs", value: number(total), note: format!("{} kinds", summary.jobs.len()), tone: "" },
        Tile { label: "Succeeded", value: number(succeeded), note: share(succeeded), tone: "ok" },
        Tile { label: "Failed", value: number(failed), note: share(failed), tone: if failed > 0 { "bad" } else { "" } },
        Tile { label: "Still open", value: number(open), note: format!("{} cancelled", number(cancelled)), tone: "" },
        Tile {
            label: "Attempts",
            value: number(attempts),
            note: format!("{} of them failed", number(failed_attempts)),
            tone: "",
        },
    ]
}

fn bars(summary: &Summary) -> Vec<Bar> {
    let most = summary.hours.iter().map(|hour| hour.total).max().unwrap_or(0).max(1);
    let height = |jobs: u64| (jobs as f64 / most as f64 * CHART * 10.0).round() / 10.0;
    let bar = |(hour, of): (usize, &crate::summary::Hour)| Bar {
        hour,
        x: hour * 20,
        ok: height(of.total - of.failed),
        failed: height(of.failed),
        label: format!("{hour:02}:00: {} jobs, {} failed", number(of.total), number(of.failed)),
    };
    summary.hours.iter().enumerate().map(bar).collect()
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 10.0 }
}

/// A number with thin spaces between groups of three digits.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// Milliseconds in a readable form.
fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(ERROR_CHARS) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!(
            [0, 999, 1_000, 59_949, 61_000, 3_660_000].map(duration),
            ["0 ms", "999 ms", "1.0 s", "59.9 s", "1 min 1 s", "1 h 1 min"]
        );
        assert_eq!(shortened(&"ü".repeat(500)).chars().count(), ERROR_CHARS + 1);
    }
}
