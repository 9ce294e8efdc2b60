//! The job that a task runs, for the lines of its host's log.

use std::sync::Arc;

use tokio::task::futures::TaskLocalFuture;
use tracing::Span;

use crate::{context::Context, id::JobId};

tokio::task_local! {
    static RUNNING: RunningJob;
}

/// The target of the span `job`, in which each attempt runs: its fields are those of a [`RunningJob`].
pub const JOB_SPAN: &str = "lamplighter::running";

/// The job that the current task runs.
///
/// A span costs some thousand instructions for each job, most of them for its fields, and is needed where something is logged,
/// which is rare. So a host's log reads this instead, and leaves spans of the target [`JOB_SPAN`] out; where nothing else
/// subscribes to them, they are not made at all.
#[derive(Debug, Clone)]
pub struct RunningJob {
    pub(crate) context: Context,
    pub(crate) around: Arc<Span>,
}

impl RunningJob {
    /// Calls `read` with the job that the current task runs; `None` where it runs none.
    pub fn with<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        RUNNING.try_with(read).ok()
    }

    /// Runs an attempt.
    pub(crate) fn scope<F: Future>(self, attempt: F) -> TaskLocalFuture<Self, F> {
        RUNNING.scope(self, attempt)
    }

    /// The job's name.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.context.message().job
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        self.context.id()
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    /// The queue that the job came from, without any suffix.
    #[must_use]
    pub fn queue(&self) -> &str {
        self.context.queue()
    }

    /// The span in which its batch was received: the parent of its own.
    #[must_use]
    pub fn around(&self) -> &Span {
        &self.around
    }
}
