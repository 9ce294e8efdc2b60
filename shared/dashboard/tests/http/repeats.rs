//! Requests that come twice.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    operations::ended,
    support::{Answer, Mail, Shop, shop},
};

async fn sent(shop: &Shop, user: &str, key: &str, body: &Value) -> Answer {
    shop.post_with("/api/v1/operations", user, body, &[("idempotency-key", key)]).await
}

#[tokio::test]
async fn a_delete_that_is_done_is_answered_again_though_its_job_is_gone() {
    let shop = shop().await;
    let body = json!({ "action": { "kind": "delete" }, "target": { "kind": "job", "id": shop.refused.as_str() } });
    let first = sent(&shop, "operator", "k", &body).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text());
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(&shop, &id).await["progress"]["changed"], 1);
    assert_eq!(shop.get(&format!("/api/v1/jobs/{}", shop.refused), "operator").await.status, StatusCode::NOT_FOUND);
    let again = sent(&shop, "operator", "k", &body).await;
    assert_eq!((again.status, &again.json()["id"]), (StatusCode::ACCEPTED, &json!(id)), "{}", again.text());
    assert_eq!(sent(&shop, "operator", "l", &body).await.status, StatusCode::NOT_FOUND, "another request is new");
    let other = json!({ "action": { "kind": "retry" }, "target": { "kind": "job", "id": shop.refused.as_str() } });
    assert_eq!(sent(&shop, "operator", "k", &other).await.status, StatusCode::CONFLICT);
    assert_eq!(sent(&shop, "reader", "k", &body).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_target_that_is_narrowed_for_a_team_is_the_same_each_time() {
    let shop = shop().await;
    let body = json!({ "action": { "kind": "retry" }, "target": { "kind": "batch", "id": shop.batch.as_str() } });
    let first = sent(&shop, "team", "k", &body).await;
    assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text());
    assert_eq!(first.json()["target"]["kind"], "query");
    shop.client().enqueue(Mail { to: "eve".into() }).await.unwrap();
    let again = sent(&shop, "team", "k", &body).await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{}", again.text());
    assert_eq!(first.json()["id"], again.json()["id"]);
}
