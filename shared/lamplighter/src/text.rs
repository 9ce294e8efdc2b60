//! A JSON string, borrowed from its source where that has it as it is: one without escapes.

use std::borrow::Cow;

use serde::Deserialize;

/// The string. A `Cow` alone is always copied (documentation of `serde`, "Borrowing data in a derived impl").
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_without_escapes_is_borrowed() {
        assert!(matches!(serde_json::from_str(r#""job""#).unwrap(), Text(Cow::Borrowed("job"))));
        assert!(matches!(serde_json::from_str(r#""j\u006fb""#).unwrap(), Text(Cow::Owned(text)) if text == "job"));
    }
}
