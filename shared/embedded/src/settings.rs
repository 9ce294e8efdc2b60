//! Settings for opening a file.

use std::fmt;

use lamplighter::env::Env;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// The death of the process, `kill -9` included. After a loss of power, the last moments before it may be missing;
    /// the file stays consistent. SQLite's `synchronous=NORMAL`.
    #[default]
    Normal,
    /// A loss of power too: each commit waits for the disk. SQLite's `synchronous=FULL`.
    Full,
}

impl Durability {
    /// The value of SQLite's pragma `synchronous`.
    #[must_use]
    pub const fn synchronous(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "survives the death of the process",
            Self::Full => "survives a loss of power",
        })
    }
}

/// Settings for opening a file. The defaults suit most uses.
///
/// ```
/// use lamplighter_embedded::{Durability, Settings};
/// let settings = Settings::default().durability(Durability::Full);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub(crate) env: Env,
    pub(crate) durability: Durability,
}

impl Settings {
    /// The defaults: the machine's clock, [`Durability::Normal`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses this clock and randomness.
    #[must_use]
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Sets what an acknowledged write survives.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}
