use std::{fmt, io, path::Path};

/// An error of the Azure test harness. Each text says what to do.
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
        /// The attempt, and its error.
        reason: String,
    },
    /// `npm` could not install Azurite.
    #[error(
        "installing Azurite failed. It needs npm's registry once; after that no network is used. npm said:\n{output}"
    )]
    Install {
        /// The end of npm's output.
        output: String,
    },
    /// Azurite did not become ready.
    #[error("Azurite did not say where it listens; it said:\n{output}")]
    Azurite {
        /// Its output.
        output: String,
    },
    /// An I/O error of a file or a process.
    #[error("{what}: {reason}")]
    Io {
        /// The operation, with the path.
        what: String,
        /// The system's reason.
        reason: String,
    },
    /// A queue refused a call.
    #[error("{what}: {reason}")]
    Queue {
        /// The operation.
        what: String,
        /// The service's reason.
        reason: String,
    },
    /// The Functions host cannot continue.
    #[error("the Functions host: {0}")]
    Host(String),
}

/// The same as `Display`, since `unwrap` and a test that returns the error show `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The result of the harness's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds the operation to an I/O error.
pub(super) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{doing} {}", path.display());
    move |error| Error::Io { what, reason: error.to_string() }
}
