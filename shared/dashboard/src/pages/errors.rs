//! Error groups.

use askama::Template;
use axum::extract::{Path, Query};
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    query::{QueryField, quoted, terms, value_of},
    ui, written,
};
use crate::{
    ActionKind, Desk, Problem,
    desk::ErrorFilter,
    http::Chrome,
    view::{self, Activity, ErrorDetail, ErrorView, JobView, Part},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

#[derive(Template)]
#[template(path = "errors.html")]
struct ErrorsPage {
    frame: Frame,
    query: QueryField,
    page: Option<view::Page<ErrorView>>,
    more: Option<String>,
}

/// The part of the grammar that groups of errors have.
fn filter(text: &str, now: jiff::Timestamp) -> Result<ErrorFilter, Problem> {
    for term in terms(text) {
        let key = term.split(':').next().unwrap_or_default();
        if !matches!(key, "job" | "queue" | "since") || !term.contains(':') {
            return Err(Problem::parameter(
                "q",
                format!(
                    "{term}: error groups are searched by job:, queue: and since:. Jobs can be searched by everything."
                ),
            ));
        }
    }
    let since = value_of(text, "since").map(|text| since(&text, now)).transpose()?;
    Ok(ErrorFilter { job: value_of(text, "job"), queue: value_of(text, "queue"), since })
}

fn since(text: &str, now: jiff::Timestamp) -> Result<jiff::Timestamp, Problem> {
    let wrong = || Problem::parameter("q", format!("since:{text}: a time ago such as 2h, or a moment such as {now}."));
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let ago: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    now.checked_sub(ago).map_err(|_| wrong())
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let mut query = QueryField::new("/errors", "Search error groups", "job:webhook.send since:2h", &asked.q);
    let answer = match filter(&query.text, desk.now()) {
        Ok(filter) => desk.errors(&filter, asked.cursor.as_deref(), asked.limit).await,
        Err(problem) => Err(problem),
    };
    let page = query.answer(answer)?;
    let frame = Frame::of(&chrome, "Errors").with_query().read_at(desk.now());
    let more = page
        .as_ref()
        .and_then(|page| page.next.as_ref())
        .map(|next| format!("{}/errors?q={}&cursor={}", frame.base, ui::encode(&query.text), ui::encode(next)));
    written(&ErrorsPage { frame, query, page, more })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    error: ErrorView,
    actions: Vec<ActionLink>,
    jobs: Vec<JobView>,
    all_query: String,
    trend: Part<Activity>,
    can_mark: bool,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(fingerprint): Path<String>) -> Page {
    let ErrorDetail { mut group, trend, as_of } = desk.error(&fingerprint).await?;
    let frame = Frame::of(&chrome, group.title.clone()).read_at(as_of);
    let kinds = [ActionKind::Retry, ActionKind::NoteError, ActionKind::MuteError];
    let all_query = format!("fp:{} job:{}", group.fingerprint, quoted(&group.job));
    let page = ErrorPage {
        actions: actions::links(&frame, kinds, true),
        command: desk.command(["errors", &group.fingerprint.to_string()]),
        jobs: std::mem::take(&mut group.recent),
        frame,
        error: group,
        all_query,
        trend,
        can_mark: false,
    };
    written(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_groups_are_searched_by_what_they_have() {
        let now: jiff::Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let found = filter("job:webhook.send since:2h", now).unwrap();
        assert_eq!(
            (found.job.as_deref(), found.since),
            (Some("webhook.send"), Some("2026-11-28T10:00:00Z".parse().unwrap()))
        );
        assert!(filter("state:failed", now).unwrap_err().detail.contains("state:failed"));
        assert!(filter("since:soon", now).unwrap_err().detail.contains("since:soon"));
    }
}
