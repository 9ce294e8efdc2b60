use std::path::PathBuf;

use super::{MiniStack, Result};

/// How an emulator is started; made by [`MiniStack::options`].
#[derive(Debug, Clone, Default)]
#[must_use = "options do nothing until `start`"]
pub struct Options {
    pub(crate) auth: bool,
    pub(crate) persist_state: bool,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Options {
    /// Whether IAM policies are enforced (`AUTH`). Then each function may do what its role allows and no more; the
    /// clients that the harness makes are the account's root and may do everything.
    pub fn auth(mut self, on: bool) -> Self {
        self.auth = on;
        self
    }

    /// Whether [`MiniStack::restart`] finds everything as it was (`PERSIST_STATE`).
    pub fn persist_state(mut self, on: bool) -> Self {
        self.persist_state = on;
        self
    }

    /// Where the state is kept (`STATE_DIR`) and found again by a later emulator; switches [`Self::persist_state`]
    /// on. Without it the state goes with the emulator.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.persist_state = true;
        self.state_dir = Some(folder.into());
        self
    }

    /// One more variable of the server's environment, which functions see too, under what their templates say.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the emulator and waits until it is ready.
    ///
    /// # Errors
    /// As [`MiniStack::start`].
    pub async fn start(self) -> Result<MiniStack> {
        MiniStack::start_with(self).await
    }
}
