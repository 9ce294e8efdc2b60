//! What happened in a seed, line by line.

use std::fmt;

/// A numbered list of events. Kept only where somebody reads it: a seed tells the same story whenever it is run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Story {
    is_told: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// Virtual milliseconds since the beginning.
    at: u64,
    who: String,
    what: String,
}

impl Story {
    pub(crate) fn new(is_told: bool) -> Self {
        Self { is_told, lines: Vec::new() }
    }

    /// Adds a line; `what` is not called where nobody reads it.
    pub(crate) fn tell(&mut self, at: u64, who: &str, what: impl FnOnce() -> String) {
        if self.is_told {
            self.lines.push(Line { at, who: who.to_owned(), what: what() });
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Line { at, who, what }) in (1..).zip(&self.lines) {
            let (minutes, seconds) = (at / 60_000, at % 60_000);
            writeln!(f, "{number:>4}  {minutes:>3}:{:02}.{:03}  {who:<10} {what}", seconds / 1000, seconds % 1000)?;
        }
        Ok(())
    }
}
