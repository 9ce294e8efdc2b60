use std::{fmt, io, path::Path};

/// What can go wrong between a test and its Azure. Each text says what to do about it.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine lacks Node.js or npm.
    #[error(
        "the tests of Azure Functions need Node.js 18 or newer with npm, for Azurite, the emulator of Azure's queues: {reason}. \
         Install them (Debian and Ubuntu: `apt install nodejs npm`; Fedora: `dnf install nodejs`; macOS: `brew install node`) \
         and run the tests again"
    )]
    Node {
        /// What was tried and how it failed.
        reason: String,
    },
    /// `npm` could not install Azurite.
    #[error(
        "installing Azurite failed. It needs npm's registry once; after that no network is used. npm said:\n{output}"
    )]
    Install {
        /// The end of what `npm` wrote.
        output: String,
    },
    /// Azurite did not get ready.
    #[error("Azurite did not say where it listens; it said:\n{output}")]
    Azurite {
        /// What it wrote.
        output: String,
    },
    /// A file or a process could not be handled.
    #[error("{what}: {reason}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The system's reason.
        reason: String,
    },
    /// A queue refused a call.
    #[error("{what}: {reason}")]
    Queue {
        /// What was being done.
        what: String,
        /// The service's reason.
        reason: String,
    },
    /// The Functions host cannot go on.
    #[error("the Functions host: {0}")]
    Host(String),
}

/// As the text: this is what `unwrap` and a test that returns the error show.
impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The result of the harness's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names an I/O error by what was being done.
pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{doing} {}", path.display());
    move |error| Error::Io { what, reason: error.to_string() }
}
