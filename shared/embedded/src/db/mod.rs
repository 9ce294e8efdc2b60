//! The file: its connections, its layout, its one writer and its readers.

pub(crate) mod catalog;
pub(crate) mod connection;
pub(crate) mod identity;
mod look;
pub(crate) mod patience;
pub(crate) mod private;
pub(crate) mod read_only;
pub(crate) mod readers;
pub(crate) mod schema;
pub(crate) mod signals;
pub(crate) mod transaction;
pub(crate) mod upkeep;
pub(crate) mod writer;
