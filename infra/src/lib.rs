//! Derives the infrastructure template from functions and definitions.
