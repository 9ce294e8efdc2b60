//! Groups of errors.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::error::{ErrorGroup, ErrorNote, Fingerprint};

/// The error groups of a store. Groups are written with the settlements of attempts that fail, and with nothing else: a
/// job that succeeds costs no more because of them.
#[async_trait]
pub trait ErrorGroups: Send + Sync + 'static {
    /// Groups, the one with the latest failure first, a page at a time. A group with a failure between two pages may be
    /// missing on both.
    ///
    /// # Errors
    /// When the store cannot be read, or the cursor is not one of its own.
    async fn list(&self, query: &ErrorQuery) -> Result<ErrorPage, StoreError>;

    /// One group.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn get(&self, fingerprint: Fingerprint) -> Result<Option<ErrorGroup>, StoreError>;

    /// Replaces a group's note; an [empty](ErrorNote::is_empty) one takes it away. Returns whether there is such a group:
    /// nothing is written otherwise.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn annotate(&self, fingerprint: Fingerprint, note: &ErrorNote) -> Result<bool, StoreError>;
}

/// Which groups to list. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorQuery {
    /// Of this job name.
    pub job: Option<String>,
    /// Whose latest failure was on this queue.
    pub queue: Option<String>,
    /// With a failure since this moment.
    pub since: Option<Timestamp>,
    /// [`ErrorPage::next`] of the page before.
    pub cursor: Option<String>,
    /// Groups per page: 1–1000; 0 means 50.
    pub limit: usize,
}

/// A page of groups.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ErrorPage {
    /// The one with the latest failure first.
    pub groups: Vec<ErrorGroup>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl ErrorPage {
    /// These groups, and the cursor of the next page.
    #[must_use]
    pub const fn new(groups: Vec<ErrorGroup>, next: Option<String>) -> Self {
        Self { groups, next }
    }
}
