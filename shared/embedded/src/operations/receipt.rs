//! What a delivery is settled with: which row carried it, the row's kind, which is then not looked up again, and the
//! fence that it was received under.

/// A message's row and its kind. Its text has the row's owner too, as it was received: a row that is run once more by hand
/// gets another, so that whoever received it before does nothing to its message any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
}

/// Who owned the row of a receipt when it was received. Read apart: most messages are settled without it.
pub(crate) fn owner(text: &str) -> Option<i64> {
    text.rsplit_once('.')?.1.parse().ok()
}

/// The text of a receipt.
pub(crate) fn text(Receipt { seq, kind }: Receipt, owner: i64) -> String {
    format!("{seq}.{kind}.{owner}")
}

impl Receipt {
    /// The receipt of that text; `None` for one that this backend did not give out.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (seq, rest) = text.split_once('.')?;
        let (kind, _) = rest.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, kind: kind.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_as_text() {
        let receipt = Receipt { seq: 42, kind: 7 };
        let text = text(receipt, -3);
        assert_eq!((Receipt::parse(&text), owner(&text)), (Some(receipt), Some(-3)));
        for foreign in ["", "receipt-1", "42", "a.b.c", "1.2"] {
            assert_eq!(Receipt::parse(foreign), None);
        }
    }
}
