//! The committed files beside the app are derived from it: the template, and the values in the functions' manifests
//! that `cargo lambda deploy` reads.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::{path::Path, process::Command};

use lamplighter_app::app;
use lamplighter_infra::{
    AZURE_FOLDER, AZURE_HANDLER, AzureFiles, Freshness, TEMPLATE_PATH, check, deployment, examine, template,
};
use serde_json::Value;

/// Cargo's metadata of this workspace.
fn workspace() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let answer = cargo.output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

#[test]
fn the_committed_template_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(TEMPLATE_PATH);
    assert_eq!(check(&app(), &file).unwrap(), Freshness::Fresh, "run `cargo lamp infra` and commit {TEMPLATE_PATH}");
}

#[test]
fn the_committed_files_for_azure_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(AZURE_FOLDER);
    let files = AzureFiles::derive(&app(), AZURE_HANDLER).unwrap();
    assert_eq!(files.check(&folder).unwrap(), [], "run `cargo lamp infra azure` and commit {AZURE_FOLDER}");
}

#[test]
fn the_template_follows_the_rules() {
    let template = template(&app()).unwrap().to_json();
    assert_eq!(examine(&template, "2026-06-01T00:00:00Z".parse().unwrap()), Ok(()));
}

#[test]
fn manifests_have_the_derived_memory_and_timeout() {
    let workspace = workspace();
    for function in deployment(&app()).unwrap().functions {
        let packages = workspace["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == function.name).unwrap();
        let settings = &package["metadata"]["lambda"]["deploy"];
        let says = (settings["memory"].as_u64(), settings["timeout"].as_u64());
        let wanted = (Some(function.memory_mb.into()), Some(function.timeout_secs.into()));
        assert_eq!(says, wanted, "[package.metadata.lambda.deploy] of {}: memory, timeout", function.name);
    }
}

/// `cargo lambda build` builds exactly the functions that the template deploys.
#[test]
fn every_function_crate_is_deployed() {
    let workspace = workspace();
    let built = workspace["workspace_default_members"].as_array().unwrap();
    let packages = workspace["packages"].as_array().unwrap().iter().filter(|package| built.contains(&package["id"]));
    let mut names: Vec<_> = packages.map(|package| package["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let deployment = deployment(&app()).unwrap();
    let functions: Vec<_> = deployment.functions.iter().map(|function| &*function.name).collect();
    assert_eq!(names, functions, "the crates in functions/, and the functions of the app");
}
