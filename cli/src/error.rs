//! Errors at the command line: one sentence each, which says what happened, why, and what to do.

use std::{io, path::PathBuf, process::ExitCode};

use lamplighter::{
    EnqueueError, JobId,
    backend::{SchedulingError, StoreError},
    operation::OperationError,
    record::{Fingerprint, InvalidJobId},
};
pub(crate) use lamplighter_arguments::nearest;
use lamplighter_embedded::{EngineError, OpenError};

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line asks for something that does not exist or does not fit.
    #[error("{0}")]
    Usage(String),
    #[error("there is no job {name:?}{}; `lamp definitions` lists them all", did_you_mean(.near))]
    UnknownJob { name: String, near: Option<String> },
    #[error(
        "there is no {kind} {name:?} in {place}, nor in the definitions{}; `lamp queues` and `lamp definitions` list what \
         there is", did_you_mean(.near)
    )]
    Unknown { kind: &'static str, name: String, near: Option<String>, place: String },
    #[error("{place} has no queue {name:?}{}; it has {known}", did_you_mean(.near))]
    NoQueue { name: String, near: Option<String>, place: String, known: String },
    #[error(transparent)]
    Id(#[from] InvalidJobId),
    #[error("{from} {what}; JSON is UTF-8 without one: save it so, or turn it into that by {by}")]
    Encoding { from: String, what: &'static str, by: &'static str },
    #[error(
        "the arguments of {job} are not JSON ({reason}); pass an object such as '{example}', @FILE, or - for standard input"
    )]
    Json { job: &'static str, reason: String, example: String },
    #[error("these arguments do not fit {job}: {}; `lamp definitions {job}` shows what it takes", .problems.join("; "))]
    Arguments { job: &'static str, problems: Vec<String> },
    #[error("cannot read the arguments from {from}: {}; check the name and the permissions", reason(.source))]
    Read { from: String, source: io::Error },
    #[error(
        "there is no jobs file at {}; `lamp dev` or `lamp enqueue` makes one, --db FILE or LAMPLIGHTER_DB names another",
        .0.display()
    )]
    NoFile(PathBuf),
    #[error("there is no job {id} in {place}; `lamp jobs` lists those that are there")]
    NoJob { id: JobId, place: String },
    #[error("there is no error group {fingerprint} in {place}; `lamp errors` lists those that are there")]
    NoErrorGroup { fingerprint: Fingerprint, place: String },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    #[error(transparent)]
    Operation(#[from] OperationError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The examination has findings; each has been printed.
    #[error("not all is well")]
    Unwell,
    /// What was waited for has not ended in time.
    #[error("{0}")]
    NotEnded(String),
    /// Anything else that failed, in a sentence of its own.
    #[error("{0}")]
    Failed(String),
    #[error("cannot write the output: {}", reason(.0))]
    Output(#[from] io::Error),
    /// The command has done what it was asked for, but could not print its answer.
    #[error("{done}, but the answer cannot be written: {}", reason(.source))]
    Unanswered { done: String, source: io::Error },
}

impl Error {
    /// Returns whether it has to be reported: not if each finding was reported already, nor if the reader of the output
    /// has closed it (`lamp jobs | head`).
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Output(source) => source.kind() != io::ErrorKind::BrokenPipe,
            Self::Unwell => false,
            _ => true,
        }
    }

    /// Returns the process's exit code: 2 for a wrong command line, 3 when an engine ended by itself, 4 when
    /// what was waited for had not ended, 0 when the reader of the output has closed it, otherwise 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The number of that exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Output(source) | Self::Unanswered { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_)
            | Self::UnknownJob { .. }
            | Self::Unknown { .. }
            | Self::Encoding { .. }
            | Self::NoQueue { .. }
            | Self::Id(_)
            | Self::Json { .. }
            | Self::Arguments { .. }
            | Self::Operation(OperationError::Arguments { .. })
            | Self::Enqueue(
                EnqueueError::Arguments { .. }
                | EnqueueError::Id(_)
                | EnqueueError::TooLarge { .. }
                | EnqueueError::Delay { .. }
                | EnqueueError::Refused { .. },
            )
            | Self::Scheduling(
                SchedulingError::Schedule(_) | SchedulingError::Over(_) | SchedulingError::Deployed(_),
            ) => 2,
            Self::Engine(_) => 3,
            Self::NotEnded(_) => 4,
            _ => 1,
        }
    }

    /// Converts the error of a command that has done its work: if only the answer cannot be written, the user must
    /// learn about the work in another way.
    pub(crate) fn after(self, done: impl std::fmt::Display) -> Self {
        match self {
            Self::Output(source) => Self::Unanswered { done: done.to_string(), source },
            other => other,
        }
    }

    /// What the dashboard's desk says.
    pub(crate) fn problem(problem: lamplighter_dashboard::Problem) -> Self {
        Self::Failed(problem.detail)
    }

    /// A failure in a sentence of its own.
    pub(crate) fn failed(sentence: impl std::fmt::Display) -> Self {
        Self::Failed(sentence.to_string())
    }
}

/// Returns an I/O error without its number, and without a capital letter in the middle of a sentence.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn did_you_mean(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_the_nearest_name_and_nonsense_finds_none() {
        let names = ["invoices.send", "order.ship", "stock.count"];
        let near = |typed| nearest(typed, names);
        assert_eq!(near("invoices.snd").as_deref(), Some("invoices.send"));
        assert_eq!(near("invoice.send").as_deref(), Some("invoices.send"));
        assert_eq!(near("send.invoices"), None);
        assert_eq!(near("zzz"), None);
    }

    #[test]
    fn io_errors_fit_into_a_sentence() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}
