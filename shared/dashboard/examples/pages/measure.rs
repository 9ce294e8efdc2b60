//! Requests, and how long each took.

use std::{
    fs,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use lamplighter::env::Env;
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer};
use lamplighter_embedded::SqliteBackend;
use tower::ServiceExt;

use crate::Done;

/// A dashboard that has read nothing yet.
pub(crate) fn dashboard(backend: &SqliteBackend, env: Env) -> Done<Router> {
    let site = Site::new(&crate::shop::app()?, backend.backend(), env, backend.operator()).environment("a million");
    let access = Access::custom(|_| Some(Viewer::new("ada", Rights::operator())));
    Ok(Dashboard::new(site, access)?.live(Duration::from_secs(1)).router())
}

/// An answer, and what it took.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) wall: Duration,
    /// What all threads have worked for it, where the system tells.
    pub(crate) work: Option<Duration>,
}

/// Asks, as a browser does.
pub(crate) async fn ask(router: &Router, path: &str) -> Done<Answer> {
    let request = Request::builder()
        .uri(path)
        .header(header::HOST, "localhost:7000")
        .header(header::ACCEPT, if path.starts_with("/api/") { "application/json" } else { "text/html" })
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Body::empty())?;
    let (began, worked) = (Instant::now(), worked());
    let response = router.clone().oneshot(request).await?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let wall = began.elapsed();
    let work = worked.zip(self::worked()).map(|(before, after)| after.saturating_sub(before));
    Ok(Answer { status: parts.status, headers: parts.headers, body, wall, work })
}

/// How long the threads of this process have run on a processor. The first field of `schedstat` is that, in nanoseconds.
fn worked() -> Option<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        sum += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}

/// What was measured of one kind of page.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) walls: Vec<Duration>,
    pub(crate) works: Vec<Duration>,
    pub(crate) largest: usize,
    /// The address that took longest, and how long.
    pub(crate) slowest: (Duration, String),
    pub(crate) failures: Vec<String>,
}

impl Row {
    /// Asks for each of these addresses a dashboard that has read nothing.
    pub(crate) async fn of(name: &'static str, paths: Vec<String>, new: impl Fn() -> Done<Router>) -> Done<Self> {
        let mut row = Self { name, ..Self::default() };
        for path in paths {
            let answer = ask(&new()?, &path).await?;
            if answer.status != StatusCode::OK {
                row.failures.push(format!("{} {path}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
            }
            row.largest = row.largest.max(answer.body.len());
            row.slowest = std::mem::take(&mut row.slowest).max((answer.work.unwrap_or(answer.wall), path));
            row.walls.push(answer.wall);
            row.works.extend(answer.work);
        }
        row.walls.sort_unstable();
        row.works.sort_unstable();
        Ok(row)
    }
}

/// The value below which so many of a hundred are.
pub(crate) fn percentile(sorted: &[Duration], of_hundred: usize) -> Duration {
    let place = (sorted.len() * of_hundred).div_ceil(100).max(1) - 1;
    sorted.get(place).copied().unwrap_or_default()
}

/// The same answer, not compressed.
pub(crate) async fn unpacked(router: &Router, path: &str) -> Done<Vec<u8>> {
    let request =
        Request::builder().uri(path).header(header::HOST, "localhost:7000").header(header::ACCEPT, "text/html");
    let response = router.clone().oneshot(request.body(Body::empty())?).await?;
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}

/// What a browser loads first of a page: itself and its files, as they are sent.
pub(crate) async fn first_load(router: &Router, path: &str) -> Done<usize> {
    let page = ask(router, path).await?;
    let text = String::from_utf8_lossy(&unpacked(router, path).await?).into_owned();
    let mut size = page.body.len() + head(&page.headers);
    let mut files: Vec<_> = text.split('"').filter(|word| word.starts_with("/assets/")).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let file = ask(router, file).await?;
        size += file.body.len() + head(&file.headers);
    }
    Ok(size)
}

fn head(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
