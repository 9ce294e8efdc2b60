//! What is laid over a page: the keys, and the question before an action.

use std::mem;

use ratatui::{
    Frame,
    layout::{Constraint, Flex, Layout, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{Looks, table::width};
use crate::top::{
    content::{Tone, Words},
    intent::{Intent, Subject},
    state::{MOST, Palette, Place, Preview},
};

/// The keys, with what they do.
pub(crate) const KEYS: &[(&str, &str)] = &[
    (
        "g …",
        "go to: o overview, j jobs, e errors, q queues, s schedules, t types, b batches, d dead letters, p operations, h health",
    ),
    (":", "go to a page, a queue, a type, a schedule or a job by its name"),
    ("/", "search jobs: state:failed job:webhook.* queue:mails since:2h"),
    ("j k", "down, up; also the arrows, page up and down, home and end"),
    ("Enter u", "open; back up (also Esc)"),
    ("x X *", "mark a job; all from the last mark to here; all that match. r and c then act on all that are marked"),
    ("r", "retry jobs, or an error group; redrive dead letters"),
    ("E", "edit a job's arguments in $EDITOR, and run a copy with them"),
    ("c", "cancel jobs or a batch; stop an operation"),
    ("P", "pause or resume a queue or a schedule"),
    ("y", "copy the same as a command"),
    (".", "hold the page; again: live"),
    ("? q", "these keys; quit"),
];

/// The widest that the frames are.
const KEYS_WIDTH: u16 = 90;
const QUESTION_WIDTH: u16 = 72;

pub(super) fn help(frame: &mut Frame<'_>, area: Rect, looks: Looks) {
    let room = KEYS_WIDTH.min(area.width).saturating_sub(12);
    let mut lines = Vec::new();
    for (keys, what) in KEYS {
        for (number, part) in wrapped(what, room).into_iter().enumerate() {
            let keys = if number == 0 { *keys } else { "" };
            lines
                .push(Line::from(vec![Span::styled(format!("{keys:<8}"), looks.style(Tone::Strong)), Span::raw(part)]));
        }
    }
    over(frame, area, " Keys ", lines, KEYS_WIDTH);
}

pub(super) fn confirm(frame: &mut Frame<'_>, area: Rect, intent: &Intent, preview: Option<&Preview>, looks: Looks) {
    let room = QUESTION_WIDTH.min(area.width).saturating_sub(2);
    let strong = looks.style(Tone::Strong);
    let mut lines: Vec<_> =
        wrapped(&capital(&intent.to_string()), room).into_iter().map(|line| Line::styled(line, strong)).collect();
    match preview {
        None => lines.push(Line::from(looks.faint("counting …"))),
        Some(preview) => {
            let shown = preview.lines.iter().flat_map(|line| wrapped(Words::plain(line).as_str(), room));
            lines.extend(shown.map(Line::from));
            lines.push(Line::default());
            let again = if matches!(intent.subject, Subject::Edited { .. }) { "E: edit again  " } else { "" };
            let choice = format!("Enter: do it  {again}Esc: leave it  y: copy as a command");
            lines.extend(wrapped(&choice, room).into_iter().map(Line::from));
        }
    }
    over(frame, area, " Really? ", lines, QUESTION_WIDTH);
}

/// Arguments that do not fit.
pub(super) fn misfit(frame: &mut Frame<'_>, area: Rect, intent: &Intent, why: &str, looks: Looks) {
    let room = QUESTION_WIDTH.min(area.width).saturating_sub(2);
    let lines = |text: &str| wrapped(text, room).into_iter();
    let mut all: Vec<_> =
        lines(&capital(&intent.to_string())).map(|line| Line::styled(line, looks.style(Tone::Strong))).collect();
    all.extend(lines(Words::plain(why).as_str()).map(|line| Line::styled(line, looks.style(Tone::Bad))));
    all.push(Line::default());
    all.extend(lines("Enter: edit again  Esc: leave it").map(Line::from));
    over(frame, area, " They do not fit ", all, QUESTION_WIDTH);
}

/// What is being typed, and the places that fit it.
pub(super) fn palette(frame: &mut Frame<'_>, area: Rect, palette: &Palette, places: &[Place], looks: Looks) {
    let strong = looks.style(Tone::Strong);
    let typed = Words::plain(&palette.text);
    let mut lines =
        vec![Line::from(vec![Span::styled(":", strong), Span::raw(typed.as_str().to_owned()), Span::raw("▏")])];
    // The chosen one is kept in sight.
    let room = usize::from(area.height).saturating_sub(3).max(1);
    let first = (palette.chosen + 1).saturating_sub(room);
    for (at, place) in places.iter().enumerate().skip(first).take(room) {
        let title = Words::plain(&place.title).as_str().to_owned();
        lines.push(match at == palette.chosen {
            true => Line::styled(format!("▌{title}"), strong),
            false => Line::from(format!(" {title}")),
        });
    }
    // It stays where it is while it becomes shorter.
    lines.resize_with((MOST + 1).min(room + 1).max(lines.len()), Line::default);
    over(frame, area, " Go to ", lines, QUESTION_WIDTH);
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Draws lines in a frame in the middle of the area.
fn over(frame: &mut Frame<'_>, area: Rect, title: &'static str, lines: Vec<Line<'static>>, widest: u16) {
    let width = widest.min(area.width);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let [row] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(area);
    let [place] = Layout::horizontal([Constraint::Length(width)]).flex(Flex::Center).areas(row);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), place);
}

/// Breaks text into lines of this width, between words where that is possible.
fn wrapped(text: &str, most: u16) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > most {
            lines.push(mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
