//! What a delivery is settled with: which row carried it, and the row's kind, which is then not looked up again.

use std::fmt;

/// A message's row and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
}

impl Receipt {
    /// The receipt of that text; `None` for one that this backend did not give out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (seq, kind) = text.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, kind: kind.parse().ok()? })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.seq, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_as_text() {
        let receipt = Receipt { seq: 42, kind: 7 };
        assert_eq!(Receipt::parse(&receipt.to_string()), Some(receipt));
        for foreign in ["", "receipt-1", "42", "a.b", "1.2.3"] {
            assert_eq!(Receipt::parse(foreign), None);
        }
    }
}
