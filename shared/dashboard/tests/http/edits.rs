//! Copies of jobs with other arguments, and the arguments that a new job is given.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, StatusCode, header};
use lamplighter::{Definition, JobId, RawValue, env::Env, operation::CheckArguments};
use lamplighter_dashboard::{Dashboard, Site};
use serde_json::json;

use crate::support::{Answer, HOST, Shop, TOKEN, access, app, request, send, shop};

async fn form(shop: &Shop, path: &str, fields: &[(&str, &str)]) -> Answer {
    let asked = shop.page(&format!("/act/edit-and-run?job={}", shop.refused), "operator").await.text();
    let csrf = asked.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("csrf", &csrf).extend_pairs(fields);
    let request = request(Method::POST, path, "operator")
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(&shop.router, request.body(Body::from(body.finish())).unwrap()).await
}

fn hidden(page: &str, name: &str) -> String {
    let value = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("no {name}: {page}"));
    let value = value.split('"').next().unwrap();
    value.replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&").replace("&#38;", "&")
}

#[tokio::test]
async fn a_hidden_value_that_is_left_as_it_is_stays() {
    let shop = shop().await;
    let asked = shop.page(&format!("/act/edit-and-run?job={}", shop.refused), "operator").await.text();
    assert!(asked.contains("[redacted]") && asked.contains("keeps its value"), "{asked}");
    let fields = [("job", shop.refused.as_str()), ("args", r#"{"order":"a-2","token":"[redacted]"}"#)];
    let previewed = form(&shop, "/act/edit-and-run", &fields).await;
    let preview = previewed.text();
    assert!(preview.contains("Runs a copy of"), "{preview}");
    let names = ["action", "target", "expected", "key"];
    let fields: Vec<_> = names.into_iter().map(|name| (name, hidden(&preview, name))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let begun = form(&shop, "/act", &fields).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text());
    let operation = begun.header(header::LOCATION).to_owned();
    let answer = shop.get(&format!("/api/v1{operation}"), "operator").await;
    let copy = answer.json()["results"][0].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();

    let record = shop.client().get(&JobId::new(&*copy).unwrap()).await.unwrap().unwrap();
    let kept: serde_json::Value = serde_json::from_str(record.message.args.get()).unwrap();
    assert_eq!(kept, json!({"order": "a-2", "token": TOKEN}), "the copy has the original's secret");
    let (api, page) = (format!("/api/v1/jobs/{copy}"), format!("/jobs/{copy}"));
    for path in [&*api, &format!("{api}/log"), &format!("/api/v1{operation}"), "/api/v1/operations"] {
        let text = shop.get(path, "operator").await.text();
        assert!(!text.contains(TOKEN), "{path}: {text}");
    }
    for path in [&*page, &*operation, "/operations", &format!("/jobs/{}", shop.refused)] {
        let text = shop.page(path, "operator").await.text();
        assert!(!text.contains(TOKEN), "{path}: {text}");
    }
    for text in [asked, preview] {
        assert!(!text.contains(TOKEN));
    }
    let log = shop.client().log(&shop.refused).await.unwrap();
    assert!(log.iter().all(|line| !line.text.contains(TOKEN)), "{log:?}");
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_before_anything_is_asked_for() {
    let shop = shop().await;
    let nothing_to_keep = r#"{"order":"a","token":"[redacted]"}"#;
    let enqueue = |args: &str| {
        let args: serde_json::Value = serde_json::from_str(args).unwrap();
        json!({ "action": { "kind": "enqueue", "job": "order.ship", "args": args }, "target": { "kind": "new" } })
    };
    for (args, told) in [(r#"{"token":"t"}"#, "a field is missing"), (nothing_to_keep, "token")] {
        let answer = shop.post("/api/v1/operations/preview", "operator", &enqueue(args)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["parameter"], "action.args");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    let good = shop.post("/api/v1/operations/preview", "operator", &enqueue(r#"{"order":"a","token":"t"}"#)).await;
    assert_eq!(good.status, StatusCode::OK, "{}", good.text());
    let edit = json!({
        "action": { "kind": "edit-and-run", "args": { "order": 7, "token": "[redacted]" } },
        "target": { "kind": "job", "id": shop.refused.as_str() },
    });
    let answer = shop.post("/api/v1/operations/preview", "operator", &edit).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!answer.text().contains(TOKEN), "{}", answer.text());
    let fields = [("job", shop.refused.as_str()), ("args", r#"{"order":7,"token":"[redacted]"}"#)];
    let page = form(&shop, "/act/edit-and-run", &fields).await.text();
    assert!(page.contains("aria-invalid") && !page.contains("Runs a copy of") && !page.contains(TOKEN), "{page}");
}

struct Refuses;

impl CheckArguments for Refuses {
    fn problems(&self, _: &Definition, _: &RawValue) -> Vec<String> {
        vec!["\"to\": not on the list".into()]
    }
}

#[tokio::test]
async fn a_site_can_have_a_check_of_its_own() {
    let shop = shop().await;
    let site =
        Site::new(&app(), shop.backend.backend(), Env::system(), shop.backend.operator()).check(Arc::new(Refuses));
    let shop = Shop { router: Dashboard::new(site, access()).unwrap().router(), ..shop };
    let asked = json!({
        "action": { "kind": "enqueue", "job": "mail.send", "args": { "to": "ada" } }, "target": { "kind": "new" },
    });
    for path in ["/api/v1/operations/preview", "/api/v1/operations"] {
        let answer = shop.post(path, "operator", &asked).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(answer.json()["detail"], "\"to\": not on the list", "{path}");
    }
}
