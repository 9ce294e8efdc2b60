//! The first page, in panes: the verdict, sixty minutes, queues, errors, schedules.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    symbols,
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph},
};

use super::{Looks, table};
use crate::top::{
    content::{Minute, Overview, Table, Tone, Words},
    state::State,
};

/// From these columns on, there are two of panes.
const TWO_COLUMNS: u16 = 110;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, overview: &Overview, state: &State, looks: Looks) {
    let verdict = verdict(overview, looks);
    let height = u16::try_from(verdict.len()).unwrap_or(u16::MAX);
    let [top, rest] =
        Layout::vertical([Constraint::Length(height.min(area.height / 3).max(1)), Constraint::Min(0)]).areas(area);
    frame.render_widget(Paragraph::new(verdict), top);
    let wanted = |table: &Table| u16::try_from(table.rows.len().max(1)).unwrap_or(u16::MAX).saturating_add(2);
    if area.width >= TWO_COLUMNS && rest.height >= 16 {
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(rest);
        let [chart, queues] = Layout::vertical([Constraint::Length(9), Constraint::Min(0)]).areas(left);
        let errors = wanted(&overview.errors).min(right.height / 2);
        let [errors, schedules] = Layout::vertical([Constraint::Length(errors), Constraint::Min(0)]).areas(right);
        minutes(frame, chart, &overview.minutes, looks);
        pane(frame, queues, "Queues", &overview.queues, Some(state), looks);
        pane(frame, errors, "Errors", &overview.errors, None, looks);
        pane(frame, schedules, "Next schedules", &overview.schedules, None, looks);
        return;
    }
    // One below the other, the least important left out first.
    let mut left = rest.height;
    let mut take = |wanted: u16, least: u16| {
        let taken = if left >= least { wanted.min(left) } else { 0 };
        left -= taken;
        taken
    };
    let queues = take(wanted(&overview.queues).min(if rest.height > 16 { 8 } else { 6 }), 3);
    let errors = take(wanted(&overview.errors).min(7), 3);
    let chart = take(if rest.height > 22 { 7 } else { 5 }, 4);
    let schedules = take(wanted(&overview.schedules), 3);
    let rows = [chart, queues, errors, schedules].map(Constraint::Length);
    let [chart, queues, errors, schedules] = Layout::vertical(rows).areas(rest);
    minutes(frame, chart, &overview.minutes, looks);
    pane(frame, queues, "Queues", &overview.queues, Some(state), looks);
    pane(frame, errors, "Errors", &overview.errors, None, looks);
    pane(frame, schedules, "Next schedules", &overview.schedules, None, looks);
}

fn verdict<'a>(overview: &'a Overview, looks: Looks) -> Vec<Line<'a>> {
    let line = |(what, action): &'a (Words, Words)| {
        let shape = match what.tone {
            Tone::Good => "✔ ",
            Tone::Bad => "✘ ",
            Tone::Warn => "▲ ",
            _ => "  ",
        };
        let mut line = Line::from(vec![Span::styled(shape, looks.style(what.tone)), looks.span(what)]);
        if !action.as_str().is_empty() {
            line.push_span(Span::raw("  "));
            line.push_span(looks.span(action));
        }
        line
    };
    overview.findings.iter().map(line).collect()
}

fn pane(frame: &mut Frame<'_>, area: Rect, title: &'static str, table: &Table, state: Option<&State>, looks: Looks) {
    let Some(inside) = frame_of(frame, area, title.to_owned(), looks) else { return };
    table::draw(frame, inside, table, state, looks);
}

/// Draws the line above a pane, and returns the area below it; nothing where there is no room.
fn frame_of(frame: &mut Frame<'_>, area: Rect, title: String, looks: Looks) -> Option<Rect> {
    if area.height < 2 {
        return None;
    }
    let title = Span::styled(format!("{title} "), looks.style(Tone::Strong));
    let block = Block::new().borders(Borders::TOP).border_style(looks.style(Tone::Faint)).title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    Some(inside)
}

/// A bar for each minute: succeeded, with retried and failed on top of it.
fn minutes(frame: &mut Frame<'_>, area: Rect, minutes: &[Minute], looks: Looks) {
    let sum = |of: fn(&Minute) -> u64| minutes.iter().map(of).sum::<u64>();
    let (succeeded, retried, failed) = (sum(|one| one.succeeded), sum(|one| one.retried), sum(|one| one.failed));
    let title = match minutes.is_empty() {
        true => "Sixty minutes".to_owned(),
        false => format!("Sixty minutes: {succeeded} succeeded, {retried} retried, {failed} failed"),
    };
    let Some(inside) = frame_of(frame, area, title, looks) else { return };
    if minutes.is_empty() {
        frame.render_widget(Line::from(looks.faint("nothing was measured")), inside);
        return;
    }
    let tallest = minutes.iter().map(Minute::all).max().unwrap_or(0).max(1);
    let room = usize::from(inside.width);
    // The latest minutes, where there is no room for all, and two columns for each where there is.
    let wide = if room >= minutes.len() * 2 { 2 } else { 1 };
    let shown = minutes.iter().skip(minutes.len().saturating_sub(room));
    let height = u64::from(inside.height);
    for (number, minute) in shown.enumerate() {
        let x = inside.x + u16::try_from(number).unwrap_or(0) * wide;
        let eighths = |count: u64| (count * height * 8).div_ceil(tallest);
        let bars = [
            (eighths(minute.failed), Tone::Bad),
            (eighths(minute.failed + minute.retried), Tone::Warn),
            (eighths(minute.all()), Tone::Good),
        ];
        for (from_bottom, y) in (inside.y..inside.bottom()).rev().enumerate() {
            let floor = from_bottom as u64 * 8;
            let filled = bars[2].0.saturating_sub(floor).min(8);
            let Some((_, tone)) = bars.iter().find(|(top, _)| *top > floor) else { break };
            let cell = Rect { x, y, width: 1, height: 1 };
            frame.render_widget(Span::styled(BARS[filled as usize], looks.style(*tone)), cell);
        }
    }
}

const BARS: [&str; 9] = [
    " ",
    symbols::bar::ONE_EIGHTH,
    symbols::bar::ONE_QUARTER,
    symbols::bar::THREE_EIGHTHS,
    symbols::bar::HALF,
    symbols::bar::FIVE_EIGHTHS,
    symbols::bar::THREE_QUARTERS,
    symbols::bar::SEVEN_EIGHTHS,
    symbols::bar::FULL,
];
