//! The OpenAPI document as it is served.

use http::StatusCode;

use crate::support::shop;

#[tokio::test]
async fn the_document_has_the_arguments_of_the_jobs_that_a_viewer_sees() {
    let shop = shop().await;
    let document = shop.get("/api/v1/openapi.json", "operator").await;
    assert_eq!(document.status, StatusCode::OK);
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["components"]["schemas"]["args.mail.send"]["properties"]["to"]["type"], "string");
    let all = document["components"]["schemas"]["JobArguments"]["anyOf"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    let team = shop.get("/api/v1/openapi.json", "team").await.text();
    assert!(team.contains("args.mail.send") && !team.contains("args.order.ship"));
}
