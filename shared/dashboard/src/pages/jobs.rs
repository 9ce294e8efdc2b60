//! The list of jobs.

use askama::Template;
use axum::extract::Query;
use lamplighter::JobState;
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    query::{QueryField, value_of, with_term},
    ui, written,
};
use crate::{
    ActionKind, Desk,
    http::Chrome,
    view::{self, JobView},
};

/// What an address asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

/// A state to choose.
struct Tab {
    name: &'static str,
    query: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    query: QueryField,
    tabs: Vec<Tab>,
    page: Option<view::Page<JobView>>,
    more: Option<String>,
    can_mark: bool,
    bulk: Vec<ActionLink>,
    command: String,
    enqueue: String,
}

impl JobsPage {
    fn jobs(&self) -> &[JobView] {
        self.page.as_ref().map(|page| &*page.items).unwrap_or_default()
    }
}

const BULK: [ActionKind; 4] = [ActionKind::Retry, ActionKind::RunNow, ActionKind::Cancel, ActionKind::Delete];

pub(super) async fn page(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let hint = "state:failed job:webhook.* since:2h, or an id";
    let mut query = QueryField::new("/jobs", "Search jobs", hint, &asked.q);
    let page = query.answer(desk.jobs(&query.text, asked.cursor.as_deref(), asked.limit).await)?;
    let frame = Frame::of(&chrome, "Jobs").with_query().read_at(desk.now());
    let more = page.as_ref().and_then(|page| page.next.as_ref()).map(|next| {
        let join = if query.text.is_empty() { '?' } else { '&' };
        format!("{}{join}cursor={}", frame.jobs(&query.text), ui::encode(next))
    });
    let mut command = vec!["jobs"];
    if !query.text.is_empty() {
        command.extend(["--query", &query.text]);
    }
    let command = desk.command(command);
    let enqueue = desk.command(["enqueue", "--help"]);
    let bulk = actions::links(&frame, BULK, false);
    let tabs = tabs(&query.text);
    written(&JobsPage {
        can_mark: !bulk.is_empty() && page.is_some(),
        frame,
        query,
        tabs,
        page,
        more,
        bulk,
        command,
        enqueue,
    })
}

fn tabs(text: &str) -> Vec<Tab> {
    let states = value_of(text, "state");
    let all = Tab { name: "all", query: with_term(text, "state", None), here: states.is_none() };
    let of = |state: JobState| Tab {
        name: state.as_str(),
        query: with_term(text, "state", Some(state.as_str())),
        here: states.as_deref() == Some(state.as_str()),
    };
    std::iter::once(all).chain(JobState::ALL.into_iter().map(of)).collect()
}
