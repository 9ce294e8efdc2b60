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
    intent::Intent,
    state::Preview,
};

/// The keys, with what they do.
pub(crate) const KEYS: &[(&str, &str)] = &[
    (
        "g …",
        "go to: o overview, j jobs, e errors, q queues, s schedules, t types, b batches, d dead letters, p operations, h health",
    ),
    ("/", "search jobs: state:failed job:webhook.* queue:mails since:2h"),
    ("j k", "down, up; also the arrows, page up and down, home and end"),
    ("Enter u", "open; back up (also Esc)"),
    ("x", "mark a job; r and c then act on all that are marked"),
    ("r", "retry jobs, or an error group; redrive dead letters"),
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
            lines
                .extend(wrapped("Enter: do it  Esc: leave it  y: copy as a command", room).into_iter().map(Line::from));
        }
    }
    over(frame, area, " Really? ", lines, QUESTION_WIDTH);
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
