//! Builds the functions' bootstraps and packs them in Lambda's format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::error::{Error, Result, io as at, tail};
use super::workspace::{Workspace, cargo};

/// Builds the named functions' binaries and packs each as a zip archive with one executable file, `bootstrap`.
///
/// The emulator runs them on this machine, so they are built for it by a plain `cargo build` with the tests' own
/// profile; crates that the tests compiled already are not compiled again. An archive is created only if its binary
/// changed.
///
/// # Errors
/// When the build fails, and for a name without a binary in the workspace.
pub fn bootstraps(functions: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    functions.iter().map(|name| Ok(((*name).to_owned(), archive(name, &binary(name)?)?))).collect()
}

/// Builds the workspace's binaries, once per process, and returns the path of one of them.
///
/// # Errors
/// Like [`bootstraps`].
pub fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<BTreeMap<String, PathBuf>, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| error.to_string()));
    let built = built
        .as_ref()
        .map_err(|output| Error::Cargo { what: "building the binaries".into(), output: output.clone() })?;
    built.get(name).cloned().ok_or_else(|| Error::NoSuchBinary {
        name: name.to_owned(),
        known: built.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    })
}

/// One message of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    target: Option<BuiltTarget>,
}

#[derive(Deserialize)]
struct BuiltTarget {
    name: String,
}

fn build() -> Result<BTreeMap<String, PathBuf>> {
    let workspace = Workspace::get()?;
    let mut command = cargo();
    // All of the workspace, as `cargo test --workspace` does, and with its profile: cargo unites the features of the
    // selected packages, and another selection would compile the large dependencies a second time.
    command.args(["build", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    command.current_dir(&workspace.workspace_root).arg("--target-dir").arg(&workspace.target_directory);
    let profile = profile(&workspace.target_directory);
    command.args(["--profile", &profile]);
    let output =
        command.stdin(Stdio::null()).output().map_err(|source| Error::Io { what: "starting cargo".into(), source })?;
    if !output.status.success() {
        let output = tail(&String::from_utf8_lossy(&output.stderr), 60);
        return Err(Error::Cargo { what: format!("`cargo build --workspace --bins --profile {profile}`"), output });
    }
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    Ok(messages.filter_map(|message: Message| Some((message.target?.name, message.executable?))).collect())
}

/// Returns the profile of the running test, from its path: `target/[<triple>/]<folder>/deps/<test>`.
fn profile(target_dir: &Path) -> String {
    let folder = std::env::current_exe().ok().and_then(|test| {
        let below = test.strip_prefix(target_dir).ok()?;
        Some(below.parent()?.parent()?.file_name()?.to_str()?.to_owned())
    });
    match folder.as_deref() {
        None | Some("debug") => "dev".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// Returns the archive of `binary`; creates it again if the binary has changed.
///
/// # Errors
/// When the binary cannot be read, or the archive cannot be written.
pub fn archive(name: &str, binary: &Path) -> Result<PathBuf> {
    let folder = binary.with_file_name("bootstraps");
    fs::create_dir_all(&folder).map_err(at("making", &folder))?;
    let lock_path = folder.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(at("making", &lock_path))?;
    lock.lock().map_err(at("locking", &lock_path))?;

    let stamp_path = folder.join(format!("{name}.stamp"));
    let archive_path = folder.join(format!("{name}.zip"));
    let stamp = stamp(binary)?;
    if archive_path.exists() && fs::read_to_string(&stamp_path).is_ok_and(|old| old == stamp) {
        return Ok(archive_path);
    }
    let half_made = folder.join(format!("{name}.zip.new"));
    let stripped = folder.join(format!("{name}.stripped"));
    // Symbols are most of a debug binary, and each emulator unpacks them. Without the tool, which comes with the
    // linker, they stay.
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(binary).stderr(Stdio::null()).status();
    let is_stripped = strip.is_ok_and(|status| status.success());
    pack(if is_stripped { &stripped } else { binary }, &half_made)?;
    if is_stripped {
        fs::remove_file(&stripped).map_err(at("removing", &stripped))?;
    }
    fs::rename(&half_made, &archive_path).map_err(at("writing", &archive_path))?;
    fs::write(&stamp_path, stamp).map_err(at("writing", &stamp_path))?;
    Ok(archive_path)
}

fn stamp(binary: &Path) -> Result<String> {
    let about = fs::metadata(binary).map_err(at("reading", binary))?;
    let mut stamp = format!("{} bytes", about.len());
    if let Ok(modified) = about.modified() {
        let _ = write!(stamp, ", {modified:?}");
    }
    Ok(stamp)
}

pub(crate) fn pack(binary: &Path, archive: &Path) -> Result<()> {
    let mut source = File::open(binary).map_err(at("opening", binary))?;
    let target = File::create(archive).map_err(at("making", archive))?;
    let failed = |error: zip::result::ZipError| at("writing", archive)(io::Error::other(error));
    let mut zip = zip::ZipWriter::new(target);
    // The fastest level: it is unpacked on this machine a moment later.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(0o755)
        .large_file(true);
    zip.start_file("bootstrap", options).map_err(failed)?;
    io::copy(&mut source, &mut zip).map_err(at("packing", binary))?;
    zip.finish().map_err(failed)?;
    Ok(())
}
