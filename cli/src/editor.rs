//! The user's editor, in which a text is changed.

use std::{env, fs, io, io::Write};

use tokio::process::{Child, Command};

use crate::error::reason;

/// The editor that the environment names: `VISUAL`, `EDITOR`, or the one that every system has.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    command: String,
}

impl Editor {
    /// The user's.
    pub(crate) fn of_user() -> Self {
        let named = |name| env::var(name).ok().filter(|command| !command.trim().is_empty());
        let usual = if cfg!(windows) { "notepad" } else { "vi" };
        Self { command: named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| usual.to_owned()) }
    }

    /// Opens JSON in the editor, in a file that only this user can read and that is gone afterwards. Returns the text as it is
    /// at the end, or in a sentence why it could not be edited. An editor cannot be ended without loss: it is waited for.
    pub(crate) async fn edit(&self, json: &str) -> Result<String, String> {
        let no_file = |error: io::Error| format!("cannot write a file for the editor: {}", reason(&error));
        let mut file = tempfile::Builder::new().prefix("lamp-").suffix(".json").tempfile().map_err(no_file)?;
        writeln!(file, "{json}").and_then(|()| file.flush()).map_err(no_file)?;
        // Closed: some systems refuse to open a file twice.
        let path = file.into_temp_path();
        let command = &self.command;
        let mut running = self.started_on(&path).map_err(|error| {
            format!("the editor {command} cannot be started: {}; set EDITOR to another one", reason(&error))
        })?;
        let ended = running.wait().await;
        let status = ended.map_err(|error| format!("the editor {command} was lost: {}", reason(&error)))?;
        if !status.success() {
            return Err(format!("nothing was changed, since the editor {command} failed: {status}"));
        }
        fs::read_to_string(&path).map_err(|error| format!("cannot read what was edited: {}", reason(&error)))
    }

    /// As a shell understands it: an editor may have options.
    #[cfg(not(windows))]
    fn started_on(&self, path: &std::path::Path) -> io::Result<Child> {
        Command::new("sh").arg("-c").arg(format!("exec {} \"$@\"", self.command)).arg("editor").arg(path).spawn()
    }

    #[cfg(windows)]
    fn started_on(&self, path: &std::path::Path) -> io::Result<Child> {
        let mut words = self.command.split_whitespace();
        Command::new(words.next().unwrap_or_default()).args(words).arg(path).spawn()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn editor(command: &str) -> Editor {
        Editor { command: command.into() }
    }

    #[tokio::test]
    async fn what_the_editor_leaves_is_the_text() {
        let edited = editor("sed -i -e s/1/2/").edit("{\"a\":1}").await.unwrap();
        assert_eq!(edited, "{\"a\":2}\n");
        assert_eq!(editor("true").edit("{}").await.unwrap(), "{}\n");
    }

    #[tokio::test]
    async fn nobody_else_reads_the_file_and_it_is_gone_afterwards() {
        let seen = tempfile::NamedTempFile::new().unwrap();
        let note = seen.path().display();
        let said = editor(&format!("sh -c 'ls -l \"$1\" > {note}' sh")).edit("{}").await.unwrap();
        assert_eq!(said, "{}\n");
        let listed = fs::read_to_string(seen.path()).unwrap();
        assert!(listed.starts_with("-rw-------"), "{listed}");
        assert!(!std::path::Path::new(listed.split_whitespace().last().unwrap()).exists(), "{listed}");
    }

    #[tokio::test]
    async fn a_failure_says_what_to_do() {
        let failed = editor("false").edit("{}").await.unwrap_err();
        assert!(failed.contains("nothing was changed") && failed.contains("false"), "{failed}");
        let missing = editor("no-such-editor-anywhere").edit("{}").await.unwrap_err();
        assert!(missing.contains("no-such-editor-anywhere"), "{missing}");
    }
}
