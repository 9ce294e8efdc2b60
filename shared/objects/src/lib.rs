//! Where functions read and write objects: a local folder, an S3 bucket or memory, by URL. The code above is the same.
//!
//! ```
//! use lamplighter_objects::{Key, Objects};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
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
//! Making one does nothing: a folder is created, certificates are loaded and connections are made when the first object
//! is asked for.

mod claim_check;
mod error;
mod folder;
mod http;
mod key;
mod location;
mod s3;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt;
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
};

/// Reads and writes objects at one [`Location`]. Cloning is cheap.
#[derive(Clone)]
pub struct Objects(Arc<Inner>);

struct Inner {
    /// `None`: as the environment says, when it is first asked.
    location: Option<Location>,
    opened: OnceCell<Opened>,
}

struct Opened {
    location: Location,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    /// Where the objects are files: they are written here, for their owner alone, and without a media type.
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
    /// Objects at a location.
    #[must_use]
    pub fn at(location: Location) -> Self {
        Self(Arc::new(Inner { location: Some(location), opened: OnceCell::new() }))
    }

    /// Objects at `s3://bucket/prefix`, `file:///folder`, `memory:///` or the path of a folder.
    ///
    /// # Errors
    /// [`LocationError`] for anything else.
    pub fn from_url(url: &str) -> Result<Self, LocationError> {
        url.parse().map(Self::at)
    }

    /// Objects where the variable `LAMPLIGHTER_OBJECTS` says. It is read at first use, and what is wrong with it is an
    /// error of that use.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Arc::new(Inner { location: None, opened: OnceCell::new() }))
    }

    /// Where the objects are.
    ///
    /// # Errors
    /// [`LocationError`] where the environment is asked and does not say.
    pub fn location(&self) -> Result<Location, LocationError> {
        match &self.0.location {
            Some(location) => Ok(location.clone()),
            None => std::env::var(OBJECTS).map_err(|_| LocationError::Unset)?.parse(),
        }
    }

    /// Reads an object of at most `limit` bytes. The size is known before the first of them is read.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], [`ObjectError::TooLarge`], or what the store says.
    pub async fn get(&self, key: &Key, limit: u64) -> Result<Bytes, ObjectError> {
        let opened = self.opened().await?;
        let path = key.below(&opened.prefix);
        let found = opened.store.get(&path).await.map_err(|error| opened.error(Some(key), error))?;
        let size = found.meta.size;
        if size > limit {
            return Err(ObjectError::TooLarge { object: opened.location.of(key), size, limit });
        }
        found.bytes().await.map_err(|error| opened.error(Some(key), error))
    }

    /// An object's size, without reading it.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], or what the store says.
    pub async fn head(&self, key: &Key) -> Result<ObjectInfo, ObjectError> {
        let opened = self.opened().await?;
        let path = key.below(&opened.prefix);
        let meta = opened.store.head(&path).await.map_err(|error| opened.error(Some(key), error))?;
        Ok(ObjectInfo { key: key.clone(), size: meta.size })
    }

    /// Writes an object, over one that is there. A reader finds the old one or the new one, never a part. The media
    /// type is kept where the store can. In a folder, an object is a file with mode 0600, in folders with 0700 as far as
    /// they are made for it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put(&self, key: &Key, bytes: impl Into<Bytes>, media_type: &'static str) -> Result<(), ObjectError> {
        let opened = self.opened().await?;
        let path = key.below(&opened.prefix);
        if let Some(folder) = &opened.folder {
            let path = folder.path_to_filesystem(&path).map_err(|error| opened.error(Some(key), error))?;
            let written = folder::write(path, bytes.into()).await;
            return written.map_err(|source| opened.unavailable(source));
        }
        let attributes = Attributes::from_iter([(Attribute::ContentType, media_type)]);
        let options = PutOptions { attributes, ..PutOptions::default() };
        match opened.store.put_opts(&path, bytes.into().into(), options).await {
            Ok(_) => Ok(()),
            // There is no object yet that could be missing, so it is the bucket or the folder.
            Err(error @ object_store::Error::NotFound { .. }) => Err(opened.unavailable(error)),
            Err(error) => Err(opened.error(Some(key), error)),
        }
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        let opened = self.opened().await?;
        match opened.store.delete(&key.below(&opened.prefix)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(opened.error(Some(key), error)),
        }
    }

    /// The objects below a folder (all, for `None`), at most `limit` of them, in no promised order. What has a name
    /// that is no [`Key`] is left out.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list(&self, folder: Option<&Key>, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        let opened = self.opened().await?;
        let below = folder.map_or_else(|| opened.prefix.clone(), |folder| folder.below(&opened.prefix));
        let mut found = opened.store.list(Some(&below));
        let mut infos = Vec::new();
        while infos.len() < limit {
            let next = found.try_next().await.map_err(|error| opened.error(None, error))?;
            let Some(ObjectMeta { location, size, .. }) = next else { break };
            infos.extend(Key::of_path(&location, &opened.prefix).map(|key| ObjectInfo { key, size }));
        }
        Ok(infos)
    }

    async fn opened(&self) -> Result<&Opened, ObjectError> {
        self.0.opened.get_or_try_init(|| async { open(self.location()?, std::env::vars_os().filter_map(text)) }).await
    }
}

fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    name.into_string().ok().zip(value.into_string().ok())
}

fn open(location: Location, variables: impl IntoIterator<Item = (String, String)>) -> Result<Opened, ObjectError> {
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
            let opened = s3::open(bucket, variables).map_err(|error| unavailable(error.into()))?;
            (Arc::new(opened.store), prefix.clone(), opened.hint)
        }
    };
    Ok(Opened { location, prefix, store, folder: written, hint })
}

impl Opened {
    fn error(&self, key: Option<&Key>, error: object_store::Error) -> ObjectError {
        let object = || key.map_or_else(|| self.location.to_string(), |key| self.location.of(key));
        match error {
            // A missing bucket is no missing object: it can still be made.
            object_store::Error::NotFound { source, .. } if !source.to_string().contains("NoSuchBucket") => {
                ObjectError::NotFound(object())
            }
            object_store::Error::PermissionDenied { source, .. }
            | object_store::Error::Unauthenticated { source, .. } => ObjectError::Denied { object: object(), source },
            other => self.unavailable(other),
        }
    }

    fn unavailable(&self, error: impl std::error::Error + Send + Sync + 'static) -> ObjectError {
        ObjectError::Unavailable { location: self.location.to_string(), hint: self.hint, source: error.into() }
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.0.location).finish()
    }
}
