//! Object storage for functions: a local folder, an S3 bucket or memory, by URL, with the same code.
//!
//! ```
//! use lamplighter_objects::{Key, Objects};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! let objects = Objects::from_url("memory:///")?;
//! let key = Key::new("greetings/ada.txt")?;
//! objects.put(&key, "Hello, Ada!", "text/plain").await?;
//! assert_eq!(objects.get(&key, 1024).await?, "Hello, Ada!");
//! # Ok::<(), lamplighter_objects::ObjectError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Building one does nothing yet: the folder is created, certificates are loaded and connections are made at the first
//! request.

mod claim_check;
mod error;
mod failure;
mod folder;
mod http;
mod key;
mod location;
mod patience;
mod s3;
#[cfg(test)]
mod tests;
mod version;
mod writer;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use lamplighter::Variables;
use object_store::{
    Attribute, Attributes, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions, local::LocalFileSystem,
    memory::InMemory, path::Path,
};
use tokio::sync::OnceCell;

pub use self::{
    claim_check::ClaimChecks,
    error::ObjectError,
    key::{InvalidKey, Key},
    location::{Location, LocationError, OBJECTS},
    version::ObjectVersion,
    writer::ObjectWriter,
};
use self::{
    failure::{Access, Meaning},
    patience::Patience,
};

/// Reads and writes objects at one [`Location`]. Cloning is cheap.
#[derive(Clone)]
pub struct Objects(Arc<Inner>);

struct Inner {
    location: Where,
    opened: OnceCell<Opened>,
    patience: Patience,
}

/// Where the objects are.
#[derive(Debug)]
enum Where {
    At(Location),
    /// As these variables say, when they are first asked.
    Variables(Variables),
}

struct Opened {
    location: Location,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    /// If the objects are files: they are written here, readable by their owner only, and without a media type.
    folder: Option<Arc<LocalFileSystem>>,
    hint: &'static str,
}

/// An object's name and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
}

impl Objects {
    /// The longest time of a call, retries included: then it ends with [`ObjectError::Unavailable`]. A bucket that
    /// accepts a connection and never answers is given up after 20 seconds, as is one that stops in the middle of an
    /// answer.
    pub const MAX_CALL: Duration = Patience::DEFAULT.call;

    /// Objects at a location.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self::new(Where::At(location))
    }

    fn new(location: Where) -> Self {
        Self(Arc::new(Inner { location, opened: OnceCell::new(), patience: Patience::DEFAULT }))
    }

    /// Objects at `s3://bucket/prefix`, `file:///folder`, `memory:///` or the path of a folder.
    ///
    /// # Errors
    /// [`LocationError`] for anything else.
    pub fn from_url(url: &str) -> Result<Self, LocationError> {
        url.parse().map(Self::at)
    }

    /// Objects at the location in the environment variable `LAMPLIGHTER_OBJECTS`. It is read at first use, and a wrong
    /// value is an error of that use.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(&Variables::system())
    }

    /// As [`from_env`](Self::from_env), with these variables.
    #[must_use]
    pub fn from_variables(variables: &Variables) -> Self {
        Self::new(Where::Variables(variables.clone()))
    }

    /// The location of the objects.
    ///
    /// # Errors
    /// [`LocationError`] when the location comes from variables, and the variable is missing or wrong.
    pub fn location(&self) -> Result<Location, LocationError> {
        match &self.0.location {
            Where::At(location) => Ok(location.clone()),
            Where::Variables(variables) => variables.get(OBJECTS).ok_or(LocationError::Unset)?.parse(),
        }
    }

    /// Reads an object of at most `limit` bytes. The size is checked before the content is read.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], [`ObjectError::TooLarge`], or the store's error.
    pub async fn get(&self, key: &Key, limit: u64) -> Result<Bytes, ObjectError> {
        self.in_time(async {
            let opened = self.opened().await?;
            let path = key.below(&opened.prefix);
            let found = opened.store.get(&path).await.map_err(|error| opened.error(Some(key), error))?;
            let size = found.meta.size;
            if size > limit {
                return Err(ObjectError::TooLarge { object: opened.location.of(key), size, limit });
            }
            found.bytes().await.map_err(|error| opened.error(Some(key), error))
        })
        .await
    }

    /// An object's size, without reading it.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], or the store's error.
    pub async fn head(&self, key: &Key) -> Result<ObjectInfo, ObjectError> {
        self.in_time(async {
            let opened = self.opened().await?;
            let path = key.below(&opened.prefix);
            let meta = opened.store.head(&path).await.map_err(|error| opened.error(Some(key), error))?;
            Ok(ObjectInfo { key: key.clone(), size: meta.size })
        })
        .await
    }

    /// Writes an object, and replaces an existing one. A reader finds the old one or the new one, never a part. The
    /// media type is kept if the store supports it. In a folder, an object is a file with mode 0600, and folders
    /// created for it have mode 0700.
    ///
    /// # Errors
    /// [`ObjectError::Unwritable`] when a folder cannot hold it beside its existing files, or the store's error.
    pub async fn put(&self, key: &Key, bytes: impl Into<Bytes>, media_type: &'static str) -> Result<(), ObjectError> {
        let bytes = bytes.into();
        self.in_time(async {
            let opened = self.opened().await?;
            let path = key.below(&opened.prefix);
            let put = match &opened.folder {
                Some(folder) => match folder.path_to_filesystem(&path) {
                    Ok(path) => folder::write(path, bytes).await.map_err(failure::of_files),
                    Err(error) => Err(error),
                },
                None => {
                    let attributes = Attributes::from_iter([(Attribute::ContentType, media_type)]);
                    let options = PutOptions { attributes, ..PutOptions::default() };
                    opened.store.put_opts(&path, bytes.into(), options).await.map(drop)
                }
            };
            put.map_err(|error| opened.explained(Access::Write, Some(key), error))
        })
        .await
    }

    /// Removes an object, if it exists.
    ///
    /// # Errors
    /// The store's error.
    pub async fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        self.in_time(async {
            let opened = self.opened().await?;
            let deleted = opened.store.delete(&key.below(&opened.prefix)).await;
            match deleted.map_err(|error| opened.error(Some(key), error)) {
                Ok(()) | Err(ObjectError::NotFound(_)) => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// The objects below a folder (all, for `None`), at most `limit` of them, in no promised order. Names that are not
    /// a [`Key`] are left out.
    ///
    /// # Errors
    /// The store's error.
    pub async fn list(&self, folder: Option<&Key>, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.in_time(async {
            let opened = self.opened().await?;
            let below = folder.map_or_else(|| opened.prefix.clone(), |folder| folder.below(&opened.prefix));
            let mut found = opened.store.list(Some(&below));
            let mut infos = Vec::new();
            while infos.len() < limit {
                match found.try_next().await.map_err(|error| opened.error(folder, error)) {
                    Ok(Some(ObjectMeta { location, size, .. })) => {
                        infos.extend(Key::of_path(&location, &opened.prefix).map(|key| ObjectInfo { key, size }));
                    }
                    // Below an object there is nothing.
                    Ok(None) | Err(ObjectError::NotFound(_)) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(infos)
        })
        .await
    }

    async fn opened(&self) -> Result<&Opened, ObjectError> {
        let open = || async { open(self.location()?, std::env::vars_os().filter_map(text), self.0.patience) };
        self.0.opened.get_or_try_init(open).await
    }

    /// Ends a call that takes too long.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, ObjectError>>) -> Result<T, ObjectError> {
        match tokio::time::timeout(self.0.patience.call, call).await {
            Ok(result) => result,
            Err(elapsed) => Err(ObjectError::Unavailable {
                location: self.location()?.to_string(),
                hint: ": it takes too long to answer",
                source: elapsed.into(),
            }),
        }
    }
}

fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    name.into_string().ok().zip(value.into_string().ok())
}

fn open(
    location: Location,
    variables: impl IntoIterator<Item = (String, String)>,
    patience: Patience,
) -> Result<Opened, ObjectError> {
    let unavailable = |source: Box<dyn std::error::Error + Send + Sync>| ObjectError::Unavailable {
        location: location.to_string(),
        hint: "",
        source,
    };
    let mut written = None;
    let (store, prefix, hint): (Arc<dyn ObjectStore>, _, _) = match &location {
        Location::Memory => (Arc::new(InMemory::new()), Path::default(), ""),
        Location::Folder(folder) => {
            folder::make(folder).map_err(|error| unavailable(error.into()))?;
            let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| unavailable(error.into()))?;
            let store = Arc::new(store);
            written = Some(store.clone());
            (store, Path::default(), "")
        }
        Location::Bucket { bucket, prefix } => {
            let opened = s3::open(bucket, variables, patience).map_err(|error| unavailable(error.into()))?;
            (Arc::new(opened.store), prefix.clone(), opened.hint)
        }
    };
    Ok(Opened { location, prefix, store, folder: written, hint })
}

impl Opened {
    /// The error of reading, or of removing.
    fn error(&self, key: Option<&Key>, error: object_store::Error) -> ObjectError {
        self.explained(Access::Read, key, error)
    }

    fn explained(&self, access: Access, key: Option<&Key>, error: object_store::Error) -> ObjectError {
        let object = || key.map_or_else(|| self.location.to_string(), |key| self.location.of(key));
        let meaning = match &self.location {
            Location::Folder(root) => failure::of_folder(root, access, &error),
            Location::Bucket { .. } | Location::Memory => failure::of_bucket(access, &error),
        };
        match meaning {
            Meaning::Missing => ObjectError::NotFound(object()),
            Meaning::Changed => ObjectError::Changed(object()),
            Meaning::Unwritable(reason) => ObjectError::Unwritable { object: object(), reason },
            Meaning::Denied => ObjectError::Denied { object: object(), source: error.into() },
            Meaning::Unavailable(hint) => ObjectError::Unavailable {
                location: self.location.to_string(),
                hint: if hint.is_empty() { self.hint } else { hint },
                source: error.into(),
            },
        }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.0.location).finish()
    }
}

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
