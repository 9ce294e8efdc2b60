//! Operations.

use askama::Template;
use axum::{
    extract::{Path, Query},
    response::Redirect,
};
use serde::Deserialize;

use super::{
    Page, draw,
    frame::Frame,
    tree::tree,
    ui::{self, Markup},
    written,
};
use crate::{
    Desk, Problem,
    http::Chrome,
    view::{self, OperationView, Part},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    frame: Frame,
    page: Part<view::Page<OperationView>>,
    more: Option<String>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let page = match desk.operations(asked.cursor.as_deref(), asked.limit).await {
        Err(problem) if problem.code != "not-kept" => return Err(problem),
        answer => Part::from(answer),
    };
    let frame = Frame::of(&chrome, "Operations").read_at(desk.now());
    let next = page.ready().and_then(|page| page.next.as_ref());
    let more = next.map(|next| format!("{}/operations?cursor={}", frame.base, ui::encode(next)));
    written(&OperationsPage { frame, page, more })
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    frame: Frame,
    each: OperationView,
    target: Markup,
    action: Markup,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(id): Path<String>) -> Page {
    let operation = desk.operation(&id).await?;
    let frame = Frame::of(&chrome, operation.title.clone()).read_at(desk.now());
    let (target, action) = (tree(&operation.target, "target"), tree(&operation.action, "action"));
    written(&OperationPage { frame, each: operation, target, action })
}

pub(super) async fn stop(desk: Desk, chrome: Chrome, Path(id): Path<String>) -> Result<Redirect, Problem> {
    let operation = desk.stop(&id).await?;
    Ok(Redirect::to(&Frame::of(&chrome, "").operation(&operation.id)))
}
