//! A list.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::Modifier,
    text::Line,
    widgets::Paragraph,
};

use super::{Looks, below};
use crate::top::{
    content::{Row, Table, Tone},
    state::State,
};

/// Columns between two columns.
const GAP: u16 = 2;
/// The widest that a column is, unless there is room.
const WIDEST: u16 = 44;
/// The narrowest that a column of text is cut to.
const NARROWEST: u16 = 8;

/// Draws a list; with a state, its selection and its marks.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, table: &Table, state: Option<&State>, looks: Looks) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    if table.rows.is_empty() {
        frame.render_widget(Paragraph::new(looks.faint(table.empty)), area);
        return;
    }
    let gutter = u16::from(state.is_some()) * 2;
    let shown = fit(table, area.width.saturating_sub(gutter));
    let titles: Vec<_> = shown.iter().map(|(at, width)| (table.columns[*at].title, *at, *width)).collect();
    let widths: Vec<u16> = shown.iter().map(|(_, width)| *width).collect();
    for ((title, at, _), cell) in titles.iter().zip(cells(area, gutter, &widths)) {
        let line = Line::from(looks.faint(*title)).alignment(alignment(table, *at));
        frame.render_widget(line, Rect { height: 1, ..cell });
    }
    let has_note = !table.note.as_str().is_empty() && area.height > 4;
    let mut body = below(area);
    body.height -= u16::from(has_note);
    let selected = state.map_or(0, |state| state.selected);
    let room = usize::from(body.height);
    // The selected row is kept in sight.
    let first = (selected + 1)
        .saturating_sub(room)
        .max(selected.saturating_sub(room / 2).min(table.rows.len().saturating_sub(room)));
    for (line, (number, row)) in (body.y..body.bottom()).zip(table.rows.iter().enumerate().skip(first)) {
        let area = Rect { y: line, height: 1, ..body };
        let is_selected = state.is_some() && number == selected;
        if let Some(state) = state {
            let mark = if state.marks.has(&row.key) { "x" } else { " " };
            let hand = if is_selected { "▌" } else { " " };
            frame.render_widget(Line::from(format!("{hand}{mark}")), Rect { width: gutter.min(area.width), ..area });
        }
        draw_row(frame, area, gutter, (table, row), (&shown, &widths), is_selected, looks);
    }
    if has_note {
        let area = Rect { y: area.bottom() - 1, height: 1, ..area };
        frame.render_widget(Line::from(looks.span(&table.note)), area);
    }
}

fn draw_row(
    frame: &mut Frame<'_>,
    area: Rect,
    gutter: u16,
    (table, row): (&Table, &Row),
    (shown, widths): (&[(usize, u16)], &[u16]),
    is_selected: bool,
    looks: Looks,
) {
    for ((at, width), cell) in shown.iter().zip(cells(area, gutter, widths)) {
        let Some(words) = row.cells.get(*at) else { continue };
        let mut style = looks.style(words.tone);
        if is_selected {
            style = style.add_modifier(Modifier::BOLD);
        }
        let line = Line::styled(cut(words.as_str(), *width), style).alignment(alignment(table, *at));
        frame.render_widget(line, cell);
    }
}

fn alignment(table: &Table, column: usize) -> Alignment {
    if table.columns[column].is_number { Alignment::Right } else { Alignment::Left }
}

/// Returns the areas of the cells in a line.
fn cells(area: Rect, gutter: u16, widths: &[u16]) -> Vec<Rect> {
    let area = Rect { x: area.x + gutter.min(area.width), width: area.width.saturating_sub(gutter), ..area };
    let areas = Layout::horizontal(widths.iter().map(|width| Constraint::Length(*width))).spacing(GAP).split(area);
    areas.to_vec()
}

/// Returns the columns that fit into this width, by their numbers, and how wide each is.
fn fit(table: &Table, room: u16) -> Vec<(usize, u16)> {
    let natural = |column: usize| {
        let longest = table.rows.iter().filter_map(|row| row.cells.get(column)).map(|cell| width(cell.as_str())).max();
        longest.unwrap_or(0).max(width(table.columns[column].title))
    };
    let natural: Vec<u16> = (0..table.columns.len()).map(natural).collect();
    let mut shown: Vec<(usize, u16)> = natural
        .iter()
        .enumerate()
        .filter(|(at, _)| table.columns[*at].weight == u8::MAX || table.rows.iter().any(|row| is_filled(row, *at)))
        .map(|(at, width)| (at, (*width).min(WIDEST)))
        .collect();
    let total = |shown: &[(usize, u16)]| -> u16 {
        let gaps = GAP * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
        shown.iter().fold(gaps, |sum, (_, width)| sum.saturating_add(*width))
    };
    while total(&shown) > room && shown.len() > 1 {
        let least = shown
            .iter()
            .enumerate()
            .min_by_key(|(place, (at, _))| (table.columns[*at].weight, std::cmp::Reverse(*place)));
        let Some((place, (_, wide))) = least.map(|(place, one)| (place, *one)) else { break };
        let over = total(&shown) - room;
        // Text is cut rather than left out, as long as something of it can be read.
        if wide.saturating_sub(over) >= NARROWEST && wide > over && !table.columns[shown[place].0].is_number {
            shown[place].1 = wide - over;
        } else {
            shown.remove(place);
        }
    }
    if let [(_, only)] = &mut shown[..] {
        *only = (*only).min(room);
    }
    // What is left goes to the widest text that was cut.
    let mut left = room.saturating_sub(total(&shown));
    for (at, width) in &mut shown {
        let more = natural[*at].saturating_sub(*width).min(left);
        *width += more;
        left -= more;
    }
    shown
}

fn is_filled(row: &Row, column: usize) -> bool {
    row.cells.get(column).is_some_and(|cell| !cell.as_str().is_empty() || cell.tone != Tone::Plain)
}

/// The columns of a terminal that a text takes.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(Line::from(text).width()).unwrap_or(u16::MAX)
}

/// Returns the text, cut to this width.
pub(super) fn cut(text: &str, most: u16) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut shown = String::new();
    for letter in text.chars() {
        let mut longer = shown.clone();
        longer.push(letter);
        if width(&longer) + 1 > most {
            break;
        }
        shown = longer;
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::content::{Column, Words};

    #[test]
    fn columns_of_little_weight_give_way() {
        let columns = vec![Column::text("ID", u8::MAX), Column::text("JOB", 3), Column::number("TRIES", 1)];
        let cells = ["order-42", "invoices.send", "3"].map(Words::plain).to_vec();
        let table = Table { columns, rows: vec![Row::new("order-42", cells)], ..Table::default() };
        let shown = |room| fit(&table, room).iter().map(|(at, _)| *at).collect::<Vec<_>>();
        assert_eq!(shown(80), [0, 1, 2]);
        assert_eq!(shown(25), [0, 1]);
        assert_eq!(fit(&table, 20), [(0, 8), (1, 10)]);
        assert_eq!(fit(&table, 4), [(0, 4)]);
    }

    #[test]
    fn text_is_cut_by_the_width_it_takes() {
        assert_eq!(cut("invoices.send", 8), "invoice…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("x", 0), "…");
    }
}
