//! Error groups.

use askama::Template;
use axum::extract::{self, Path};
use lamplighter::query::Query;
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    query::{QueryField, quoted},
    ui, written,
};
use crate::{
    ActionKind, Desk, Problem,
    desk::{CommandLine, ErrorFilter},
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

/// The part of the grammar that groups of errors have: those of one job, on one queue, since a time.
fn filter(text: &str, now: jiff::Timestamp) -> Result<ErrorFilter, Problem> {
    let wrong = |detail: String| Problem::parameter("q", detail);
    let query: Query = text.parse().map_err(|error| wrong(format!("{error}.")))?;
    let one = |key: &str, names: &[String]| match names {
        [] => Ok(None),
        [name] if !name.contains('*') => Ok(Some(name.clone())),
        names => {
            Err(wrong(format!("{key}:{}: error groups are searched by one name, without a star.", names.join(","))))
        }
    };
    let filter = ErrorFilter {
        job: one("job", query.jobs())?,
        queue: one("queue", query.queues())?,
        since: query.known_since().map(|since| since.from(now)),
    };
    let mut known = Query::new();
    known = filter.job.iter().fold(known, |known, job| known.job(job));
    known = filter.queue.iter().fold(known, |known, queue| known.queue(queue));
    known = filter.since.into_iter().fold(known, Query::since);
    match query.pinned(now) == known {
        true => Ok(filter),
        false => Err(wrong(format!(
            "{query}: error groups are searched by job:, queue: and since:. Jobs can be searched by everything."
        ))),
    }
}

pub(super) async fn list(desk: Desk, chrome: Chrome, extract::Query(asked): extract::Query<Asked>) -> Page {
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
        command: desk.command(&CommandLine::new("errors").about(group.fingerprint.to_string())),
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
        for (text, since) in [
            ("since:3d", "2026-11-25T12:00:00Z"),
            (r#"since:"3 days""#, "2026-11-25T12:00:00Z"),
            ("since:2w queue:mails", "2026-11-14T12:00:00Z"),
            ("since:2026-11-28T10:00:00Z", "2026-11-28T10:00:00Z"),
        ] {
            assert_eq!(filter(text, now).unwrap().since, Some(since.parse().unwrap()), "{text}");
        }
        assert_eq!(filter("", now).unwrap(), ErrorFilter::default());
        for wrong in [
            "state:failed",
            "since:soon",
            "since:-2h",
            "job:webhook.*",
            "job:a,b",
            "job:a job:b",
            "queue:web*",
            "-job:a",
            "before:2h",
            "webhook",
            "job:",
        ] {
            let detail = filter(wrong, now).unwrap_err().detail;
            assert!(detail.contains(wrong.split([':', ' ']).next().unwrap()), "{wrong}: {detail}");
        }
    }
}
