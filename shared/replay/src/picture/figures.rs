//! The figures of the year: a bar for each, linear within its column.

use super::{LEFT, Px, RIGHT, Svg, line, name};
use crate::{Outcome, Replay, clock::span, hosts};

const TITLE: f64 = 22.0;
const LINES: f64 = 84.0;
const LINE: f64 = 25.0;
/// The space for a number after its bar.
const NUMBER: f64 = 56.0;

/// A column: its title, the value of its bars, and their text.
struct Column {
    title: &'static str,
    value: fn(&Outcome) -> u64,
    text: fn(u64) -> String,
}

const COLUMNS: [Column; 6] = [
    Column { title: "late", value: |outcome| outcome.late, text: thousands },
    Column { title: "nightly late", value: |outcome| outcome.late_nightly, text: thousands },
    Column { title: "ticks missed", value: |outcome| outcome.missed, text: thousands },
    Column { title: "begun again", value: |outcome| outcome.begun_again, text: thousands },
    Column { title: "stuck, in all", value: |outcome| outcome.stuck, text: span },
    Column { title: "longest stuck", value: |outcome| outcome.longest_stuck, text: span },
];

pub(super) fn height() -> f64 {
    LINES + line(hosts::ALL.len() - 1, LINE) + LINE + 20.0
}

pub(super) fn draw(svg: &mut Svg, replay: &Replay, top: f64) {
    let heading = format!("{} days: what was late, missed or begun again", replay.days);
    svg.text("text", &[("class", &"heading"), ("x", &24), ("y", &Px(top + TITLE))], &heading);
    let lost =
        if replay.outcomes.iter().all(|outcome| outcome.lost == 0) { "No job was lost on any of them. " } else { "" };
    let jobs = replay.outcomes.first().map_or(0, |outcome| outcome.jobs);
    let sub = format!(
        "{} jobs and ticks, the same on each host, seed {}. {lost}Less is better.",
        thousands(jobs),
        replay.seed
    );
    svg.text("text", &[("class", &"sub"), ("x", &24), ("y", &Px(top + TITLE + 21.0))], &sub);
    let width = (RIGHT - LEFT) / COLUMNS.len() as f64;
    for (number, column) in COLUMNS.iter().enumerate() {
        let x = LEFT + number as f64 * width;
        svg.text("text", &[("class", &"column"), ("x", &Px(x)), ("y", &Px(top + LINES - 12.0))], column.title);
        draw_column(svg, replay, column, (x, width - NUMBER - 12.0), top + LINES);
    }
    for index in 0..hosts::ALL.len() {
        name(svg, index, top + LINES + line(index, LINE) + 16.5);
    }
}

fn draw_column(svg: &mut Svg, replay: &Replay, column: &Column, (x, width): (f64, f64), top: f64) {
    let most = replay.outcomes.iter().map(column.value).max().unwrap_or(0).max(1);
    for (index, outcome) in replay.outcomes.iter().enumerate() {
        let y = top + line(index, LINE);
        let value = (column.value)(outcome);
        let length = if value == 0 { 0.0 } else { (value as f64 / most as f64 * width).max(1.5) };
        let class = if outcome.ours { "bar ours" } else { "bar" };
        svg.leaf(
            "rect",
            &[
                ("class", &class),
                ("x", &Px(x)),
                ("y", &Px(y + 5.0)),
                ("width", &Px(length)),
                ("height", &14),
                ("rx", &2),
            ],
        );
        let class = if value == 0 { "number none" } else { "number" };
        let text = if value == 0 { "0".into() } else { (column.text)(value) };
        svg.text("text", &[("class", &class), ("x", &Px(x + length + 6.0)), ("y", &Px(y + 16.5))], &text);
    }
}

/// Formats a number: `12,345`.
fn thousands(number: u64) -> String {
    match number {
        ..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"].map(str::to_owned));
    }
}
