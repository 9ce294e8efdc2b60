//! Which jobs are marked.

use std::collections::BTreeSet;

use super::{State, Words};
use crate::top::page::{Page, Spot};

/// The marks of a list of jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::top) struct Marks {
    keys: BTreeSet<String>,
    /// The one that was set last: a stretch begins here.
    anchor: Option<String>,
    /// Whether all that match are meant, shown or not.
    all: bool,
}

impl Marks {
    pub(in crate::top) fn has(&self, key: &str) -> bool {
        self.all || self.keys.contains(key)
    }

    /// For the line below the list; `None` without a mark.
    pub(in crate::top) fn said(&self) -> Option<String> {
        match (self.all, self.keys.len()) {
            (true, _) => Some("all that match are marked".into()),
            (false, 0) => None,
            (false, count) => Some(format!("{count} marked")),
        }
    }

    /// Whether all that match are meant.
    pub(super) const fn are_all(&self) -> bool {
        self.all
    }

    /// Those that are meant one by one.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = &String> {
        self.keys.iter()
    }

    /// Drops those that are gone.
    pub(super) fn keep(&mut self, keys: &[String]) {
        self.keys.retain(|mark| keys.contains(mark));
    }

    fn toggle(&mut self, key: &str) {
        self.all = false;
        self.anchor = Some(key.to_owned());
        if !self.keys.remove(key) {
            self.keys.insert(key.to_owned());
        }
    }

    /// Marks from the one that was set last to this one.
    fn reach(&mut self, keys: &[&str], to: usize) {
        self.all = false;
        let from = self.anchor.as_ref().and_then(|anchor| keys.iter().position(|key| key == anchor)).unwrap_or(to);
        self.keys.extend(keys[from.min(to)..=from.max(to)].iter().map(|key| (*key).to_owned()));
        self.anchor = Some(keys[to].to_owned());
    }
}

impl State {
    fn can_mark(&mut self) -> bool {
        let can = matches!(self.spot(), Spot::Page(Page::Jobs, _));
        if !can {
            self.message = Some(Words::plain("jobs are marked in their list; other things are acted on one by one"));
        }
        can
    }

    /// Marks the selected job, or takes its mark away, and goes on to the next.
    pub(super) fn mark(&mut self) {
        if !self.can_mark() {
            return;
        }
        let Some(key) = self.row().map(|row| row.key.clone()) else { return };
        self.marks.toggle(&key);
        self.walk(1);
    }

    /// Marks all from the last mark to the selected job.
    pub(super) fn mark_stretch(&mut self) {
        if !self.can_mark() {
            return;
        }
        let mut marks = std::mem::take(&mut self.marks);
        if let Some(table) = self.table().filter(|table| self.selected < table.rows.len()) {
            let keys: Vec<_> = table.rows.iter().map(|row| row.key.as_str()).collect();
            marks.reach(&keys, self.selected);
        }
        self.marks = marks;
    }

    /// Marks all that match, also those that are not shown; again: none.
    pub(super) fn mark_all(&mut self) {
        if self.can_mark() && self.row().is_some() {
            let all = !self.marks.all;
            self.marks = Marks { all, ..Marks::default() };
        }
    }
}
