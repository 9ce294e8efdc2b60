//! The folder of a new workspace.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::error::{Error, reason};

/// A folder that is empty, or does not exist yet.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Fails where the folder has any content but a git repository.
    pub(super) fn new(typed: &Path) -> Result<Self, Error> {
        let shown = typed.display();
        let cannot_read =
            |error| Error::failed(format_args!("cannot read {shown}: {}; name another folder", reason(&error)));
        let path = std::path::absolute(typed).map_err(cannot_read)?;
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::Usage(format!("{shown} is not a folder; name a new one, or an empty one")));
            }
            Err(error) => return Err(cannot_read(error)),
        };
        for entry in entries {
            let name = entry.map_err(cannot_read)?.file_name();
            if name != ".git" {
                return Err(Error::Usage(format!(
                    "{shown} is not empty: it has {}; name a new folder, or an empty one",
                    name.display()
                )));
            }
        }
        Ok(Self(path))
    }

    /// Its absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Its name.
    pub(super) fn name(&self) -> Result<&str, Error> {
        self.0.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Error::Usage(format!("the name of {} cannot name an app; choose one with --name", self.0.display()))
        })
    }

    /// The folder itself where it exists, or the innermost one around it.
    pub(super) fn existing(&self) -> &Path {
        self.0.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_empty_or_new() {
        let around = tempfile::tempdir().unwrap();
        let at = |name: &str| Folder::new(&around.path().join(name)).map_err(|error| error.to_string());
        let folder = at("new/shop").unwrap();
        assert_eq!((folder.name().unwrap(), folder.existing()), ("shop", around.path()));
        fs::create_dir_all(around.path().join("empty/.git")).unwrap();
        assert_eq!(at("empty").unwrap().existing(), around.path().join("empty"));
        fs::write(around.path().join("empty/notes"), "").unwrap();
        assert!(at("empty").unwrap_err().contains("is not empty: it has notes"));
        assert!(at("empty/notes").unwrap_err().contains("is not a folder"));
        assert!(at("empty/notes/shop").unwrap_err().contains("is not a folder"));
        assert!(at("..").unwrap_err().contains("is not empty"));
    }
}
