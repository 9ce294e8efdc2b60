//! Operations on the file, each inside a [`Transaction`](crate::db::transaction::Transaction) or as a read.

pub(crate) mod attempts;
pub(crate) mod batches;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod dead_letters;
pub(crate) mod delete;
pub(crate) mod enqueue;
pub(crate) mod error_notes;
pub(crate) mod errors;
pub(crate) mod flow;
pub(crate) mod groups;
pub(crate) mod hosts;
mod insert;
pub(crate) mod job_data;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod pause;
#[cfg(test)]
mod plans;
pub(crate) mod receipt;
pub(crate) mod receive;
pub(crate) mod records;
pub(crate) mod redrive;
pub(crate) mod relations;
pub(crate) mod renew;
pub(crate) mod reschedule;
pub(crate) mod retention;
pub(crate) mod retry;
pub(crate) mod rollups;
pub(crate) mod row;
pub(crate) mod schedules;
pub(crate) mod settle;
pub(crate) mod tracked;
pub(crate) mod transport;
pub(crate) mod unique;
