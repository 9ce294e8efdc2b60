//! The pages.

mod act;
mod actions;
mod batches;
mod dead_letters;
mod draw;
mod errors;
mod frame;
mod health;
mod job;
mod jobs;
mod operations;
mod overview;
mod portion;
mod query;
mod queues;
mod schedules;
mod schema_form;
mod tree;
mod types;
mod ui;

#[cfg(test)]
mod tests;

use askama::Template;
use axum::{
    Router,
    response::Html,
    routing::{get, post},
};

use self::frame::Frame;
use crate::{
    http::{Asset, Chrome},
    problem::Problem,
};

/// The files that pages load.
pub(crate) const ASSETS: &[Asset] = &[
    Asset {
        name: "dashboard.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../assets/dashboard.css"),
    },
    Asset {
        name: "dashboard.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../assets/dashboard.js"),
    },
    Asset { name: "lamp.svg", content_type: "image/svg+xml", bytes: include_bytes!("../../assets/lamp.svg") },
];

/// The pages, by their paths below the base. Handlers take a [`Desk`](crate::Desk) and a [`Chrome`].
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/jobs", get(jobs::page))
        .route("/jobs/{id}", get(job::page))
        .route("/errors", get(errors::list))
        .route("/errors/{fingerprint}", get(errors::page))
        .route("/queues", get(queues::list))
        .route("/queues/{queue}", get(queues::page))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{schedule}", get(schedules::page))
        .route("/types", get(types::list))
        .route("/types/{job}", get(types::page))
        .route("/batches", get(batches::list))
        .route("/batches/{id}", get(batches::page))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{queue}", get(dead_letters::page))
        .route("/operations", get(operations::list))
        .route("/operations/{id}", get(operations::page))
        .route("/operations/{id}/stop", post(operations::stop))
        .route("/health", get(health::page))
        .route("/act", post(act::begin))
        .route("/act/{kind}", get(act::ask).post(act::preview))
}

/// What a handler of a page answers.
type Page = Result<Html<String>, Problem>;

fn written(page: &impl Template) -> Page {
    page.render().map(Html).map_err(|error| Problem::unavailable(format!("The page could not be written: {error}.")))
}

/// A problem as a page. There is no chrome where nobody is signed in.
pub(crate) fn problem_page(problem: &Problem, chrome: Option<&Chrome>) -> String {
    let page = match chrome {
        Some(chrome) => ProblemPage { frame: Frame::of(chrome, problem.title), problem }.render(),
        None => BareProblem { problem }.render(),
    };
    page.unwrap_or_else(|_| problem.title.to_owned())
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'p> {
    frame: Frame,
    problem: &'p Problem,
}

/// Without anything that has to be loaded: a browser that is not signed in gets no files.
#[derive(Template)]
#[template(
    source = r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>{{ problem.title }}</title><main><h1>{{ problem.title }}</h1><p>{{ problem.detail }}</p></main></html>"#,
    ext = "html"
)]
struct BareProblem<'p> {
    problem: &'p Problem,
}
