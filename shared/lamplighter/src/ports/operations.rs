//! What operators have done and do: the audit trail.

use async_trait::async_trait;

use super::StoreError;
use crate::{id::JobId, operation::Operation};

/// The operations of a store. There is no way to delete one; it expires [a year](Operation::KEPT) after it was asked for.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// Writes a new operation, unless one with its id exists: then that one is the answer, and nothing is written. Creating
    /// the same one again is answered as [existing](Created::Existing).
    async fn create(&self, operation: &Operation) -> Result<Created, StoreError>;

    /// One operation.
    async fn get(&self, id: &JobId) -> Result<Option<Operation>, StoreError>;

    /// Operations, the latest first, a page at a time.
    async fn list(&self, query: &OperationQuery) -> Result<OperationPage, StoreError>;

    /// Those that have not ended, the oldest first, at most [`OperationQuery::MOST_OPEN`].
    async fn open(&self) -> Result<Vec<Operation>, StoreError>;

    /// Replaces an operation that was read at its [version](Operation::version), which rises by one. Returns whether it did:
    /// if somebody else has written meanwhile, or if the operation has ended, nothing is changed. The same save may come again,
    /// and is answered as applied.
    async fn save(&self, operation: &Operation) -> Result<bool, StoreError>;
}

/// The answer to [`Operations::create`].
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is new.
    New,
    /// One with its id exists.
    Existing(Box<Operation>),
}

/// Which page of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationQuery {
    /// Operations per page: 1–1000; 0 means 50.
    pub limit: usize,
    /// [`OperationPage::next`] of the page before.
    pub cursor: Option<String>,
}

impl OperationQuery {
    /// The most operations that [`Operations::open`] returns.
    pub const MOST_OPEN: usize = 100;

    /// The first page, with so many operations.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, cursor: None }
    }

    /// The page that begins there.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

/// A page of operations.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct OperationPage {
    /// The latest first.
    pub operations: Vec<Operation>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl OperationPage {
    /// These operations, and the cursor of the next page.
    #[must_use]
    pub const fn new(operations: Vec<Operation>, next: Option<String>) -> Self {
        Self { operations, next }
    }
}
