//! The library is for any app: none of its crates depends on this repository's own functions, jobs or workshop, and none
//! names them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lamplighter::Variables;
use lamplighter_app::app;
use serde_json::Value;

/// The crates that others depend on.
const LIBRARY: [&str; 7] = [
    "lamplighter",
    "lamplighter-aws",
    "lamplighter-cli",
    "lamplighter-embedded",
    "lamplighter-infra",
    "lamplighter-objects",
    "lamplighter-tls",
];

/// What cargo knows of this workspace and of all that it depends on.
fn metadata() -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--locked", "--format-version=1"]);
    let answer = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// The names of the workspace's crates, by their ids.
fn members(metadata: &Value) -> BTreeMap<&str, &str> {
    let ids: BTreeSet<_> = texts(&metadata["workspace_members"]).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let named = packages.map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()));
    named.filter(|(id, _)| ids.contains(id)).collect()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

/// The crates of the workspace that a crate depends on, through however many others. What its tests alone need does not
/// count.
fn depends_on<'a>(metadata: &'a Value, members: &BTreeMap<&'a str, &'a str>, name: &str) -> BTreeSet<&'a str> {
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (node["id"].as_str().unwrap(), node)).collect();
    let (first, _) = members.iter().find(|(_, member)| **member == name).unwrap_or_else(|| panic!("no crate {name}"));
    let (mut found, mut open) = (BTreeSet::new(), vec![*first]);
    while let Some(id) = open.pop() {
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let mut kinds = dependency["dep_kinds"].as_array().unwrap().iter();
            let to = dependency["pkg"].as_str().unwrap();
            if kinds.any(|kind| kind["kind"] != "dev") && found.insert(to) {
                open.push(to);
            }
        }
    }
    found.into_iter().filter_map(|id| members.get(id).copied()).collect()
}

#[test]
fn no_crate_of_the_library_depends_on_anything_but_the_library() {
    let metadata = metadata();
    let members = members(&metadata);
    for name in LIBRARY {
        let foreign: Vec<_> =
            depends_on(&metadata, &members, name).into_iter().filter(|other| !LIBRARY.contains(other)).collect();
        assert!(foreign.is_empty(), "{name} depends on {foreign:?}");
    }
    // It would be found: the app depends on all of that.
    let of_the_app = depends_on(&metadata, &members, "lamplighter-app");
    assert!(["images", "lamplighter-cli", "lamplighter-jobs"].iter().all(|name| of_the_app.contains(name)));
}

/// All Rust files below a folder but those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    let is_tests = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !is_tests(path)).collect()
}

/// A file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

#[test]
fn no_crate_of_the_library_names_a_job_or_a_function_of_this_repository() {
    let metadata = metadata();
    let app = app();
    let jobs: Vec<_> = app.definitions.iter().map(|definition| definition.name).collect();
    let functions: Vec<_> = app.functions(&Variables::none()).iter().map(|function| function.name()).collect();
    assert!(!jobs.is_empty() && !functions.is_empty());
    let mut read = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let (name, manifest) = (package["name"].as_str().unwrap(), package["manifest_path"].as_str().unwrap());
        if !LIBRARY.contains(&name) || !package["source"].is_null() {
            continue;
        }
        for file in sources(&Path::new(manifest).with_file_name("src")) {
            let text = fs::read_to_string(&file).unwrap();
            // Help and documentation too.
            for job in &jobs {
                assert!(!text.contains(job), "{} names the job {job}", file.display());
            }
            let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for (number, line) in (1..).zip(code) {
                for function in &functions {
                    let named = [format!("\"{function}\""), format!("{function}::function")];
                    let found = named.iter().find(|named| line.contains(&***named));
                    assert!(found.is_none(), "{} names the function {function}: {number}: {line}", file.display());
                }
            }
            read += 1;
        }
    }
    assert!(read > 200, "{read} files were read");
}
