//! Where figures are made.

pub mod embedded;
pub mod startup;
