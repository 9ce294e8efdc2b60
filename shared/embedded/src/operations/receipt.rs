//! The receipt of a delivery: the row that carried it, the row's kind (so that it need not be looked up again), and the
//! fence under which it was received.

/// A message's row and kind. As text, it also has the row's owner when it was received: a row that is retried by hand
/// gets another owner, so an older receipt no longer affects its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    pub(crate) kind: i64,
}

/// The owner of the row when it was received. Parsed separately: most settlements do not need it.
pub(crate) fn owner(text: &str) -> Option<i64> {
    text.rsplit_once('.')?.1.parse().ok()
}

/// The receipt as text.
pub(crate) fn text(Receipt { seq, kind }: Receipt, owner: i64) -> String {
    format!("{seq}.{kind}.{owner}")
}

impl Receipt {
    /// Parses a receipt; `None` if it is not from this backend.
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
    fn receipts_round_trip_as_text() {
        let receipt = Receipt { seq: 42, kind: 7 };
        let text = text(receipt, -3);
        assert_eq!((Receipt::parse(&text), owner(&text)), (Some(receipt), Some(-3)));
        for foreign in ["", "receipt-1", "42", "a.b.c", "1.2"] {
            assert_eq!(Receipt::parse(foreign), None);
        }
    }
}
