//! The JSON API, version 1: what the pages can do, programs can.

pub(crate) mod bodies;
mod document;
mod parameters;
mod reads;
mod reply;
mod writes;

use axum::{Router, routing::MethodRouter};
use http::Method;

/// The routes of the API: the router and the document's test are made from this list.
fn routes() -> Vec<(Method, &'static str, MethodRouter)> {
    use axum::routing::{get, post};
    let read = |path, handler| (Method::GET, path, handler);
    let write = |path, handler| (Method::POST, path, handler);
    vec![
        read("/me", get(reads::me)),
        read("/overview", get(reads::overview)),
        read("/jobs", get(reads::jobs)),
        read("/jobs/{id}", get(reads::job)),
        read("/jobs/{id}/log", get(reads::log)),
        read("/errors", get(reads::errors)),
        read("/errors/{fingerprint}", get(reads::error)),
        read("/queues", get(reads::queues)),
        read("/queues/{queue}", get(reads::queue)),
        read("/schedules", get(reads::schedules)),
        read("/schedules/{schedule}", get(reads::schedule)),
        read("/types", get(reads::types)),
        read("/types/{job}", get(reads::job_type)),
        read("/batches", get(reads::batches)),
        read("/batches/{id}", get(reads::batch)),
        read("/dead-letters/{queue}", get(reads::dead_letters)),
        read("/dead-letters/{queue}/counts", get(reads::dead_letter_counts)),
        read("/stats", get(reads::stats)),
        read("/health", get(reads::health)),
        read("/operations", get(reads::operations)),
        read("/operations/{id}", get(reads::operation)),
        read("/openapi.json", get(document::serve)),
        write("/operations", post(writes::begin)),
        write("/operations/preview", post(writes::preview)),
        write("/operations/{id}/stop", post(writes::stop)),
    ]
}

/// The API, below `/api/v1`.
pub(crate) fn router() -> Router {
    let add = |router: Router, (_, path, handler): (Method, &str, MethodRouter)| router.route(path, handler);
    routes().into_iter().fold(Router::new(), add)
}
