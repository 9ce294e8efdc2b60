//! Problems of rows. None of them quotes a value: reports go further than the data may.

use serde::{Deserialize, Serialize};

macro_rules! problems {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// Why a row is not converted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Problem {
            $($(#[$doc])+ #[serde(rename = $text)] $name,)+
        }

        impl Problem {
            /// The problem in words, as reports have it.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

problems! {
    /// It has more bytes than are read.
    TooLarge = "the row is too large",
    /// A quotation mark begins a value and nothing ends it, so that the row is the rest of the CSV.
    Unclosed = "a quotation mark is never closed",
    /// It has more columns than are read.
    TooManyColumns = "the row has too many columns",
    /// It has another number of columns than the first row.
    ColumnCount = "the number of columns differs from the first row",
    /// A value is not UTF-8.
    Utf8 = "not UTF-8",
    /// A value is empty where there must be one.
    Empty = "empty",
    /// A value is not a whole number of 64 bits.
    Integer = "not an integer of 64 bits",
    /// A value is not a decimal number.
    Number = "not a number",
    /// A value is neither true nor false.
    Boolean = "not a boolean",
    /// A value is not a date as in 2026-11-23.
    Date = "not a date",
}

/// A row that is not converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// The line in the CSV in which it begins, from 1.
    pub line: u64,
    /// The first column with a problem, unless it is one of the row as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The problem.
    pub reason: Problem,
    /// The number of columns, where it is the problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<usize>,
}
