//! Where figures are made.
