//! Outboxes in databases of others, and replaced jobs.

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Place, lines};

const ENTRY: &str = r#"{"queue":"lamp","message":{"job":"lamp.ping","args":{"sleep_ms":1}}}"#;

/// As another program writes it.
fn shop(place: &Place) -> Connection {
    let shop = Connection::open(place.path().join("shop.db")).unwrap();
    shop.execute_batch(lamplighter_embedded::outbox::CREATE).unwrap();
    shop
}

fn write(shop: &Connection, id: &str, entry: &str) {
    shop.execute(lamplighter_embedded::outbox::INSERT, (id, entry)).unwrap();
}

#[test]
fn an_outbox_is_shown_swept_and_repaired() {
    let place = Place::new();
    place.lamp(&["outbox", "shop.db"]).fails(1, &["shop.db cannot be opened"]);
    place.lamp(&["outbox"]).fails(2, &["lamp outbox FILE"]);
    let shop = shop(&place);
    write(&shop, "order-42", ENTRY);
    write(&shop, "order-43", "nonsense");
    let shown = place.lamp(&["outbox", "shop.db"]).ok();
    assert!(shown.starts_with("waiting 2 the oldest from ") && shown.ends_with("no entry has failed\n"), "{shown}");
    assert_eq!(place.lamp(&["outbox", "shop.db", "--sweep"]).ok(), "enqueued 1\nfailed 1\n");
    place.lamp(&["job", "order-42"]).ok();
    let failed = lines(&place.lamp(&["outbox", "shop.db", "--json"]).ok());
    assert_eq!((failed.len(), &failed[0]["entry"], &failed[0]["id"]), (1, &json!(2), &json!("order-43")));
    assert!(place.lamp(&["outbox", "shop.db"]).ok().contains("order-43"));
    place.lamp(&["outbox", "shop.db", "--retry", "7"]).fails(1, &["no failed entry 7"]);
    place.lamp(&["outbox", "shop.db", "--retry", "x"]).fails(2, &["not the number of an entry"]);
    shop.execute("UPDATE lamplighter_outbox SET entry = ?1", [ENTRY]).unwrap();
    assert_eq!(place.lamp(&["outbox", "shop.db", "--retry-all"]).ok(), "to be tried again 1\n");
    let swept = lines(&place.lamp(&["outbox", "shop.db", "--sweep", "--json"]).ok());
    assert_eq!(swept, [json!({"enqueued": 1, "failed": 0})]);
    write(&shop, "order-44", "nonsense");
    place.lamp(&["outbox", "shop.db", "--sweep"]).ok();
    assert_eq!(place.lamp(&["outbox", "shop.db", "--forget", "3"]).ok(), "deleted 1\n");
    assert_eq!(place.lamp(&["outbox", "shop.db"]).ok(), "waiting 0\nno entry has failed\n");
}

#[test]
fn a_job_that_waits_is_replaced() {
    let place = Place::new();
    let enqueue = |more: &[&str]| place.lamp(&[&["enqueue", "lamp.ping"], more].concat());
    let refused = enqueue(&["{}", "--replace"]);
    assert!(refused.code == 2 && refused.err.contains("--unique <KEY>"), "{refused:?}");
    enqueue(&["{\"sleep_ms\": 1}", "--id", "first", "--unique", "k", "--replace", "--delay", "1h"]).ok();
    let replaced = enqueue(&["{\"sleep_ms\": 2}", "--unique", "k", "--replace"]).ok();
    assert_eq!(replaced, "replaced first it has the new arguments and time\n");
    let replaced = lines(&enqueue(&["{\"sleep_ms\": 3}", "--unique", "k", "--replace", "--json"]).ok());
    assert_eq!((&replaced[0]["id"], &replaced[0]["replaced"]), (&json!("first"), &json!(true)));
    let job = place.lamp(&["job", "first", "--json"]).ok();
    assert!(job.contains("\"sleep_ms\": 3") && job.contains("queued"), "{job}");
}
