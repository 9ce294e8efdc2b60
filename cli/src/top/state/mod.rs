//! The state of the view, and how keys change it. It knows neither the terminal nor the store.

mod asking;
mod keys;
mod marks;
mod mode;
mod moves;
mod palette;

use self::keys::typed;
pub(super) use self::{
    marks::Marks,
    mode::Mode,
    palette::{MOST, Palette},
};
pub(crate) use self::{
    mode::{Effect, Preview},
    palette::Place,
};
use super::{
    content::{Content, Loaded, Row, Table, Tone, Words},
    page::{Page, Spot},
};

/// Rows that a list begins with, and that are added when its end is passed.
pub(crate) const ROWS: usize = 200;

/// The state of the view.
#[derive(Debug)]
pub(crate) struct State {
    trail: Vec<Spot>,
    /// Counts the spots that were visited: what was read for an earlier one is not shown.
    visit: u64,
    pub(super) loaded: Option<Loaded>,
    pub(super) selected: usize,
    selected_key: Option<String>,
    pub(super) marks: Marks,
    pub(super) limit: usize,
    pub(super) held: bool,
    pub(super) mode: Mode,
    pub(super) message: Option<Words>,
    /// Whether the message is that of a read: the next one that goes well takes it away.
    is_unread: bool,
    /// Names that can be gone to.
    names: Vec<Place>,
    /// The job whose arguments are to be edited when they have been read.
    awaited: Option<String>,
    /// The options that choose this place, for commands.
    options: String,
    /// The name of this place.
    pub(super) place: String,
    /// Why nothing can be changed here.
    pub(super) read_only: Option<String>,
}

impl State {
    /// Creates the state at the first page. `options` choose the place on a command line.
    pub(crate) fn new(place: &str, options: String) -> Self {
        Self {
            trail: vec![Spot::page(Page::Overview)],
            visit: 0,
            loaded: None,
            selected: 0,
            selected_key: None,
            marks: Marks::default(),
            limit: ROWS,
            held: false,
            mode: Mode::Normal,
            message: None,
            is_unread: false,
            names: Vec::new(),
            awaited: None,
            options,
            place: Words::plain(place).as_str().to_owned(),
            read_only: None,
        }
    }

    /// Forbids changes, for this reason.
    pub(crate) fn read_only(self, why: impl Into<String>) -> Self {
        Self { read_only: Some(why.into()), ..self }
    }

    /// Where the viewer is.
    pub(crate) fn spot(&self) -> &Spot {
        const START: &Spot = &Spot::page(Page::Overview);
        self.trail.last().unwrap_or(START)
    }

    /// The number of this visit, and of rows that are wanted.
    pub(crate) const fn wanted(&self) -> (u64, usize) {
        (self.visit, self.limit)
    }

    /// Whether the view is not to be read again by itself.
    pub(crate) const fn is_held(&self) -> bool {
        self.held
    }

    /// Takes what was read for a visit.
    pub(crate) fn take(&mut self, visit: u64, read: Result<Loaded, String>) {
        if visit != self.visit {
            return;
        }
        match read {
            Ok(loaded) => {
                self.loaded = Some(loaded);
                if std::mem::take(&mut self.is_unread) {
                    self.message = None;
                }
                self.keep_selection();
            }
            Err(error) => {
                self.done(Err(error));
                self.is_unread = true;
            }
        }
    }

    /// Shows how an action went.
    pub(crate) fn done(&mut self, said: Result<String, String>) {
        self.is_unread = false;
        self.message = Some(match said {
            Ok(text) => Words::new(Tone::Good, text),
            Err(text) => Words::new(Tone::Bad, text),
        });
    }

    /// The list that is shown, if it is one. The overview's is that of its queues.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.loaded.as_ref()?.content {
            Content::Overview(overview) => Some(&overview.queues),
            Content::Table(table) => Some(table),
            Content::Item(_) => None,
        }
    }

    fn row(&self) -> Option<&Row> {
        self.table()?.rows.get(self.selected)
    }

    /// Keeps the selected row under the hand, wherever it has moved to; marks of rows that are gone are dropped.
    fn keep_selection(&mut self) {
        let Some(table) = self.table() else { return };
        let keys: Vec<_> = table.rows.iter().map(|row| row.key.clone()).collect();
        let same = self.selected_key.as_ref().and_then(|key| keys.iter().position(|one| one == key));
        self.selected = same.unwrap_or(self.selected).min(keys.len().saturating_sub(1));
        self.selected_key = keys.get(self.selected).cloned();
        self.marks.keep(&keys);
    }
}
