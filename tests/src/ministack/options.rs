use std::path::PathBuf;

use super::{MiniStack, Result};

/// The options with which an emulator is started; created by [`MiniStack::options`].
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until `start`"]
pub struct Options {
    pub(crate) auth: bool,
    pub(crate) persist_state: bool,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Options {
    /// Sets whether IAM policies are enforced (`AUTH`). Then each function has only the rights of its role; the
    /// harness's clients are the account's root user and may do everything.
    pub fn auth(mut self, on: bool) -> Self {
        self.auth = on;
        self
    }

    /// Sets whether [`MiniStack::restart`] keeps the state (`PERSIST_STATE`).
    pub fn persist_state(mut self, on: bool) -> Self {
        self.persist_state = on;
        self
    }

    /// Sets the folder of the state (`STATE_DIR`), from which a later emulator reads it again; switches
    /// [`Self::persist_state`] on. Without it the state is deleted with the emulator.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.persist_state = true;
        self.state_dir = Some(folder.into());
        self
    }

    /// Adds a variable to the server's environment, which functions get too, unless their templates override it.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the emulator and waits until it is ready.
    ///
    /// # Errors
    /// Like [`MiniStack::start`].
    pub async fn start(self) -> Result<MiniStack> {
        MiniStack::start_with(self).await
    }
}
