//! Who is who he says he is.

use axum::http::StatusCode;
use serde_json::json;

use crate::{
    browser::{Browser, dashboard},
    provider::Provider,
};

#[tokio::test]
async fn somebody_signs_in_and_comes_back_to_the_page_that_they_wanted() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&dashboard(&provider, "group:ops reader,retry"));
    let answer = browser.sign_in(&provider, "/jobs?q=state%3Afailed").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    // A page of this site goes on, so that the browser sends the session's cookie along.
    assert!(answer.body.contains("content=\"0; url=/jobs?q=state%3Afailed\""), "{}", answer.body);
    assert!(answer.body.contains("signed in as ada@example.com"), "{}", answer.body);
    assert!(browser.is_signed_in() && browser.cookies.len() == 1, "the mark is used up: {:?}", browser.cookies);

    let me = browser.api("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.body);
    assert_eq!((&me.json()["name"], &me.json()["actions"]), (&json!("ada@example.com"), &json!(["retry"])));
}

#[tokio::test]
async fn an_address_counts_only_where_the_provider_has_verified_it() {
    let provider = Provider::start().await;
    let router = dashboard(&provider, "root@example.com operator; sub:subject-1 reader");
    let mut browser = Browser::new(&router);
    provider.claims(json!({ "email": "root@example.com", "preferred_username": "root@example.com" }));
    browser.sign_in(&provider, "/").await;
    let me = browser.api("/api/v1/me").await.json();
    assert_eq!((&me["name"], &me["actions"]), (&json!("root@example.com (subject-1)"), &json!([])));

    provider.claims(json!({ "email": "root@example.com", "email_verified": true }));
    let mut browser = Browser::new(&router);
    browser.sign_in(&provider, "/").await;
    assert_ne!(browser.api("/api/v1/me").await.json()["actions"], json!([]));
}

#[tokio::test]
async fn somebody_without_a_rule_is_told_so() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&dashboard(&provider, "group:others operator"));
    provider.claims(json!({ "email": "<b>@example.com", "email_verified": true }));
    let answer = browser.sign_in(&provider, "/").await;
    assert_eq!((answer.status, browser.is_signed_in()), (StatusCode::FORBIDDEN, false));
    let why = answer.json()["detail"].clone();
    assert!(why.as_str().unwrap().contains("you are known as <b>@example.com, and no rule"), "{why}");
    // As a page, it is text.
    let mut browser = Browser::new(&dashboard(&provider, "* reader"));
    let answer = browser.sign_in(&provider, "/").await;
    assert!(answer.body.contains("&lt;b&gt;@example.com") && !answer.body.contains("<b>"), "{}", answer.body);
}
