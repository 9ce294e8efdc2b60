//! The README's "In your own service": its code as three crates outside of this repository, which depend on it by
//! paths.

use std::process::{Child, Command};

use lamplighter::JobState;
use lamplighter_embedded::{Settings, SqliteBackend};
use lamplighter_tests::{ministack::eventually, outside::Outside};

use crate::cloud::SOON;

const README: &str = include_str!("../../../README.md");

/// Returns the code blocks of a section that begin with the name of their file, with those names.
fn files<'a>(section: &str, language: &'a str, comment: &'a str) -> Vec<(&'static str, &'static str)> {
    let (_, rest) = README.split_once(section).unwrap();
    let (text, _) = rest.split_once("\n## ").unwrap();
    let blocks = text.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(language));
    blocks.filter_map(|block| block.trim_start().strip_prefix(comment)?.trim_start().split_once('\n')).collect()
}

/// A process that ends with the test, in any way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a process catches SIGINT: its engine may run the job before it installs the handler.
async fn listens_for_interrupts(id: u32) {
    let catches = || -> Option<bool> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(|mask| mask & 0b10 != 0)
    };
    // If the system does not report that, the test continues.
    let waited = eventually("the worker catches SIGINT", SOON, async || match catches() {
        Some(false) => Err("it does not"),
        _ => Ok(()),
    });
    waited.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_enqueues_and_a_worker_runs_the_job() {
    let outside = Outside::take("service").unwrap();
    let section = "### In your own service";
    let [(_, dependencies)] = files(section, "toml", "#")[..] else { panic!("one list of dependencies") };
    let dependencies = dependencies.replace("../lamplighter", outside.library().to_str().unwrap());
    let sources = files(section, "rust", "//");
    let crates: Vec<_> = sources.iter().map(|(path, _)| path.split('/').next().unwrap()).collect();
    assert_eq!(crates, ["greetings-jobs", "service", "worker"]);
    for (name, (path, text)) in crates.iter().zip(&sources) {
        let package =
            format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{dependencies}");
        let jobs = if *name == "greetings-jobs" { "" } else { "greetings-jobs = { path = \"../greetings-jobs\" }\n" };
        outside.write(&format!("{name}/Cargo.toml"), &format!("{package}\n{jobs}")).unwrap();
        outside.write(path, text).unwrap();
    }
    let (_, service) = sources[1];
    assert!(service.lines().count() <= 15, "{service}");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"greetings-jobs\", \"service\", \"worker\", \"shared/*\"]\n\n\
                     [profile.dev.package.\"*\"]\ndebug = false\n";
    outside.write("Cargo.toml", workspace).unwrap();
    outside.share_build(&["service", "worker"]).unwrap();
    outside.cargo("build", &["-p", "service", "-p", "worker"]).unwrap();

    let said = outside.run(&mut Command::new(outside.binary("service"))).unwrap();
    let id = said.trim().parse().unwrap();
    let backend = SqliteBackend::open(outside.root().join("jobs.db"), Settings::default()).unwrap();
    let client = backend.client();
    assert_eq!(client.get(&id).await.unwrap().unwrap().state, JobState::Queued);

    let worker = Command::new(outside.binary("worker")).current_dir(outside.root()).spawn().unwrap();
    let mut worker = Running(worker);
    let record = client.wait(&id, SOON).await.unwrap();
    assert_eq!((record.state, record.output.unwrap().get()), (JobState::Succeeded, r#""Hello, Ada!""#));
    listens_for_interrupts(worker.0.id()).await;
    let interrupt = Command::new("kill").args(["-INT", &worker.0.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let ended = tokio::task::spawn_blocking(move || worker.0.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}
