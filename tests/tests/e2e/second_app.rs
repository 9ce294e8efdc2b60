//! A second app, which shares no functions, jobs or schedules with this repository, through all of the library: its own
//! `lamp` runs its jobs on this machine, writes its template, and examines the stack that is deployed from it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lamplighter_infra::{Template, deployment, functions};
use lamplighter_tests::ministack::{eventually, package};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cloud::{SOON, cloud};
use crate::doctor::patient::Patient;

/// The harbour's `lamp`, in a folder of its own.
struct Harbour {
    lamp: PathBuf,
    folder: TempDir,
}

/// A command's exit code, output and errors.
type Done = (Option<i32>, String, String);

impl Harbour {
    async fn open() -> Self {
        let lamp = tokio::task::spawn_blocking(|| package::binary("harbour-lamp").unwrap()).await.unwrap();
        Self { lamp, folder: tempfile::tempdir().unwrap() }
    }

    /// Returns `lamp` with these arguments, without settings from the environment.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.lamp);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("LAMPLIGHTER_") || text.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    async fn lamp(&self, args: &[&str]) -> Done {
        done(self.command(args)).await
    }

    /// Returns the lines of JSON that a successful command printed.
    async fn json(&self, args: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.lamp(args).await;
        assert_eq!(code, Some(0), "lamp {args:?}: {out}{err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

async fn done(mut command: Command) -> Done {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// `lamp dev`, until the test ends in any way.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `lamp dev`, and waits until it runs. Returns its log so far.
async fn dev(harbour: &Harbour) -> (Dev, Vec<String>) {
    let mut command = harbour.command(&["dev"]);
    command.env(harbour::PLACE, "Cuxhaven").stderr(Stdio::piped());
    let started = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let (dev, mut said) = (Dev(child), Vec::new());
        while said.last().is_none_or(|line: &String| !line.contains("lamp jobs")) {
            said.push(log.next().expect("it says that it runs").unwrap());
        }
        // It must not end because its log is not read.
        std::thread::spawn(move || log.for_each(drop));
        (dev, said)
    });
    started.await.unwrap()
}

#[tokio::test]
async fn its_jobs_run_on_this_machine() {
    let harbour = Harbour::open().await;
    let names: Vec<_> = harbour.json(&["definitions", "--json"]).await.iter().map(|one| one["job"].clone()).collect();
    assert_eq!(names, ["lamp.ping", "pilot.call", "tide.read"]);
    let (code, _, err) = harbour.lamp(&["enqueue", "webhook.deliver"]).await;
    assert_eq!((code, err.contains("there is no job \"webhook.deliver\"")), (Some(2), true), "{err}");
    let (code, _, err) = harbour.lamp(&["enqueue", "tide.read", r#"{"guage":"north"}"#]).await;
    assert_eq!((code, err.contains("these arguments do not fit tide.read")), (Some(2), true), "{err}");

    let (_dev, said) = dev(&harbour).await;
    assert!(said.iter().any(|line| line.contains("harbour")), "{said:?}");
    let sent = harbour.json(&["enqueue", "tide.read", r#"{"gauge":"north"}"#, "--id", "tide-1", "--json"]).await;
    assert_eq!((&sent[0]["id"], &sent[0]["queue"]), (&json!("tide-1"), &json!("tides")));
    let record = eventually("the job has succeeded", SOON, async || {
        let record = harbour.json(&["job", "tide-1", "--json"]).await.remove(0);
        if record["state"] == "succeeded" { Ok(record) } else { Err(record.to_string()) }
    });
    // With a setting from the environment of the process that runs it.
    assert_eq!(record.await.unwrap()["output"], "north at Cuxhaven");
    let schedules = harbour.json(&["schedules", "--json"]).await;
    let shown: Vec<_> = schedules.iter().map(|one| (&one["schedule"], &one["job"])).collect();
    assert_eq!(shown, [(&json!("tides-hourly"), &json!("tide.read"))]);
}

#[tokio::test]
async fn its_demo_shows_its_examples() {
    let harbour = Harbour::open().await;
    let (code, out, err) = harbour.lamp(&["demo", "--output", "shown", "--job", "lamp.ping"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("examples of harbour") && out.contains("✔ all 2 jobs succeeded"), "{out}");
    let row = |text: &str| out.lines().any(|line| line.trim_start().starts_with("tide.read ") && line.ends_with(text));
    assert!(row("\"north at nowhere\""), "{out}");
    assert!(harbour.folder.path().join("shown/jobs.db").exists());
    let (code, _, err) = harbour.lamp(&["demo", "--job", "pilot.call={\"ship\":\"Ada\"}"]).await;
    assert_eq!((code, err.contains("pilot.call keeps no record")), (Some(2), true), "{err}");
}

/// Its own template, written by its own command, with the library's maintenance function in it.
#[tokio::test]
async fn its_template_is_deployed_and_examined() {
    let (cloud, harbour) = (cloud().await, Harbour::open().await);
    fs::create_dir(harbour.folder.path().join("infra")).unwrap();
    assert_eq!(harbour.lamp(&["infra"]).await.1, "wrote infra/template.yaml\n");
    assert_eq!(harbour.lamp(&["infra", "--check"]).await.0, Some(0));
    let text = fs::read_to_string(harbour.folder.path().join("infra/template.yaml")).unwrap();
    let app = harbour::app();
    let (functions, deployment) = (functions(&app), deployment(&app).unwrap());
    let names: Vec<_> = deployment.functions.iter().map(|function| function.name.clone()).collect();
    assert_eq!(names, ["maintenance", "pilots", "tides"]);
    assert_eq!(text, Template::new(&deployment).to_yaml());

    let code: Vec<_> = names.iter().map(|name| (&**name, &**name)).collect();
    let parameters = [("HarbourPlace", "Cuxhaven")];
    let stack = Patient::of(cloud, "harbour", &functions, deployment, &parameters, &code).await;
    let lamp = async |args: &[&str]| {
        let mut command = harbour.command(args);
        command.envs(cloud.aws.environment()).env("LAMPLIGHTER_STACK", "harbour");
        done(command).await
    };
    let (code, out, err) = lamp(&["doctor"]).await;
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    assert!(out.starts_with("all is well with harbour: "), "{out}");

    let (code, _, err) = lamp(&["enqueue", "tide.read", r#"{"gauge":"south"}"#, "--id", "tide-2"]).await;
    assert_eq!(code, Some(0), "{err}");
    let record = eventually("the job has succeeded", SOON, async || {
        let (_, out, err) = lamp(&["job", "tide-2", "--json"]).await;
        let record: Value = serde_json::from_str(&out).map_err(|error| format!("{error}: {out}{err}"))?;
        if record["state"] == "succeeded" { Ok(record) } else { Err(record.to_string()) }
    });
    let record =
        record.await.unwrap_or_else(|error| panic!("{error}; the emulator's log is {}", cloud.aws.log().display()));
    assert_eq!(record["output"], "south at Cuxhaven");

    stack.lambda.update_event_source_mapping().uuid(stack.id("PilotsMapping")).enabled(false).send().await.unwrap();
    let (code, out, _) = lamp(&["doctor"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.starts_with("error event source mapping of queue pilots "), "{out}");
}
