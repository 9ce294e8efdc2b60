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
fn the_files_for_azure_are_written_and_checked() {
    let place = Place::new();
    place
        .lamp(&["infra", "azure", "--check"])
        .fails(1, &["there is no infra/azure/azuredeploy.json", "run `lamp infra azure`"]);
    let wrote = place.lamp(&["infra", "azure"]).ok();
    for file in ["host.json", "azuredeploy.json", "queue-webhooks/function.json", "timer-report-daily/function.json"] {
        assert!(wrote.contains(&format!("wrote infra/azure/{file}\n")), "{wrote}");
    }
    let folder = place.path().join("infra/azure");
    let timer: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("timer-report-daily/function.json")).unwrap()).unwrap();
    assert_eq!(timer["bindings"][0]["schedule"], "0 0 6 * * *");
    for arguments in [&["infra", "azure"][..], &["infra", "azure", "--check"]] {
        assert_eq!(place.lamp(arguments).ok(), "infra/azure is up to date\n");
    }

    fs::create_dir(folder.join("queue-gone")).unwrap();
    fs::write(folder.join("queue-gone/function.json"), "{}").unwrap();
    place.lamp(&["infra", "azure", "--check"]).fails(1, &["queue-gone/function.json is of a queue or schedule"]);
    assert_eq!(place.lamp(&["infra", "azure"]).ok(), "removed infra/azure/queue-gone/function.json\n");
    assert!(!folder.join("queue-gone").exists());

    let own = place.lamp(&["infra", "azure", "--out", "elsewhere", "--handler", "jobs"]).ok();
    assert!(own.contains("wrote elsewhere/host.json"), "{own}");
    let host = fs::read_to_string(place.path().join("elsewhere/host.json")).unwrap();
    assert!(host.contains("\"defaultExecutablePath\": \"jobs\""), "{host}");
}

#[test]
fn scripts_get_json() {
    let place = Place::new();
    let template: Value = serde_json::from_str(&place.lamp(&["infra", "--json"]).ok()).unwrap();
    assert_eq!(template["Resources"]["WebhooksQueue"]["Type"], "AWS::SQS::Queue");
    assert_eq!(place.lamp(&["infra", "--json", "--check"]).code, 2);
}

#[test]
fn the_cost_of_a_month_is_estimated() {
    let place = Place::new();
    let million = ["infra", "cost", "--jobs-per-month", "1000000", "--duration-ms", "100", "--memory-mb", "128"];
    let table = place.lamp(&million).ok();
    let row = |name: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().rev().take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("SQS"), ["0.12", "0.12", "0.12"]);
    assert_eq!(row("DynamoDB"), ["3.75", "1.25", "0.00"]);

    let lines = place.lamp(&[&million[..], &["--json", "--single"]].concat()).ok();
    let modes: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(modes.iter().map(|mode| &mode["mode"]).collect::<Vec<_>>(), ["untracked", "lean", "full"]);
    assert_eq!((&modes[0]["region"], &modes[0]["sqs"]), (&"us-east-1".into(), &0.48.into()));
    let parts = ["sqs", "lambda", "dynamodb", "logs", "xray", "polling", "maintenance", "watching"];
    let sum: f64 = parts.iter().map(|part| modes[2][part].as_f64().unwrap()).sum();
    assert!((sum - modes[2]["total"].as_f64().unwrap()).abs() < 1e-9, "{lines}");

    assert_eq!(place.lamp(&["infra", "cost"]).code, 2);
    let small = place.lamp(&[&million[..6], &["--memory-mb", "64"]].concat());
    assert!(small.code == 2 && small.err.contains("64 is not in 128..=10240"), "{small:?}");
    assert_eq!(place.lamp(&["infra", "--check", "cost"]).code, 2);
}
