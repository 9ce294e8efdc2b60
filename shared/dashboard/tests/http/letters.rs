//! Dead letters: filtered, counted, and acted on one at a time.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    operations::ended,
    support::{Shop, shop},
};

/// Does what a target's preview shows.
async fn done(shop: &Shop, action: &str, target: &Value) -> Value {
    let asked = json!({ "action": { "kind": action }, "target": target });
    let preview = shop.post("/api/v1/operations/preview", "operator", &asked).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text());
    let preview = preview.json();
    let request = json!({ "action": preview["action"], "target": preview["target"], "expected": preview["jobs"] });
    let begun = shop.post("/api/v1/operations", "operator", &request).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text());
    ended(shop, begun.json()["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn one_letter_is_acted_on_by_its_key() {
    let shop = shop().await;
    let listed = shop.get("/api/v1/dead-letters/orders", "operator").await.json();
    let number = listed["items"][0]["number"].as_i64().unwrap_or_else(|| panic!("{listed}"));
    let page = shop.page("/dead-letters/orders", "operator").await.text();
    let link = format!("/act/redrive?letters=orders&letter_key=number%3A{number}");
    assert!(page.contains(&link), "{page}");
    assert!(!shop.page("/dead-letters/orders", "reader").await.text().contains("letter_key"));
    let asked = shop.page(&link, "operator").await.text();
    assert!(asked.contains("1 dead letter, as of") && asked.contains("one dead letter of orders"), "{asked}");

    let other = json!({ "kind": "dead-letters", "queue": "orders", "key": { "number": number + 1 } });
    assert_eq!(done(&shop, "delete-dead-letters", &other).await["progress"]["done"], 0);
    let one = json!({ "kind": "dead-letters", "queue": "orders", "key": { "number": number } });
    let operation = done(&shop, "delete-dead-letters", &one).await;
    assert_eq!(operation["progress"]["changed"], 1, "{operation}");
    assert_eq!(operation["title"], "Delete a dead letter of orders");
    assert_eq!(shop.get("/api/v1/dead-letters/orders", "operator").await.json()["items"], json!([]));
}

#[tokio::test]
async fn letters_are_asked_for_by_reason() {
    let shop = shop().await;
    for (reason, count) in [("failed", 1), ("bad-message", 0)] {
        let path = format!("/api/v1/dead-letters/orders?reason={reason}");
        let listed = shop.get(&path, "operator").await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{listed}");
        let counts = shop.get(&format!("/api/v1/dead-letters/orders/counts?reason={reason}"), "operator").await.json();
        assert_eq!(counts["counts"].as_array().unwrap().len(), count, "{counts}");
        let page = shop.page(&format!("/dead-letters/orders?reason={reason}"), "operator").await.text();
        assert_eq!(page.contains("Send these back"), count == 1, "{page}");
        assert!(page.contains(&format!("<bdi>reason:{reason}</bdi>")), "{page}");
    }
    let wrong = json!({ "kind": "dead-letters", "queue": "orders", "reason": "bad-message" });
    assert_eq!(done(&shop, "redrive", &wrong).await["progress"]["done"], 0);
    let right = json!({ "kind": "dead-letters", "queue": "orders", "reason": "failed" });
    assert_eq!(done(&shop, "redrive", &right).await["progress"]["changed"], 1);
}

#[tokio::test]
async fn state_tabs_count_what_the_viewer_sees() {
    let shop = shop().await;
    let count = |page: &str, state: &str| {
        let tab = page.split(&format!("id=\"tab-{state}\"")).nth(1).unwrap().split("</a>").next().unwrap().to_owned();
        tab.split("<span class=\"n\">").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned)
    };
    let all = shop.page("/jobs", "operator").await.text();
    assert_eq!(count(&all, "failed").as_deref(), Some("1"));
    let team = shop.page("/jobs", "team").await.text();
    assert_eq!((count(&team, "failed").as_deref(), count(&team, "succeeded").as_deref()), (Some("0"), Some("2")));
    let orders = shop.page("/jobs?q=queue:orders%20state:failed", "operator").await.text();
    assert_eq!((count(&orders, "failed").as_deref(), count(&orders, "all").as_deref()), (Some("1"), Some("2")));
    let foreign = shop.page("/jobs?q=queue:orders", "team").await.text();
    assert_eq!(count(&foreign, "all").as_deref(), Some("0"), "the team does not see the queue");
    let other = shop.page("/jobs?q=job:mail.*", "operator").await.text();
    assert_eq!(count(&other, "all"), None, "nobody counts those");
}
