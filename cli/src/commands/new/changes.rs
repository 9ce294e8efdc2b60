//! Planned changes of files. All of them are planned before the first one is written, so an error leaves every file as
//! it was.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    cargo, diff,
    repository::{LOCK, MANIFEST, Repository},
    rustfmt::Rustfmt,
};
use crate::{
    error::{Error, reason},
    output::{self, FAINT, GOOD, NAME, STRONG},
};

/// Files with their new contents.
pub(in crate::commands) struct Changes<'a> {
    repository: &'a Repository,
    files: BTreeMap<String, File>,
}

struct File {
    /// The current content; `None` for a new file.
    before: Option<String>,
    after: String,
}

impl<'a> Changes<'a> {
    /// An empty plan.
    pub(in crate::commands) fn new(repository: &'a Repository) -> Self {
        Self { repository, files: BTreeMap::new() }
    }

    /// Plans a new file.
    pub(in crate::commands) fn make(&mut self, path: &str, text: String) -> Result<(), Error> {
        if self.files.contains_key(path) || self.repository.root().join(path).exists() {
            return Err(Error::Usage(format!(
                "{path} exists already, and no file is overwritten; choose another name"
            )));
        }
        self.files.insert(path.into(), File { before: None, after: text });
        Ok(())
    }

    /// Plans to add `what` to a file. `edit` returns the file's new text, or says what is missing in it.
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
                "cannot add `{what}` to {path}: {missing}; nothing was written; restore it and try again, or make the \
                 change by hand"
            ))
        })?;
        Ok(())
    }

    /// Formats Rust files, and drops files that do not change. A file that was not formatted before is not formatted.
    pub(in crate::commands) fn complete(&mut self, rustfmt: &Rustfmt) {
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

    /// Shows the planned changes.
    pub(in crate::commands) fn show(&self) -> Result<(), Error> {
        output::print(|out| {
            for (path, file) in &self.files {
                match &file.before {
                    None => writeln!(out, "{STRONG}{path}{STRONG:#}  {FAINT}would be created{FAINT:#}")?,
                    Some(_) => writeln!(out, "{STRONG}{path}{STRONG:#}  {FAINT}would be changed{FAINT:#}")?,
                }
                for line in diff::lines(file.before.as_deref().unwrap_or_default(), &file.after) {
                    writeln!(out, "  {line}")?;
                }
            }
            if self.changes_packages() {
                writeln!(out, "{STRONG}{LOCK}{STRONG:#}  {FAINT}cargo would update it{FAINT:#}")?;
            }
            Ok(())
        })
    }

    /// Lists the files that would be created.
    pub(in crate::commands) fn list(&self) -> Result<(), Error> {
        output::print(|out| {
            let mut paths = self.files.keys();
            paths.try_for_each(|path| writeln!(out, "{STRONG}{path}{STRONG:#}  {FAINT}would be created{FAINT:#}"))
        })
    }

    /// Writes all files, lets cargo update the lock file, and lists the files. When a step fails, all files are
    /// restored.
    pub(in crate::commands) fn write(self) -> Result<(), Error> {
        for (path, file) in &self.files {
            if self.repository.text(path)? != file.before {
                return Err(Error::failed(format_args!(
                    "{path} has just been changed by another program; nothing was written, so try again"
                )));
            }
        }
        let mut undo = Undo::default();
        let lock_before = self.repository.text(LOCK)?;
        if let Err(problem) = self.put_all(&mut undo).and_then(|()| self.update_lock(lock_before.as_deref())) {
            let root = self.repository.root();
            if let Some(lock) =
                lock_before.filter(|lock| self.repository.text(LOCK).ok().flatten().as_ref() != Some(lock))
            {
                undo.files.push((root.join(LOCK), Some(lock)));
            }
            return Err(Error::failed(match undo.run() {
                Ok(()) => format!("{problem}; all files are restored, so fix that and try again"),
                Err((path, error)) => format!(
                    "{problem}, and {} cannot be restored: {}; restore it by hand",
                    path.display(),
                    reason(&error)
                ),
            }));
        }
        let lock_changed = !self.files.contains_key(LOCK) && self.repository.text(LOCK)? != lock_before;
        output::print(|out| {
            for (path, file) in &self.files {
                report(out, path, file.before.is_none())?;
            }
            if lock_changed { report(out, LOCK, false) } else { Ok(()) }
        })
    }

    fn put_all(&self, undo: &mut Undo) -> Result<(), String> {
        let root = self.repository.root();
        self.files.iter().try_for_each(|(path, file)| {
            undo.put(&root.join(path), file).map_err(|error| format!("cannot write {path}: {}", reason(&error)))
        })
    }

    /// Without a lock file there is nothing to update: the next build creates it.
    fn update_lock(&self, lock: Option<&str>) -> Result<(), String> {
        if !self.changes_packages() || (lock.is_none() && !self.files.contains_key(LOCK)) {
            return Ok(());
        }
        cargo::update_lock(self.repository.root()).map_err(|said| format!("cannot update {LOCK}: {said}"))
    }

    fn changes_packages(&self) -> bool {
        self.files.keys().any(|path| path.ends_with(MANIFEST))
    }
}

fn report(out: &mut dyn Write, path: &str, created: bool) -> io::Result<()> {
    let verb = if created { "created" } else { "changed" };
    writeln!(out, "{GOOD}{verb:<7}{GOOD:#}  {NAME}{path}{NAME:#}")
}

/// The steps that restore all files.
#[derive(Default)]
struct Undo {
    /// Files with their former contents; `None` for a new file.
    files: Vec<(PathBuf, Option<String>)>,
    /// New folders, the outer before the inner.
    folders: Vec<PathBuf>,
}

impl Undo {
    /// Writes a file.
    fn put(&mut self, path: &Path, file: &File) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }
        if file.before.is_none() {
            let mut new = fs::File::create_new(path)?;
            self.files.push((path.to_owned(), None));
            return new.write_all(file.after.as_bytes());
        }
        replace(path, &file.after)?;
        self.files.push((path.to_owned(), file.before.clone()));
        Ok(())
    }

    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// Restores all files. Returns the first file for which that fails.
    fn run(self) -> Result<(), (PathBuf, io::Error)> {
        let mut first = Ok(());
        for (path, before) in self.files.into_iter().rev() {
            let restored = match &before {
                Some(text) => replace(&path, text),
                None => fs::remove_file(&path),
            };
            if let Err(error) = restored {
                first = first.and(Err((path, error)));
            }
        }
        for folder in self.folders.iter().rev() {
            // Fails where another program has written into the folder.
            let _ = fs::remove_dir(folder);
        }
        first
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
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
    fn a_file_changed_by_another_program_stops_the_plan() {
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
    fn files_are_not_overwritten_and_unformatted_files_stay_so() {
        with_repository(|repository| {
            let mut changes = Changes::new(repository);
            assert!(changes.make(JOBS, String::new()).unwrap_err().to_string().contains("exists already"));
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
    fn an_error_says_what_is_missing_in_a_file() {
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
