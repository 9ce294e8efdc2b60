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
    query::{QueryField, terms, value_of, with_term},
    ui, written,
};
use crate::{
    ActionKind, Desk,
    desk::CommandLine,
    http::Chrome,
    view::{self, JobView, StateCount},
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
    /// How many jobs it shows, where that is known: only for queries that the store counts anyway.
    count: Option<StateCount>,
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
    /// Where all that match are retried, where that is what one comes for.
    retry_all: Option<String>,
    retry_label: String,
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
    let (jobs, counts) =
        tokio::join!(desk.jobs(&query.text, asked.cursor.as_deref(), asked.limit), counts(&desk, &query.text));
    let page = query.answer(jobs)?;
    let frame = Frame::of(&chrome, "Jobs").with_query().read_at(desk.now());
    let more = page.as_ref().and_then(|page| page.next.as_ref()).map(|next| {
        let join = if query.text.is_empty() { '?' } else { '&' };
        format!("{}{join}cursor={}", frame.jobs(&query.text), ui::encode(next))
    });
    let mut command = CommandLine::new("jobs");
    if !query.text.is_empty() {
        command = command.option("--query", &query.text);
    }
    let command = desk.command(&command);
    let enqueue = desk.command(&CommandLine::new("enqueue").flag("--help"));
    let bulk = actions::links(&frame, BULK, false);
    let can_retry = matches!(value_of(&query.text, "state").as_deref(), Some("failed" | "cancelled"))
        && frame.may(ActionKind::Retry.as_str())
        && page.as_ref().is_some_and(|page| !page.items.is_empty());
    let retry_all = can_retry.then(|| frame.act("retry", "all", &query.text));
    let tabs = tabs(&query.text, counts.as_deref());
    let count = tabs.iter().find(|tab| tab.here).and_then(|tab| tab.count.as_ref()).filter(|count| count.is_exact);
    let retry_label = match count {
        Some(count) if count.jobs > 1 => format!("Retry all {}…", ui::number(&count.jobs)),
        _ => "Retry all that match…".to_owned(),
    };
    written(&JobsPage {
        can_mark: !bulk.is_empty() && page.is_some(),
        frame,
        query,
        tabs,
        page,
        more,
        bulk,
        retry_all,
        retry_label,
        command,
        enqueue,
    })
}

/// The counts of a query's states, if it asks for all jobs or those of one queue.
async fn counts(desk: &Desk, text: &str) -> Option<Vec<StateCount>> {
    let rest = with_term(text, "state", None);
    let queue = match &*terms(&rest) {
        [] => None,
        [only] => Some(only.strip_prefix("queue:").filter(|name| !name.contains([',', '*', '"']))?.to_owned()),
        _ => return None,
    };
    desk.counts(queue.as_deref()).await.ok()
}

fn tabs(text: &str, counts: Option<&[StateCount]>) -> Vec<Tab> {
    let states = value_of(text, "state");
    let none = |state| StateCount { state, jobs: 0, is_exact: true, as_of: jiff::Timestamp::MAX };
    let of_state = |state: JobState| {
        let counted = counts?.iter().find(|count| count.state == state);
        Some(counted.cloned().unwrap_or_else(|| none(state)))
    };
    let whole = counts.map(|counts| {
        let sum = |sum: StateCount, count: &StateCount| StateCount {
            state: sum.state,
            jobs: sum.jobs + count.jobs,
            is_exact: sum.is_exact && count.is_exact,
            as_of: sum.as_of.min(count.as_of),
        };
        counts.iter().fold(none(JobState::Queued), sum)
    });
    let all = Tab { name: "all", query: with_term(text, "state", None), here: states.is_none(), count: whole };
    let of = |state: JobState| Tab {
        name: state.as_str(),
        query: with_term(text, "state", Some(state.as_str())),
        here: states.as_deref() == Some(state.as_str()),
        count: of_state(state),
    };
    std::iter::once(all).chain(JobState::ALL.into_iter().map(of)).collect()
}
