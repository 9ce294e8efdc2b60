//! What a job writes down while it runs.

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How important a line of a job's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Details, for finding an error.
    Debug,
    /// What it does.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

impl LogLevel {
    /// All levels, the least important first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The level's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| UnknownLevel(text.into()))
    }
}

/// A text that is not the name of a [`LogLevel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a level; levels are debug, info, warn and error")]
pub struct UnknownLevel(String);

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// The attempt that wrote it.
    pub attempt: u32,
    /// Its level.
    pub level: LogLevel,
    /// The text.
    pub text: String,
}

impl LogLine {
    /// The longest text, in bytes: the rest is cut.
    pub const MAX_BYTES: usize = 2048;
    /// The lines that are kept of an attempt. What it writes after that is dropped, and the last line says so.
    pub const MAX_PER_ATTEMPT: usize = 500;
    /// The lines about operations that are kept of a job, as those of attempt 0. More are dropped.
    pub const MAX_OF_OPERATORS: usize = 100;

    /// A line.
    pub fn new(at: Timestamp, attempt: u32, level: LogLevel, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > Self::MAX_BYTES {
            let mut end = Self::MAX_BYTES - CUT.len();
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str(CUT);
        }
        Self { at, attempt, level, text }
    }
}

const CUT: &str = "…";
const FULL: &str = "this attempt has written as many lines as are kept: the rest is dropped";

/// The lines of an attempt that are not in the store yet. One writer at a time takes them, so that they keep their order.
#[derive(Debug, Default)]
pub(crate) struct LogBuffer(Mutex<Buffered>);

#[derive(Debug, Default)]
struct Buffered {
    lines: Vec<LogLine>,
    /// The lines so far, with those in the store.
    count: usize,
    has_writer: bool,
    /// Whether the attempt has ended: its settlement has the last lines.
    has_ended: bool,
}

impl LogBuffer {
    fn buffered(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, unless the log is full, and returns whether the caller becomes the writer.
    pub(crate) fn push(&self, line: LogLine) -> bool {
        let mut buffered = self.buffered();
        buffered.count += 1;
        match buffered.count {
            _ if buffered.has_ended => return false,
            count if count < LogLine::MAX_PER_ATTEMPT => buffered.lines.push(line),
            LogLine::MAX_PER_ATTEMPT => buffered.lines.push(LogLine::new(line.at, line.attempt, LogLevel::Warn, FULL)),
            _ => return false,
        }
        !std::mem::replace(&mut buffered.has_writer, true)
    }

    /// Returns lines for the writer. Without any, it is the writer no longer.
    pub(crate) fn take(&self) -> Option<Vec<LogLine>> {
        let mut buffered = self.buffered();
        let lines = std::mem::take(&mut buffered.lines);
        buffered.has_writer = !lines.is_empty();
        buffered.has_writer.then_some(lines)
    }

    /// Takes back lines that the writer could not write.
    pub(crate) fn put_back(&self, mut lines: Vec<LogLine>) {
        let mut buffered = self.buffered();
        if !buffered.has_ended {
            lines.append(&mut buffered.lines);
            buffered.lines = lines;
        }
    }

    /// Returns the lines that remain at the end of the attempt.
    pub(crate) fn end(&self) -> Vec<LogLine> {
        let mut buffered = self.buffered();
        buffered.has_ended = true;
        std::mem::take(&mut buffered.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: impl Into<String>) -> LogLine {
        LogLine::new(Timestamp::UNIX_EPOCH, 1, LogLevel::Info, text)
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = line("ä".repeat(2000)).text;
        assert!(text.len() <= LogLine::MAX_BYTES && text.ends_with("ä…"), "{}", text.len());
        assert_eq!(line("short").text, "short");
    }

    #[test]
    fn a_full_log_says_so_once() {
        let buffer = LogBuffer::default();
        for n in 0..2 * LogLine::MAX_PER_ATTEMPT {
            buffer.push(line(n.to_string()));
        }
        let lines = buffer.end();
        assert_eq!(lines.len(), LogLine::MAX_PER_ATTEMPT);
        assert_eq!(lines[LogLine::MAX_PER_ATTEMPT - 2].text, "498");
        assert_eq!((lines[499].level, &*lines[499].text), (LogLevel::Warn, FULL));
        assert!(!buffer.push(line("late")) && buffer.end().is_empty());
    }

    #[test]
    fn there_is_one_writer_and_lines_keep_their_order() {
        let buffer = LogBuffer::default();
        assert!(buffer.push(line("a")) && !buffer.push(line("b")));
        let taken = buffer.take().unwrap();
        assert!(!buffer.push(line("c")), "it still writes");
        buffer.put_back(taken);
        let texts: Vec<_> = buffer.take().unwrap().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["a", "b", "c"]);
        assert_eq!(buffer.take(), None);
        assert!(buffer.push(line("d")), "the writer has ended");
        assert_eq!(buffer.end().len(), 1);
        buffer.put_back(vec![line("e")]);
        assert_eq!(buffer.take(), None);
    }
}
