//! The first page.

use jiff::Timestamp;
use lamplighter_dashboard::{
    Desk,
    view::{ErrorView, Part, ScheduleView, Verdict},
};

use super::{lists, number, relative, tone};
use crate::top::content::{Column, Minute, Overview, Row, Table, Tone, Words};

pub(super) async fn read(desk: &Desk, now: Timestamp) -> Overview {
    let read = desk.overview().await;
    let minutes = read.activity.ready().map(|activity| {
        let minute = |point: &lamplighter_dashboard::view::ActivityPoint| Minute {
            succeeded: point.succeeded,
            retried: point.retried,
            failed: point.failed,
        };
        activity.points.iter().map(minute).collect()
    });
    let queues = match &read.queues {
        Part::Ready(queues) => lists::queues(queues, now),
        Part::Unavailable(_) => Table { empty: "the queues cannot be read", ..Table::default() },
    };
    let errors = match &read.errors {
        Part::Ready(groups) => errors(groups, now),
        Part::Unavailable(_) => Table { empty: "errors cannot be read here", ..Table::default() },
    };
    let schedules = match &read.schedules {
        Part::Ready(upcoming) => schedules(upcoming.missed.iter().chain(&upcoming.next), upcoming.missed.len(), now),
        Part::Unavailable(_) => Table { empty: "schedules cannot be read here", ..Table::default() },
    };
    Overview { findings: findings(&read.verdict), minutes: minutes.unwrap_or_default(), queues, errors, schedules }
}

fn findings(verdict: &Verdict) -> Vec<(Words, Words)> {
    if verdict.findings.is_empty() {
        return vec![(Words::new(Tone::Good, "all is well"), Words::default())];
    }
    let finding = |finding: &lamplighter_dashboard::view::FindingView| {
        (Words::new(tone(finding.severity), &finding.title), Words::new(Tone::Faint, &finding.detail))
    };
    let mut shown: Vec<_> = verdict.findings.iter().map(finding).collect();
    if verdict.more > 0 {
        shown.push((Words::new(Tone::Faint, format!("and {} more: g h", verdict.more)), Words::default()));
    }
    shown
}

fn errors(groups: &[ErrorView], now: Timestamp) -> Table {
    let row = |group: &ErrorView| {
        let cells = vec![
            Words::plain(&group.job),
            Words::new(Tone::Bad, &group.title),
            number(group.failures),
            relative(group.last_seen, now),
        ];
        Row::new(group.fingerprint.to_string(), cells)
    };
    Table {
        columns: vec![
            Column::text("JOB", 3),
            Column::text("ERROR", u8::MAX),
            Column::number("FAILURES", 5),
            Column::number("LATEST", 4),
        ],
        rows: groups.iter().map(row).collect(),
        empty: "nothing has failed in the last day",
        ..Table::default()
    }
}

fn schedules<'a>(all: impl Iterator<Item = &'a ScheduleView>, missed: usize, now: Timestamp) -> Table {
    let row = |(number, schedule): (usize, &ScheduleView)| {
        let next = match schedule.next.first() {
            _ if number < missed => Words::new(Tone::Bad, "missed"),
            Some(next) => relative(*next, now),
            None => Words::default(),
        };
        Row::new(&schedule.schedule, vec![Words::plain(&schedule.schedule), next, Words::plain(&schedule.job)])
    };
    Table {
        columns: vec![Column::text("SCHEDULE", u8::MAX), Column::text("NEXT", 5), Column::text("JOB", 3)],
        rows: all.enumerate().map(row).collect(),
        empty: "no schedule fires",
        ..Table::default()
    }
}
