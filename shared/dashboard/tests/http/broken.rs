//! A file that is no longer there: no request is at fault.

use axum::body::Body;
use http::{Method, StatusCode, header};
use lamplighter::env::Env;
use lamplighter_dashboard::{Dashboard, Site};
use lamplighter_embedded::{Settings, SqliteBackend};
use serde_json::json;

use crate::support::{HOST, Mail, access, app, request, send};

#[tokio::test]
#[cfg(unix)]
async fn a_file_that_was_removed_is_an_error_of_the_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let backend = SqliteBackend::open(&path, Settings::default()).unwrap();
    backend.client().enqueue(Mail { to: "ada".into() }).id("mail").await.unwrap();
    let site = Site::new(&app(), backend.backend(), Env::system(), backend.operator());
    let router = Dashboard::new(site, access()).unwrap().router();
    let get =
        async |path: &str| send(&router, request(Method::GET, path, "operator").body(Body::empty()).unwrap()).await;
    assert_eq!(get("/api/v1/jobs").await.status, StatusCode::OK);
    assert_eq!(get("/api/v1/jobs?cursor=x").await.status, StatusCode::BAD_REQUEST, "that is the request's own fault");
    std::fs::rename(&path, folder.path().join("away.db")).unwrap();
    for path in ["/api/v1/jobs", "/api/v1/jobs/mail", "/api/v1/operations", "/api/v1/errors", "/api/v1/batches"] {
        let answer = get(path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {}", answer.text());
        assert!(answer.text().contains("was removed or renamed"), "{path}: {}", answer.text());
    }
    let body = json!({ "action": { "kind": "cancel" }, "target": { "kind": "job", "id": "mail" } });
    let write = request(Method::POST, "/api/v1/operations", "operator")
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json");
    let write = send(&router, write.body(Body::from(body.to_string())).unwrap()).await;
    assert_eq!(write.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", write.text());
}
