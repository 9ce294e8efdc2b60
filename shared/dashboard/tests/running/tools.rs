//! Tools of other languages, installed under `target/` once, at exact versions and with known hashes: from then on, no network
//! is used. Any number of processes may ask concurrently; one installs and the others wait.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const PACKAGES: [(&str, &str); 2] = [
    ("package.json", include_str!("../../browser/package.json")),
    ("package-lock.json", include_str!("../../browser/package-lock.json")),
];
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Written last: a folder without it, or with other content in it, is incomplete.
const MARKER: &str = "installed";

/// The folder with the browser and what drives it.
pub(crate) fn browser() -> PathBuf {
    installed("browser", PACKAGES[1].1, |folder| {
        for (name, text) in PACKAGES {
            fs::write(folder.join(name), text).unwrap();
        }
        let ci = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        run(
            Command::new("npm").args(ci).current_dir(folder),
            "the browser is installed by npm, of Node.js 20 or newer",
        );
    })
}

/// The tester of APIs.
pub(crate) fn schemathesis() -> PathBuf {
    let folder = installed("schemathesis", REQUIREMENTS, |folder| {
        let needs = "schemathesis needs Python 3.11 or newer with its module venv";
        let (venv, list) = (folder.join("venv"), folder.join("requirements.txt"));
        fs::write(&list, REQUIREMENTS).unwrap();
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), needs);
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"]);
        run(pip.args(["--no-deps", "--require-hashes", "--requirement"]).arg(&list), needs);
    });
    folder.join("venv/bin/schemathesis")
}

/// The folder of this name under `target/`, made with `make` unless it was made for the same list.
fn installed(name: &str, list: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = target().join(name);
    let parent = folder.parent().unwrap();
    fs::create_dir_all(parent).unwrap();
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(folder.join(MARKER)).is_ok_and(|text| text == list) {
        return folder;
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{} cannot be removed: {error}", folder.display()),
        _ => {}
    }
    fs::create_dir_all(&folder).unwrap();
    make(&folder);
    fs::write(folder.join(MARKER), list).unwrap();
    folder
}

/// The folder that cargo builds into: of the tests' own temporary folder, the one above.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// Runs a command to its end. What surrounds the tests must not change what it does.
fn run(command: &mut Command, needs: &str) -> Output {
    command.stdin(Stdio::null()).env_remove("PYTHONHOME").env_remove("PYTHONPATH").env_remove("VIRTUAL_ENV");
    let name = command.get_program().to_owned();
    let output =
        command.output().unwrap_or_else(|error| panic!("{} cannot be started: {error}; {needs}", name.display()));
    assert!(output.status.success(), "{} failed; {needs}\n{}", name.display(), said(&output));
    output
}

/// What a program wrote.
pub(crate) fn said(output: &Output) -> String {
    [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat()
}
