//! Who ends a host, and what it wants to hear.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;

use super::Status;

/// Who ends a host, how that is announced, and what is reported to it: a terminal, a service manager, a container platform.
///
/// Lifecycles can be combined: a `Vec` of them stops for the first request, and all of them are told.
#[async_trait]
pub trait Lifecycle: Send {
    /// Resolves when the host is to end. Asked again while it drains: the next request means at once.
    ///
    /// The future is dropped and made anew between reports, so a request must not be lost with it.
    async fn stop_requested(&mut self) -> StopRequest;

    /// How often it wants a [report](Self::report); `None` for never. Default: every second.
    fn reports_every(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    /// Is told of each change of phase, and from time to time meanwhile. A report that takes longer than a second is
    /// dropped: what needs longer runs in a task of its own.
    async fn report(&mut self, status: &Status) {
        let _ = status;
    }
}

/// A request to end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopRequest {
    /// What happened, for the log: `SIGTERM`.
    pub reason: Cow<'static, str>,
    /// The time until the process is killed, where the platform sets one.
    pub killed_after: Option<Duration>,
}

impl StopRequest {
    /// A request without a limit of the platform's own.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), killed_after: None }
    }

    /// The platform kills the process after this time.
    #[must_use]
    pub const fn killed_after(mut self, limit: Duration) -> Self {
        self.killed_after = Some(limit);
        self
    }
}

#[async_trait]
impl Lifecycle for Vec<Box<dyn Lifecycle>> {
    async fn stop_requested(&mut self) -> StopRequest {
        if self.is_empty() {
            return std::future::pending().await;
        }
        let requests = self.iter_mut().map(|lifecycle| lifecycle.stop_requested());
        futures_util::future::select_all(requests).await.0
    }

    fn reports_every(&self) -> Option<Duration> {
        self.iter().filter_map(|lifecycle| lifecycle.reports_every()).min()
    }

    async fn report(&mut self, status: &Status) {
        let reports = self.iter_mut().map(|lifecycle| lifecycle.report(status));
        futures_util::future::join_all(reports).await;
    }
}
