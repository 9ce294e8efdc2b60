//! What somebody costs who looks at the dashboard: nothing that grows with the jobs.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::BodyExt;
use lamplighter::{App, Definition};
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer};
use lamplighter_tests::{
    ministack::{PATIENCE, eventually},
    wire::Call,
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

/// Whether a call reads the record of a job: by its key, or from the listing, where error groups and operations are too.
fn reads_a_record(call: &Call) -> bool {
    if call.service != "dynamodb" {
        return false;
    }
    let partition = call.body["ExpressionAttributeValues"][":partition"]["S"].as_str();
    let is_of_jobs = |partition: &str| !partition.starts_with("e#") && !partition.starts_with("a#");
    call.body.to_string().contains("JOB#") || (call.body["IndexName"] == "listing" && partition.is_none_or(is_of_jobs))
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
