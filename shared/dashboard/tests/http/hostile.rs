//! Values that want to be markup, and addresses that make no sense.

use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode, header};
use lamplighter::{RawValue, Tracking, Variables};
use lamplighter_embedded::Engine;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::{HOST, Mail, app, send, shop};

const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</script><!--",
    "{{7*7}} ${7*7}",
    "\u{202e}gnp.exe\u{0}\u{7}\u{1b}[31m",
    "javascript:alert(1)//",
];

#[tokio::test]
async fn hostile_values_are_inert_wherever_they_are_shown() {
    let shop = shop().await;
    let client = shop.client();
    let engine = Engine::builder(&shop.backend).app(&app(), &Variables::system()).start().await.unwrap();
    let mut ids = Vec::new();
    for text in HOSTILE {
        let job = client.enqueue(Mail { to: format!("fail: {text}") }).await.unwrap();
        ids.push(job.id().clone());
    }
    for id in &ids {
        client.wait(id, Duration::from_secs(20)).await.unwrap();
    }
    engine.drain(Duration::from_secs(20)).await;
    let large = RawValue::from_string(format!("{{\"to\":\"{}\"}}", "<b>".repeat(60_000))).unwrap();
    let large = client.enqueue_raw("mail.send", "mails", Tracking::Full, large).await.unwrap().id().clone();
    ids.push(large);

    let mut paths = shop.pages();
    paths.extend(ids.iter().map(|id| format!("/jobs/{id}")));
    let groups = shop.get("/api/v1/errors", "operator").await.json();
    for group in groups["items"].as_array().unwrap() {
        paths.push(format!("/errors/{}", group["fingerprint"].as_str().unwrap()));
    }
    for text in HOSTILE {
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        for page in ["jobs", "queues", "schedules", "types", "errors", "batches", "operations", "dead-letters", "act"] {
            paths.push(format!("/{page}/{encoded}"));
        }
        paths.push(format!("/jobs?q={encoded}&cursor={encoded}&limit={encoded}"));
        paths.push(format!("/errors?q={encoded}&since={encoded}"));
        paths.push(format!("/schedules?q={encoded}"));
        paths.push(format!("/{encoded}?{encoded}"));
    }
    let mut problems = std::collections::BTreeSet::new();
    for path in paths {
        let answer = shop.page(&path, "operator").await;
        let text = answer.text();
        if answer.status.is_server_error() {
            problems.insert(format!("{path}: {} {text}", answer.status));
        }
        for live in ["<script>alert", "<img src=x", "' onmouseover='", "<!--", "<b><b>", "href=\"javascript:"] {
            if text.contains(live) {
                problems.insert(format!("{path} has {live:?}"));
            }
        }
        if let Some(around) = turned(&text) {
            problems.insert(format!("{path} is turned around: {around}"));
        }
        assert!(answer.body.len() < 2 << 20, "{path}: {}", answer.body.len());
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Where a text that turns the direction of writing could turn what is around it: outside of `<bdi>`, of values of attributes, and
/// of blocks that hold nothing else.
fn turned(page: &str) -> Option<String> {
    page.match_indices('\u{202e}').find_map(|(at, _)| {
        let before = &page[..at];
        let opened = |start: &str, end: &str| before.rfind(start) > before.rfind(end);
        let is_held =
            opened("<bdi>", "</bdi>") || opened("<pre", "</pre>") || opened("<title", "</title>") || opened("<", ">");
        (!is_held).then(|| before.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect())
    })
}

#[test]
fn addresses_that_make_no_sense_are_never_a_failure_of_the_server() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let shop = runtime.block_on(shop());
    let segment = "[a-z0-9%._~:@!$&'()*+,;=\\[\\]{}|^-]{0,12}";
    let known = prop::sample::select(vec![
        "api",
        "v1",
        "jobs",
        "errors",
        "queues",
        "schedules",
        "types",
        "batches",
        "dead-letters",
        "operations",
        "stats",
        "act",
        "live",
        "sign-in",
        "assets",
        "preview",
        "stop",
        "counts",
        "log",
        "%00",
        "%ff",
        "..",
        "mail.send",
        "orders",
    ]);
    let part = prop_oneof![3 => known.prop_map(str::to_owned), 1 => segment];
    let pair = ("(q|limit|cursor|since|until|points|number|job|queue|message_id|x)", "[ -~]{0,24}");
    let address = (prop::collection::vec(part, 0..5), prop::collection::vec(pair, 0..4));
    let method = prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE]);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&(method, address, ".{0,40}"), |(method, (parts, pairs), body)| {
            let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let path = format!("/{}?{query}", parts.join("/"));
            let request = http::Request::builder()
                .method(method.clone())
                .uri(&path)
                .header(header::HOST, HOST)
                .header("x-user", "operator")
                .header(header::ORIGIN, format!("http://{HOST}"))
                .header(header::CONTENT_TYPE, "application/json");
            // What is no address at all does not come this far.
            let Ok(request) = request.body(Body::from(body)) else { return Ok(()) };
            if path.contains("live") && method == Method::GET {
                return Ok(());
            }
            let answer = runtime.block_on(send(&shop.router, request));
            let is_fine = !answer.status.is_server_error() || answer.status == StatusCode::NOT_IMPLEMENTED;
            prop_assert!(is_fine, "{method} {path}: {} {}", answer.status, answer.text());
            Ok(())
        })
        .unwrap();
}
