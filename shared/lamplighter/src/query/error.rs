//! Why a text is not a query.

/// Why a text is not a query: which term, why, and what is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}{}", term.as_ref().map(|term| format!("{term}: ")).unwrap_or_default(),
    nearest.as_ref().map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
pub struct InvalidQuery {
    term: Option<String>,
    reason: String,
    nearest: Option<String>,
}

impl InvalidQuery {
    /// The longest term that is shown, in characters.
    const SHOWN: usize = 80;

    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { term: None, reason: reason.into(), nearest: None }
    }

    pub(super) fn of(term: &str, reason: impl Into<String>) -> Self {
        // One line, whatever was typed.
        let mut shown: String = term.chars().map(|c| if c.is_control() { ' ' } else { c }).take(Self::SHOWN).collect();
        if term.chars().nth(Self::SHOWN).is_some() {
            shown.push('…');
        }
        Self { term: Some(shown), reason: reason.into(), nearest: None }
    }

    pub(super) fn near(self, nearest: Option<String>) -> Self {
        Self { nearest, ..self }
    }

    /// The term that is wrong; `None` where it is the whole.
    #[must_use]
    pub fn term(&self) -> Option<&str> {
        self.term.as_deref()
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The key or value that is right and looks most like it, if any does.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.nearest.as_deref()
    }
}
