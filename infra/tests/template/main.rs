//! The template, as it follows from functions and definitions.

mod committed;
mod contradictions;
mod numbers;
mod rights;
mod support;
