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

const LOAD: [&str; 6] = ["infra", "limits", "--jobs-per-second", "3000", "--duration-ms", "100"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&LOAD[..], more].concat()
}

#[test]
fn the_first_quota_of_a_load_is_named() {
    let place = Place::new();
    let full = place.lamp(&with(&["--mode", "full"]));
    let table = full.ok();
    let row = |start: &str| table.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
    let first = row("partition-writes");
    for part in ["the listing's keys for open jobs", "6,000", "4,000", "2,000", "reached", "lean records"] {
        assert!(first.contains(part), "{first}");
    }
    assert!(!row("lambda-concurrency").contains("reached"), "{table}");
    assert!(row("invocations of a mapping").contains("1 min"), "{table}");
    assert!(row("writes of a new table").contains("1 h"), "9,000 writes are two doublings: {table}");
    assert!(row("Together").ends_with(char::is_numeric), "{table}");
    let verdict = "3,000 jobs a second: one quota is reached, partition-writes, at 2,000 jobs a second";
    assert!(table.lines().any(|line| line == verdict), "{table}");

    let workers = place.lamp(&with(&["--mode", "untracked", "--worker-jobs", "10"])).ok();
    assert!(workers.contains("workers needed: 30; their machines are not in the cost"), "{workers}");
    assert!(!workers.contains("lambda-"), "{workers}");
    let raised = place.lamp(&with(&["--mode", "lean", "--quota", "lambda-concurrency=200"])).ok();
    assert!(raised.contains("one quota is reached, lambda-concurrency, at 2,000 jobs a second"), "{raised}");
}

#[test]
fn limits_are_those_of_the_apps_queues() {
    let place = Place::new();
    let all = place.lamp(&LOAD).ok();
    for part in
        ["webhooks", "images", "first quota", "each queue alone, with 3,000 jobs a second", "rules on the default bus"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
    let one = place.lamp(&with(&["--queue", "webhooks", "--json"])).ok();
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!((&one["queue"], &one["region"]), (&"webhooks".into(), &"us-east-1".into()));
    let limits = one["rate"]["limits"].as_array().unwrap();
    let rates: Vec<_> = limits.iter().map(|limit| limit["at"].as_f64().unwrap()).collect();
    assert!(rates.len() > 3 && rates.is_sorted(), "{one}");
    let lines = place.lamp(&with(&["--json"])).ok();
    assert_eq!(lines.lines().count(), all.lines().take_while(|line| !line.starts_with("each queue")).count() - 1);
    let day = &one["rate"]["day"];
    let parts = ["sqs", "lambda", "pollers", "dynamodb", "eventbridge", "logs", "xray"];
    let sum: f64 = parts.iter().map(|part| day[part].as_f64().unwrap()).sum();
    assert!((sum - day["total"].as_f64().unwrap()).abs() < 1e-9, "{day}");
}

#[test]
fn a_burst_is_drained_on_paper() {
    let place = Place::new();
    let burst = ["infra", "limits", "--burst", "10000000", "--duration-ms", "100", "--mode", "untracked"];
    let text = place.lamp(&burst).ok();
    let row = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
    for part in ["18 min 52 s", "1,000", "10,000", "18 min 51 s", "yes"] {
        assert!(row("as it is").contains(part), "{text}");
    }
    assert!(row("provisioned, raised concurrency").contains("9 min 50 s"), "{text}");
    assert!(text.contains("lambda-concurrency of the account"), "{text}");
    let json: Value = serde_json::from_str(&place.lamp(&[&burst[..], &["--json"]].concat()).ok()).unwrap();
    assert!((json["burst"][0]["seconds"].as_f64().unwrap() - 1_131.8).abs() < 1e-6, "{json}");
    assert!(json.get("rate").is_none() && json["burst"][0]["phases"].as_array().unwrap().len() == 2, "{json}");
}

#[test]
fn every_quota_has_its_source() {
    let place = Place::new();
    let text = place.lamp(&["infra", "limits", "--sources"]).ok();
    assert!(text.contains("https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"), "{text}");
    let lines = place.lamp(&["infra", "limits", "--sources", "--json", "--region", "eu-central-1"]).ok();
    let put: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = put.iter().find(|quota| quota["quota"] == "events-put").unwrap();
    assert_eq!((&events["value"], &events["adjustable"]), (&2400.into(), &true.into()));
}

#[test]
fn a_load_that_cannot_be_is_refused() {
    let place = Place::new();
    let lean = |more: &[&str]| place.lamp(&with(&[&["--mode", "lean"], more].concat()));
    for (more, says) in [
        (&["--queues", "0"][..], "the number of queues is 0; it can be 1 to 10000"),
        (&["--message-bytes", "2000000"], "the size of a message in bytes is 2000000; it can be 1 to 1048576"),
        (&["--retried-percent", "101"], "it can be 0 to 100"),
        (&["--retried-percent", "60", "--failed-percent", "60"], "120 percent together"),
        (&["--quota", "lambda-concurency=5"], "did you mean \"lambda-concurrency\"?"),
        (&["--quota", "lambda-concurrency=0"], "it can be 1 to 1000000000000"),
        (&["--quota", "lambda-concurrency"], "write it as lambda-concurrency=5000"),
        (&["--region", "Frankfurt"], "\"Frankfurt\" is not the name of a region"),
        (&["--batch-size", "10001"], "the batch size is 10001; it can be 1 to 10000"),
        (&["--pollers", "20000"], "the maximum of pollers is 20000"),
        (&["--high-throughput"], "are for FIFO queues, which this is not"),
    ] {
        let done = lean(more);
        assert!(done.code == 2 && done.err.contains(says), "{more:?}: {done:?}");
    }
    let long = ["infra", "limits", "--jobs-per-second", "1", "--duration-ms", "100000", "--mode", "lean"];
    place.lamp(&long).fails(2, &["an invocation with 10 jobs runs for 1000 s, and Lambda ends it after 900 s"]);
    for (arguments, says) in [
        (&["infra", "limits"][..], "--duration-ms"),
        (&["infra", "limits", "--jobs-per-second", "0", "--duration-ms", "1"], "0 is not in 1..=10000000"),
        (&["infra", "limits", "--jobs-per-second", "-5", "--duration-ms", "1"], "-5"),
        (&["infra", "limits", "--jobs-per-second", "1", "--duration-ms", "0"], "0 is not in 1..=43200000"),
        (&["infra", "limits", "--burst", "0", "--duration-ms", "1"], "0 is not in 1..=10000000000"),
        (&["infra", "limits", "--burst", "5", "--duration-ms", "1"], "say which queue the burst is on"),
    ] {
        let done = place.lamp(arguments);
        assert!(done.code == 2 && done.err.contains(says), "{arguments:?}: {done:?}");
    }
    place.lamp(&with(&["--queue", "webhook"])).fails(2, &["the app has no queue \"webhook\"; it has ", "webhooks"]);
}

/// Each command on the page about scale prints the verdict that stands below it.
#[test]
fn the_page_about_scale_is_reproduced_by_its_commands() {
    let page = include_str!("../../../docs/scale.md");
    let place = Place::new();
    let mut lines = page.lines().peekable();
    let (mut commands, mut verdicts) = (0, 0);
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("cargo lamp ") else { continue };
        let command = command.split('#').next().unwrap_or_default();
        let text = place.lamp(&command.split_whitespace().collect::<Vec<_>>()).ok();
        commands += 1;
        if let Some(verdict) = lines.peek().and_then(|line| line.strip_prefix("# ")) {
            assert!(text.lines().any(|line| line == verdict), "{command} does not say {verdict:?}: {text}");
            verdicts += 1;
        }
    }
    assert!(commands > 40 && verdicts > 30, "{commands} commands, {verdicts} verdicts");
}
