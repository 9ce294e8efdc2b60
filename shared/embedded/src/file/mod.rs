//! The file: its connections, its layout, its one writer and its readers.

pub(crate) mod catalog;
pub(crate) mod connection;
pub(crate) mod read_only;
pub(crate) mod readers;
pub(crate) mod schema;
pub(crate) mod signals;
pub(crate) mod unit;
pub(crate) mod writer;
