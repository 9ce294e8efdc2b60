use std::fmt::Debug;
use std::path::PathBuf;

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// What can go wrong between a test and its emulator. Each text says what to do about it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine lacks Python, or a part of it.
    #[error(
        "the emulator of the end-to-end tests needs Python 3.11 or newer with its `venv` module: {reason}. \
         Install it (Debian and Ubuntu: `apt install python3 python3-venv`; Fedora: `dnf install python3`; \
         macOS: `brew install python`) and run the tests again"
    )]
    Python {
        /// What was tried and how it failed.
        reason: String,
    },
    /// `pip` could not install the pinned packages.
    #[error(
        "installing the emulator into {environment} failed. It needs the Python package index once; after that \
         no network is used. pip said:\n{output}", environment = .environment.display()
    )]
    Install {
        /// The environment that was being made.
        environment: PathBuf,
        /// The end of what `pip` wrote.
        output: String,
    },
    /// A file or a process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `cargo` could not be asked, or could not build.
    #[error("{what} failed:\n{output}")]
    Cargo {
        /// The command.
        what: String,
        /// The end of what it wrote.
        output: String,
    },
    /// The workspace has no such binary.
    #[error("the workspace builds no binary named `{name}`; it has {known}")]
    NoSuchBinary {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The emulator ended, or never got ready.
    #[error("the emulator {reason}; its log, {log}, ends with:\n{tail}", log = .log.display())]
    Emulator {
        /// What happened to it.
        reason: String,
        /// The log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A request to the emulator failed.
    #[error("{what}: {reason}")]
    Request {
        /// The operation, with what it was about.
        what: String,
        /// The answer, or the error of the connection.
        reason: String,
    },
    /// The template cannot be deployed as it is.
    #[error("the template cannot be deployed: {0}")]
    Template(String),
    /// CloudFormation did not reach its goal.
    #[error("stack `{stack}` is {status}:\n{events}")]
    Deploy {
        /// The stack's name.
        stack: String,
        /// The status that it ended in.
        status: String,
        /// What failed, one line a resource.
        events: String,
    },
    /// The stack has no such output or resource.
    #[error("stack `{stack}` has no {kind} `{name}`; it has {known}")]
    NotInStack {
        /// The stack's name.
        stack: String,
        /// "output" or "resource".
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A condition did not come true in time.
    #[error(transparent)]
    NeverHappened(#[from] super::NeverHappened),
}

/// As the text: this is what `unwrap` and a test that returns the error show.
impl Debug for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

/// The result of the harness's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names an I/O error by what was being done, as in `.map_err(io("opening", &path))`.
pub(crate) fn io(doing: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("{doing} {}", path.display());
    move |source| Error::Io { what, source }
}

/// The last `lines` of a text, for an error message.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The emulator's own words, where it answered at all.
pub(crate) fn said<E, R>(error: SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: Debug + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => DisplayErrorContext(error).to_string(),
    }
}
