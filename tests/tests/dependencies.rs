//! The builds of users contain no fake and no benchmark, according to cargo.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::{collections::BTreeSet, process::Command};

use serde::Deserialize;

/// A crate of a build.
#[derive(Debug)]
struct Crate {
    name: String,
    features: Vec<String>,
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the crates of a build without tests.
fn tree(arguments: &[&str]) -> Vec<Crate> {
    let fixed = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}|{f}"];
    let text = cargo(&[&fixed, arguments].concat());
    let crates = text.lines().filter_map(|line| line.split_once('|'));
    let one = |(package, features): (&str, &str)| Crate {
        name: package.split(' ').next().unwrap_or_default().to_owned(),
        // A repeated crate has a mark after its features.
        features: features.trim_end_matches(" (*)").split(',').map(str::to_owned).collect(),
    };
    crates.map(one).collect()
}

fn names(crates: &[Crate]) -> BTreeSet<&str> {
    crates.iter().map(|one| &*one.name).collect()
}

/// Returns the packages of this workspace that have a binary of this name.
fn packages_with_binary(name: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Workspace {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let text = cargo(&["metadata", "--no-deps", "--format-version=1"]);
    let workspace: Workspace = serde_json::from_str(&text).unwrap();
    let is_it = |target: &Target| target.name == name && target.kind.iter().any(|kind| kind == "bin");
    let packages = workspace.packages.into_iter().filter(|package| package.targets.iter().any(is_it));
    packages.map(|package| package.name).collect()
}

#[test]
fn the_command_has_no_fake_and_no_bench() {
    let mut packages = packages_with_binary("lamp");
    assert_eq!(packages.len(), 1, "{packages:?}");
    packages.push("lamplighter-cli".into());
    for package in packages {
        let crates = tree(&["--package", &package]);
        let names = names(&crates);
        assert!(names.contains("lamplighter-aws") && names.contains("lamplighter-embedded"), "{package}: {names:?}");
        for workshop in ["lamplighter-benches", "lamplighter-fakes", "lamplighter-tests", "rcgen"] {
            assert!(!names.contains(workshop), "{package} depends on {workshop}");
        }
        // AWS crates have a feature of this name too, which their SDKs enable.
        for one in crates.iter().filter(|one| one.name.starts_with("lamplighter")) {
            assert!(!one.features.iter().any(|feature| feature == "test-util"), "{package} is built with {one:?}");
        }
    }
}

/// What answers browsers, and checks who they are, is in the dashboard's bootstrap alone.
#[test]
fn no_function_of_jobs_has_the_dashboard_in_it() {
    let of_the_dashboard = ["axum", "lambda_http", "lamplighter-dashboard", "lamplighter-sign-in", "openidconnect"];
    let dashboard = tree(&["--package", "dashboard"]);
    let names_of_it = names(&dashboard);
    assert!(of_the_dashboard.iter().all(|name| names_of_it.contains(name)), "{names_of_it:?}");
    for foreign in ["rusqlite", "lamplighter-embedded", "lamplighter-cli", "clap", "openssl-sys", "aws-lc-sys"] {
        assert!(!names_of_it.contains(foreign), "the dashboard depends on {foreign}");
    }
    for function in
        ["images", "imports", "maintenance", "reports", "webhooks", "lamplighter-stateless", "lamplighter-tracked"]
    {
        let crates = tree(&["--package", function]);
        let names = names(&crates);
        let found: Vec<_> = of_the_dashboard.iter().filter(|name| names.contains(**name)).collect();
        assert!(found.is_empty(), "{function} depends on {found:?}");
    }
}

#[test]
fn only_benches_and_tests_depend_on_the_fakes() {
    let dependents = tree(&["--workspace", "--invert", "lamplighter-fakes"]);
    let expected = ["lamplighter-benches", "lamplighter-fakes", "lamplighter-tests"];
    assert_eq!(names(&dependents), expected.into());
}

#[test]
fn functions_that_run_jobs_have_no_pages_and_no_terminal() {
    for function in ["images", "imports", "reports", "webhooks"] {
        let crates = tree(&["--package", function]);
        let names = names(&crates);
        assert!(names.contains("lamplighter-aws"), "{function}: {names:?}");
        for other in ["axum", "clap", "lamplighter-cli", "lamplighter-dashboard", "ratatui"] {
            assert!(!names.contains(other), "{function} depends on {other}");
        }
    }
}
