//! Draws the state. What does not fit is left out, the least important first.

mod item;
mod overlay;
mod overview;
mod table;

#[cfg(test)]
pub(super) use self::overlay::KEYS;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    content::{Content, Tone, Words},
    page::{Page, Spot},
    state::{Mode, State},
};

/// The looks: colours, unless the environment forbids them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) colours: bool,
}

impl Looks {
    /// The style of a tone. State is never shown by colour alone: each has words, or a shape.
    fn style(self, tone: Tone) -> Style {
        let style = match tone {
            Tone::Plain => return Style::new(),
            Tone::Faint => return Style::new().add_modifier(Modifier::DIM),
            Tone::Strong => return Style::new().add_modifier(Modifier::BOLD),
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Warn => Style::new().fg(Color::Yellow),
            Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Busy => Style::new().fg(Color::Cyan),
        };
        if self.colours { style } else { Style { fg: None, ..style } }
    }

    fn span(self, words: &Words) -> Span<'_> {
        Span::styled(words.as_str(), self.style(words.tone))
    }

    fn faint(self, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(Tone::Faint))
    }
}

/// Draws all of it.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State, looks: Looks) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Paragraph::new(header(state, looks, head.width)), head);
    match &state.loaded {
        None => {
            let text = if state.message.is_some() { "" } else { "reading …" };
            frame.render_widget(Paragraph::new(looks.faint(text)), body);
        }
        Some(loaded) => match &loaded.content {
            Content::Overview(overview) => overview::draw(frame, body, overview, state, looks),
            Content::Table(table) => table::draw(frame, body, table, Some(state), looks),
            Content::Item(item) => item::draw(frame, body, item, state, looks),
        },
    }
    frame.render_widget(Paragraph::new(footer(state, looks)), foot);
    match &state.mode {
        Mode::Help => overlay::help(frame, body, looks),
        Mode::Confirm(intent, preview) => overlay::confirm(frame, body, intent, preview.as_ref(), looks),
        Mode::Misfit(intent, why) => overlay::misfit(frame, body, intent, why, looks),
        Mode::Palette(palette) => overlay::palette(frame, body, palette, &state.places(&palette.text), looks),
        Mode::Normal | Mode::Go | Mode::Search(_) => {}
    }
}

/// The place, the page, and what it is narrowed to.
fn header<'a>(state: &'a State, looks: Looks, width: u16) -> Line<'a> {
    let spot = state.spot();
    let strong = looks.style(Tone::Strong);
    let mut line =
        Line::from(vec![Span::styled(spot.on().title(), strong.add_modifier(Modifier::REVERSED)), Span::raw(" ")]);
    match spot {
        Spot::Item(_, key) => line.push_span(Span::raw(Words::plain(key).as_str().to_owned())),
        Spot::Page(_, query) if !query.is_empty() => {
            line.push_span(Span::raw(Words::plain(query).as_str().to_owned()));
        }
        Spot::Page(..) => {
            let others = Page::ALL.into_iter().filter(|page| *page != spot.on());
            let words: Vec<_> =
                others.map(|page| format!("{} {}", page.letter(), page.title().to_lowercase())).collect();
            if line.width() + words.join("  ").len() + 4 < usize::from(width) {
                line.push_span(looks.faint(format!("g: {}", words.join("  "))));
            } else {
                line.push_span(looks.faint("g…  ? help"));
            }
        }
    }
    line
}

/// What is being typed, or said, or as of when the page is.
fn footer<'a>(state: &'a State, looks: Looks) -> Line<'a> {
    match &state.mode {
        Mode::Search(text) => {
            let typed = Words::plain(text).as_str().to_owned();
            return Line::from(vec![Span::styled("/", looks.style(Tone::Strong)), Span::raw(typed), Span::raw("▏")]);
        }
        Mode::Go => {
            let letters: Vec<_> =
                Page::ALL.iter().map(|page| format!("{} {}", page.letter(), page.title().to_lowercase())).collect();
            return Line::from(letters.join("  "));
        }
        Mode::Normal | Mode::Palette(_) | Mode::Confirm(..) | Mode::Misfit(..) | Mode::Help => {}
    }
    if let Some(message) = &state.message {
        return Line::from(looks.span(message));
    }
    let live = match state.held {
        true => Span::styled("‖ held", looks.style(Tone::Warn)),
        false => Span::styled("● live", looks.style(Tone::Good)),
    };
    let mut line = Line::from(live);
    if let Some(loaded) = &state.loaded {
        line.push_span(looks.faint(format!("  as of {}", loaded.as_of.strftime("%H:%M:%SZ"))));
    }
    if let Some(marked) = state.marks.said() {
        line.push_span(Span::raw(format!("  {marked}")));
    }
    line.push_span(looks.faint(format!("  {}", state.place)));
    line
}

/// Returns the part of an area below its first line.
fn below(area: Rect) -> Rect {
    Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area }
}
