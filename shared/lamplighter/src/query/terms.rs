//! The number of attempts in queries.

use std::fmt;

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=3`, or `3`.
    Equal,
    /// `<3`.
    Less,
    /// `<=3`.
    AtMost,
    /// `>3`.
    More,
    /// `>=3`.
    AtLeast,
}

impl Comparison {
    /// How it is written; longer ones before those that begin like them.
    const ALL: [(Self, &'static str); 5] =
        [(Self::AtMost, "<="), (Self::AtLeast, ">="), (Self::Less, "<"), (Self::More, ">"), (Self::Equal, "=")];
}

/// A condition on the number of a job's attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptTerm {
    /// How it is compared.
    pub comparison: Comparison,
    /// With which number.
    pub number: u32,
}

impl AttemptTerm {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let read = |(comparison, sign)| text.strip_prefix(sign).map(|number| (comparison, number));
        let (comparison, number) = Comparison::ALL.into_iter().find_map(read).unwrap_or((Comparison::Equal, text));
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| digits)?;
        Some(Self { comparison, number })
    }

    pub(super) const fn fits(self, attempt: u32) -> bool {
        match self.comparison {
            Comparison::Equal => attempt == self.number,
            Comparison::Less => attempt < self.number,
            Comparison::AtMost => attempt <= self.number,
            Comparison::More => attempt > self.number,
            Comparison::AtLeast => attempt >= self.number,
        }
    }
}

impl fmt::Display for AttemptTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Comparison::ALL.into_iter().find(|(known, _)| *known == self.comparison).map(|(_, sign)| sign);
        let sign = sign.filter(|_| self.comparison != Comparison::Equal).unwrap_or_default();
        write!(f, "{sign}{}", self.number)
    }
}
