//! Contradictions in the definitions.

use std::fmt;

/// All contradictions between definitions: each one sentence that names its definition and says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Returns the sentences.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn add(&mut self, sentence: impl Into<String>) {
        self.0.push(sentence.into());
    }

    pub(crate) fn extend(&mut self, sentences: impl IntoIterator<Item = String>) {
        self.0.extend(sentences);
    }

    /// Returns `value` if there is no problem.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the definitions contradict themselves: {one}"),
            all => {
                write!(f, "the definitions contradict themselves in {} places:", all.len())?;
                all.iter().try_for_each(|sentence| write!(f, "\n  - {sentence}"))
            }
        }
    }
}

impl std::error::Error for Problems {}
