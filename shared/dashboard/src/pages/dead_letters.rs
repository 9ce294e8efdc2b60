//! Dead letters.

use askama::Template;
use axum::extract::{Path, Query};
use lamplighter::backend::DeadLetterFilter;
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
    http::Chrome,
    view::{self, DeadLetterCountsView, DeadLetterView, Part, QueueView},
};

#[derive(Template)]
#[template(path = "dead_queues.html")]
struct DeadQueuesPage {
    frame: Frame,
    queues: Vec<QueueView>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome) -> Page {
    let list = desk.queues().await?;
    let frame = Frame::of(&chrome, "Dead letters").read_at(list.as_of);
    let has_some = |queue: &QueueView| queue.dead_letters.is_some_and(|letters| letters > 0);
    written(&DeadQueuesPage { frame, queues: list.items.into_iter().filter(has_some).collect() })
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    job: Option<String>,
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLettersPage {
    frame: Frame,
    queue: String,
    actions: Vec<ActionLink>,
    filter: Option<String>,
    page: view::Page<DeadLetterView>,
    more: Option<String>,
    counts: Part<DeadLetterCountsView>,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(queue): Path<String>, Query(asked): Query<Asked>) -> Page {
    let job = asked.job.filter(|job| !job.is_empty());
    let all = DeadLetterFilter::all();
    let mut filter = all.clone();
    filter.job.clone_from(&job);
    let (page, counts) = tokio::join!(
        desk.dead_letters(&queue, &filter, asked.cursor.as_deref(), asked.limit),
        desk.count_dead_letters(&queue, &all),
    );
    let page = page?;
    let frame = Frame::of(&chrome, format!("Dead letters of {queue}")).read_at(page.as_of);
    let job_part = |join: char| job.as_ref().map(|job| format!("{join}job={}", ui::encode(job))).unwrap_or_default();
    let kinds = [ActionKind::Redrive, ActionKind::DeleteDeadLetters];
    let letter_part = job.as_ref().map(|job| format!("&letter_job={}", ui::encode(job))).unwrap_or_default();
    let mut actions = if page.items.is_empty() { Vec::new() } else { actions::links(&frame, kinds, true) };
    for action in &mut actions {
        action.filter.clone_from(&letter_part);
    }
    let more = page
        .next
        .as_ref()
        .map(|next| format!("{}?cursor={}{}", frame.dead_letters(&queue), ui::encode(next), job_part('&')));
    let mut command = vec!["redrive", &queue];
    if let Some(job) = &job {
        command.extend(["--job", job]);
    }
    let command = desk.command(command);
    let filter = job.map(|job| format!("job:{job}"));
    written(&DeadLettersPage { frame, queue, actions, filter, page, more, counts: Part::from(counts), command })
}
