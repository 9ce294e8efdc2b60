//! What can be read.

use axum::body::Body;
use http::{Method, StatusCode, header};
use lamplighter::env::Env;
use lamplighter_dashboard::{Dashboard, Site};
use serde_json::json;

use crate::support::{TOKEN, access, app, request, send, shop};

#[tokio::test]
async fn every_address_answers_and_hides_what_is_sensitive() {
    let shop = shop().await;
    for path in shop.reads() {
        let answer = shop.get(&format!("/api/v1{path}"), "operator").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/json", "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        assert!(!answer.text().contains(TOKEN), "{path}: {}", answer.text());
        answer.json();
    }
    for path in shop.pages() {
        let answer = shop.page(&path, "operator").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(answer.header(header::CONTENT_TYPE).starts_with("text/html"), "{path}");
        assert!(!answer.text().contains(TOKEN), "{path}");
    }
}

#[tokio::test]
async fn a_job_is_shown_with_all_that_is_known_of_it() {
    let shop = shop().await;
    let job = shop.get(&format!("/api/v1/jobs/{}", shop.refused), "reader").await.json();
    assert_eq!(job["job"], "order.ship");
    assert_eq!(job["state"], "failed");
    assert_eq!(job["args"], json!({ "order": "bad", "token": "[redacted]" }));
    assert_eq!(job["error"]["message"], "the warehouse refuses");
    assert_eq!(job["attempts"][0]["outcome"], "error");
    assert_eq!(job["attempts"][0]["fingerprint"], shop.fingerprint);
    let batch = shop.get(&format!("/api/v1/batches/{}", shop.batch), "reader").await.json();
    assert_eq!((&batch["total"], &batch["succeeded"], &batch["state"]), (&json!(1), &json!(1), &json!("succeeded")));
    assert_eq!(batch["jobs"]["items"][0]["job"], "mail.send");
}

#[tokio::test]
async fn jobs_are_found_by_a_query_a_page_at_a_time() {
    let shop = shop().await;
    let found = shop.get("/api/v1/jobs?q=state:failed", "reader").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["id"], shop.refused.as_str());
    assert_eq!(found["coverage"]["kind"], "exact");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop.get(&format!("/api/v1/jobs?limit=1&cursor={cursor}"), "reader").await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.replace('+', "%2B"),
            None => break,
        }
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (5, 5), "three jobs, a batch and its job: {seen:?}");
    // A hidden value is not found by guessing at it.
    let guess = shop.get("/api/v1/jobs?q=args.token:s3cr3t-token", "reader").await.json();
    assert_eq!(guess["items"], json!([]));
}

#[tokio::test]
async fn the_overview_has_a_verdict_and_parts() {
    let shop = shop().await;
    let overview = shop.get("/api/v1/overview", "reader").await.json();
    assert_eq!(overview["environment"], "test");
    assert_eq!(overview["verdict"]["is_well"], false, "{overview:#}");
    let hour = &overview["activity"]["ready"];
    assert_eq!(hour["step_secs"], 60);
    assert!((60..=61).contains(&hour["points"].as_array().unwrap().len()));
    assert_eq!(hour["total"]["failed"], 1, "{hour:#}");
    assert_eq!(overview["errors"]["ready"][0]["fingerprint"], shop.fingerprint);
    assert_eq!(overview["queues"]["ready"].as_array().unwrap().len(), 2);
    assert_eq!(overview["schedules"]["ready"]["next"][0]["schedule"], "nightly");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_in_json_and_a_page_for_browsers() {
    let shop = shop().await;
    let unknown = [
        "/jobs/nobody",
        "/jobs/%20%00",
        "/errors/0123456789abcdef",
        "/errors/x",
        "/queues/nothing",
        "/schedules/never",
        "/types/none",
        "/batches/none",
        "/operations/none",
        "/dead-letters/nothing",
    ];
    for path in unknown {
        let answer = shop.get(&format!("/api/v1{path}"), "reader").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text());
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{path}");
        assert_eq!(answer.json()["status"], 404, "{path}");
        let page = shop.page(path, "reader").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.header(header::CONTENT_TYPE).starts_with("text/html"), "{path}");
    }
    for path in ["/nowhere", "/api/v1/nowhere", "/api/v2/jobs", "/assets/0/x.js"] {
        assert_eq!(shop.get(path, "reader").await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn parameters_are_bounded() {
    let shop = shop().await;
    let invalid = [
        "/jobs?limit=0",
        "/jobs?limit=201",
        "/jobs?limit=-1",
        "/jobs?limit=x",
        "/jobs?limit=1&limit=2",
        "/jobs?q=colour:blue",
        "/jobs?cursor=broken",
        "/errors?since=yesterday",
        "/errors?cursor=broken",
        "/stats?points=0",
        "/stats?points=1501",
        "/stats?since=1h&until=2h",
        "/stats?points=99999999999999999999",
        "/dead-letters/orders?number=x",
        "/batches?limit=1000",
        "/operations?cursor=broken",
    ];
    for path in invalid {
        let answer = shop.get(&format!("/api/v1{path}"), "reader").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text());
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json", "{path}");
    }
    let near = shop.get("/api/v1/jobs?q=stat:failed", "reader").await.json();
    assert!(near["detail"].as_str().unwrap().contains("state"), "{near}");
    assert_eq!(near["parameter"], "q");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let shop = shop().await;
    for path in ["/api/v1/jobs", "/api/v1/queues", "/api/v1/errors", "/queues/orders"] {
        let first = shop.get(path, "reader").await;
        let tag = first.header(header::ETAG).to_owned();
        assert!(tag.starts_with("W/\""), "{path}: {tag}");
        let again = |tag: String| {
            let request = request(Method::GET, path, "reader").header(header::IF_NONE_MATCH, tag);
            send(&shop.router, request.body(Body::empty()).unwrap())
        };
        // A page says when it was read; a region of it does not.
        if path.starts_with("/api") {
            let same = again(format!("\"other\", {tag}")).await;
            assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
            assert_eq!(same.header(header::ETAG), tag);
        }
        assert_eq!(again("W/\"other\"".into()).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_page_that_is_open_is_told_of_changes() {
    let shop = shop().await;
    let answer = {
        use tower::ServiceExt;
        let request = request(Method::GET, "/live", "reader").body(Body::empty()).unwrap();
        shop.router.clone().oneshot(request).await.unwrap()
    };
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    use http_body_util::BodyExt;
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"event: changed"));
}

#[tokio::test]
async fn answers_are_compressed() {
    let shop = shop().await;
    for path in ["/api/v1/openapi.json", "/"] {
        let request = request(Method::GET, path, "reader").header(header::ACCEPT_ENCODING, "gzip");
        let answer = send(&shop.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header(header::CONTENT_ENCODING), "gzip", "{path}");
        assert!(answer.body.len() < 30 * 1024, "{path}: {}", answer.body.len());
    }
}

#[tokio::test]
async fn the_overview_reads_no_record_of_a_job() {
    let shop = shop().await;
    // There is no store that it could read.
    let mut ports = shop.backend.backend();
    ports.store = None;
    let site = Site::new(&app(), ports, Env::system(), shop.backend.operator());
    let router = Dashboard::new(site, access()).unwrap().router();
    let request = request(Method::GET, "/api/v1/overview", "reader").body(Body::empty()).unwrap();
    let overview = send(&router, request).await.json();
    for part in ["activity", "errors", "queues", "schedules"] {
        assert!(overview[part].get("ready").is_some(), "{part}: {overview:#}");
    }
}
