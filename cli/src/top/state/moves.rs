//! Walking through a page, and going from one to the next.

use super::{Effect, Marks, ROWS, State};
use crate::top::{
    content::{Content, Loaded},
    page::{Page, Spot},
};

impl State {
    pub(super) fn walk(&mut self, by: isize) -> Vec<Effect> {
        let Some(table) = self.table() else {
            // Of one thing, the first line that is shown.
            let lines = match &self.loaded {
                Some(Loaded { content: Content::Item(item), .. }) => item.lines.len(),
                _ => 0,
            };
            self.selected = self.selected.saturating_add_signed(by).min(lines.saturating_sub(1));
            return Vec::new();
        };
        let last = table.rows.len().saturating_sub(1);
        let is_end = table.more && self.selected == last && by > 0;
        self.selected = self.selected.saturating_add_signed(by).min(last);
        self.selected_key = self.row().map(|row| row.key.clone());
        if is_end {
            self.limit += ROWS;
            return vec![Effect::Load];
        }
        Vec::new()
    }

    pub(super) fn visit(&mut self, spot: Spot) -> Vec<Effect> {
        if matches!(spot, Spot::Page(..)) {
            self.trail.clear();
            if spot.on() != Page::Overview {
                self.trail.push(Spot::page(Page::Overview));
            }
        }
        self.trail.push(spot);
        self.arrive()
    }

    pub(super) fn up(&mut self) -> Vec<Effect> {
        if self.trail.len() < 2 {
            return Vec::new();
        }
        let left = self.trail.pop();
        let effects = self.arrive();
        if let Some(Spot::Item(_, key)) = left {
            self.selected_key = Some(key);
        }
        effects
    }

    fn arrive(&mut self) -> Vec<Effect> {
        self.visit += 1;
        (self.loaded, self.selected, self.selected_key, self.limit) = (None, 0, None, ROWS);
        self.marks = Marks::default();
        vec![Effect::Load]
    }

    pub(super) fn open(&mut self) -> Vec<Effect> {
        let Some(key) = self.row().map(|row| row.key.clone()) else { return Vec::new() };
        let page = match self.spot().on() {
            // Its list is that of the queues.
            Page::Overview => Page::Queues,
            Page::Health => return Vec::new(),
            page => page,
        };
        self.visit(Spot::Item(page, key))
    }
}
