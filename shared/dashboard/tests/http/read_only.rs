//! A dashboard that changes nothing for anybody.

use std::time::Duration;

use axum::{Router, body::Body};
use http::{Method, StatusCode, header};
use lamplighter::{
    JobId,
    env::Env,
    operation::{Action, Operation, OperationState, Target},
};
use lamplighter_dashboard::{Access, Dashboard, Rights, Site, Viewer, http::MachineToken};
use lamplighter_embedded::SqliteBackend;
use serde_json::json;

use crate::support::{Answer, HOST, Mail, app, request, send, shop};

fn dashboard(backend: &SqliteBackend, access: Access) -> Dashboard {
    let site = Site::new(&app(), backend.backend(), Env::system(), backend.operator());
    Dashboard::new(site, access).unwrap()
}

fn operators() -> Access {
    Access::custom(|_| Some(Viewer::new("ada", Rights::operator())))
}

async fn cancel(router: &Router, id: &JobId, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "action": { "kind": "cancel" }, "target": { "kind": "job", "id": id.as_str() } });
    let mut request = request(Method::POST, "/api/v1/operations", "ada")
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn neither_an_operator_nor_a_token_changes_anything() {
    let shop = shop().await;
    let (token, known) =
        MachineToken::generate(Viewer::new("deploy", Rights::operator().only_queues(["mails"]))).unwrap();
    let router = dashboard(&shop.backend, operators().tokens([known])).read_only().router();
    let bearer = format!("Bearer {token}");
    for headers in [&[][..], &[("authorization", &*bearer)]] {
        let refused = cancel(&router, &shop.mailed, headers).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    }
    let me = request(Method::GET, "/api/v1/me", "ada").header(header::AUTHORIZATION, &bearer);
    let me = send(&router, me.body(Body::empty()).unwrap()).await.json();
    assert_eq!((&me["actions"], &me["queues"]), (&json!([]), &json!({ "only": ["mails"] })));
    assert_eq!(shop.get("/api/v1/operations", "operator").await.json()["items"], json!([]));
}

#[tokio::test]
async fn operations_of_dead_processes_are_left_to_others() {
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    backend.client().enqueue(Mail { to: "ada".into() }).id("mail").await.unwrap();
    let (port, id) = (backend.backend().operations.unwrap(), JobId::new("op-left").unwrap());
    let target = Target::Job { id: JobId::new("mail").unwrap() };
    port.create(&Operation::new(id.clone(), Action::Cancel, target, "bob", jiff::Timestamp::now())).await.unwrap();
    let router = dashboard(&backend, operators()).read_only().router();
    for _ in 0..50 {
        let looked = request(Method::GET, "/api/v1/operations/op-left", "ada").body(Body::empty()).unwrap();
        assert_eq!(send(&router, looked).await.json()["state"], "running");
    }
    let _goes_on = dashboard(&backend, operators()).router();
    let ended = async {
        while port.get(&id).await.unwrap().unwrap().state != OperationState::Done {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
}
