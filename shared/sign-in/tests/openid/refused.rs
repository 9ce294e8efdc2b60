//! Who is not.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use lamplighter_fakes::{Lie, Signing};

use crate::{
    browser::{Browser, dashboard},
    provider::Provider,
};

const ANYBODY: &str = "* operator";

#[tokio::test]
async fn no_token_with_a_lie_in_it_is_accepted() {
    for signing in [Signing::Ecdsa, Signing::Rsa] {
        let provider = Provider::signing(signing).await;
        let router = dashboard(&provider, ANYBODY);
        for (lie, why) in [
            (Lie::OtherNonce, "nonce mismatch"),
            (Lie::NoNonce, "missing nonce"),
            (Lie::OtherAudience, "Invalid audiences"),
            (Lie::MoreAudiences, "Invalid audiences"),
            (Lie::OtherIssuer, "Invalid issuer"),
            (Lie::Expired, "Expired"),
            (Lie::AlgNone, "No signature"),
            (Lie::Hmac, "Disallowed signature algorithm"),
            (Lie::HmacWithPublicKey, "Disallowed signature algorithm"),
            (Lie::OtherKey, "Signature verification failed: Crypto error"),
            (Lie::OtherKeyId, "No matching key found"),
            (Lie::Tampered, "Signature verification failed: Crypto error"),
            (Lie::NoIdToken, "no ID token"),
            (Lie::OtherAccessToken, "access token"),
        ] {
            let mut browser = Browser::new(&router);
            provider.lie(lie);
            let answer = browser.sign_in(&provider, "/").await;
            let (status, cookies) = (answer.status, browser.cookies.len());
            assert_eq!((status, cookies), (StatusCode::FORBIDDEN, 0), "{signing:?} {lie:?}: {}", answer.body);
            assert!(answer.body.contains(why), "{signing:?} {lie:?}: {}", answer.body);
            assert_eq!(browser.api("/api/v1/me").await.status, StatusCode::UNAUTHORIZED, "{lie:?}");
        }
        // The same with the truth.
        provider.lie(Lie::None);
        let mut browser = Browser::new(&router);
        browser.sign_in(&provider, "/").await;
        assert!(browser.is_signed_in(), "{signing:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_anew() {
    for signing in [Signing::Ecdsa, Signing::Rsa] {
        let provider = Provider::signing(signing).await;
        let router = dashboard(&provider, ANYBODY);
        Browser::new(&router).sign_in(&provider, "/").await;
        assert_eq!(provider.asked("keys"), 1);
        provider.rotate();
        for _ in 0..2 {
            let mut browser = Browser::new(&router);
            let answer = browser.sign_in(&provider, "/").await;
            assert!(browser.is_signed_in(), "{signing:?}: {}", answer.body);
        }
        assert_eq!(provider.asked("keys"), 2, "{signing:?}: once for the new key");
        // Tokens under keys that do not exist have the provider asked no more than once a minute.
        provider.lie(Lie::OtherKeyId);
        for _ in 0..3 {
            let mut browser = Browser::new(&router);
            assert_eq!(browser.sign_in(&provider, "/").await.status, StatusCode::FORBIDDEN);
        }
        assert_eq!(provider.asked("keys"), 2, "{signing:?}");
    }
}

/// The clocks of two machines differ. A token lives for minutes, which is more.
#[tokio::test]
async fn a_provider_whose_clock_is_a_little_off_is_believed() {
    let provider = Provider::signing(Signing::Rsa).await;
    let router = dashboard(&provider, ANYBODY);
    for (ahead, is_good) in [(-240, true), (240, true), (-301, false)] {
        provider.clock_ahead(ahead);
        let mut browser = Browser::new(&router);
        let answer = browser.sign_in(&provider, "/").await;
        assert_eq!(browser.is_signed_in(), is_good, "{ahead} s: {}", answer.body);
    }
}

#[tokio::test]
async fn a_code_is_good_once() {
    let provider = Provider::start().await;
    let mut browser = Browser::new(&dashboard(&provider, ANYBODY));
    let back = browser.consent(&provider, "/").await;
    let mark = browser.cookies.clone();
    browser.get(&back).await;
    assert!(browser.is_signed_in());
    // The browser's mark is gone, so the provider is not even asked.
    let (asked, session) = (provider.asked("token"), browser.cookies.clone());
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN);
    assert_eq!((provider.asked("token"), &browser.cookies), (asked, &session));
    // With the mark, the provider refuses.
    browser.cookies = mark;
    let answer = browser.api(&back).await;
    assert_eq!((answer.status, browser.is_signed_in()), (StatusCode::FORBIDDEN, false));
    assert!(answer.body.contains("invalid_grant") && !answer.body.contains("script"), "{}", answer.body);
}

#[tokio::test]
async fn a_request_for_the_head_alone_uses_nothing_up() {
    let provider = Provider::start().await;
    let mut ada = Browser::new(&dashboard(&provider, ANYBODY));
    let back = ada.consent(&provider, "/").await;
    let head = Request::head(&back).body(Body::empty()).unwrap();
    assert_eq!(ada.send(head).await.status, StatusCode::NO_CONTENT);
    assert_eq!(provider.asked("token"), 0, "no code was exchanged");
    ada.api(&back).await;
    assert!(ada.is_signed_in());
}

#[tokio::test]
async fn an_answer_to_another_browser_or_another_sign_in_is_refused() {
    let provider = Provider::start().await;
    let router = dashboard(&provider, ANYBODY);
    let (mut ada, mut mallory) = (Browser::new(&router), Browser::new(&router));
    let of_mallory = mallory.consent(&provider, "/").await;
    // A link with somebody else's code, to a browser that has not begun, and to one that has.
    assert_eq!(ada.get(&of_mallory).await.status, StatusCode::FORBIDDEN);
    ada.consent(&provider, "/").await;
    assert_eq!(ada.get(&of_mallory).await.status, StatusCode::FORBIDDEN);
    assert!(ada.cookies.is_empty());

    for change in ["/sign-in/callback", "/sign-in/callback?code=code-1", "/sign-in/callback?state=x&code=y"] {
        ada.consent(&provider, "/").await;
        assert_eq!(ada.get(change).await.status, StatusCode::FORBIDDEN, "{change}");
    }
    let back = ada.consent(&provider, "/").await;
    let (path, _) = back.split_once("code=").unwrap();
    let state = back.split_once("state=").unwrap().1;
    for query in
        [format!("code=&state={state}"), format!("error=access_denied&state={state}"), format!("state={state}")]
    {
        let again = ada.consent(&provider, "/").await;
        let state = again.split_once("state=").unwrap().1;
        let query = query.split("state=").next().unwrap().to_owned() + "state=" + state;
        assert_eq!(ada.get(&format!("{path}{query}")).await.status, StatusCode::FORBIDDEN, "{query}");
    }
    assert_eq!(provider.asked("token"), 0, "no code was exchanged");
}

#[tokio::test]
async fn a_mark_or_a_session_that_was_changed_is_none() {
    let provider = Provider::start().await;
    let router = dashboard(&provider, ANYBODY);
    let mut browser = Browser::new(&router);
    let back = browser.consent(&provider, "/").await;
    let change = |browser: &mut Browser| {
        for value in browser.cookies.values_mut() {
            let other = if value.starts_with('e') { 'f' } else { 'e' };
            value.replace_range(..1, &other.to_string());
        }
    };
    change(&mut browser);
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN);

    browser.sign_in(&provider, "/").await;
    assert_eq!(browser.api("/api/v1/me").await.status, StatusCode::OK);
    change(&mut browser);
    assert_eq!(browser.api("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert!(browser.get("/").await.location().starts_with("/sign-in?next="));
    // A mark is no session, though the same secret signs both.
    let mut other = Browser::new(&router);
    other.consent(&provider, "/").await;
    let mark = other.cookies.values().next().unwrap().clone();
    other.cookies.insert("__Host-lamplighter".into(), mark);
    assert_eq!(other.api("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let provider = Provider::start().await;
    let router = dashboard(&provider, ANYBODY);
    for next in ["https://evil.org/", "//evil.org", "/%5Cevil.org", "%2F%2Fevil.org", "/sign-in", "javascript:alert(1)"]
    {
        let mut browser = Browser::new(&router);
        let begun = browser.get(&format!("/sign-in?next={next}")).await;
        let (code, state) = provider.consent(begun.location());
        let answer = browser.get(&format!("/sign-in/callback?code={code}&state={state}")).await;
        assert!(answer.body.contains("content=\"0; url=/\""), "{next}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_provider_that_is_away_lets_nobody_in() {
    let nowhere = lamplighter_sign_in::OpenIdSettings::new(
        "http://127.0.0.1:1",
        "dashboard",
        "https://jobs.example.com",
        ANYBODY.parse().unwrap(),
        crate::browser::SECRET,
    );
    let mut browser = Browser::new(&crate::browser::router(&nowhere));
    let answer = browser.api("/sign-in").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{}", answer.body);
    assert!(answer.body.contains("OpenID provider cannot be used") && browser.cookies.is_empty(), "{}", answer.body);
}
