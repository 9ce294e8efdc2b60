//! Queues.

use askama::Template;
use axum::extract::{Path, Query};

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    portion::{Asked, Portion},
    ui, written,
};
use crate::{
    ActionKind, Desk,
    http::Chrome,
    view::{Activity, Coverage, Part, QueueDetail, QueueView, StateCount},
};

/// The job types that the page of a queue names.
const TYPES: usize = 30;

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage {
    frame: Frame,
    queues: Vec<QueueView>,
    portion: Portion<()>,
    coverage: Coverage,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let list = desk.queues().await?;
    let frame = Frame::of(&chrome, "Queues").read_at(list.as_of);
    let address = format!("{}/queues", frame.base);
    let (queues, portion) = Portion::of(list.items, &asked, &address, |queue| &queue.queue).split();
    let frame = if portion.is_long { frame.with_query() } else { frame };
    written(&QueuesPage { frame, queues, portion, coverage: list.coverage })
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
    more_types: u64,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(name): Path<String>) -> Page {
    let QueueDetail { queue, states, activity, jobs: mut types, as_of, .. } = desk.queue(&name).await?;
    let more_types = types.len().saturating_sub(TYPES) as u64;
    types.truncate(TYPES);
    let frame = Frame::of(&chrome, queue.queue.clone()).read_at(as_of);
    let switch = if queue.paused { ActionKind::ResumeQueue } else { ActionKind::PauseQueue };
    let page = QueuePage {
        actions: actions::links(&frame, [switch], queue.paused),
        command: frame.jobs_command("queue", &queue.queue),
        frame,
        queue,
        states,
        activity,
        types,
        more_types,
    };
    written(&page)
}
