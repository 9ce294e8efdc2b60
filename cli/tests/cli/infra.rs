//! `lamp infra`.

use std::fs;

use serde_json::Value;

use crate::support::Place;

#[test]
fn the_template_is_written_and_checked() {
    let place = Place::new();
    let template = || fs::read_to_string(place.path().join("infra/template.yaml")).unwrap();
    place.lamp(&["infra", "--check"]).fails(1, &["there is no infra/template.yaml", "run `lamp infra`"]);
    place.lamp(&["infra"]).fails(1, &["cannot write infra/template.yaml: no such file", "--out"]);

    fs::create_dir(place.path().join("infra")).unwrap();
    assert_eq!(place.lamp(&["infra"]).ok(), "wrote infra/template.yaml\n");
    assert!(template().contains("AWS::Serverless-2016-10-31"));
    assert_eq!(place.lamp(&["infra"]).ok(), "infra/template.yaml is up to date\n");
    assert_eq!(place.lamp(&["infra", "--check"]).ok(), "infra/template.yaml is up to date\n");

    let stale = template().replace("VisibilityTimeout: 210", "VisibilityTimeout: 30");
    let line = template().lines().position(|line| line.contains("VisibilityTimeout: 210")).unwrap() + 1;
    fs::write(place.path().join("infra/template.yaml"), &stale).unwrap();
    place.lamp(&["infra", "--check"]).fails(1, &["infra/template.yaml is not", &format!("from line {line} on")]);
    assert_eq!(template(), stale, "a check writes nothing");
    assert_eq!(place.lamp(&["infra"]).ok(), "wrote infra/template.yaml\n");
    assert_ne!(template(), stale);
}

#[test]
fn scripts_get_json() {
    let place = Place::new();
    let template: Value = serde_json::from_str(&place.lamp(&["infra", "--json"]).ok()).unwrap();
    assert_eq!(template["Resources"]["WebhooksQueue"]["Type"], "AWS::SQS::Queue");
    assert_eq!(place.lamp(&["infra", "--json", "--check"]).code, 2);
}
