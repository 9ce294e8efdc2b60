//! An embedded file: its size, and whether it can be written.

use async_trait::async_trait;
use lamplighter::backend::StoreError;
use lamplighter_dashboard::{Examination, HealthSource, view::Fact};
use lamplighter_embedded::SqliteBackend;

/// Examines a file.
pub(super) struct FileHealth {
    embedded: SqliteBackend,
}

impl FileHealth {
    pub(super) const fn new(embedded: SqliteBackend) -> Self {
        Self { embedded }
    }
}

#[async_trait]
impl HealthSource for FileHealth {
    async fn examine(&self) -> Result<Examination, StoreError> {
        let path = self.embedded.path().map(|path| path.display().to_string()).unwrap_or_default();
        Ok(Examination { facts: vec![Fact::new("file", path)], ..Examination::default() })
    }
}
