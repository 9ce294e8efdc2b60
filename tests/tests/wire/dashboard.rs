//! What somebody costs who looks at the dashboard: nothing that grows with the jobs.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use lamplighter::{App, Definition};
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer};
use lamplighter_fakes::Fault;
use lamplighter_tests::{
    ministack::{PATIENCE, eventually},
    wire::{Call, reads_a_record},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    jobs::{Full, Then, Told},
    stage::{Parts, Stage},
};

fn dashboard(stage: &Stage) -> Router {
    let app = App::new("wire").definitions([Definition::of::<Full>()]);
    let aws = stage.backend();
    let site = Site::new(&app, aws.backend(), aws.env().clone(), aws.operator());
    let access = Access::custom(|_| Some(Viewer::new("ada", Rights::operator())));
    Dashboard::new(site, access).unwrap().router()
}

async fn get(dashboard: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header(header::HOST, "localhost").header(header::ACCEPT, "*/*");
    let answer = dashboard.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Calls by what they do, and on which index.
fn counted(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        let index = call.body["IndexName"].as_str().map_or_else(String::new, |index| format!(" {index}"));
        *counts.entry(format!("{}.{}{index}", call.service, call.action)).or_default() += 1;
    }
    counts
}

/// The calls of an overview for which nothing was read before.
async fn overview(stage: &Stage) -> Vec<Call> {
    let dashboard = dashboard(stage);
    let calls = stage.calls(async {
        let (status, body) = get(&dashboard, "/api/v1/overview").await;
        assert_eq!(status, StatusCode::OK, "{body}");
    });
    let calls = calls.await;
    // Anyone who looks within the same second costs nothing.
    let again = stage.calls(get(&dashboard, "/api/v1/overview")).await;
    assert!(again.len() < calls.len(), "{:?}", counted(&again));
    calls
}

#[tokio::test]
async fn an_idle_overview_reads_no_record() {
    let stage = Stage::new(Parts::All).await;
    for _ in 0..12 {
        stage.client.enqueue(Full::new(Then::Succeed)).await.unwrap();
    }
    stage.deliver(10).await;
    let few = overview(&stage).await;
    for _ in 0..60 {
        stage.client.enqueue(Full::new(Then::Succeed)).await.unwrap();
    }
    let many = overview(&stage).await;
    for calls in [&few, &many] {
        let records: Vec<_> = calls.iter().filter(|call| reads_a_record(call)).collect();
        assert!(records.is_empty(), "{records:?}");
    }
    assert_eq!(counted(&few), counted(&many), "it does not grow with the jobs");
    // A queue's counters, its dead letters' and its consumer; one read for each of a handful of small items.
    assert!(few.len() <= 24, "{:?}", counted(&few));
}

/// What the API answers, over records that workers have written.
#[tokio::test]
async fn jobs_are_found_and_retried_by_query() {
    let stage = Stage::new(Parts::All).await;
    for number in 0..3 {
        stage.client.enqueue(Full::new(Then::Fail)).id(format!("failed-{number}")).await.unwrap();
    }
    stage.client.enqueue(Full::new(Then::Succeed)).id("succeeded-0").await.unwrap();
    stage.deliver(4).await;
    let dashboard = dashboard(&stage);
    let json = async |path: &str| {
        let (status, body) = get(&dashboard, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let ids = |page: &Value| {
        let items = page["items"].as_array().unwrap().iter();
        let mut ids: Vec<_> = items.map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let failed = json("/api/v1/jobs?q=state:failed").await;
    assert_eq!(ids(&failed), ["failed-0", "failed-1", "failed-2"], "{failed}");
    let job = json("/api/v1/jobs/failed-1").await;
    assert_eq!((&job["state"], job["attempts"].as_array().map(Vec::len)), (&json!("failed"), Some(1)), "{job}");
    let errors = json("/api/v1/errors").await;
    assert_eq!(errors["items"].as_array().unwrap().len(), 1, "one cause: {errors}");
    assert_eq!(json("/api/v1/batches").await["items"], json!([]));
    assert_eq!(json("/api/v1/queues").await["items"].as_array().unwrap().len(), 1);

    let post = async |path: &str, body: &Value| {
        let request = Request::post(path)
            .header(header::HOST, "localhost")
            .header(header::ORIGIN, "http://localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        let answer = dashboard.clone().oneshot(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let mut retry = json!({ "action": { "kind": "retry" }, "target": { "kind": "query", "query": "state:failed" } });
    let preview = post("/api/v1/operations/preview", &retry).await;
    assert_eq!(preview["jobs"], 3, "{preview}");
    (retry["target"], retry["reason"]) = (preview["target"].clone(), json!("repaired"));
    let id = post("/api/v1/operations", &retry).await["id"].as_str().unwrap().to_owned();
    let done = eventually("the operation has ended", PATIENCE, async || {
        let operation = json(&format!("/api/v1/operations/{id}")).await;
        if operation["state"] == "done" { Ok(operation) } else { Err(operation.to_string()) }
    });
    let done = done.await.unwrap();
    assert_eq!((&done["by"], &done["progress"]["changed"]), (&json!("ada"), &json!(3)), "{done}");
    assert_eq!(ids(&json("/api/v1/jobs?q=state:failed").await), Vec::<String>::new());
    assert_eq!(ids(&json("/api/v1/jobs?q=state:queued").await), ["failed-0", "failed-1", "failed-2"]);
}

/// Every page of the dashboard, and what the API answers.
const PAGES: [&str; 12] = [
    "/",
    "/jobs",
    "/jobs?q=state:failed",
    "/jobs/failed-0",
    "/errors",
    "/queues",
    "/queues/work",
    "/schedules",
    "/batches",
    "/dead-letters",
    "/operations",
    "/health",
];

/// Lambda ends a request after thirty seconds, and says nothing then.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_in_time_whatever_aws_does() {
    let stage = Stage::new(Parts::All).await;
    stage.client.enqueue(Full::new(Then::Fail)).id("failed-0").await.unwrap();
    stage.deliver(1).await;
    for (service, fault) in [
        ("dynamodb", Fault::Silence),
        ("sqs", Fault::Silence),
        ("dynamodb", Fault::THROTTLED),
        ("sqs", Fault::refused(400, "RequestThrottled")),
        ("dynamodb", Fault::EXPIRED),
        ("dynamodb", Fault::Dropped),
    ] {
        stage.probe.proxy.fail_when({
            let fault = fault.clone();
            move |call| (call.service == service).then(|| fault.clone())
        });
        // What was read within the last second would be shown again.
        let dashboard = dashboard(&stage);
        let began = Instant::now();
        let api = PAGES.iter().filter(|page| page.len() > 1).map(|page| format!("/api/v1{page}"));
        let all = PAGES.iter().map(|page| (*page).to_owned()).chain(api);
        let answers = all.map(|page| {
            let dashboard = dashboard.clone();
            async move { (get_page(&dashboard, &page).await, page) }
        });
        let mut said = 0;
        for ((status, body), page) in futures_util::future::join_all(answers).await {
            let what = format!("{service} {fault:?} {page}: {status}");
            assert!(status == StatusCode::OK || status == StatusCode::NOT_FOUND || status.is_server_error(), "{what}");
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{what} {body}");
            said += usize::from(["No answer from", "cannot", "could not"].iter().any(|word| body.contains(word)));
        }
        assert!(said > 5, "{service} {fault:?}: pages say what is missing: {said}");
        assert!(began.elapsed().as_secs() < 20, "{service} {fault:?}: {:?}", began.elapsed());
    }
    stage.probe.proxy.stop_failing();
    let (status, body) = get(&dashboard(&stage), "/api/v1/jobs/failed-0").await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn get_page(dashboard: &Router, path: &str) -> (StatusCode, String) {
    let accept = if path.starts_with("/api") { "application/json" } else { "text/html" };
    let request = Request::get(path).header(header::HOST, "localhost").header(header::ACCEPT, accept);
    let answer = dashboard.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// During a deployment, or after one was taken back.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_wrote_breaks_no_page() {
    let stage = Stage::new(Parts::All).await;
    for id in ["failed-0", "newer-state", "newer-attempt", "newer-message"] {
        stage.client.enqueue(Full::new(Then::Fail)).id(id).await.unwrap();
    }
    stage.deliver(4).await;
    let dashboard = dashboard(&stage);
    let body = json!({ "action": { "kind": "cancel" }, "target": { "kind": "jobs", "ids": ["failed-0"] } }).to_string();
    let request = Request::post("/api/v1/operations")
        .header(header::HOST, "localhost")
        .header(header::ORIGIN, "http://localhost")
        .header(header::CONTENT_TYPE, "application/json");
    let begun = dashboard.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let begun = begun.into_body().collect().await.unwrap().to_bytes();
    let operation = serde_json::from_slice::<Value>(&begun).unwrap()["id"].as_str().unwrap().to_owned();
    let ended = eventually("the operation has ended", PATIENCE, async || {
        let (_, body) = get(&dashboard, &format!("/api/v1/operations/{operation}")).await;
        if body.contains("\"state\":\"done\"") { Ok(()) } else { Err(body) }
    });
    ended.await.unwrap();

    stage.replace("JOB#newer-state", "#", "st", json!({ "S": "hibernating" })).await;
    let attempt = json!({ "L": [{ "S": r#"{"number":1,"outcome":"teleported","place":[3]}"# }] });
    stage.replace("JOB#newer-attempt", "#", "x", attempt).await;
    stage.replace("JOB#newer-message", "#", "m", json!({ "S": r#"{"version":9,"body":[]}"# })).await;
    let action = json!({ "S": r#"{"id":"op","action":{"kind":"teleport"},"target":{"kind":"galaxy"}}"# });
    stage.replace(&format!("OP#{operation}"), "#", "m", action).await;
    let fresh = crate::dashboard::dashboard(&stage);
    let own = ["newer-state", "newer-attempt", "newer-message"].map(|id| format!("/jobs/{id}"));
    let own = own.into_iter().chain([format!("/operations/{operation}")]);
    for page in PAGES.iter().map(|page| (*page).to_owned()).chain(own) {
        for path in [page.clone(), format!("/api/v1{page}")] {
            let (status, body) = get_page(&fresh, &path).await;
            assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {body}");
            let is_list = PAGES.contains(&&*page) && page != "/jobs/failed-0";
            assert!(!is_list || status == StatusCode::OK || status == StatusCode::NOT_FOUND, "{path}: {status} {body}");
        }
    }
    let (_, listed) = get(&fresh, "/api/v1/jobs").await;
    for id in ["failed-0", "newer-state", "newer-attempt", "newer-message"] {
        assert!(listed.contains(id), "{id}: {listed}");
    }
    let (status, _) = get(&fresh, "/api/v1/jobs/failed-0").await;
    assert_eq!(status, StatusCode::OK);
}
