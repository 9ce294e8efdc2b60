//! What a delivery is settled with: which row carried it, the row's kind, which is then not looked up again, and the
//! fence that it was received under.

use std::fmt;

/// A message's row, its kind, and who owned the row when it was received. A row that is run once more by hand gets
/// another owner, so that whoever received it before does nothing to its message any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
    pub(crate) owner: i64,
}

impl Receipt {
    /// The receipt of that text; `None` for one that this backend did not give out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (seq, rest) = text.split_once('.')?;
        let (kind, owner) = rest.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, kind: kind.parse().ok()?, owner: owner.parse().ok()? })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.seq, self.kind, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_as_text() {
        let receipt = Receipt { seq: 42, kind: 7, owner: -3 };
        assert_eq!(Receipt::parse(&receipt.to_string()), Some(receipt));
        for foreign in ["", "receipt-1", "42", "a.b.c", "1.2", "1.2.3.4"] {
            assert_eq!(Receipt::parse(foreign), None);
        }
    }
}
