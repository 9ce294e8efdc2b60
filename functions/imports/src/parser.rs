//! Parses the rows of a range piece by piece, with a bounded amount of memory.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::{lines::Lines, problem::Problem};

/// The largest rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowLimits {
    /// The most bytes, without the line break.
    pub(crate) bytes: usize,
    /// The most columns.
    pub(crate) columns: usize,
}

/// A parser that is fed the bytes of whole rows.
pub(crate) struct Parser {
    reader: Reader,
    limits: RowLimits,
    lines: Lines,
    at: u64,
    row: Option<OpenRow>,
    /// The row's fields, one after the other, and the place after each of them.
    fields: Vec<u8>,
    ends: Vec<usize>,
}

/// A row that has begun.
#[derive(Debug, Clone, Copy)]
struct OpenRow {
    line: u64,
    /// Where it begins.
    start: u64,
    /// What is filled of the fields, and of their ends.
    fields: usize,
    ends: usize,
    problem: Option<Problem>,
}

/// A row.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    /// Its line.
    pub(crate) line: u64,
    fields: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// The number of its fields.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its fields, in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, mut start) = (self.fields, 0);
        self.ends.iter().map(move |&end| {
            let field = fields.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }
}

/// What was found in some bytes.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// All of them were used, and no row has ended.
    Nothing,
    Row(Row<'a>),
    /// A row that cannot be used, and its line.
    Bad(u64, Problem),
}

impl Parser {
    /// A parser of rows that begin in this line.
    pub(crate) fn new(delimiter: u8, limits: RowLimits, line: u64) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
        // At its very beginning it drops a byte order mark. Only the CSV's beginning has one, and there it is gone already: in
        // front of a row in the middle, the same bytes are text.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        Self { reader, limits, lines: Lines::at(line), at: 0, row: None, fields: vec![0; 1024], ends: vec![0; 32] }
    }

    /// Goes over the next bytes, up to the end of a row. Returns how many were used.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (usize, Found<'_>) {
        let mut used = 0;
        let Some(mut row) = self.row.take().or_else(|| self.begin(bytes, &mut used)) else {
            return (used, Found::Nothing);
        };
        let ended = self.read(&mut row, bytes, &mut used);
        if !ended {
            self.row = Some(row);
            return (used, Found::Nothing);
        }
        // Its line break is one byte here: the second half of two comes with the next row.
        let size = self.at - row.start - 1;
        (used, self.found(row, size))
    }

    /// Ends at the end of the range. The last row of a CSV may have no line break.
    pub(crate) fn end(&mut self) -> Found<'_> {
        let Some(mut row) = self.row.take() else { return Found::Nothing };
        let size = self.at - row.start;
        // A line break ends every row, unless it is in quotes.
        if !self.read(&mut row, b"\n", &mut 0) {
            row.problem = Some(Problem::Unclosed);
        }
        self.found(row, size)
    }

    /// Begins a row, after empty lines. The parser would skip them too, but not count them.
    fn begin(&mut self, bytes: &[u8], used: &mut usize) -> Option<OpenRow> {
        while let Some(&byte) = bytes.get(*used) {
            if !matches!(byte, b'\r' | b'\n') {
                return Some(OpenRow { line: self.lines.line, start: self.at, fields: 0, ends: 0, problem: None });
            }
            self.lines.end(self.at, byte);
            self.at += 1;
            *used += 1;
        }
        None
    }

    /// Reads on in a row. Returns whether it has ended.
    fn read(&mut self, row: &mut OpenRow, bytes: &[u8], used: &mut usize) -> bool {
        // Without bytes, the parser would take it for the end of the CSV.
        while let Some(rest) = bytes.get(*used..).filter(|rest| !rest.is_empty()) {
            let (fields, ends) = (&mut self.fields[row.fields..], &mut self.ends[row.ends..]);
            let (result, read, written, ended) = self.reader.read_record(rest, fields, ends);
            self.lines.pass(self.at, &rest[..read]);
            self.at += read as u64;
            *used += read;
            row.fields += written;
            row.ends += ended;
            match result {
                ReadRecordResult::Record => return true,
                ReadRecordResult::OutputFull => self.make_room_for_bytes(row),
                ReadRecordResult::OutputEndsFull => self.make_room_for_columns(row),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        false
    }

    /// Of a row that is too large nothing is kept.
    fn make_room_for_bytes(&mut self, row: &mut OpenRow) {
        // One more, to tell that there are too many.
        let most = self.limits.bytes.saturating_add(1);
        if self.fields.len() < most {
            let more = self.fields.len().saturating_mul(2).min(most);
            self.fields.resize(more, 0);
        } else {
            row.problem = Some(Problem::TooLarge);
            row.fields = 0;
        }
    }

    fn make_room_for_columns(&mut self, row: &mut OpenRow) {
        let most = self.limits.columns.saturating_add(1);
        if self.ends.len() < most {
            let more = self.ends.len().saturating_mul(2).min(most);
            self.ends.resize(more, 0);
        } else {
            row.problem.get_or_insert(Problem::TooManyColumns);
            row.ends = 0;
        }
    }

    fn found(&self, row: OpenRow, size: u64) -> Found<'_> {
        let problem = match row.problem {
            Some(Problem::Unclosed) => Some(Problem::Unclosed),
            _ if size > self.limits.bytes as u64 => Some(Problem::TooLarge),
            None if row.ends > self.limits.columns => Some(Problem::TooManyColumns),
            problem => problem,
        };
        match problem {
            Some(problem) => Found::Bad(row.line, problem),
            None => {
                Found::Row(Row { line: row.line, fields: &self.fields[..row.fields], ends: &self.ends[..row.ends] })
            }
        }
    }
}
