//! Batches.

use askama::Template;
use axum::extract::{Path, Query};
use lamplighter::JobId;
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    ui, written,
};
use crate::{
    ActionKind, Desk,
    desk::CommandLine,
    http::Chrome,
    view::{self, BatchDetail, BatchView, MemberView, RelationView},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesPage {
    frame: Frame,
    page: view::Page<BatchView>,
    more: Option<String>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let page = desk.batches(asked.cursor.as_deref(), asked.limit).await?;
    let frame = Frame::of(&chrome, "Batches").read_at(page.as_of);
    let more = page.next.as_ref().map(|next| format!("{}/batches?cursor={}", frame.base, ui::encode(next)));
    written(&BatchesPage { frame, page, more })
}

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    frame: Frame,
    each: BatchView,
    actions: Vec<ActionLink>,
    outer: Option<JobId>,
    callbacks: Vec<RelationView>,
    members: view::Page<MemberView>,
    more: Option<String>,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(id): Path<String>, Query(asked): Query<Asked>) -> Page {
    let BatchDetail { batch, outer, callbacks, jobs, as_of, .. } =
        desk.batch(&id, asked.cursor.as_deref(), asked.limit).await?;
    let frame = Frame::of(&chrome, format!("Batch {}", batch.id)).read_at(as_of);
    let mut kinds = Vec::new();
    if batch.failed + batch.cancelled > 0 {
        kinds.push(ActionKind::Retry);
    }
    if batch.done() < batch.total {
        kinds.push(ActionKind::Cancel);
    }
    let more = jobs.next.as_ref().map(|next| format!("{}?cursor={}", frame.batch(&batch.id), ui::encode(next)));
    let page = BatchPage {
        actions: actions::links(&frame, kinds, false),
        command: desk.command(&CommandLine::new("batch").about(&batch.id)),
        frame,
        each: batch,
        outer,
        callbacks,
        members: jobs,
        more,
    };
    written(&page)
}
