//! What a page shows, ready to be drawn: no text in it can move a cursor.

use jiff::Timestamp;

use crate::foreign::safe;

/// How something stands: it decides the colour, beside the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Faint,
    Strong,
    Good,
    Warn,
    Bad,
    Busy,
}

/// Text of one tone, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    text: String,
    pub(super) tone: Tone,
}

impl Words {
    /// Text from anywhere: what a terminal interprets or hides is escaped.
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: safe(text.as_ref()).into_owned(), tone }
    }

    pub(crate) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(Tone::Plain, text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// A column of a table. Where there is no room for all, those of the lowest weight are left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(super) title: &'static str,
    pub(super) weight: u8,
    pub(super) is_number: bool,
}

impl Column {
    pub(crate) const fn text(title: &'static str, weight: u8) -> Self {
        Self { title, weight, is_number: false }
    }

    pub(crate) const fn number(title: &'static str, weight: u8) -> Self {
        Self { title, weight, is_number: true }
    }
}

/// A row, and the key by which it is opened, marked and kept in sight.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(super) key: String,
    pub(super) cells: Vec<Words>,
    /// Whether it is paused, where that can be.
    pub(super) paused: bool,
}

impl Row {
    pub(crate) fn new(key: impl Into<String>, cells: Vec<Words>) -> Self {
        Self { key: key.into(), cells, paused: false }
    }

    pub(crate) fn paused(self, paused: bool) -> Self {
        Self { paused, ..self }
    }
}

/// A list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// What the rows are: all there is, an approximation, or the newest so many.
    pub(super) note: Words,
    /// Whether there are more.
    pub(super) more: bool,
    /// What to do where there are no rows.
    pub(super) empty: &'static str,
}

/// One minute of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Minute {
    pub(super) succeeded: u64,
    pub(super) retried: u64,
    pub(super) failed: u64,
}

impl Minute {
    /// The attempts that have ended in it.
    pub(super) const fn all(&self) -> u64 {
        self.succeeded + self.retried + self.failed
    }
}

/// The first page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overview {
    /// That all is well, or what is not, by harm; with the action that helps.
    pub(super) findings: Vec<(Words, Words)>,
    /// The last sixty minutes, the oldest first. Empty where nothing is measured.
    pub(super) minutes: Vec<Minute>,
    pub(super) queues: Table,
    pub(super) errors: Table,
    pub(super) schedules: Table,
}

/// One thing, in lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Item {
    pub(super) title: Words,
    pub(super) lines: Vec<Vec<Words>>,
    /// Whether it is paused, where that can be.
    pub(super) paused: bool,
}

/// What a page shows.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Overview(Box<Overview>),
    Table(Table),
    Item(Item),
}

/// Content, and the moment that it shows.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(super) content: Content,
    pub(super) as_of: Timestamp,
}
