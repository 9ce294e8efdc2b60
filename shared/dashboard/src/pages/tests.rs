use axum::{Router, body::Body};
use http::{Request, StatusCode, header};
use lamplighter::{App, Client, RawValue, Tracking, Variables, backend::Backend};
use lamplighter_embedded::{Engine, SqliteBackend};
use tower::ServiceExt;

use super::ASSETS;
use crate::{Access, Dashboard, Rights, Viewer, testing};

const HOSTILE: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

fn dashboard(rights: Rights) -> (Router, SqliteBackend) {
    let (site, backend) = testing::backed();
    let access = Access::custom(move |_| Some(Viewer::new(HOSTILE, rights.clone())));
    (Dashboard::new(site, access).unwrap().base_path("/jobs").router(), backend)
}

async fn get(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header(header::HOST, "127.0.0.1").header(header::ACCEPT, "text/html");
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 4_000_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Nothing that the policy forbids, and nothing that came from a text.
fn is_sound(path: &str, page: &str) {
    for forbidden in ["<img", "onerror=alert(1)>", "<script>", " style=", " onclick=", "javascript:"] {
        assert!(!page.contains(forbidden), "{path} has {forbidden}: {page}");
    }
    assert_eq!(page.matches("<script").count(), 1, "{path}");
    assert_eq!(page.matches("<h1").count(), 1, "{path}");
    assert!(page.contains("/jobs/assets/"), "{path}");
}

const LISTS: [&str; 12] = [
    "/",
    "/jobs",
    "/jobs?q=state:failed",
    "/jobs?q=state:broken",
    "/errors",
    "/queues",
    "/schedules",
    "/types",
    "/batches",
    "/dead-letters",
    "/operations",
    "/health",
];

#[tokio::test]
async fn pages_say_what_to_do_where_there_is_nothing_yet() {
    let (router, _backend) = dashboard(Rights::operator());
    for path in LISTS {
        let (status, page) = get(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        is_sound(path, &page);
    }
    let (status, page) = get(&router, "/types/order.ship").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains(r#"type="password" id="args-token""#), "{page}");
    let (status, page) = get(&router, "/jobs/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    is_sound("/jobs/nothing", &page);
}

/// Fails jobs with hostile texts, and waits for their ends.
async fn fail(backend: &SqliteBackend) -> String {
    let app: App = testing::app();
    let engine = Engine::builder(backend).app(&app, &Variables::system()).start().await.unwrap();
    let client = Client::new(Backend::clone(&backend.backend()), backend.env().clone());
    let args = serde_json::json!({ "order": 7, "token": HOSTILE, HOSTILE: [HOSTILE] });
    let args = RawValue::from_string(args.to_string()).unwrap();
    let id = client.enqueue_raw("order.ship", "orders", Tracking::Full, args).await.unwrap().id().clone();
    let mut events = 0;
    while !client.get(&id).await.unwrap().is_some_and(|record| record.state.is_final()) {
        tokio::task::yield_now().await;
        events += 1;
        assert!(events < 10_000_000, "the job does not end");
    }
    engine.drain(std::time::Duration::from_secs(5)).await;
    id.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_inert_on_every_page() {
    let (router, backend) = dashboard(Rights::operator());
    let id = fail(&backend).await;
    let encoded = super::ui::encode(HOSTILE);
    let mut paths: Vec<String> = LISTS.map(str::to_owned).to_vec();
    paths.extend([
        format!("/jobs/{id}"),
        format!("/act/edit-and-run?job={id}"),
        format!("/act/retry?job={id}"),
        "/queues/orders".into(),
        "/dead-letters/orders".into(),
        format!("/jobs?q={encoded}"),
        format!("/errors?q={encoded}"),
        format!("/schedules?q={encoded}"),
    ]);
    for path in &paths {
        let (status, page) = get(&router, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        is_sound(path, &page);
    }
    for kind in ["jobs", "errors", "queues", "schedules", "types", "batches", "dead-letters", "operations", "act"] {
        let (status, page) = get(&router, &format!("/{kind}/{encoded}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{kind}: {page}");
        is_sound(kind, &page);
    }
    let (_, page) = get(&router, &format!("/jobs/{id}")).await;
    assert!(page.contains("&lt;script&gt;") || page.contains("hidden"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_is_shown_no_action() {
    let (router, backend) = dashboard(Rights::reader());
    let id = fail(&backend).await;
    for path in
        [format!("/jobs/{id}"), "/jobs".into(), "/queues/orders".into(), "/errors".into(), "/types/mail.send".into()]
    {
        let (status, page) = get(&router, &path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(!page.contains("/act/") && !page.contains("method=\"post\""), "{path}: {page}");
    }
    let (status, _) = get(&router, &format!("/act/retry?job={id}")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[test]
fn files_are_small() {
    let size = |name: &str| ASSETS.iter().find(|asset| asset.name == name).unwrap().bytes.len();
    assert!(size("dashboard.css") <= 25_000, "{}", size("dashboard.css"));
    assert!(size("dashboard.js") <= 13_000, "{}", size("dashboard.js"));
}
