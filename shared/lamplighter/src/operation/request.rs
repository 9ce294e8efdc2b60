//! The request for an operation.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{action::Action, error::OperationError, target::Target};

/// The request for an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewOperation {
    /// What is to be done.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// Who asks for it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many jobs the preview showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// How many a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<NonZeroU32>,
    /// A text of the caller's: asking again with the same one begins no second operation. Each `by` has keys of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What was asked for before it was [narrowed](Self::narrowed_to): a repeated request is known by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
}

impl NewOperation {
    /// A request by somebody.
    #[must_use]
    pub fn new(action: Action, target: Target, by: impl Into<String>) -> Self {
        let (reason, expected, per_second, idempotency_key) = (None, None, None, None);
        Self { action, target, by: by.into(), reason, expected, per_second, idempotency_key, asked: None }
    }

    /// With a reason.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With the number of jobs that the preview showed.
    #[must_use]
    pub const fn with_expected(mut self, jobs: u64) -> Self {
        self.expected = Some(jobs);
        self
    }

    /// At most so many a second.
    #[must_use]
    pub const fn with_rate(mut self, per_second: NonZeroU32) -> Self {
        self.per_second = Some(per_second);
        self
    }

    /// The same request, for as much of its target as somebody may change. Asked for again, it is the same one, though the target
    /// may by then be narrowed to something else.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn narrowed_to(mut self, target: Target) -> Result<Self, OperationError> {
        self.asked = Some(self.asked()?);
        self.target = target;
        Ok(self)
    }

    /// The request as it was asked for, without its key.
    pub(super) fn asked(&self) -> Result<String, OperationError> {
        if let Some(asked) = &self.asked {
            return Ok(asked.clone());
        }
        let asked = Self { idempotency_key: None, ..self.clone() };
        serde_json::to_string(&asked).map_err(|error| OperationError::Invalid(error.to_string()))
    }

    /// With an idempotency key.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}
