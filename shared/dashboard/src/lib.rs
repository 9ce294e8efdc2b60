//! The dashboard and the JSON API of Lamplighter, as one axum router.
//!
//! A [`Site`] is what a dashboard shows: an app on a backend. Each request is answered by a [`Desk`], which is the only road to
//! the backend, and knows what its [`Viewer`] may see and do. Pages and API are two ways to write its answers.

mod api;
pub mod chart;
pub mod desk;
pub mod http;
pub mod pages;
mod problem;
pub mod raw;
mod site;
pub mod view;
mod viewer;

#[cfg(test)]
mod testing;

pub use self::{
    desk::Desk,
    http::{Access, Dashboard},
    problem::{Problem, ProblemBody},
    site::{Examination, HealthSource, Site},
    viewer::{ActionKind, InvalidRights, Rights, Viewer},
};

/// The code in the README is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
