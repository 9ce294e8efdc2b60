//! Runs `lamp` in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// An empty folder, in which `lamp` runs.
pub(crate) struct Place {
    folder: TempDir,
}

/// The time limit of every wait. It ends a test that hangs, and measures no speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The embedded file that commands use here by default.
    pub(crate) fn database(&self) -> PathBuf {
        self.path().join(".lamplighter/jobs.db")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// Returns `lamp` with these arguments, without settings from the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamp"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("LAMPLIGHTER_") || text.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(self.path());
        command
    }

    pub(crate) fn lamp(&self, args: &[&str]) -> Done {
        self.lamp_with(args, "")
    }

    /// Runs `lamp` with this standard input.
    pub(crate) fn lamp_with(&self, args: &[&str], input: &str) -> Done {
        run(self.command(args), args, input)
    }
}

fn run(command: Command, args: &[&str], input: &str) -> Done {
    let output = assert_cmd::Command::from_std(command)
        .timeout(PATIENCE)
        .write_stdin(input.to_owned())
        .output()
        .unwrap_or_else(|error| panic!("lamp {args:?}: {error}"));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done {
        code: output.status.code().unwrap_or_else(|| panic!("lamp {args:?} did not end in {PATIENCE:?}")),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The values of JSON Lines.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Done {
    /// Runs a command without blocking the test.
    pub(crate) async fn of(command: Command) -> Self {
        tokio::task::spawn_blocking(move || run(command, &["…"], "")).await.unwrap()
    }

    /// Asserts that the command line itself was refused.
    #[track_caller]
    pub(crate) fn fails_at_once(self) {
        assert_eq!((self.code, &*self.out), (2, ""), "{self:?}");
    }

    /// Asserts success and returns the output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// Asserts that it ended with this code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) {
        assert_eq!(self.code, code, "{self:?}");
    }

    /// Asserts failure with this code, and one sentence that contains all of these texts.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, says: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        let sentence = self.err.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(sentence.trim_end().lines().count(), 1, "more than a line: {self:?}");
        for part in says {
            assert!(sentence.contains(part), "{part:?} is missing in {sentence:?}");
        }
    }
}

/// `lamp dev`, until the test ends in any way.
pub(crate) struct Dev(Child);

impl Dev {
    /// Starts it and waits until it runs.
    pub(crate) fn start(place: &Place) -> Self {
        let mut child = place.command(&["dev"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.contains("lamp jobs")) {
            said.push(log.next().unwrap_or_else(|| panic!("it ended, and said {said:?}")).unwrap());
        }
        // It must not end because its log is not read.
        std::thread::spawn(move || log.for_each(drop));
        Self(child)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
