//! Who gets in, and which requests are refused from anybody.

use axum::{Router, body::Body};
use http::{Method, StatusCode, header};
use lamplighter::env::Env;
use lamplighter_dashboard::{
    Access, Dashboard, Rights, Site, Viewer,
    http::{Authenticate, Identity, MachineToken, Sessions, SignIn},
};
use lamplighter_embedded::SqliteBackend;
use serde_json::json;

use crate::support::{Answer, HOST, access, app, request, send, shop};

fn site() -> Site {
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    Site::new(&app(), backend.backend(), Env::system(), backend.operator())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const OWN: (&str, &str) = ("origin", "http://localhost:7000");

type Headers = &'static [(&'static str, &'static str)];

async fn ask(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::builder().uri(path).header(header::HOST, HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn nobody_gets_in_who_is_not_known() {
    let shop = shop().await;
    for path in shop.reads().iter().map(|path| format!("/api/v1{path}")).chain(shop.pages()) {
        let answer = shop.get(&path, "stranger").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!answer.text().contains("order.ship"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_of_the_policy() {
    let shop = shop().await;
    let mut answers = vec![shop.get("/nowhere", "reader").await, shop.get("/", "stranger").await];
    for path in shop.pages() {
        answers.push(shop.page(&path, "reader").await);
    }
    answers.push(shop.get("/api/v1/jobs", "reader").await);
    for answer in answers {
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        // What the policy forbids is not on a page.
        let text = answer.text();
        assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains("javascript:"), "{text}");
        assert!(!text.contains(" onclick=") && !text.contains("<script>"), "{text}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_its_own_is_refused() {
    let shop = shop().await;
    for host in ["evil.com", "localhost.evil.com", "10.0.0.1:7000"] {
        let request =
            http::Request::builder().uri("/api/v1/jobs").header(header::HOST, host).header("x-user", "operator");
        let answer = send(&shop.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn a_write_from_elsewhere_changes_nothing() {
    let shop = shop().await;
    let body = json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "orders" } });
    let refused: [(&str, Headers, StatusCode); 7] = [
        ("no origin", &[JSON], StatusCode::FORBIDDEN),
        ("another origin", &[JSON, ("origin", "https://evil.com")], StatusCode::FORBIDDEN),
        ("no origin in particular", &[JSON, ("origin", "null")], StatusCode::FORBIDDEN),
        ("another port", &[JSON, ("origin", "http://localhost:7001")], StatusCode::FORBIDDEN),
        ("another site", &[JSON, OWN, ("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        ("plain text", &[OWN, ("content-type", "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("no type", &[OWN], StatusCode::FORBIDDEN),
    ];
    for (what, headers, status) in refused {
        let mut request = request(Method::POST, "/api/v1/operations", "operator");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(&shop.router, request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    assert_eq!(shop.get("/api/v1/operations", "operator").await.json()["items"], json!([]));
    assert_eq!(shop.get("/api/v1/queues/orders", "operator").await.json()["paused"], false);
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_session() {
    let shop = shop().await;
    let page = shop.page(&format!("/act/retry?job={}", shop.refused), "operator").await.text();
    let token = |page: &str| page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let token = token(&page);
    let target = format!("%7B%22kind%22%3A%22job%22%2C%22id%22%3A%22{}%22%7D", shop.refused);
    let fields = format!("action=%7B%22kind%22%3A%22retry%22%7D&target={target}");
    let post = |path: &'static str, user: &'static str, csrf: String| {
        let request = request(Method::POST, path, user)
            .header(header::ORIGIN, format!("http://{HOST}"))
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        send(&shop.router, request.body(Body::from(format!("{fields}{csrf}"))).unwrap())
    };
    for csrf in [String::new(), "&csrf=".into(), "&csrf=x".into(), format!("&csrf={}", &token[1..])] {
        assert_eq!(post("/act", "operator", csrf).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(
        post("/act", "careful", format!("&csrf={token}")).await.status,
        StatusCode::FORBIDDEN,
        "of another viewer"
    );
    let done = post("/act", "operator", format!("&csrf={token}")).await;
    assert!(done.status.is_redirection(), "{}: {}", done.status, done.text());
}

#[tokio::test]
async fn a_link_signs_in_once_and_a_session_can_be_ended() {
    let (access, sign_in): (Access, SignIn) = Access::local(Viewer::new("ada", Rights::operator()));
    let router = Dashboard::new(site(), access).unwrap().base_path("/ops").router();
    assert_eq!(ask(&router, "/api/v1/me", &[]).await.status, StatusCode::UNAUTHORIZED);
    let path = sign_in.path().unwrap();
    let head = http::Request::head(&path).header(header::HOST, HOST).body(Body::empty()).unwrap();
    assert!(
        send(&router, head).await.headers.get(header::SET_COOKIE).is_none(),
        "a glance at a link does not use it up"
    );
    let entered = ask(&router, &path, &[]).await;
    assert_eq!((entered.status, entered.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/ops"));
    let set = entered.header(header::SET_COOKIE);
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    assert_eq!(ask(&router, "/api/v1/me", &[("cookie", &cookie)]).await.json()["name"], "ada");
    assert_eq!(ask(&router, &path, &[]).await.status, StatusCode::UNAUTHORIZED, "the link is used up");
    assert_eq!(ask(&router, &path, &[("cookie", &cookie)]).await.status, StatusCode::SEE_OTHER);
    let forged = format!("{cookie}x");
    assert_eq!(ask(&router, "/api/v1/me", &[("cookie", &forged)]).await.status, StatusCode::UNAUTHORIZED);
    let out = http::Request::post("/sign-out")
        .header(header::HOST, HOST)
        .header(header::COOKIE, &cookie)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json");
    let out = send(&router, out.body(Body::empty()).unwrap()).await;
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    let gone = ask(&router, "/api/v1/me", &[("cookie", &cookie)]).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED, "a copy of the cookie is worth nothing either");
}

/// A sign-in elsewhere, which comes back to `/sign-in/back`.
struct Elsewhere;

#[async_trait::async_trait]
impl Authenticate for Elsewhere {
    async fn authenticate(&self, _: &http::request::Parts) -> Identity {
        Identity::Session { sign_in: "/sign-in/start".into() }
    }

    fn routes(&self, sessions: &Sessions) -> Router {
        let sessions = sessions.clone();
        let back = move || async move {
            let viewer = Viewer::new("eve", Rights::reader().only_queues(["mails"]));
            [(header::SET_COOKIE, sessions.begin(&viewer, jiff::Timestamp::now()).unwrap())]
        };
        Router::new().route("/sign-in/back", axum::routing::get(back))
    }
}

#[tokio::test]
async fn a_sign_in_elsewhere_comes_back_with_a_session() {
    let access = Access::authenticated(std::sync::Arc::new(Elsewhere));
    let dashboard = Dashboard::new(site(), access).unwrap().base_path("/ops");
    let router = dashboard.public_url("https://jobs.example.com").unwrap().router();
    let browser = ask(&router, "/jobs?q=state:failed", &[("accept", "text/html")]).await;
    assert_eq!(browser.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.header(header::LOCATION), "/ops/sign-in/start?next=%2Fjobs%3Fq%3Dstate%3Afailed");
    assert_eq!(ask(&router, "/api/v1/me", &[]).await.status, StatusCode::UNAUTHORIZED, "a program is not sent there");
    let back = ask(&router, "/sign-in/back", &[]).await;
    let set = back.header(header::SET_COOKIE);
    assert!(set.starts_with("__Host-lamplighter=") && set.ends_with("; Secure"), "{set}");
    assert!(back.header(header::STRICT_TRANSPORT_SECURITY).starts_with("max-age="));
    let cookie = set.split(';').next().unwrap();
    let me = ask(&router, "/api/v1/me", &[("cookie", cookie)]).await.json();
    assert_eq!((&me["name"], &me["queues"]), (&json!("eve"), &json!({ "only": ["mails"] })));
}

#[tokio::test]
async fn a_program_gets_in_by_its_token_and_needs_no_origin() {
    let (token, known) = MachineToken::generate(Viewer::new("deploy", Rights::operator())).unwrap();
    let router = Dashboard::new(site(), Access::machines().tokens([known])).unwrap().router();
    let bearer = format!("Bearer {token}");
    assert_eq!(ask(&router, "/api/v1/me", &[("authorization", &bearer)]).await.json()["name"], "deploy");
    for wrong in ["Bearer x", "Bearer ", "Basic YTpi"] {
        let answer = ask(&router, "/api/v1/me", &[("authorization", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let preview = |kind: &'static str| {
        let body =
            json!({ "action": { "kind": "pause-schedule" }, "target": { "kind": "schedule", "schedule": "nightly" } });
        let request = http::Request::post("/api/v1/operations/preview")
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, &bearer)
            .header(header::CONTENT_TYPE, kind);
        send(&router, request.body(Body::from(body.to_string())).unwrap())
    };
    assert_eq!(preview("application/json").await.status, StatusCode::OK);
    assert_eq!(preview("text/plain").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn it_is_mounted_in_a_service_below_a_path() {
    let dashboard = Dashboard::new(site(), access()).unwrap().base_path("jobs/").router();
    let router = Router::new().nest("/jobs", dashboard);
    let get = |path: &'static str| send(&router, request(Method::GET, path, "reader").body(Body::empty()).unwrap());
    let page = get("/jobs").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("\"/jobs/queues\""), "{}", page.text());
    assert_eq!(get("/jobs/api/v1/me").await.json()["name"], "reader");
    assert_eq!(get("/jobs/api/v1/openapi.json").await.json()["servers"][0]["url"], "/jobs/api/v1");
    assert_eq!(get("/jobs/nowhere").await.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
}

#[tokio::test]
async fn it_refuses_to_be_reached_from_elsewhere_without_protection() {
    let (loopback, beyond) = ("127.0.0.1:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
    let (local, _) = Access::local(Viewer::new("ada", Rights::operator()));
    let dashboard = Dashboard::new(site(), local).unwrap();
    assert!(dashboard.check_address(loopback).is_ok());
    assert!(dashboard.public_url("https://jobs.example.com").unwrap().check_address(beyond).is_err());
    let known = Dashboard::new(site(), access()).unwrap();
    assert!(known.check_address(beyond).is_err());
    assert!(known.public_url("https://jobs.example.com").unwrap().check_address(beyond).is_ok());
}

#[tokio::test]
async fn an_answer_to_head_has_the_tag_of_the_answer_to_get() {
    let shop = shop().await;
    for path in ["/api/v1/queues", "/api/v1/jobs"] {
        let head = async |known: Option<&str>| {
            let mut head = request(Method::HEAD, path, "reader").header(header::ACCEPT, "text/html");
            if let Some(known) = known {
                head = head.header(header::IF_NONE_MATCH, known);
            }
            send(&shop.router, head.body(Body::empty()).unwrap()).await
        };
        let first = head(None).await;
        let tag = first.header(header::ETAG);
        assert!(
            first.status == StatusCode::OK && first.body.is_empty() && !tag.is_empty(),
            "{path}: {:?}",
            first.headers
        );
        assert_eq!(head(Some(tag)).await.status, StatusCode::NOT_MODIFIED, "{path}");
    }
    let (head, get) = (request(Method::HEAD, "/api/v1/types", "reader"), shop.get("/api/v1/types", "reader").await);
    let head = send(&shop.router, head.body(Body::empty()).unwrap()).await;
    assert_eq!(head.header(header::ETAG), get.header(header::ETAG));
}

#[tokio::test]
async fn a_form_with_very_many_fields_is_refused() {
    let shop = shop().await;
    let body = "job=x&".repeat(100_000);
    let request = request(Method::POST, "/act/cancel", "operator")
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = send(&shop.router, request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    assert!(answer.text().len() < 1_000);
}

#[tokio::test]
async fn a_method_that_is_not_allowed_is_told_and_a_large_body_refused() {
    let shop = shop().await;
    let answer = shop.post("/api/v1/jobs", "operator", &json!({})).await;
    assert_eq!((answer.status, answer.json()["status"].as_u64()), (StatusCode::METHOD_NOT_ALLOWED, Some(405)));
    assert!(answer.header(header::ALLOW).contains("GET"), "{:?}", answer.headers);
    let large = json!({ "action": { "kind": "retry" }, "target": { "kind": "new" }, "reason": "x".repeat(5 << 20) });
    let answer = shop.post("/api/v1/operations", "operator", &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
