//! Reads a CSV: windows of bytes, one ahead, and its first row.

use bytes::Bytes;
use lamplighter_jobs::{ImportCsv, imports::CsvSource};
use lamplighter_objects::{Key, ObjectError, ObjectVersion, Objects};
use tokio::task::JoinSet;

use crate::{
    Limits,
    error::Error,
    splitter::{Sizes, Splitter},
    table::Table,
};

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
const UTF16_MARKS: [&[u8]; 2] = [&[0xff, 0xfe], &[0xfe, 0xff]];

/// One version of a CSV.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    objects: Objects,
    key: Key,
    version: ObjectVersion,
    limits: Limits,
    /// How its rows are read.
    pub(crate) csv: CsvSource,
    pub(crate) delimiter: u8,
}

/// The columns of a CSV, and where its rows begin.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) table: Table,
    /// The first byte after the header, or the beginning where there is none.
    pub(crate) start: u64,
    /// The line there.
    pub(crate) line: u64,
}

/// The most bytes before the first row that are read: empty lines.
const MOST_BEFORE: u64 = 1 << 20;

impl Source {
    /// The version that a job names.
    pub(crate) fn of(csv: CsvSource, objects: &Objects, limits: Limits) -> Result<Self, Error> {
        let key = Key::new(&csv.key)?;
        let version = ObjectVersion { size: csv.size, tag: csv.tag.clone() };
        let delimiter = delimiter(csv.delimiter).ok_or(Error::Delimiter)?;
        Ok(Self { objects: objects.clone(), key, version, limits, csv, delimiter })
    }

    /// The version that exists now.
    pub(crate) async fn find(job: &ImportCsv, objects: &Objects, limits: Limits) -> Result<Self, Error> {
        let version = objects.version(&Key::new(&job.source)?).await?;
        let csv = CsvSource {
            key: job.source.clone(),
            size: version.size,
            tag: version.tag,
            delimiter: job.delimiter,
            header: job.header,
            columns: job.columns.clone(),
        };
        Self::of(csv, objects, limits)
    }

    pub(crate) fn size(&self) -> u64 {
        self.version.size
    }

    /// The bytes from `start` to `end`, window by window.
    pub(crate) fn windows(&self, start: u64, end: u64) -> Windows {
        Windows {
            source: self.clone(),
            at: start,
            end,
            size: self.limits.window,
            reads_ahead: true,
            ahead: JoinSet::new(),
        }
    }

    /// Reads the beginning, and in it the first row.
    pub(crate) async fn head(&self) -> Result<Head, Error> {
        let mut windows = self.windows(0, self.size());
        // Headers are small, and every job reads them: mostly with one read.
        windows.size = windows.size.min(64 << 10);
        windows.reads_ahead = false;
        let (mut first_row, mut unseen, mut begun, mut mark) = (Vec::new(), Vec::new(), None, 0);
        while let Some(window) = windows.next().await? {
            unseen.extend_from_slice(&window);
            let splitter = match &mut begun {
                Some(splitter) => splitter,
                // The mark may be cut through.
                None if unseen.len() < UTF8_MARK.len() && (unseen.len() as u64) < self.size() => continue,
                None => {
                    let splitter = self.after_mark(&mut unseen)?;
                    mark = splitter.at();
                    begun.insert(splitter)
                }
            };
            // Byte by byte: the place after the first row is wanted.
            for byte in unseen.drain(..) {
                let place = splitter.at();
                splitter.feed(&[byte]);
                if splitter.number() > 0 {
                    return self.head_of(&first_row, mark, (place, splitter.line()));
                }
                if !splitter.is_between_rows() {
                    first_row.push(byte);
                } else if byte == b'\n' && !first_row.is_empty() {
                    return self.head_of(&first_row, mark, (splitter.at(), splitter.line()));
                }
            }
            let most_before = if first_row.is_empty() { MOST_BEFORE } else { MOST_BEFORE + first_row.len() as u64 };
            if first_row.len() > self.limits.row_bytes || splitter.at() > most_before {
                return Err(Error::FirstRow);
            }
        }
        let line = begun.map_or(1, |splitter| splitter.line());
        self.head_of(&first_row, mark, (self.size(), line))
    }

    /// A splitter that begins after the byte order mark in these bytes, which are the first. The mark is dropped.
    fn after_mark(&self, bytes: &mut Vec<u8>) -> Result<Splitter, Error> {
        if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
            return Err(Error::Utf16);
        }
        let mark = if bytes.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
        bytes.drain(..mark);
        let sizes = Sizes { range: 0, row: u64::MAX };
        Ok(Splitter::new(self.delimiter, sizes, mark as u64, 1))
    }

    /// The head with this first row. The next one begins at this place and in this line, or later.
    fn head_of(&self, first_row: &[u8], mark: u64, next: (u64, u64)) -> Result<Head, Error> {
        if first_row.len() > self.limits.row_bytes {
            return Err(Error::FirstRow);
        }
        let CsvSource { header, columns, .. } = &self.csv;
        let table = Table::of_first_row(first_row, self.delimiter, self.limits.rows(), *header, columns)?;
        let (start, line) = if *header { next } else { (mark, 1) };
        Ok(Head { table, start, line })
    }
}

/// The delimiter as a byte, if it can be one.
pub(crate) fn delimiter(delimiter: char) -> Option<u8> {
    let byte = u8::try_from(delimiter).ok()?;
    matches!(byte, b'\t' | b' '..=b'!' | b'#'..=b'~').then_some(byte)
}

/// The bytes of a range, window by window. While one is used, the next one is read.
#[derive(Debug)]
pub(crate) struct Windows {
    source: Source,
    at: u64,
    end: u64,
    size: u64,
    reads_ahead: bool,
    /// The read of the next window, which ends when this is dropped.
    ahead: JoinSet<Result<Bytes, ObjectError>>,
}

impl Windows {
    /// The next window; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.read_ahead();
        let read = match self.ahead.join_next().await {
            None => return Ok(None),
            Some(read) => read.map_err(|_| Error::Stopped)??,
        };
        if self.reads_ahead {
            self.read_ahead();
        }
        Ok(Some(read))
    }

    fn read_ahead(&mut self) {
        if self.ahead.is_empty() && self.at < self.end {
            let end = self.end.min(self.at.saturating_add(self.size.max(1)));
            let (Source { objects, key, version, .. }, range) = (self.source.clone(), self.at..end);
            self.at = end;
            self.ahead.spawn(async move { objects.read(&key, &version, range).await });
        }
    }
}
