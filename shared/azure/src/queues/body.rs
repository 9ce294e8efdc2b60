//! A message's text on Azure: base64, as the queue trigger reads it.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Encodes a body as the text of a message.
pub(super) fn encode(body: &str) -> String {
    STANDARD.encode(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_BODY_BYTES;

    #[test]
    fn the_largest_body_fits_into_a_message() {
        assert_eq!(encode(&"x".repeat(MAX_BODY_BYTES)).len(), 64 << 10);
    }
}
