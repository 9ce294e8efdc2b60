//! Splits a CSV into ranges at row borders, in one pass over its bytes.
//!
//! It follows quotation marks exactly as the parser does, which a test holds, and keeps no bytes: between two pieces its state
//! is a few numbers, so a job can go on from it in another process.

use lamplighter_jobs::imports::{RowRange, SkippedRow};
use memchr::{memchr3, memchr3_iter};
use serde::{Deserialize, Serialize};

use crate::lines::Lines;

pub(crate) const QUOTE: u8 = b'"';

/// Where a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    /// Between two rows, or in an empty line.
    Between,
    /// At the beginning of a field.
    FieldStart,
    /// In a field that is not quoted, or behind the quotes: a quotation mark means itself.
    Plain,
    /// In quotes: all but a quotation mark means itself.
    Quoted,
    /// After a quotation mark in quotes: it ends them, unless another one follows.
    AfterQuote,
}

/// The sizes that decide where ranges end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    /// A range ends with the row that makes it as large as this, in bytes.
    pub(crate) range: u64,
    /// A row above this, in bytes and without its line break, is in no range.
    pub(crate) row: u64,
}

/// The state of a split: see the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Splitter {
    delimiter: u8,
    sizes: Sizes,
    place: Place,
    at: u64,
    lines: Lines,
    /// The row that has begun last.
    row: u64,
    row_line: u64,
    /// The number of the open range, its first row if it has one, and its line.
    number: u64,
    start: Option<(u64, u64)>,
    /// The row that was left out before the open range.
    skipped: Option<SkippedRow>,
    /// The ranges that nobody has taken.
    ranges: Vec<RowRange>,
}

impl Splitter {
    /// Begins at a row, or at an empty line before one.
    pub(crate) const fn new(delimiter: u8, sizes: Sizes, at: u64, line: u64) -> Self {
        Self {
            delimiter,
            sizes,
            place: Place::Between,
            at,
            lines: Lines::at(line),
            row: at,
            row_line: line,
            number: 0,
            start: None,
            skipped: None,
            ranges: Vec::new(),
        }
    }

    /// The place up to which bytes were fed.
    pub(crate) const fn at(&self) -> u64 {
        self.at
    }

    /// The line there.
    pub(crate) const fn line(&self) -> u64 {
        self.lines.line
    }

    /// Whether no row is open there.
    pub(crate) fn is_between_rows(&self) -> bool {
        self.place == Place::Between
    }

    /// The number of ranges that have ended.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The ranges that have ended and were not taken.
    pub(crate) fn ranges(&self) -> &[RowRange] {
        &self.ranges
    }

    /// Takes the first ranges, this many at most.
    pub(crate) fn take(&mut self, most: usize) -> Vec<RowRange> {
        self.ranges.drain(..most.min(self.ranges.len())).collect()
    }

    /// Goes over the next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut next = 0;
        while let Some(&byte) = bytes.get(next) {
            let rest = &bytes[next..];
            next += match self.place {
                Place::Between => self.between(byte),
                Place::FieldStart if byte == QUOTE => self.go(Place::Quoted),
                Place::FieldStart | Place::Plain => self.plain(rest),
                Place::Quoted => self.quoted(rest),
                Place::AfterQuote if byte == QUOTE => self.go(Place::Quoted),
                Place::AfterQuote => self.plain(rest),
            };
        }
    }

    /// Ends at the end of the CSV.
    pub(crate) fn end(&mut self) {
        if self.place != Place::Between {
            self.end_row(self.place == Place::Quoted);
        }
        if self.start.is_some() || self.skipped.is_some() {
            self.end_range(self.at, self.lines.line);
        }
    }

    fn go(&mut self, place: Place) -> usize {
        self.place = place;
        self.at += 1;
        1
    }

    fn between(&mut self, byte: u8) -> usize {
        if matches!(byte, b'\r' | b'\n') {
            self.lines.end(self.at, byte);
            return self.go(Place::Between);
        }
        // A row begins, with this byte still to come.
        let (at, line) = (self.at, self.lines.line);
        if self.start.is_some_and(|(start, _)| at - start >= self.sizes.range) {
            self.end_range(at, line);
        }
        (self.row, self.row_line) = (at, line);
        self.start.get_or_insert((at, line));
        self.place = Place::FieldStart;
        0
    }

    /// Goes on outside of quotes, up to the end of the field.
    fn plain(&mut self, bytes: &[u8]) -> usize {
        let Some(found) = memchr3(self.delimiter, b'\r', b'\n', bytes) else {
            self.at += bytes.len() as u64;
            self.place = Place::Plain;
            return bytes.len();
        };
        self.at += found as u64;
        let byte = bytes[found];
        if byte == self.delimiter {
            self.go(Place::FieldStart);
        } else {
            self.end_row(false);
            self.lines.end(self.at, byte);
            self.go(Place::Between);
        }
        found + 1
    }

    /// Goes on in quotes, up to the next quotation mark.
    fn quoted(&mut self, bytes: &[u8]) -> usize {
        for found in memchr3_iter(QUOTE, b'\r', b'\n', bytes) {
            let place = self.at + found as u64;
            match bytes[found] {
                QUOTE => {
                    self.at = place;
                    self.go(Place::AfterQuote);
                    return found + 1;
                }
                byte => self.lines.end(place, byte),
            }
        }
        self.at += bytes.len() as u64;
        bytes.len()
    }

    /// Ends the row, before its line break. One that is too large is left out of the ranges.
    fn end_row(&mut self, unclosed: bool) {
        if self.at - self.row <= self.sizes.row {
            return;
        }
        let (row, line) = (self.row, self.row_line);
        if self.start.is_some_and(|(start, _)| start < row) {
            self.end_range(row, line);
        } else if self.skipped.is_some() {
            self.start = None;
            self.end_range(row, line);
        }
        self.skipped = Some(SkippedRow { line, unclosed });
        self.start = None;
    }

    /// Ends the open range here. Without rows, it is empty, and only says which row is missing before it.
    fn end_range(&mut self, end: u64, line: u64) {
        let (start, line) = self.start.take().unwrap_or((end, line));
        let skipped = self.skipped.take();
        self.ranges.push(RowRange { number: self.number, start, end, line, skipped });
        self.number += 1;
    }
}
