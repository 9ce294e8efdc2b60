//! `lamp init`, complete, as a user outside of this repository: a new workspace in a folder elsewhere, the two commands
//! of its README, its own `lamp new`, all that its CI file runs, and its functions in the emulator, where a message
//! runs and `lamp doctor` has no findings.

use std::process::Command;

use lamplighter_tests::{
    ministack::{eventually, package, template},
    outside::Outside,
};
use serde_json::{Value, json};

use crate::cloud::{SOON, cloud};
use crate::patient::Patient;

/// Returns the commands in the first block of a section of a page, without comments.
fn commands<'a>(page: &'a str, section: &str) -> Vec<&'a str> {
    let (_, rest) = page.split_once(section).unwrap();
    let block = rest.split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    block.lines().map(|line| line.split('#').next().unwrap().trim()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_workspace_runs_its_job_passes_its_tests_and_deploys() {
    let outside = Outside::take("shop").unwrap();
    let lamp = package::binary("lamp").unwrap();
    let library = outside.library().to_str().unwrap().to_owned();
    outside.run(Command::new(lamp).args(["init", ".", "--path", &library])).unwrap();
    outside.cargo("fmt", &["--all", "--check"]).unwrap();
    let bootstrap = std::fs::read_to_string(outside.library().join("functions/bootstrap.rs")).unwrap();
    assert_eq!(outside.read("functions/bootstrap.rs").unwrap(), bootstrap, "the build script of bootstraps");
    outside.share_build(&["app"]).unwrap();

    let readme = outside.read("README.md").unwrap();
    let [demo, test] = commands(&readme, "## Two commands")[..] else { panic!("two commands: {readme}") };
    let shown = outside.shell(demo).unwrap();
    let row = shown.lines().find(|line| line.trim_start().starts_with("greetings.send "));
    assert!(row.is_some_and(|row| row.contains("succeeded") && row.ends_with("\"42\"")), "{shown}");
    let tested = outside.shell(test).unwrap();
    for name in ["its_output_is_the_subject", "tests::schedules_are_valid_and_start_defined_jobs"] {
        assert!(tested.contains(&format!("test {name} ... ok")), "{name}: {tested}");
    }
    // As it was derived before the app was built.
    outside.shell("cargo lamp infra --check").unwrap();

    outside.shell("cargo lamp new job greetings.thank").unwrap();
    outside.shell("cargo lamp new function orders --stateless").unwrap();
    let schedule = "cargo lamp new schedule thanks --job greetings.thank --cron '0 9 * * 1' --zone Europe/Berlin";
    outside.shell(schedule).unwrap();
    outside.shell("cargo lamp infra").unwrap();
    let ci = outside.read(".github/workflows/ci.yml").unwrap();
    let steps: Vec<_> = ci.lines().filter_map(|line| line.trim_start().strip_prefix("run: cargo ")).collect();
    assert_eq!(steps.len(), 4, "{ci}");
    let clippy = "clippy --workspace --all-targets --locked -- -D warnings";
    assert!(steps.contains(&clippy), "{ci}");
    // Clippy has its say while the same crates are compiled.
    let steps = steps.iter().map(|step| if *step == clippy { "test --workspace --locked --no-run" } else { step });
    let said: Vec<_> = steps.map(|step| outside.shell(&format!("cargo {step}")).unwrap()).collect();
    let tested = said.concat();
    assert_eq!(tested.matches("test its_output_is_the_subject ... ok").count(), 3, "{tested}");
    deploy(&outside).await;
}

/// Deploys the template with the bootstraps; a message is a job that succeeds, and the doctor has no findings.
async fn deploy(outside: &Outside) {
    let functions = ["greetings", "maintenance", "orders"];
    let binaries = functions.map(|name| ["--bin", name]).concat();
    outside.cargo("build", &[&["--workspace", "--bin", "lamp"], &binaries[..]].concat()).unwrap();
    let text = outside.read(lamplighter_infra::TEMPLATE_PATH).unwrap();
    let code = outside.bootstraps(functions).unwrap();
    let cloud = cloud().await;
    let patient = Patient::from_template(cloud, "shop", template::from_yaml(&text).unwrap(), &code).await;
    let lamp = |args: &[&str]| {
        let mut command = Command::new(outside.binary("lamp"));
        outside.run(command.args(args).envs(cloud.aws.environment()).args(["--stack", "shop"]))
    };
    let examined = lamp(&["doctor"]).unwrap();
    assert!(examined.starts_with("all is well with shop: "), "{examined}");

    let message = json!({ "job": "greetings.send", "id": "greeting-42", "args": { "subject": "Ada" } });
    cloud.aws.send(patient.stack.output("GreetingsQueueUrl").unwrap(), message.to_string()).await.unwrap();
    let record = eventually("the job has succeeded", SOON, async || {
        let shown = lamp(&["job", "greeting-42", "--json"]).map_err(|error| error.to_string())?;
        let record: Value = serde_json::from_str(shown.trim()).map_err(|error| format!("{error}: {shown}"))?;
        if record["state"] == "succeeded" { Ok(record) } else { Err(record.to_string()) }
    });
    let record =
        record.await.unwrap_or_else(|error| panic!("{error}; the emulator's log is {}", cloud.aws.log().display()));
    assert_eq!((&record["queue"], &record["output"]), (&json!("greetings"), &json!("Ada")), "{record}");
}
