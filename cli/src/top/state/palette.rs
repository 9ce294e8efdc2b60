//! The palette: going to a page, a queue or a job by its name.

use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::{Effect, Mode, State, typed};
use crate::top::page::{Page, Spot};

/// The most places that are listed.
pub(in crate::top) const MOST: usize = 12;

/// What was typed, and which of the places that fit is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::top) struct Palette {
    pub(in crate::top) text: String,
    pub(in crate::top) chosen: usize,
}

/// A place that can be gone to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// What it is called: `queue mails`.
    pub(in crate::top) title: String,
    spot: Spot,
}

impl Place {
    fn page(page: Page) -> Self {
        Self { title: page.title().to_lowercase(), spot: Spot::page(page) }
    }

    /// One thing of a page.
    pub(in crate::top) fn item(page: Page, key: &str) -> Self {
        let kind = match page {
            Page::Queues => "queue",
            Page::Schedules => "schedule",
            Page::Types => "type",
            _ => "job",
        };
        Self { title: format!("{kind} {key}"), spot: Spot::Item(page, key.to_owned()) }
    }

    fn search(words: &str) -> Self {
        Self { title: format!("search jobs: {words}"), spot: Spot::Page(Page::Jobs, words.to_owned()) }
    }

    fn fits(&self, words: &str) -> bool {
        let title = self.title.to_lowercase();
        words.split_whitespace().all(|word| title.contains(&word.to_lowercase()))
    }
}

impl State {
    /// The places that fit what was typed, the nearest first.
    pub(in crate::top) fn places(&self, text: &str) -> Vec<Place> {
        let words = text.trim();
        let pages = Page::ALL.into_iter().map(Place::page);
        let mut places: Vec<_> =
            pages.chain(self.names.iter().cloned()).filter(|place| place.fits(words)).take(MOST).collect();
        if !words.is_empty() {
            // One of them may be what is meant, whatever else fits.
            places.truncate(MOST - 2);
            if !words.contains(char::is_whitespace) {
                places.push(Place::item(Page::Jobs, words));
            }
            places.push(Place::search(words));
        }
        places
    }

    /// Opens it. Names are read again: there may be others by now.
    pub(super) fn open_palette(&mut self) -> Vec<Effect> {
        self.mode = Mode::Palette(Palette::default());
        vec![Effect::Names]
    }

    /// Takes the names of what can be gone to, beside the pages.
    pub(in crate::top) fn take_names(&mut self, names: Vec<Place>) {
        self.names = names;
    }

    pub(super) fn palette(&mut self, mut palette: Palette, key: KeyEvent) -> Vec<Effect> {
        let last = self.places(&palette.text).len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Vec::new(),
            KeyCode::Enter => {
                let place = self.places(&palette.text).into_iter().nth(palette.chosen.min(last));
                return place.map_or_else(Vec::new, |place| self.go(place.spot));
            }
            KeyCode::Down | KeyCode::Tab => palette.chosen = (palette.chosen + 1).min(last),
            KeyCode::Up | KeyCode::BackTab => palette.chosen = palette.chosen.saturating_sub(1),
            _ => {
                if typed(&mut palette.text, key) {
                    palette.chosen = 0;
                }
            }
        }
        self.mode = Mode::Palette(palette);
        Vec::new()
    }

    /// Goes to one thing by way of its page, so that `u` leads there.
    fn go(&mut self, spot: Spot) -> Vec<Effect> {
        if let Spot::Item(page, _) = spot {
            self.visit(Spot::page(page));
        }
        self.visit(spot)
    }
}
