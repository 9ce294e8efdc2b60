//! What viewers may see and do, by every road.

use axum::body::Body;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{HOST, Shop, request, send, shop};

fn bodies(shop: &Shop) -> Vec<Value> {
    let (job, end) = (json!({ "kind": "job", "id": shop.refused.as_str() }), "2100-01-01T00:00:00Z");
    let (queue, schedule) =
        (json!({ "kind": "queue", "queue": "orders" }), json!({ "kind": "schedule", "schedule": "nightly" }));
    let letters = json!({ "kind": "dead-letters", "queue": "orders" });
    let group = json!({ "kind": "error-group", "fingerprint": shop.fingerprint });
    let all = json!({ "kind": "query", "query": "", "end": end });
    let with = |action: &str, target: &Value| json!({ "action": { "kind": action }, "target": target });
    vec![
        with("retry", &job),
        with("retry", &all),
        with("cancel", &all),
        with("delete", &json!({ "kind": "jobs", "ids": [shop.refused.as_str()] })),
        with("delete", &json!({ "kind": "batch", "id": shop.batch.as_str() })),
        with("run-now", &job),
        json!({ "action": { "kind": "reschedule", "at": end }, "target": job }),
        json!({ "action": { "kind": "edit-and-run", "args": { "order": "b", "token": "t" } }, "target": job }),
        json!({ "action": { "kind": "enqueue", "job": "mail.send", "args": { "to": "x" } }, "target": { "kind": "new" } }),
        with("pause-queue", &queue),
        with("resume-queue", &queue),
        with("redrive", &letters),
        with("delete-dead-letters", &letters),
        with("pause-schedule", &schedule),
        with("resume-schedule", &schedule),
        with("trigger-schedule", &schedule),
        json!({ "action": { "kind": "backfill", "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z" },
            "target": schedule }),
        json!({ "action": { "kind": "note-error", "note": "n" }, "target": group }),
        json!({ "action": { "kind": "mute-error", "until": end }, "target": group }),
    ]
}

#[tokio::test]
async fn a_reader_cannot_write_by_any_road() {
    let shop = shop().await;
    for body in bodies(&shop) {
        for path in ["/api/v1/operations", "/api/v1/operations/preview", "/api/v1/operations/op-x/stop"] {
            let answer = shop.post(path, "reader", &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {body}: {}", answer.text());
        }
    }
    let pages = ["/act", "/act/retry", "/operations/op-x/stop", "/jobs", "/"];
    for (method, path) in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE]
        .into_iter()
        .flat_map(|method| pages.map(|path| (method.clone(), path)))
    {
        for (kind, body) in [("application/json", "{}"), ("application/x-www-form-urlencoded", "action=retry&ids=a")] {
            let request = request(method.clone(), path, "reader")
                .header(header::ORIGIN, format!("http://{HOST}"))
                .header(header::CONTENT_TYPE, kind);
            let answer = send(&shop.router, request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path} {kind}");
        }
    }
    assert_eq!(shop.get("/api/v1/operations", "operator").await.json()["items"], json!([]));
}

#[tokio::test]
async fn an_action_that_is_denied_is_refused_and_others_are_not() {
    let shop = shop().await;
    for body in bodies(&shop) {
        let is_denied = body["action"]["kind"] == "delete";
        let answer = shop.post("/api/v1/operations/preview", "careful", &body).await;
        let refused = answer.status == StatusCode::FORBIDDEN;
        assert_eq!(refused, is_denied, "{body}: {} {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn a_team_sees_its_queues_and_no_hint_of_others() {
    let shop = shop().await;
    let hints = ["order.ship", "orders", shop.refused.as_str(), "warehouse", &shop.fingerprint];
    for path in shop.reads().iter().map(|path| format!("/api/v1{path}")).chain(shop.pages()) {
        let answer = shop.page(&path, "team").await;
        let text = answer.text();
        let is_own = !hints.iter().any(|hint| path.contains(hint)) && !path.contains(shop.shipped.as_str());
        if is_own {
            assert_eq!(answer.status, StatusCode::OK, "{path}: {text}");
            for hint in hints {
                assert!(!text.contains(hint), "{path} has {hint}: {text}");
            }
        } else if !path.contains('?') {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {text}");
        }
    }
    let own = shop.get("/api/v1/jobs", "team").await.json();
    let queues: Vec<_> = own["items"].as_array().unwrap().iter().map(|job| &job["queue"]).collect();
    assert!(!queues.is_empty() && queues.iter().all(|queue| *queue == "mails"), "{queues:?}");
    let foreign = shop.get("/api/v1/jobs?q=queue:orders", "team").await.json();
    assert_eq!(foreign["items"], json!([]));
    assert_eq!(shop.get(&format!("/api/v1/jobs/{}", shop.mailed), "team").await.status, StatusCode::OK);
    assert_eq!(shop.get("/api/v1/overview", "team").await.json()["activity"]["ready"]["total"]["failed"], 0);
}

#[tokio::test]
async fn a_team_changes_its_queues_alone_also_in_bulk() {
    let shop = shop().await;
    let end = jiff::Timestamp::now().to_string();
    for body in [
        json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": shop.refused.as_str() } }),
        json!({ "action": { "kind": "retry" }, "target": { "kind": "jobs", "ids": [shop.mailed.as_str(), shop.refused.as_str()] } }),
        json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "orders" } }),
        json!({ "action": { "kind": "redrive" }, "target": { "kind": "dead-letters", "queue": "orders" } }),
        json!({ "action": { "kind": "note-error", "note": "n" }, "target": { "kind": "error-group", "fingerprint": shop.fingerprint } }),
        json!({ "action": { "kind": "enqueue", "job": "order.ship", "args": { "order": "a", "token": "t" } }, "target": { "kind": "new" } }),
    ] {
        for path in ["/api/v1/operations/preview", "/api/v1/operations"] {
            let answer = shop.post(path, "team", &body).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{body}: {}", answer.text());
        }
    }
    let foreign =
        json!({ "action": { "kind": "retry" }, "target": { "kind": "query", "query": "queue:orders", "end": end } });
    assert_eq!(shop.post("/api/v1/operations", "team", &foreign).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // All jobs are, for a team, all of its own.
    let all = json!({ "action": { "kind": "delete" }, "target": { "kind": "query", "query": "", "end": end } });
    let preview = shop.post("/api/v1/operations/preview", "team", &all).await.json();
    assert_eq!(preview["target"]["query"], "queue:mails", "{preview}");
    assert_eq!(preview["jobs"], 2, "{preview}");
    let begun = shop.post("/api/v1/operations", "team", &all).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    crate::operations::ended(&shop, begun.json()["id"].as_str().unwrap()).await;
    assert!(shop.client().get(&shop.refused).await.unwrap().is_some());
    assert!(shop.client().get(&shop.mailed).await.unwrap().is_none());
}

#[tokio::test]
async fn who_asks_can_read_what_they_may() {
    let shop = shop().await;
    let team = shop.get("/api/v1/me", "team").await.json();
    assert_eq!(team["queues"], json!({ "only": ["mails"] }));
    assert_eq!(team["actions"].as_array().unwrap().len(), 18);
    let reader = shop.get("/api/v1/me", "reader").await.json();
    assert_eq!((&reader["queues"], &reader["actions"]), (&json!("all"), &json!([])));
}
