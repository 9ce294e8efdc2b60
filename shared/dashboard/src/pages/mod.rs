//! The pages.

use axum::Router;

use crate::{
    http::{Asset, Chrome},
    problem::Problem,
};

/// The files that pages load.
pub(crate) const ASSETS: &[Asset] = &[];

/// The pages, by their paths below the base. Handlers take a [`Desk`](crate::Desk) and a [`Chrome`].
pub(crate) fn router() -> Router {
    Router::new()
}

/// A problem as a page. There is no chrome where nobody is signed in.
pub(crate) fn problem_page(problem: &Problem, chrome: Option<&Chrome>) -> String {
    let _ = chrome;
    format!("<!doctype html><title>{}</title><p>{0}", problem.title)
}
