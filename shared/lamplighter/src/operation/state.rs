//! Where an operation stands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The state of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// It is under way, or waits for somebody to go on with it.
    Running,
    /// It was told to stop, and does so within a page.
    Stopping,
    /// It went through everything. Some jobs may have [failed](super::OperationProgress::failed).
    Done,
    /// It was stopped before its end.
    Stopped,
    /// It could not be carried out.
    Failed,
}

impl OperationState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Running, Self::Stopping, Self::Done, Self::Stopped, Self::Failed];

    /// Whether it has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Failed)
    }

    /// The state's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for OperationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OperationState {
    type Err = UnknownOperationState;

    fn from_str(text: &str) -> Result<Self, UnknownOperationState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| UnknownOperationState(text.into()))
    }
}

/// A text that is not the name of an [`OperationState`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a state of operations; those are running, stopping, done, stopped and failed")]
pub struct UnknownOperationState(String);
