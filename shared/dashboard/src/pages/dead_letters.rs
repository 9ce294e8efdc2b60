//! Dead letters.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Path, Query};
use lamplighter::backend::DeadLetterFilter;
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    portion::{self, Portion},
    ui, written,
};
use crate::{
    ActionKind, Desk,
    desk::CommandLine,
    http::Chrome,
    view::{self, DeadLetterCountsView, DeadLetterView, Part, QueueView},
};

#[derive(Template)]
#[template(path = "dead_queues.html")]
struct DeadQueuesPage {
    frame: Frame,
    queues: Vec<QueueView>,
    portion: Portion<()>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<portion::Asked>) -> Page {
    let list = desk.queues().await?;
    let frame = Frame::of(&chrome, "Dead letters").read_at(list.as_of);
    let has_some = |queue: &QueueView| queue.dead_letters.is_some_and(|letters| letters > 0);
    let (address, dead) = (format!("{}/dead-letters", frame.base), list.items.into_iter().filter(has_some).collect());
    let (queues, portion) = Portion::of(dead, &asked, &address, |queue: &QueueView| &queue.queue).split();
    let frame = if portion.is_long { frame.with_query() } else { frame };
    written(&DeadQueuesPage { frame, queues, portion })
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    job: Option<String>,
    reason: Option<String>,
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

/// A condition, and the address of the page without it.
struct Chip {
    term: String,
    without: String,
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLettersPage {
    frame: Frame,
    queue: String,
    actions: Vec<ActionLink>,
    /// What can be done to one.
    each: Vec<ActionLink>,
    chips: Vec<Chip>,
    page: view::Page<DeadLetterView>,
    more: Option<String>,
    counts: Part<DeadLetterCountsView>,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(queue): Path<String>, Query(asked): Query<Asked>) -> Page {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (job, reason) = (given(asked.job), given(asked.reason));
    let all = DeadLetterFilter::all();
    let mut filter = all.clone();
    (filter.job, filter.reason) = (job.clone(), reason.clone());
    let (page, counts) = tokio::join!(
        desk.dead_letters(&queue, &filter, asked.cursor.as_deref(), asked.limit),
        desk.count_dead_letters(&queue, &all),
    );
    let page = page?;
    let frame = Frame::of(&chrome, format!("Dead letters of {queue}")).read_at(page.as_of);
    let conditions: Vec<_> = [("job", &job), ("reason", &reason)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)))
        .collect();
    let kinds = [ActionKind::Redrive, ActionKind::DeleteDeadLetters];
    let each = actions::links(&frame, kinds, false);
    let mut actions = if page.items.is_empty() { Vec::new() } else { actions::links(&frame, kinds, true) };
    let is_all = conditions.is_empty();
    for action in &mut actions {
        for (name, value) in &conditions {
            let _ = write!(action.filter, "&letter_{name}={}", ui::encode(value));
        }
        action.label = match (action.kind, is_all) {
            ("redrive", true) => "Send all back",
            ("redrive", false) => "Send these back",
            (_, true) => "Delete all",
            (_, false) => "Delete these",
        };
    }
    let address = |conditions: &[(&str, &String)], cursor: Option<&str>| {
        let pairs =
            conditions.iter().map(|(name, value)| (*name, value.as_str())).chain(cursor.map(|next| ("cursor", next)));
        let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", ui::encode(value))).collect();
        let join = if pairs.is_empty() { "" } else { "?" };
        format!("{}{join}{}", frame.dead_letters(&queue), pairs.join("&"))
    };
    let more = page.next.as_deref().map(|next| address(&conditions, Some(next)));
    let chips = conditions.iter().map(|(name, value)| {
        let rest: Vec<_> = conditions.iter().filter(|(other, _)| other != name).copied().collect();
        Chip { term: format!("{name}:{value}"), without: address(&rest, None) }
    });
    let chips = chips.collect();
    let command = desk.command(&CommandLine::new("dead-letters").about(&queue));
    let counts = Part::from(counts);
    written(&DeadLettersPage { frame, queue, actions, each, chips, page, more, counts, command })
}
