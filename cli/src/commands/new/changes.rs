//! What is to be written: worked out as a whole first, so that nothing is written when anything is wrong.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
};

use super::{diff, repository::Repository, rustfmt::Rustfmt};
use crate::{
    error::{Error, reason},
    output::{self, FAINT, GOOD, NAME, STRONG},
};

/// Files as they shall be.
pub(super) struct Changes<'a> {
    repository: &'a Repository,
    files: BTreeMap<String, File>,
}

struct File {
    /// As it is now; none where it is to be made.
    before: Option<String>,
    after: String,
}

impl<'a> Changes<'a> {
    /// No change yet.
    pub(super) fn new(repository: &'a Repository) -> Self {
        Self { repository, files: BTreeMap::new() }
    }

    /// Makes a file.
    pub(super) fn make(&mut self, path: &str, text: String) -> Result<(), Error> {
        if self.files.contains_key(path) || self.repository.root().join(path).exists() {
            return Err(Error::Usage(format!(
                "{path} is there already, and nothing is written over; choose another name"
            )));
        }
        self.files.insert(path.into(), File { before: None, after: text });
        Ok(())
    }

    /// Adds `what` to a file. `edit` gives its new text, or says what it misses there.
    pub(super) fn edit(
        &mut self,
        path: &str,
        what: &str,
        edit: impl FnOnce(&str) -> Result<String, String>,
    ) -> Result<(), Error> {
        if !self.files.contains_key(path) {
            let text = self.repository.needed(path)?;
            self.files.insert(path.into(), File { before: Some(text.clone()), after: text });
        }
        let Some(file) = self.files.get_mut(path) else { return Ok(()) };
        file.after = edit(&file.after).map_err(|missing| {
            Error::failed(format_args!(
                "cannot add `{what}` to {path}: {missing}; nothing was written, so bring that back and try again, or make \
                 the change by hand"
            ))
        })?;
        Ok(())
    }

    /// Formats the Rust in it, and forgets files that stay as they are. A file that was not formatted before keeps a form
    /// of its own.
    pub(super) fn complete(&mut self, rustfmt: &Rustfmt) {
        for (path, file) in &mut self.files {
            let kept = file.before.as_ref().is_some_and(|before| !rustfmt.is_formatted(before));
            if path.ends_with(".rs")
                && !kept
                && let Some(formatted) = rustfmt.format(&file.after)
            {
                file.after = formatted;
            }
        }
        self.files.retain(|_, file| file.before.as_ref() != Some(&file.after));
    }

    /// Shows what would be written.
    pub(super) fn show(&self) -> Result<(), Error> {
        output::print(|out| {
            for (path, file) in &self.files {
                match &file.before {
                    None => writeln!(out, "{STRONG}{path}{STRONG:#}  {FAINT}would be made{FAINT:#}")?,
                    Some(_) => writeln!(out, "{STRONG}{path}{STRONG:#}  {FAINT}would be changed{FAINT:#}")?,
                }
                for line in diff::lines(file.before.as_deref().unwrap_or_default(), &file.after) {
                    writeln!(out, "  {line}")?;
                }
            }
            Ok(())
        })
    }

    /// Writes it all, and says so.
    pub(super) fn write(self) -> Result<(), Error> {
        for (path, file) in &self.files {
            if self.repository.text(path)? != file.before {
                return Err(Error::failed(format_args!(
                    "{path} has been changed in this moment by somebody else; nothing was written, so try again"
                )));
            }
        }
        let root = self.repository.root();
        let mut written = Vec::new();
        for (path, file) in &self.files {
            put(&root.join(path), file).map_err(|error| {
                let so_far = match written[..] {
                    [] => "nothing was written".to_owned(),
                    _ => format!("{} had been written", written.join(", ")),
                };
                Error::failed(format_args!(
                    "cannot write {path}: {}; {so_far}; make room and take those back",
                    reason(&error)
                ))
            })?;
            written.push(path.as_str());
        }
        output::print(|out| self.files.iter().try_for_each(|(path, file)| tell(out, path, file.before.is_none())))
    }
}

fn tell(out: &mut dyn Write, path: &str, made: bool) -> io::Result<()> {
    let verb = if made { "made" } else { "changed" };
    writeln!(out, "{GOOD}{verb:<7}{GOOD:#}  {NAME}{path}{NAME:#}")
}

/// Whole or not at all.
fn put(path: &Path, file: &File) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if file.before.is_none() {
        return fs::File::create_new(path)?.write_all(file.after.as_bytes());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, &file.after)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::{
        super::repository::{APP, JOBS, MANIFEST},
        *,
    };

    fn with_repository(test: impl FnOnce(&Repository)) {
        let folder = tempfile::tempdir().unwrap();
        for path in [MANIFEST, JOBS, APP] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "fn a( ) {}\n").unwrap();
        }
        test(&Repository::around(folder.path()).unwrap());
    }

    #[test]
    fn a_file_that_somebody_changes_meanwhile_stops_all_of_it() {
        with_repository(|repository| {
            let mut changes = Changes::new(repository);
            changes.make("a/new.rs", "fn new() {}\n".into()).unwrap();
            changes.edit(JOBS, "x", |text| Ok(format!("{text}// x\n"))).unwrap();
            fs::write(repository.root().join(JOBS), "fn other() {}\n").unwrap();
            let error = changes.write().unwrap_err().to_string();
            assert!(error.contains(JOBS) && error.contains("nothing was written"), "{error}");
            assert_eq!(repository.text("a/new.rs").unwrap(), None);
            assert_eq!(repository.needed(JOBS).unwrap(), "fn other() {}\n");
        });
    }

    #[test]
    fn nothing_is_written_over_and_a_form_of_its_own_is_kept() {
        with_repository(|repository| {
            let mut changes = Changes::new(repository);
            assert!(changes.make(JOBS, String::new()).unwrap_err().to_string().contains("is there already"));
            changes.edit(JOBS, "b", |text| Ok(format!("{text}fn b( ) {{}}\n"))).unwrap();
            changes.edit(APP, "nothing", |text| Ok(text.to_owned())).unwrap();
            changes.make("new.rs", "fn new( ) {}\n".into()).unwrap();
            changes.complete(&Rustfmt::of(repository));
            changes.write().unwrap();
            assert_eq!(repository.needed(JOBS).unwrap(), "fn a( ) {}\nfn b( ) {}\n");
            assert_eq!(repository.needed("new.rs").unwrap(), "fn new() {}\n");
        });
    }

    #[test]
    fn what_is_missing_in_a_file_is_told() {
        with_repository(|repository| {
            let missing = |_: &str| Err("there is no list".to_owned());
            let error = Changes::new(repository).edit(JOBS, "a::f()", missing).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("cannot add `a::f()` to {JOBS}: there is no list; nothing was")),
                "{error}"
            );
        });
    }
}
