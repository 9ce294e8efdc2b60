//! The library is for any app: none of its crates depends on this repository's own functions, jobs or tools, and none
//! names them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use lamplighter::{Function, Variables};
use lamplighter_app::app;
use serde_json::Value;

/// The crates that others depend on.
const LIBRARY: [&str; 12] = [
    "lamplighter",
    "lamplighter-arguments",
    "lamplighter-aws",
    "lamplighter-azure",
    "lamplighter-cli",
    "lamplighter-embedded",
    "lamplighter-hosts",
    "lamplighter-infra",
    "lamplighter-objects",
    "lamplighter-otel",
    "lamplighter-replay",
    "lamplighter-tls",
];

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn cargo(arguments: &[&str]) -> String {
    let answer = Command::new(env!("CARGO")).args(arguments).current_dir(ROOT).output().unwrap();
    assert!(answer.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

/// Returns the crates of this repository that a crate depends on, directly or not. Dev-dependencies do not count.
fn depends_on(name: &str) -> BTreeSet<String> {
    let lines = cargo(&["tree", "--offline", "--locked", "--prefix=none", "--edges=normal,build", "--package", name]);
    // Crates of the repository are followed by their folder.
    let own = lines.lines().filter(|line| line.contains(" (/"));
    own.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_library_depends_on_no_other_crate_of_this_repository() {
    for name in LIBRARY {
        let own = depends_on(name);
        assert!(own.contains(name), "{own:?}");
        let foreign: Vec<_> = own.iter().filter(|other| !LIBRARY.contains(&&***other)).collect();
        assert!(foreign.is_empty(), "{name} depends on {foreign:?}");
    }
    // The check works: the app depends on all of them.
    let of_the_app = depends_on("lamplighter-app");
    assert!(["images", "lamplighter-cli", "lamplighter-jobs"].iter().all(|name| of_the_app.contains(*name)));
}

/// Returns the folders of the library's crates.
fn folders() -> Vec<PathBuf> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--offline", "--format-version=1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let library = packages.filter(|package| LIBRARY.contains(&package["name"].as_str().unwrap()));
    let manifests = library.map(|package| Path::new(package["manifest_path"].as_str().unwrap()));
    manifests.map(|manifest| manifest.with_file_name("src")).collect()
}

/// Returns all Rust files below a folder, except tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    let is_tests = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !is_tests(path)).collect()
}

/// Returns a file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

#[test]
fn the_library_names_no_job_or_function_of_this_repository() {
    let (app, folders) = (app(), folders());
    let jobs: Vec<_> = app.definitions.iter().map(|definition| definition.name).collect();
    let functions: Vec<_> = app.functions(&Variables::none()).iter().map(Function::name).collect();
    assert_eq!((folders.len(), jobs.is_empty(), functions.is_empty()), (LIBRARY.len(), false, false));
    for file in folders.iter().flat_map(|folder| sources(folder)) {
        let text = fs::read_to_string(&file).unwrap();
        // Nor do help and documentation.
        for job in &jobs {
            assert!(!text.contains(job), "{} names the job {job}", file.display());
        }
        let code = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for function in &functions {
                let named = [format!("\"{function}\""), format!("{function}::function")];
                let found = named.iter().any(|named| line.contains(&**named));
                assert!(!found, "{} names the function {function}: {line}", file.display());
            }
        }
    }
}
