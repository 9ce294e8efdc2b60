//! Lets requests loose on a dashboard with an hour of a shop's life behind it, and judges the answers.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use lamplighter::{ListQuery, env::Env};
use lamplighter_dashboard::{Access, Dashboard, Desk, Rights, Site, Viewer, desk::Shared};
use lamplighter_embedded::SqliteBackend;
use serde_json::json;
use tower::ServiceExt;

use super::{
    check::wrong,
    throw::{Seeds, Thrower},
};

type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// The largest answer.
const MOST_BYTES: usize = 16 << 20;
/// Panics, of whichever thread, as far as the program counts them.
pub(crate) static PANICS: AtomicU64 = AtomicU64::new(0);

/// How long, or how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// The seed.
    pub(crate) seed: u64,
    /// The first request's number.
    pub(crate) from: u64,
    /// The most requests.
    pub(crate) requests: u64,
    /// The longest time.
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The requests that were sent.
    pub(crate) sent: u64,
    /// The answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// The longest wait for an answer, and the number of its request.
    pub(crate) slowest: (Duration, u64),
    /// What was wrong, each with its request.
    pub(crate) wrong: Vec<String>,
}

/// A dashboard of a shop in memory, whose operators are named in a header.
///
/// # Errors
/// When the shop cannot be made.
pub(crate) async fn dashboard() -> Done<(Router, SqliteBackend)> {
    let start = jiff::Timestamp::now().checked_sub(Duration::from_secs(64 * 60))?;
    let env = Env::driven(start, 20_261_128);
    let backend = SqliteBackend::memory(env.clone())?;
    let engine = crate::history::play(&backend).await?;
    tokio::time::resume();
    engine.drain(Duration::from_millis(1)).await;
    let access = Access::custom(|parts| {
        let name = parts.headers.get("x-user")?.to_str().ok()?;
        let rights = match name {
            "operator" => Rights::operator(),
            "reader" => Rights::reader(),
            "team" => Rights::operator().only_queues(["mails"]),
            _ => return None,
        };
        Some(Viewer::new(name, rights))
    });
    let site = Site::new(&crate::shop::app()?, backend.backend(), env, backend.operator()).environment("garbage");
    crate::history::operate(&Desk::new(Shared::new(site.clone()), Viewer::new("grace", Rights::operator()))).await?;
    Ok((Dashboard::new(site, access)?.live(Duration::from_secs(1)).router(), backend))
}

/// What is there.
///
/// # Errors
/// When the shop cannot be read.
pub(crate) async fn seeds(router: &Router, backend: &SqliteBackend) -> Done<Seeds> {
    let client = backend.client();
    let list = async |query: ListQuery| client.list(&query).await.map(|page| page.records);
    let mut records = list(ListQuery { limit: 20, ..ListQuery::default() }).await?;
    for job in ["text.echo", "webhook.deliver", "mail.send", "report.daily"] {
        records.extend(list(ListQuery { jobs: vec![job.into()], limit: 15, ..ListQuery::default() }).await?);
    }
    let (mut names, mut pages, mut operations) = (Vec::new(), Vec::new(), Vec::new());
    for record in &records {
        let id = record.id.to_string();
        pages.extend([format!("/jobs/{id}"), format!("/act/edit-and-run?job={id}")]);
        for kind in ["retry", "cancel", "run-now", "edit-and-run"] {
            operations.push((json!({ "kind": kind }), json!({ "kind": "job", "id": id })));
        }
        if let Some(group) = record.last_fingerprint() {
            pages.push(format!("/errors/{group}"));
            operations.push((json!({"kind": "note-error"}), json!({"kind": "error-group", "fingerprint": group})));
        }
        names.push(id);
    }
    for (kind, all) in [
        ("queues", &["webhooks", "mails", "ledger", "archive"][..]),
        ("types", &["mail.send", "webhook.deliver", "order.archive", "text.echo"]),
        ("schedules", &["reindex", "sales-of-five-minutes", "report-daily"]),
        ("batches", &["prices-5", "prices-26"]),
        ("dead-letters", &["webhooks", "mails", "texts"]),
    ] {
        names.extend(all.iter().map(ToString::to_string));
        pages.extend(all.iter().map(|name| format!("/{kind}/{name}")));
        pages.push(format!("/{kind}"));
    }
    pages.extend(["/", "/jobs", "/errors", "/operations", "/health", "/jobs?q=job:text.echo"].map(str::to_owned));
    for kind in ["pause-schedule", "resume-schedule", "trigger-schedule"] {
        operations.push((json!({ "kind": kind }), json!({"kind": "schedule", "schedule": "reindex"})));
    }
    operations.push((json!({"kind": "enqueue", "job": "text.echo"}), json!({"kind": "new"})));
    operations.push((json!({"kind": "pause-queue"}), json!({"kind": "queue", "queue": "mails"})));
    let page = Request::builder().uri("/types/mail.send").header(header::HOST, "localhost:7000");
    let page = page.header("x-user", "operator").header(header::ACCEPT, "text/html").body(Body::empty())?;
    let body = router.clone().oneshot(page).await?.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    let csrf = text.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let csrf = csrf.ok_or("the page of a type has no form")?.to_owned();
    Ok(Seeds { names, pages, operations, csrf })
}

/// Throws.
pub(crate) async fn throw(router: &Router, thrower: &Thrower, plan: Plan) -> Outcome {
    let (mut outcome, began) = (Outcome::default(), Instant::now());
    for number in plan.from..plan.from.saturating_add(plan.requests) {
        if began.elapsed() >= plan.time || outcome.wrong.len() >= 20 {
            break;
        }
        let Some(request) = thrower.request(number) else { continue };
        let what = format!("{number}: {} {} {:?}", request.method(), request.uri(), request.headers());
        let what: String = what.chars().take(1_000).collect();
        let is_stream = request.uri().path() == "/live";
        let (sent, panics) = (Instant::now(), PANICS.load(Ordering::Relaxed));
        let answer = AssertUnwindSafe(answer(router, request, is_stream)).catch_unwind().await;
        let mut found = match answer {
            Ok((status, found)) => {
                *outcome.statuses.entry(status.as_u16()).or_default() += 1;
                found
            }
            Err(_) => vec!["a panic in the handler".to_owned()],
        };
        if PANICS.load(Ordering::Relaxed) > panics {
            found.push("a panic".into());
        }
        outcome.sent += 1;
        outcome.slowest = outcome.slowest.max((sent.elapsed(), number));
        outcome.wrong.extend(found.into_iter().map(|found| format!("{found}\n    {what}")));
    }
    outcome
}

async fn answer(router: &Router, request: Request<Body>, is_stream: bool) -> (StatusCode, Vec<String>) {
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let is_packed = parts.headers.contains_key(header::CONTENT_ENCODING);
    let body = match is_stream && parts.status == StatusCode::OK {
        true => Ok(Default::default()),
        false => Limited::new(body, MOST_BYTES).collect().await.map(|body| body.to_bytes()),
    };
    match body {
        // What is packed is the same as what is not, which most are.
        Ok(body) => (parts.status, wrong(parts.status, &parts.headers, if is_packed { &[] } else { &body })),
        Err(error) => (parts.status, vec![format!("the body: {error}")]),
    }
}
