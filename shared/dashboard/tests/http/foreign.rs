//! Operations, batches and ids of others: what a viewer of some queues learns of them.

use http::StatusCode;
use jiff::Timestamp;
use lamplighter::{
    Enqueued, JobId, NewJob,
    operation::{Action, Operation, OperationLease, Target},
};
use serde_json::{Value, json};

use crate::support::{Mail, Ship, Shop, TOKEN, shop};

const SEEN: usize = 20;

async fn enqueued(shop: &Shop, jobs: impl IntoIterator<Item = NewJob>) -> Vec<JobId> {
    let enqueued = shop.client().enqueue_all(Vec::from_iter(jobs)).await;
    enqueued.into_iter().map(|one: Result<Enqueued, _>| one.unwrap().id().clone()).collect()
}

fn mail() -> NewJob {
    Mail { to: "ada".into() }.into()
}

fn ship() -> NewJob {
    Ship { order: "secret-order".into(), token: TOKEN.into() }.into()
}

async fn begun(shop: &Shop, user: &str, body: &Value) -> String {
    let begun = shop.post("/api/v1/operations", user, body).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    begun.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_operation_on_one_hidden_job_among_many_is_hidden() {
    let shop = shop().await;
    let mut ids = enqueued(&shop, (0..SEEN).map(|_| mail())).await;
    let own = json!({ "action": { "kind": "cancel" }, "target": { "kind": "jobs", "ids": ids } });
    let own = begun(&shop, "operator", &own).await;
    let hidden = enqueued(&shop, [ship()]).await.remove(0);
    ids.push(hidden.clone());
    let body = json!({ "action": { "kind": "cancel" }, "target": { "kind": "jobs", "ids": ids }, "reason": "a fire" });
    let foreign = begun(&shop, "operator", &body).await;
    // Of a job that is gone, nobody knows on which queue it was.
    let gone = json!({ "action": { "kind": "cancel" }, "target": { "kind": "jobs", "ids": [ids[0], "gone"] } });
    let gone = begun(&shop, "operator", &gone).await;
    for id in [&foreign, &gone] {
        assert_eq!(shop.get(&format!("/api/v1/operations/{id}"), "team").await.status, StatusCode::NOT_FOUND);
        let stopped = shop.post(&format!("/api/v1/operations/{id}/stop"), "team", &json!({})).await;
        assert_eq!(stopped.status, StatusCode::NOT_FOUND, "{}", stopped.text());
    }
    for path in ["/api/v1/operations", "/operations", "/api/v1/overview"] {
        let text = shop.page(path, "team").await.text();
        assert!(!text.contains("a fire") && !text.contains(hidden.as_str()) && !text.contains(&foreign), "{text}");
    }
    let seen = shop.get("/api/v1/operations", "team").await.json();
    assert_eq!((seen["items"].as_array().unwrap().len(), &seen["items"][0]["id"]), (1, &json!(own)));
}

#[tokio::test]
async fn a_team_stops_its_own_operation_though_jobs_are_gone_by_now() {
    let shop = shop().await;
    let id = JobId::new("op-own").unwrap();
    let ids = vec![shop.mailed.clone(), JobId::new("gone").unwrap()];
    let mut held = Operation::new(id, Action::Delete, Target::Jobs { ids }, "team", Timestamp::now());
    held.lease = Some(OperationLease { owner: "another".into(), until: Timestamp::MAX });
    shop.backend.backend().operations.unwrap().create(&held).await.unwrap();
    let stopped = shop.post("/api/v1/operations/op-own/stop", "team", &json!({})).await;
    assert_eq!((stopped.status, &stopped.json()["state"]), (StatusCode::OK, &json!("stopping")), "{}", stopped.text());
}

#[tokio::test]
async fn a_batch_with_one_hidden_job_is_hidden_and_cannot_be_cancelled() {
    let shop = shop().await;
    let jobs = |count: usize, hidden: usize| {
        let seen = (0..count).map(|_| mail());
        seen.chain((0..hidden).map(|_| ship())).collect::<Vec<_>>()
    };
    // The second is looked up in two steps.
    for (id, count, hidden) in [("mixed", 30, 1), ("large", 600, 1), ("own", 600, 0)] {
        shop.client().enqueue_batch(jobs(count, hidden)).id(id).await.unwrap();
        let status = if hidden == 0 { StatusCode::OK } else { StatusCode::NOT_FOUND };
        for _ in 0..2 {
            for path in [format!("/api/v1/batches/{id}"), format!("/api/v1/jobs/{id}"), format!("/batches/{id}")] {
                assert_eq!(shop.page(&path, "team").await.status, status, "{path}");
            }
        }
        let cancel = json!({ "action": { "kind": "cancel" }, "target": { "kind": "job", "id": id } });
        let preview = shop.post("/api/v1/operations/preview", "team", &cancel).await;
        assert_eq!(preview.status, status, "{}", preview.text());
    }
    let listed = shop.get("/api/v1/batches", "team").await.json();
    let listed: Vec<_> = listed["items"].as_array().unwrap().iter().map(|batch| &batch["id"]).collect();
    assert_eq!(listed, [&json!("own"), &json!(shop.batch)]);
    // A job that is added later is seen too: of none that was looked up is thought that it were the last.
    shop.client().add_to_batch(&JobId::new("own").unwrap(), [ship()]).await.unwrap();
    assert_eq!(shop.get("/api/v1/batches/own", "team").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whose_an_id_is_stays_unsaid() {
    let shop = shop().await;
    let enqueue = json!({
        "action": { "kind": "enqueue", "job": "mail.send", "args": { "to": "ada" }, "id": shop.refused.as_str() },
        "target": { "kind": "new" },
    });
    for path in ["/api/v1/operations/preview", "/api/v1/operations"] {
        let answer = shop.post(path, "team", &enqueue).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        assert!(answer.text().contains("its id is taken") && !answer.text().contains("order"), "{}", answer.text());
    }
    let operations = shop.get("/api/v1/operations", "team").await.text();
    assert!(!operations.contains("order"), "{operations}");
    // Who sees all queues is told.
    let told = shop.post("/api/v1/operations", "operator", &enqueue).await;
    assert!(told.text().contains("order.ship on queue orders"), "{}", told.text());
}

#[tokio::test]
async fn jobs_around_a_job_are_shown_if_they_are_seen() {
    let shop = shop().await;
    let client = shop.client();
    client.enqueue(Mail { to: "ada".into() }).after(shop.refused.clone()).id("waiting").await.unwrap();
    let job = shop.get("/api/v1/jobs/waiting", "team").await;
    assert_eq!(job.json()["relations"]["after"], json!([]), "{}", job.text());
    let job = shop.get("/api/v1/jobs/waiting", "reader").await.json();
    assert_eq!(job["relations"]["after"][0]["id"], json!(shop.refused));
}
