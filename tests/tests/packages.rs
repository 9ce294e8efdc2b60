//! The crates of the library can be published: each is complete by itself, has its metadata, and contains no other
//! files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The published crates; no others are.
const PUBLISHED: [&str; 15] = [
    "lamplighter",
    "lamplighter-arguments",
    "lamplighter-aws",
    "lamplighter-azure",
    "lamplighter-cli",
    "lamplighter-dashboard",
    "lamplighter-dashboard-lambda",
    "lamplighter-embedded",
    "lamplighter-hosts",
    "lamplighter-infra",
    "lamplighter-objects",
    "lamplighter-otel",
    "lamplighter-replay",
    "lamplighter-sign-in",
    "lamplighter-tls",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the packages of this workspace.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--no-deps", "--offline", "--format-version=1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn published() -> Vec<Value> {
    packages().into_iter().filter(|package| package["publish"].is_null()).collect()
}

#[test]
fn the_library_is_published_and_nothing_else() {
    let names: BTreeSet<_> = published().iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, BTreeSet::from(PUBLISHED.map(str::to_owned)));
    for package in packages().iter().filter(|package| !package["publish"].is_null()) {
        assert_eq!(package["publish"], serde_json::json!([]), "{}", package["name"]);
    }
}

#[test]
fn each_crate_has_its_metadata() {
    for package in published() {
        let name = &package["name"];
        assert!(package["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}: description");
        assert_eq!(
            (&package["license"], &package["readme"]),
            (&"MIT OR Apache-2.0".into(), &"README.md".into()),
            "{name}"
        );
        assert!(package["rust_version"].is_string(), "{name}: rust-version");
        assert!(package["metadata"]["docs"]["rs"].is_object(), "{name}: [package.metadata.docs.rs]");
        let words = |key: &str| package[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let (keywords, categories): (Vec<_>, Vec<_>) = (words("keywords"), words("categories"));
        // The registry's limits (The Cargo Book, "The Manifest Format").
        assert!(
            (3..=5).contains(&keywords.len()) && keywords.iter().all(|word| word.len() <= 20),
            "{name}: {keywords:?}"
        );
        assert!((1..=5).contains(&categories.len()), "{name}: {categories:?}");
        for address in ["repository", "homepage", "documentation"] {
            assert!(package[address].is_null(), "{name}: {address}");
        }
    }
}

/// A dependency on a crate of this workspace has a version, since a path means nothing outside; that crate is published
/// too. Dev-dependencies have no version, and are not published.
#[test]
fn published_crates_depend_on_published_crates() {
    for package in published() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let (name, of) = (dependency["name"].as_str().unwrap(), &package["name"]);
            if dependency["path"].is_null() {
                assert_ne!(dependency["req"], "*", "{of} takes any {name}");
            } else if PUBLISHED.contains(&name) && dependency["kind"].is_null() {
                assert_eq!(dependency["req"], format!("^{}", package["version"].as_str().unwrap()), "{of} on {name}");
            } else {
                assert_eq!(dependency["kind"], "dev", "{of} depends on {name}");
            }
        }
    }
}

#[test]
fn each_package_has_its_sources_its_readme_and_the_licences() {
    for package in published() {
        let name = package["name"].as_str().unwrap();
        let files = cargo(&["package", "--list", "--offline", "--allow-dirty", "--package", name]);
        let files: BTreeSet<_> = files.lines().collect();
        // Created by cargo.
        let made = ["Cargo.lock", "Cargo.toml", "Cargo.toml.orig", ".cargo_vcs_info.json"];
        let own = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"];
        for file in &own {
            assert!(files.contains(file), "{name} has no {file}: {files:?}");
        }
        // What the dashboard's pages are made of.
        let compiled_in = ["assets/", "templates/", "openapi.json"];
        let is_compiled_in =
            |file: &str| name == "lamplighter-dashboard" && compiled_in.iter().any(|part| file.starts_with(part));
        let strange: Vec<_> = files
            .iter()
            .filter(|file| {
                !file.starts_with("src/") && !own.contains(file) && !made.contains(file) && !is_compiled_in(file)
            })
            .collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let text = fs::read_to_string(folder.join(licence)).unwrap();
            assert_eq!(text, fs::read_to_string(root().join(licence)).unwrap(), "{name}: {licence}");
        }
        // All of `src` is included, even templates, which cargo would leave out where they look like a package.
        let sources = sources(&folder.join("src"), folder);
        assert!(sources.iter().all(|file| files.contains(&**file)), "{name}: {sources:?} in {files:?}");
        for file in sources.iter().filter(|file| file.ends_with(".rs")) {
            check_includes(name, folder, file);
        }
    }
}

/// Returns all files below a folder, relative to another.
fn sources(folder: &Path, from: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => sources(&path, from),
            false => vec![path.strip_prefix(from).unwrap().to_str().unwrap().to_owned()],
        })
        .collect()
}

/// Checks that the files that a source includes are in its crate.
fn check_includes(name: &str, folder: &Path, source: &str) {
    let text = fs::read_to_string(folder.join(source)).unwrap();
    for part in ["include_str!(\"", "include_bytes!(\"", "include!(\""].iter().flat_map(|word| text.split(word).skip(1))
    {
        let path = part.split('"').next().unwrap();
        let from = Path::new(source).parent().unwrap().join(path);
        let mut depth = 0_i32;
        for component in from.components() {
            depth += if component.as_os_str() == ".." { -1 } else { 1 };
            assert!(depth >= 0, "{name}: {source} includes {path}");
        }
    }
}
