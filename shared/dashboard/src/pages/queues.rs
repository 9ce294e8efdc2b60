//! Queues.

use askama::Template;
use axum::extract::Path;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    ui, written,
};
use crate::{
    ActionKind, Desk,
    http::Chrome,
    view::{Activity, Coverage, Part, QueueDetail, QueueView, StateCount},
};

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    frame: Frame,
    queues: Vec<QueueView>,
    coverage: Coverage,
}

pub(super) async fn list(desk: Desk, chrome: Chrome) -> Page {
    let list = desk.queues().await?;
    let frame = Frame::of(&chrome, "Queues").read_at(list.as_of);
    written(&QueuesPage { frame, queues: list.items, coverage: list.coverage })
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    queue: QueueView,
    actions: Vec<ActionLink>,
    states: Part<Vec<StateCount>>,
    activity: Part<Activity>,
    types: Vec<String>,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(name): Path<String>) -> Page {
    let QueueDetail { queue, states, activity, jobs, as_of, .. } = desk.queue(&name).await?;
    let frame = Frame::of(&chrome, queue.queue.clone()).read_at(as_of);
    let switch = if queue.paused { ActionKind::ResumeQueue } else { ActionKind::PauseQueue };
    let page = QueuePage {
        actions: actions::links(&frame, [switch], queue.paused),
        command: desk.command([if queue.paused { "resume" } else { "pause" }, &queue.queue]),
        frame,
        queue,
        states,
        activity,
        types: jobs,
    };
    written(&page)
}
