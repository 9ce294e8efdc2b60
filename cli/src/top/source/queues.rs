//! The queues.

use std::time::Duration;

use jiff::Timestamp;
use lamplighter_dashboard::view::QueueView;

use super::number;
use crate::{
    top::content::{Column, Row, Table, Tone, Words},
    when,
};

/// The queues, with what comes, goes and waits.
pub(super) fn table(all: &[QueueView], now: Timestamp) -> Table {
    let rate = |rate: Option<f64>| Words::plain(rate.map(|rate| format!("{rate:.1}")).unwrap_or_default());
    let row = |queue: &QueueView| {
        let oldest = queue.oldest.map(|oldest| when::short(when::between(oldest, now)));
        let drains = match (queue.drains_in_secs, queue.waiting) {
            (_, 0) => Words::default(),
            (Some(secs), _) => Words::plain(when::short(Duration::from_secs(secs))),
            // It is known what comes and goes, and it does not get less.
            (None, _) if queue.in_per_minute.is_some() && queue.out_per_minute.is_some() => {
                Words::new(Tone::Bad, "never")
            }
            (None, _) => Words::default(),
        };
        let note = match &*queue.consumer {
            "paused" => Words::new(Tone::Warn, "‖ paused"),
            "changing" => Words::new(Tone::Warn, "being switched"),
            "missing" => Words::new(Tone::Bad, "nothing takes from it"),
            _ => Words::default(),
        };
        let dead = queue.dead_letters.filter(|dead| *dead > 0);
        let cells = vec![
            Words::plain(&queue.queue),
            number(queue.waiting),
            number(queue.in_flight),
            number(queue.delayed),
            Words::plain(oldest.unwrap_or_default()),
            rate(queue.in_per_minute),
            rate(queue.out_per_minute),
            drains,
            Words::new(Tone::Bad, dead.map(|dead| dead.to_string()).unwrap_or_default()),
            note,
        ];
        Row::new(&queue.queue, cells).paused(queue.paused)
    };
    Table {
        columns: vec![
            Column::text("QUEUE", u8::MAX),
            Column::number("WAITING", 200),
            Column::number("RUNNING", 190),
            Column::number("DELAYED", 40),
            Column::number("OLDEST", 150),
            Column::number("IN/MIN", 60),
            Column::number("OUT/MIN", 60),
            Column::number("DRAINS IN", 120),
            Column::number("DEAD", 100),
            Column::text("", 180),
        ],
        rows: all.iter().map(row).collect(),
        empty: "no queues yet",
        ..Table::default()
    }
}

/// The queues, with their dead letters.
pub(super) fn dead_letters(all: &[QueueView]) -> Table {
    let row = |queue: &QueueView| {
        let dead = queue.dead_letters.map_or_else(|| "none kept".to_owned(), |dead| dead.to_string());
        let tone = if queue.dead_letters.is_some_and(|dead| dead > 0) { Tone::Bad } else { Tone::Plain };
        Row::new(&queue.queue, vec![Words::plain(&queue.queue), Words::new(tone, dead)])
    };
    Table {
        columns: vec![Column::text("QUEUE", u8::MAX), Column::number("DEAD LETTERS", 100)],
        rows: all.iter().map(row).collect(),
        empty: "no queues yet",
        ..Table::default()
    }
}
