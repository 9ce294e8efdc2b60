//! The files of one running emulator.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use super::error::{Error, Result, io, tail};

/// The time for which the folders of failed runs are kept, for their logs.
const KEEP_RUNS: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of one emulator's log, home and temporary files. Removed at the end, unless the test failed.
#[derive(Debug)]
pub(crate) struct RunFolder {
    pub(crate) path: PathBuf,
    keep: bool,
}

impl RunFolder {
    pub(crate) fn make(target_dir: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let all = target_dir.join("ministack-runs");
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = all.join(format!("{since_1970}-{}-{count}", std::process::id()));
        for part in ["home", "tmp"] {
            let part = path.join(part);
            fs::create_dir_all(&part).map_err(io("making", &part))?;
        }
        forget_old_runs(&all);
        Ok(Self { path, keep: false })
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Returns an error with what the server did and the end of its log; the log is kept.
    pub(crate) fn failed(&mut self, reason: &str) -> Error {
        self.keep = true;
        let tail = tail(&fs::read_to_string(self.log()).unwrap_or_default(), 25);
        Error::Emulator { reason: reason.to_owned(), log: self.log(), tail }
    }

    /// Takes the folder out of a server that is about to be dropped.
    pub(crate) fn hand_over(&mut self) -> Self {
        Self { path: std::mem::take(&mut self.path), keep: false }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        // Unpacked bootstraps are large: even of a failed run only the log, the script and the state are kept.
        let _ = fs::remove_dir_all(self.path.join("tmp"));
        if std::thread::panicking() {
            say_where(&self.log());
        } else if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one way to tell the reader of a failed test")]
fn say_where(log: &Path) {
    eprintln!("the emulator's log is {}", log.display());
}

fn forget_old_runs(all: &Path) {
    let Ok(runs) = fs::read_dir(all) else { return };
    for run in runs.flatten() {
        let age = run.metadata().and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEEP_RUNS) {
            let _ = fs::remove_dir_all(run.path());
        }
    }
}
