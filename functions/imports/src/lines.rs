//! Numbers of lines.

use memchr::memchr2_iter;
use serde::{Deserialize, Serialize};

/// The line at a place in a text, from 1, as an editor counts: a line ends with a line feed, a carriage return, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lines {
    /// The line.
    pub(crate) line: u64,
    /// The place after the last carriage return. A line feed there ends no further line.
    after_return: u64,
}

impl Lines {
    /// Begins at a place that is in this line, and not between a carriage return and its line feed.
    pub(crate) const fn at(line: u64) -> Self {
        Self { line, after_return: u64::MAX }
    }

    /// Goes over these bytes, the first of which is at this place.
    pub(crate) fn pass(&mut self, place: u64, bytes: &[u8]) {
        for at in memchr2_iter(b'\r', b'\n', bytes) {
            self.end(place + at as u64, bytes[at]);
        }
    }

    /// Goes over a line break, or a half of one.
    pub(crate) fn end(&mut self, place: u64, byte: u8) {
        if byte == b'\r' {
            self.line += 1;
            self.after_return = place + 1;
        } else if place != self.after_return {
            self.line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_line_breaks_end_one_line() {
        for (text, line) in
            [("", 1), ("a\nb", 2), ("a\r\nb", 2), ("a\rb", 2), ("\r\r\n\n", 4), ("\n\r", 3), ("\r\n", 2)]
        {
            let mut whole = Lines::at(1);
            whole.pass(0, text.as_bytes());
            let mut pieces = Lines::at(1);
            (0..).zip(text.as_bytes()).for_each(|(place, byte)| pieces.pass(place, &[*byte]));
            assert_eq!((whole.line, pieces.line), (line, line), "{text:?}");
        }
    }
}
