//! What can be done.

use std::time::Duration;

use http::{StatusCode, header};
use lamplighter::{JobState, env::Env};
use lamplighter_dashboard::{Dashboard, Site};
use serde_json::{Value, json};

use crate::support::{Mail, Shop, TOKEN, access, app, shop};

/// The operation, once it has ended.
pub(crate) async fn ended(shop: &Shop, id: &str) -> Value {
    let wait = async {
        loop {
            let operation = shop.get(&format!("/api/v1/operations/{id}"), "operator").await.json();
            if !matches!(operation["state"].as_str().unwrap(), "running" | "stopping") {
                return operation;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
}

#[tokio::test]
async fn a_preview_shows_what_an_operation_then_does() {
    let shop = shop().await;
    let asked = json!({ "action": { "kind": "retry" }, "target": { "kind": "query", "query": "state:failed" } });
    let preview = shop.post("/api/v1/operations/preview", "operator", &asked).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text());
    let preview = preview.json();
    assert_eq!((&preview["jobs"], &preview["is_complete"]), (&json!(1), &json!(true)));
    assert_eq!(preview["by_job"][0], json!({ "job": "order.ship", "queue": "orders", "jobs": 1 }));
    assert!(preview["title"].as_str().unwrap().starts_with("Retries 1 job, as of "), "{preview}");
    assert_eq!(preview["command"], "lamp retry --query state:failed");
    let without_end = shop.post("/api/v1/operations", "operator", &asked).await;
    assert_eq!(without_end.status, StatusCode::BAD_REQUEST, "what was not previewed is not begun");

    let request = json!({
        "action": preview["action"], "target": preview["target"], "reason": "the warehouse is back",
        "expected": preview["jobs"],
    });
    let begun = shop.post("/api/v1/operations", "operator", &request).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(begun.header(header::LOCATION), format!("operations/{id}"));
    let done = ended(&shop, &id).await;
    assert_eq!((&done["state"], &done["by"]), (&json!("done"), &json!("operator")), "{done}");
    assert_eq!(done["progress"], json!({ "done": 1, "changed": 1, "unchanged": 0, "failed": 0 }));
    assert_eq!(shop.client().get(&shop.refused).await.unwrap().unwrap().state, JobState::Queued);
    let log = shop.get(&format!("/api/v1/jobs/{}/log", shop.refused), "reader").await.json();
    let line = log["items"][0]["text"].as_str().unwrap();
    assert!(line.starts_with("retried by operator: the warehouse is back (op-"), "{line}");
    let listed = shop.get("/api/v1/operations", "reader").await.json();
    assert_eq!(listed["items"][0]["id"], id.as_str());
    let marks = shop.get("/api/v1/overview", "reader").await.json()["activity"]["ready"]["marks"].clone();
    assert_eq!(marks[0]["kind"], "operation", "{marks}");
}

#[tokio::test]
async fn a_preview_of_many_jobs_is_a_glance_until_all_are_counted() {
    let shop = shop().await;
    let mails = (0..2_500).map(|to| Mail { to: to.to_string() });
    assert!(shop.client().enqueue_all(mails).await.iter().all(Result::is_ok));
    let asked = |query: &str| json!({ "action": { "kind": "cancel" }, "target": { "kind": "query", "query": query } });
    let preview = async |query: &str, path: &str| {
        let answer = shop.post(&format!("/api/v1/operations/preview{path}"), "operator", &asked(query)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    };
    let glance = preview("job:mail.send", "").await;
    assert_eq!(
        (&glance["jobs"], &glance["is_complete"], &glance["looked_at"]),
        (&json!(2000), &json!(false), &json!(2000))
    );
    assert!(glance["title"].as_str().unwrap().starts_with("Cancels at least 2,000 jobs, as of "), "{glance}");
    let none = preview("args.to:nobody", "").await;
    assert_eq!((&none["jobs"], &none["is_complete"]), (&json!(0), &json!(false)));
    assert!(none["title"].as_str().unwrap().ends_with(": none was found yet."), "{none}");
    let all = preview("job:mail.send", "?count=all").await;
    assert_eq!((&all["jobs"], &all["is_complete"], all.get("looked_at")), (&json!(2500), &json!(true), None));
    // The store counts states and queues anyway.
    let known = preview("state:queued queue:mails", "").await;
    assert_eq!((&known["jobs"], &known["is_complete"]), (&json!(2500), &json!(true)));
    assert_eq!(known["by_job"], json!([{ "job": "*", "queue": "mails", "jobs": 2500 }]));
    let wrong = shop.post("/api/v1/operations/preview?count=some", "operator", &asked("")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.text());

    let page = shop.page("/act/cancel?all=args.to%3Anobody", "operator").await.text();
    assert!(page.contains("2,000 records were looked at") && page.contains("Cancel: all that match"), "{page}");
    assert!(!page.contains("name=\"expected\"") && !page.contains("disabled"), "{page}");
    let all = page.split("href=\"").find(|rest| rest.contains("count=all")).unwrap().split('"').next().unwrap();
    let all = all.replace("&#38;", "&").replace("&amp;", "&");
    assert_eq!(all, "/act/cancel?all=args.to%3Anobody&count=all");
    let page = shop.page(&all, "operator").await.text();
    assert!(page.contains("Cancels 0 jobs, as of ") && page.contains("disabled"), "{page}");
}

#[tokio::test]
async fn the_same_request_under_the_same_key_is_one_operation() {
    let shop = shop().await;
    let body = json!({
        "action": { "kind": "enqueue", "job": "mail.send", "args": { "to": "ada" } }, "target": { "kind": "new" },
    });
    let key = [("idempotency-key", "k-1")];
    let first = shop.post_with("/api/v1/operations", "operator", &body, &key).await;
    let second = shop.post_with("/api/v1/operations", "operator", &body, &key).await;
    assert_eq!((first.status, second.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED), "{}", second.text());
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(shop.get("/api/v1/operations", "operator").await.json()["items"].as_array().unwrap().len(), 1);
    let other = json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "orders" } });
    let taken = shop.post_with("/api/v1/operations", "operator", &other, &key).await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.text());
    let long = "k".repeat(201);
    let refused = shop.post_with("/api/v1/operations", "operator", &body, &[("idempotency-key", &long)]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_and_sensitive_ones_are_kept_nowhere() {
    let shop = shop().await;
    let enqueue = |args: Value| {
        json!({ "action": { "kind": "enqueue", "job": "order.ship", "args": args },
        "target": { "kind": "new" } })
    };
    let unfit = shop.post("/api/v1/operations", "operator", &enqueue(json!({ "order": 7, "token": TOKEN }))).await;
    assert_eq!(unfit.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unfit.text());
    assert!(!unfit.text().contains(TOKEN));
    let fit = shop.post("/api/v1/operations", "operator", &enqueue(json!({ "order": "b", "token": TOKEN }))).await;
    assert_eq!(fit.status, StatusCode::ACCEPTED, "{}", fit.text());
    assert!(!fit.text().contains(TOKEN), "{}", fit.text());
    let id = fit.json()["results"][0].as_str().unwrap().to_owned();
    let job = shop.get(&format!("/api/v1/jobs/{id}"), "operator").await;
    assert_eq!(job.json()["state"], "queued");
    assert!(!job.text().contains(TOKEN));
}

#[tokio::test]
async fn queues_and_schedules_are_paused_and_resumed() {
    let shop = shop().await;
    for (action, target, path) in [
        ("pause-queue", json!({ "kind": "queue", "queue": "orders" }), "/api/v1/queues/orders"),
        ("resume-queue", json!({ "kind": "queue", "queue": "orders" }), "/api/v1/queues/orders"),
        ("pause-schedule", json!({ "kind": "schedule", "schedule": "nightly" }), "/api/v1/schedules/nightly"),
        ("resume-schedule", json!({ "kind": "schedule", "schedule": "nightly" }), "/api/v1/schedules/nightly"),
    ] {
        let begun = shop
            .post("/api/v1/operations", "operator", &json!({ "action": { "kind": action }, "target": target }))
            .await;
        let done = ended(&shop, begun.json()["id"].as_str().unwrap()).await;
        assert_eq!(done["state"], "done", "{done}");
        let paused = async {
            // What everybody shares is read again within a second.
            while shop.get(path, "reader").await.json()["paused"] != action.starts_with("pause") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), paused).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_freezes_carries_an_operation_out_before_it_answers() {
    let shop = shop().await;
    let site = Site::new(&app(), shop.backend.backend(), Env::system(), shop.backend.operator());
    let router = Dashboard::new(site, access()).unwrap().run_within(Duration::from_secs(10)).router();
    let frozen = Shop { router, ..shop };
    let body = json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": frozen.refused.as_str() } });
    let answer = frozen.post("/api/v1/operations", "operator", &body).await.json();
    assert_eq!((&answer["state"], &answer["progress"]["changed"]), (&json!("done"), &json!(1)), "{answer}");
}

#[tokio::test]
async fn what_waits_for_a_batch_is_shown_with_it() {
    let shop = shop().await;
    let after = Mail { to: "all are done".into() };
    let client = shop.client();
    let batch = client.enqueue_batch([Mail { to: "a".into() }, Mail { to: "b".into() }]).on_success(after);
    let id = batch.await.unwrap().id().clone();
    let shown = shop.get(&format!("/api/v1/batches/{id}"), "reader").await.json();
    assert_eq!(shown["total"], 2);
    assert_eq!(shown["callbacks"][0]["job"], "mail.send", "{shown:#}");
    assert_eq!(shown["callbacks"][0]["state"], "waiting");
    let stop = shop.post("/api/v1/operations/op-none/stop", "operator", &json!({})).await;
    assert_eq!(stop.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_told_why() {
    let shop = shop().await;
    for (body, status) in [
        (json!({}), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "action": { "kind": "retry" }, "target": { "kind": "new" } }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "action": { "kind": "explode" }, "target": { "kind": "new" } }), StatusCode::BAD_REQUEST),
        (json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": "a b" } }), StatusCode::BAD_REQUEST),
        (
            json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": "a" }, "colour": 1 }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": "nobody" } }), StatusCode::NOT_FOUND),
        (
            json!({ "action": { "kind": "retry" }, "target": { "kind": "query", "query": "x:y" } }),
            StatusCode::BAD_REQUEST,
        ),
        (json!([]), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let answer = shop.post("/api/v1/operations/preview", "operator", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    }
}
