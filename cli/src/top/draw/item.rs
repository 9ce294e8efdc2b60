//! One thing, in lines.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Text},
    widgets::{Paragraph, Wrap},
};

use super::Looks;
use crate::top::{content::Item, state::State};

/// Draws it from the selected line on.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, item: &Item, state: &State, looks: Looks) {
    let title = Line::from(looks.span(&item.title));
    let lines = item.lines.iter().skip(state.selected).map(|words| {
        let spans: Vec<_> = words.iter().map(|words| looks.span(words)).collect();
        Line::from(spans)
    });
    let text: Text<'_> = std::iter::once(title).chain(lines).collect();
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), area);
}
