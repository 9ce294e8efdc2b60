//! What `cargo lambda deploy` reads of a function's manifest is what the template says.

use std::process::Command;

use lamplighter_infra::deployment;
use serde_json::Value;

#[test]
fn memory_and_timeout_stand_in_manifests_as_they_are_derived() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let answer = cargo.output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let workspace: Value = serde_json::from_slice(&answer.stdout).unwrap();
    for function in deployment().unwrap().functions {
        let packages = workspace["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == function.name).unwrap();
        let settings = &package["metadata"]["lambda"]["deploy"];
        let says = (settings["memory"].as_u64(), settings["timeout"].as_u64());
        let wanted = (Some(function.memory_mb.into()), Some(function.timeout_secs.into()));
        assert_eq!(says, wanted, "[package.metadata.lambda.deploy] of {}: memory, timeout", function.name);
    }
}
