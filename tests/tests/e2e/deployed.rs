//! The functions of this repository, deployed with the committed template.
