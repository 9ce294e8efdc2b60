//! What can go wrong at the command line: one sentence each, that says what, why, and what to do.

use std::{io, path::PathBuf, process::ExitCode};

use lamplighter::{
    EnqueueError, JobId,
    backend::{SchedulingError, StoreError},
    record::InvalidJobId,
};
use lamplighter_embedded::{EngineError, OpenError};

/// Why a command did not do what it was asked.
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
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was examined is not well; each finding has been told.
    #[error("not all is well")]
    Unwell,
    /// Anything else that failed, in a sentence of its own.
    #[error("{0}")]
    Failed(String),
    #[error("cannot write the output: {}", reason(.0))]
    Output(#[from] io::Error),
    /// What was asked for is done all the same.
    #[error("{done}, but the answer cannot be written: {}", reason(.source))]
    Unanswered { done: String, source: io::Error },
}

impl Error {
    /// Whether it has to be reported: not if each finding was reported already, nor if the reader of the output has closed
    /// it (`lamp jobs | head`).
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Output(source) => source.kind() != io::ErrorKind::BrokenPipe,
            Self::Unwell => false,
            _ => true,
        }
    }

    /// The process's exit code: 2 when the command line is to blame, 3 when an engine ended by itself, else 1; 0 when
    /// the reader of the output has closed it.
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
            _ => 1,
        }
    }

    /// The error of a command that has done what it was asked for: where it is the answer that cannot be written, the user who
    /// asked must hear of it in another way.
    pub(crate) fn after(self, done: impl std::fmt::Display) -> Self {
        match self {
            Self::Output(source) => Self::Unanswered { done: done.to_string(), source },
            other => other,
        }
    }

    /// A failure in a sentence of its own.
    pub(crate) fn failed(sentence: impl std::fmt::Display) -> Self {
        Self::Failed(sentence.to_string())
    }
}

/// An I/O error without its number, and without a capital in the middle of a sentence.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn did_you_mean(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
}

/// The candidate that `typed` was probably meant to be.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_nonsense_finds_none() {
        let names = ["invoices.send", "order.ship", "stock.count"];
        let near = |typed| nearest(typed, names);
        assert_eq!(near("invoices.snd").as_deref(), Some("invoices.send"));
        assert_eq!(near("invoice.send").as_deref(), Some("invoices.send"));
        assert_eq!(near("send.invoices"), None);
        assert_eq!(near("zzz"), None);
    }

    #[test]
    fn io_reasons_read_like_the_rest_of_the_sentence() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(reason(&error), "no such file or directory");
    }
}
