//! Where figures are made.

pub mod startup;
