use std::fmt::Debug;
use std::path::PathBuf;

use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// An error of the emulator's test harness. Each text says what to do.
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
        /// The attempt, and its error.
        reason: String,
    },
    /// `pip` could not install the pinned packages.
    #[error(
        "installing the emulator into {environment} failed. It needs the Python package index once; after that \
         no network is used. pip said:\n{output}", environment = .environment.display()
    )]
    Install {
        /// The environment that was being created.
        environment: PathBuf,
        /// The end of pip's output.
        output: String,
    },
    /// An I/O error of a file or a process.
    #[error("{what}: {source}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `cargo` could not be run, or could not build.
    #[error("{what} failed:\n{output}")]
    Cargo {
        /// The command.
        what: String,
        /// The end of its output.
        output: String,
    },
    /// The workspace has no such binary.
    #[error("the workspace builds no binary named `{name}`; it has {known}")]
    NoSuchBinary {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The emulator ended, or never became ready.
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
        /// The operation, with its subject.
        what: String,
        /// The answer, or the error of the connection.
        reason: String,
    },
    /// The template cannot be deployed as it is.
    #[error("the template cannot be deployed: {0}")]
    Template(String),
    /// CloudFormation did not complete the deployment.
    #[error("stack `{stack}` is {status}:\n{events}")]
    Deploy {
        /// The stack's name.
        stack: String,
        /// The final status.
        status: String,
        /// The failures, one line per resource.
        events: String,
    },
    /// The stack has no such output or resource.
    #[error("stack `{stack}` has no {kind} `{name}`; it has {known}")]
    NotInStack {
        /// The stack's name.
        stack: String,
        /// "output" or "resource".
        kind: &'static str,
        /// The requested name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A condition did not become true in time.
    #[error(transparent)]
    NeverHappened(#[from] super::NeverHappened),
}

/// The same as `Display`, since `unwrap` and a test that returns the error show `Debug`.
impl Debug for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

/// The result of the harness's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds the operation to an I/O error, as in `.map_err(io("opening", &path))`.
pub(crate) fn io(doing: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let what = format!("{doing} {}", path.display());
    move |source| Error::Io { what, source }
}

/// Returns the last `lines` of a text, for an error message.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Returns the emulator's own message, if it answered at all.
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
