//! Requests and answers that would be very large.

use http::StatusCode;
use lamplighter::Client;
use serde_json::{Value, json};

use crate::support::{Mail, Shop, shop};

/// A text, in which no short part is the whole.
fn long(length: usize) -> String {
    (0..length / 10).map(|number| format!("{number:09}.")).collect()
}

async fn enqueued(client: &Client, to: String, id: &str) {
    client.enqueue(Mail { to }).id(id).await.unwrap();
}

async fn operations(shop: &Shop) -> Vec<Value> {
    shop.get("/api/v1/operations?limit=200", "operator").await.json()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_too_large_leaves_no_operation_behind() {
    let shop = shop().await;
    let group = json!({ "kind": "error-group", "fingerprint": shop.fingerprint });
    let letters = json!({ "kind": "dead-letters", "queue": "orders", "reason": long(600) });
    let enqueue = json!({ "kind": "enqueue", "job": "mail.send", "args": { "to": long(1_100_000) } });
    for body in [
        json!({ "action": enqueue, "target": { "kind": "new" } }),
        json!({ "action": { "kind": "note-error", "note": long(2_010) }, "target": group }),
        json!({ "action": { "kind": "redrive" }, "target": letters }),
    ] {
        let refused = shop.post("/api/v1/operations", "operator", &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{:.500}", refused.text());
    }
    assert_eq!(operations(&shop).await, Vec::<Value>::new());
    let note = json!({ "action": { "kind": "note-error", "note": long(2_000) }, "target": group });
    assert_eq!(shop.post("/api/v1/operations", "operator", &note).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_list_of_operations_is_small_and_each_has_what_is_kept() {
    let shop = shop().await;
    let to = long(200_000);
    let enqueue = json!({ "kind": "enqueue", "job": "mail.send", "args": { "to": to, "z": 1 }, "id": "large" });
    let body = json!({ "action": enqueue, "target": { "kind": "new" } });
    let begun = shop.post("/api/v1/operations", "operator", &body).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{:.500}", begun.text());
    let ids: Vec<_> = (0..500).map(|number| format!("{number:0100}")).collect();
    let many = json!({ "action": { "kind": "cancel" }, "target": { "kind": "jobs", "ids": ids } });
    assert_eq!(shop.post("/api/v1/operations", "operator", &many).await.status, StatusCode::ACCEPTED);
    let listed = operations(&shop).await;
    let [many, large] = &listed[..] else { panic!("two") };
    for (operation, most) in [(many, 60_000), (large, 5_000)] {
        assert!(operation.to_string().len() < most && operation["is_shortened"] == true, "{operation:.2000}");
        assert_eq!(operation.get("command"), None);
    }
    let start = large["action"]["args"]["to"].as_str().unwrap().strip_suffix('…').unwrap();
    assert!(start.len() > 100 && to.starts_with(start) && large["action"]["args"]["z"] == 1, "{large}");
    let one = shop.get(&format!("/api/v1/operations/{}", large["id"].as_str().unwrap()), "operator").await;
    assert!((2_000..40_000).contains(&one.body.len()), "{}", one.body.len());
    let one = one.json();
    assert_eq!((&one["is_shortened"], one.get("command")), (&json!(true), None), "a command would enqueue another job");
    // The job has all of it.
    assert_eq!(shop.get("/api/v1/jobs/large", "operator").await.json()["args"]["to"], json!(to));
}

#[tokio::test]
async fn a_list_of_jobs_has_the_beginning_of_large_arguments() {
    let shop = shop().await;
    let to = long(200_000);
    for number in 0..100 {
        enqueued(&shop.client(), to.clone(), &format!("large-{number}")).await;
    }
    let page = shop.get("/api/v1/jobs?limit=200&q=state:queued", "operator").await;
    assert!(page.status == StatusCode::OK && page.body.len() < 500_000, "{} {}", page.status, page.body.len());
    let page = page.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 100);
    let (listed, one) = (&page["items"][0], shop.get("/api/v1/jobs/large-0", "operator").await.json());
    assert_eq!(listed["is_shortened"], true);
    assert!(to.starts_with(listed["args"]["to"].as_str().unwrap().strip_suffix('…').unwrap()), "{listed}");
    assert_eq!((&one["args"]["to"], one.get("is_shortened")), (&json!(to), None));
    let small = shop.get("/api/v1/jobs?q=state:failed", "operator").await.json();
    assert_eq!((&small["items"][0]["args"]["order"], small["items"][0].get("is_shortened")), (&json!("bad"), None));
}

#[tokio::test]
async fn a_dead_letter_is_whole_where_it_is_asked_for() {
    let shop = shop().await;
    let text = long(50_000);
    enqueued(&shop.client(), format!("fail: {text}"), "dead").await;
    let env = lamplighter::Variables::system();
    let engine = lamplighter_embedded::Engine::builder(&shop.backend).app(&crate::support::app(), &env);
    let engine = engine.start().await.unwrap();
    let id = lamplighter::JobId::new("dead").unwrap();
    shop.client().wait(&id, std::time::Duration::from_secs(20)).await.unwrap();
    engine.drain(std::time::Duration::from_secs(20)).await;
    let listed = shop.get("/api/v1/dead-letters/mails", "operator").await.json()["items"][0].clone();
    assert!(listed["is_shortened"] == true && listed["body"].as_str().unwrap().len() < 5_000, "{listed:.500}");
    let path = format!("/api/v1/dead-letters/mails?number={}", listed["number"]);
    let one = shop.get(&path, "operator").await.json()["items"][0].clone();
    assert!(one["body"].as_str().unwrap().contains(&text) && one.get("is_shortened").is_none());
}
