//! What pages and answers show: commands, ids that are odd, and nothing that is hidden.

use axum::{Router, body::Body};
use http::{Method, StatusCode, header};
use lamplighter::{App, RawValue, Tracking, env::Env};
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer};
use serde_json::json;

use crate::support::{HOST, Mail, Shop, access, app, request, send, shop};

#[tokio::test]
async fn a_copied_command_is_about_the_job_and_is_no_option() {
    let shop = shop().await;
    shop.client().enqueue(Mail { to: "ada".into() }).id("--all").await.unwrap();
    let page = shop.page("/jobs/--all", "operator").await.text();
    assert!(page.contains("<span class=\"word\">--</span> <span class=\"word\">--all</span>"), "{page}");
    let list = shop.page("/jobs?q=id:--all", "operator").await.text();
    assert!(list.contains("data-command=\"lamp job -- --all\""), "{list}");
    let asked = json!({ "action": { "kind": "cancel" }, "target": { "kind": "job", "id": "--all" } });
    let preview = shop.post("/api/v1/operations/preview", "operator", &asked).await.json();
    assert_eq!(preview["command"], "lamp cancel -- --all");
}

#[tokio::test]
async fn a_secret_that_was_typed_is_in_no_command() {
    let shop = shop().await;
    let enqueue = |token: &str| {
        let args = json!({ "order": "a", "token": token });
        json!({ "action": { "kind": "enqueue", "job": "order.ship", "args": args }, "target": { "kind": "new" } })
    };
    let preview = shop.post("/api/v1/operations/preview", "operator", &enqueue("TYPEDSECRET")).await.json();
    assert_eq!(preview.get("command"), None, "{preview}");
    let form =
        shop.page("/act/enqueue?job=order.ship&at=&args/order=a&args/token=TYPEDSECRET", "operator").await.text();
    assert!(form.contains("Enqueues"), "{form}");
    assert!(!form.contains("The same as a command"), "{form}");
    let mail = json!({ "action": { "kind": "enqueue", "job": "mail.send", "args": { "to": "a" } }, "target": { "kind": "new" } });
    let preview = shop.post("/api/v1/operations/preview", "operator", &mail).await.json();
    assert_eq!(preview["command"], r#"lamp enqueue mail.send '{"to":"a"}'"#, "nothing in it is hidden");
}

#[tokio::test]
async fn ids_that_browsers_take_for_steps_have_an_address() {
    let shop = shop().await;
    for id in [".", ".."] {
        shop.client().enqueue(Mail { to: "ada".into() }).id(id).await.unwrap();
    }
    let list = shop.page("/jobs?q=state:queued", "operator").await.text();
    for id in [".", ".."] {
        assert!(list.contains(&format!("href=\"/jobs/~{id}\"")), "{list}");
        let page = shop.page(&format!("/jobs/~{id}"), "operator").await;
        assert_eq!(page.status, StatusCode::OK, "{id}");
        assert_eq!(shop.get(&format!("/api/v1/jobs/~{id}"), "operator").await.json()["id"], id);
    }
    assert_eq!(shop.page("/jobs/~a", "operator").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_a_job_that_is_not_defined_no_value_is_shown() {
    let shop = shop().await;
    let site = Site::new(&App::new("other"), shop.backend.backend(), Env::system(), shop.backend.operator());
    let other = Shop { router: Dashboard::new(site, access()).unwrap().router(), ..shop };
    let job = other.get(&format!("/api/v1/jobs/{}", other.shipped), "operator").await.json();
    assert_eq!((&job["args"], &job["output"]), (&json!("[redacted]"), &json!("[redacted]")), "{job}");
    let batch = other.get(&format!("/api/v1/batches/{}", other.batch), "operator").await.json();
    assert_eq!(batch["total"], 1, "{batch}");
}

#[tokio::test]
async fn arguments_that_are_nested_deeply_stay_short() {
    let shop = shop().await;
    let nested = format!(r#"{{"to":"a","more":{}{}1{}}}"#, "[".repeat(100), "[1],".repeat(5_000), "]".repeat(100));
    let args = RawValue::from_string(nested.clone()).unwrap();
    let id = shop.client().enqueue_raw("mail.send", "mails", Tracking::Full, args).await.unwrap().id().clone();
    let page = shop.page(&format!("/act/edit-and-run?job={id}"), "operator").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.len() < nested.len() * 6, "{} of {}", page.body.len(), nested.len());
}

#[tokio::test]
async fn the_overview_leads_to_the_errors_of_that_hour() {
    let shop = shop().await;
    let page = shop.page("/errors?q=since%3A1h", "operator").await.text();
    assert!(page.contains("the warehouse refuses") && page.contains("Without since:1h"), "{page}");
    let patterns = shop.page("/errors?q=job%3Aorder.*", "operator").await.text();
    assert!(patterns.contains("by one name"), "{patterns}");
}

async fn page(router: &Router, cookie: &str) -> String {
    let request = request(Method::GET, "/", "").header(header::ACCEPT, "text/html").header(header::COOKIE, cookie);
    send(router, request.body(Body::empty()).unwrap()).await.text()
}

#[tokio::test]
async fn who_has_a_session_can_sign_out_without_scripts() {
    let shop = shop().await;
    let site = Site::new(&app(), shop.backend.backend(), Env::system(), shop.backend.operator());
    let (access, sign_in) = Access::local(Viewer::new("ada", Rights::reader()));
    let router = Dashboard::new(site, access).unwrap().router();
    let link = request(Method::GET, &sign_in.path().unwrap(), "").body(Body::empty()).unwrap();
    let entered = send(&router, link).await;
    let cookie = entered.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let page = page(&router, &cookie).await;
    let form = page.split("action=\"/sign-out\"").nth(1).unwrap_or_else(|| panic!("no form: {page}"));
    let csrf = form.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body: String = form_urlencoded::Serializer::new(String::new()).append_pair("csrf", csrf).finish();
    let out = request(Method::POST, "/sign-out", "")
        .header(header::COOKIE, &cookie)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let out = send(&router, out.body(Body::from(body)).unwrap()).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{}", out.text());
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert!(
        !shop.page("/", "operator").await.text().contains("/sign-out"),
        "a service that knows its users has its own"
    );
}
