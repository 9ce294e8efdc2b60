//! Versions of objects, and reading a part of one.

use std::ops::Range;

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt};

use crate::{Key, ObjectError, Objects};

/// The content that an object has at a time: another content is another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its size in bytes.
    pub size: u64,
    /// The store's tag for it: the ETag, which in a folder is made of the file's number, time and size. Where a store has
    /// none, the time of its last change.
    pub tag: String,
}

/// Begins a tag that is a time. An ETag begins with a quotation mark, or with `W/`.
const TIME: &str = "modified ";

impl ObjectVersion {
    fn of(meta: &ObjectMeta) -> Self {
        let tag = meta.e_tag.clone().unwrap_or_else(|| format!("{TIME}{}", meta.last_modified.to_rfc3339()));
        Self { size: meta.size, tag }
    }
}

impl Objects {
    /// The version that an object has now, without reading it.
    ///
    /// # Errors
    /// [`ObjectError::NotFound`], or the store's error.
    pub async fn version(&self, key: &Key) -> Result<ObjectVersion, ObjectError> {
        self.in_time(async {
            let opened = self.opened().await?;
            let meta = opened.store.head(&key.below(&opened.prefix)).await;
            meta.map(|meta| ObjectVersion::of(&meta)).map_err(|error| opened.error(Some(key), error))
        })
        .await
    }

    /// Reads the bytes of a range, which is in memory as a whole. A range beyond the end of the object is cut there.
    ///
    /// # Errors
    /// [`ObjectError::Changed`] when the object has another version by now, [`ObjectError::NotFound`], or the store's error.
    pub async fn read(&self, key: &Key, version: &ObjectVersion, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let range = range.start..range.end.min(version.size);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.in_time(async {
            let opened = self.opened().await?;
            let path = key.below(&opened.prefix);
            let if_match = (!version.tag.starts_with(TIME)).then(|| version.tag.clone());
            let options =
                GetOptions { range: Some(GetRange::Bounded(range.clone())), if_match, ..GetOptions::default() };
            let found = opened.store.get_opts(&path, options).await.map_err(|error| opened.error(Some(key), error))?;
            // A store may ignore the condition.
            if ObjectVersion::of(&found.meta) != *version || found.range != range {
                return Err(ObjectError::Changed(opened.location.of(key)));
            }
            found.bytes().await.map_err(|error| opened.error(Some(key), error))
        })
        .await
    }
}
