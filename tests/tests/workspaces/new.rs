//! `lamp new`, complete: in a copy of this repository the real command creates functions, jobs and a schedule; the new
//! code is formatted, passes clippy as it is compiled, and its tests, runs in the demo, and is deployed to the emulator, where a message
//! runs.
//!
//! Most of its time is spent building, while the other tests wait; third-party crates are built once for this
//! repository and its copy.

use std::{path::Path, process::Command};

use lamplighter_tests::{
    copy::Copy,
    ministack::{MiniStack, eventually, package, template},
};
use serde_json::{Value, json};

use crate::cloud::SOON;

const STACK: &str = "made";

/// Runs `lamp` in the copy.
fn lamp(copy: &Copy, program: &Path, arguments: &[&str]) -> String {
    copy.run(Command::new(program).args(arguments)).unwrap_or_else(|error| panic!("lamp {arguments:?}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn new_code_compiles_passes_its_tests_runs_and_deploys() {
    let copy = Copy::take().unwrap();
    let built_before = package::binary("lamp").unwrap();
    let make = |arguments: &[&str]| lamp(&copy, &built_before, &[&["new"], arguments].concat());
    make(&["function", "quills"]);
    make(&["job", "quills.send"]);
    make(&["function", "bulk-quills", "--stateless", "--memory", "256"]);
    make(&["job", "report.quills", "--function", "reports", "--queue", "quill-reports"]);

    // A schedule's arguments are checked against the job, so the command is rebuilt first, as `cargo lamp` does.
    copy.cargo("build", &["--workspace", "--bin", "lamp"]).unwrap();
    let args = ["--cron", "0 3 * * *", "--zone", "Europe/Berlin", "--args", r#"{"subject":"all"}"#];
    let schedule = ["new", "schedule", "quills-nightly", "--job", "quills.send"];
    lamp(&copy, &copy.binary("lamp"), &[&schedule[..], &args].concat());

    copy.cargo("fmt", &["--all", "--check"]).unwrap();
    let deployment = lamplighter_infra::deployment(&lamplighter_app::app()).unwrap();
    let there = deployment.functions.iter().map(|function| &*function.name);
    let functions: Vec<_> = there.chain(["bulk-quills", "quills"]).collect();
    let binaries: Vec<_> = functions.iter().flat_map(|name| ["--bin", *name]).collect();
    copy.cargo("build", &[&["--workspace", "--bin", "lamp"], &binaries[..]].concat()).unwrap();
    let run = |arguments: &[&str]| lamp(&copy, &copy.binary("lamp"), arguments);
    run(&["infra"]);
    run(&["infra", "--check"]);
    watch(&run);
    deploy(&copy, &functions).await;

    let tests = ["--workspace", "--test", "run", "--test", "send", "--test", "quills", "--test", "deployment"];
    // The new schedule has a time zone, which Azure's timers cannot express: `lamp infra azure` says so.
    let skip = ["--", "--skip", "the_committed_files_for_azure"];
    let tested = copy.cargo("test", &[&tests[..], &skip].concat()).unwrap();
    assert!(tested.matches("test its_output_is_the_subject ... ok").count() >= 4, "{tested}");
    assert!(tested.contains("test the_committed_template_is_up_to_date ... ok"), "{tested}");
    let tested = copy.cargo("test", &["-p", "lamplighter-jobs", "--lib"]).unwrap();
    assert!(
        tested.contains("test quills_send::tests::") && tested.contains("test tests::schedules_are_valid"),
        "{tested}"
    );
}

/// The demo performs the new jobs in addition to its own.
fn watch(run: &impl Fn(&[&str]) -> String) {
    let output = ["demo", "--output", "demo-of-new-jobs"];
    let jobs = ["--job", r#"quills.run={"subject":"first"}"#, "--job", "report.quills", "--job", "quills.send"];
    let shown = run(&[&output[..], &jobs].concat());
    let row = |job: &str, result: &str| {
        shown
            .lines()
            .any(|line| line.trim_start().starts_with(job) && line.contains("succeeded") && line.ends_with(result))
    };
    assert!(row("quills.run ", "\"first\"") && row("report.quills ", "\"nothing in particular\""), "{shown}");
    assert!(row("quills.send ", "\"nothing in particular\"") && shown.contains("Everything went"), "{shown}");
}

/// Deploys the template with the bootstraps; a message to the new queue is a job that succeeds.
async fn deploy(copy: &Copy, functions: &[&str]) {
    let text = std::fs::read_to_string(copy.root().join(lamplighter_infra::TEMPLATE_PATH)).unwrap();
    let code = copy.bootstraps(functions.iter().copied()).unwrap();
    let aws = MiniStack::options().auth(true).start().await.unwrap();
    let parameters = [("Architecture", "x86_64"), ("WebhookSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let stack = aws.deploy(STACK, template::from_yaml(&text).unwrap(), &parameters, &code).await.unwrap();

    let message = json!({ "job": "quills.send", "id": "quill-42", "args": { "subject": "42" } });
    aws.send(stack.output("QuillsQueueUrl").unwrap(), &message.to_string()).await.unwrap();
    let record = eventually("the job has succeeded", SOON, async || {
        let mut command = Command::new(copy.binary("lamp"));
        command.args(["job", "quill-42", "--stack", STACK, "--json"]).envs(aws.environment());
        let shown = copy.run(&mut command).map_err(|error| error.to_string())?;
        let record: Value = serde_json::from_str(shown.trim()).map_err(|error| format!("{error}: {shown}"))?;
        if record["state"] == "succeeded" { Ok(record) } else { Err(record.to_string()) }
    });
    let record = record.await.unwrap_or_else(|error| panic!("{error}; the emulator's log is {}", aws.log().display()));
    assert_eq!((&record["queue"], &record["output"]), (&json!("quills"), &json!("42")), "{record}");
    let scheduled = stack.physical_id("QuillsNightlySchedule").unwrap();
    assert!(scheduled.contains("quills-nightly"), "{scheduled}");
}
