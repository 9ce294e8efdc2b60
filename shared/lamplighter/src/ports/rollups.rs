//! Roll-ups: what workers have measured, by job and minute.

use async_trait::async_trait;

use super::StoreError;
use crate::meter::{Rollup, RollupQuery};

/// Where charts come from: what workers have [measured](crate::meter::Meter), summed up by job, queue and minute. Reading
/// them reads no records of jobs.
#[async_trait]
pub trait Rollups: Send + Sync + 'static {
    /// Roll-ups by job and queue, sorted by these. The first point begins with the query's first minute.
    ///
    /// # Errors
    /// When they cannot be read, or when the query is [not valid](RollupQuery::minutes).
    async fn read(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError>;
}
