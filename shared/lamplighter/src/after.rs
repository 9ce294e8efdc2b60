//! What a job waits for: continuations.

use serde::{Deserialize, Serialize};

use crate::{id::JobId, ports::Enqueued, record::JobState};

/// A job that another one waits for, and how it must end. A [`JobId`] converts into one, and means success.
///
/// ```
/// use lamplighter::After;
///
/// let invoice = After::success("invoice-42".parse()?).output_as("invoice");
/// let complaint = After::failure("invoice-42".parse()?);
/// # Ok::<(), lamplighter::record::InvalidJobId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct After {
    /// The job.
    pub id: JobId,
    /// How it must end.
    #[serde(default, skip_serializing_if = "Outcome::is_success")]
    pub on: Outcome,
    /// The argument that its output becomes.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub output_as: Option<String>,
}

/// How a job must end for another one to begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It succeeds.
    #[default]
    Success,
    /// It fails.
    Failure,
    /// It succeeds, fails or is cancelled.
    End,
}

impl Outcome {
    /// Returns whether a job that ended in this state has met it.
    #[must_use]
    pub const fn is_met_by(self, state: JobState) -> bool {
        match self {
            Self::Success => matches!(state, JobState::Succeeded),
            Self::Failure => matches!(state, JobState::Failed),
            Self::End => state.is_final(),
        }
    }

    /// The outcome's name: the word on the wire, in stores and at the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::End => "end",
        }
    }

    /// The outcome with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Success, Self::Failure, Self::End].into_iter().find(|outcome| outcome.as_str() == name)
    }

    fn is_success(&self) -> bool {
        *self == Self::Success
    }
}

/// How the jobs stand that a new job is to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing<'a> {
    /// All have ended as they must.
    Met,
    /// These have not ended.
    Open(Vec<&'a After>),
    /// One has ended otherwise: the reason for which the new job does not run.
    Unmet(String),
    /// There is no record of this one.
    Unknown(&'a JobId),
}

impl<'a> Standing<'a> {
    /// Judges them by their states; `state` returns `None` for a job without a record.
    ///
    /// # Errors
    /// Those of `state`.
    pub fn of<E>(after: &'a [After], mut state: impl FnMut(&JobId) -> Result<Option<JobState>, E>) -> Result<Self, E> {
        let mut open = Vec::new();
        for one in after {
            match state(&one.id)? {
                None => return Ok(Self::Unknown(&one.id)),
                Some(state) if !state.is_final() => open.push(one),
                Some(state) if one.on.is_met_by(state) => {}
                Some(state) => return Ok(Self::Unmet(After::unmet(one.id.as_str(), state))),
            }
        }
        Ok(if open.is_empty() { Self::Met } else { Self::Open(open) })
    }
}

impl After {
    /// The most jobs that one job waits for.
    pub const MAX: usize = 20;

    /// When that job has succeeded.
    #[must_use]
    pub fn success(id: JobId) -> Self {
        Self { id, on: Outcome::Success, output_as: None }
    }

    /// When that job has failed for good.
    #[must_use]
    pub fn failure(id: JobId) -> Self {
        Self { id, on: Outcome::Failure, output_as: None }
    }

    /// When that job has ended, however.
    #[must_use]
    pub fn end(id: JobId) -> Self {
        Self { id, on: Outcome::End, output_as: None }
    }

    /// Makes that job's output an argument of this one: the field of that name, `null` without an output. It is read
    /// from the record when an attempt begins.
    #[must_use]
    pub fn output_as(mut self, argument: impl Into<String>) -> Self {
        self.output_as = Some(argument.into());
        self
    }

    /// Why a job that waits for this one does not run, when it has ended in that state.
    #[must_use]
    pub fn unmet(id: &str, state: JobState) -> String {
        format!("job {id}, which it waited for, has ended otherwise: {state}")
    }
}

impl From<JobId> for After {
    fn from(id: JobId) -> Self {
        Self::success(id)
    }
}

impl From<&JobId> for After {
    fn from(id: &JobId) -> Self {
        Self::success(id.clone())
    }
}

impl From<&Enqueued> for After {
    fn from(enqueued: &Enqueued) -> Self {
        Self::success(enqueued.id().clone())
    }
}
