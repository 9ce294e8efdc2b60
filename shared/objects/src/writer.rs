//! Writing an object in pieces.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use object_store::{Attribute, Attributes, MultipartUpload, PutMultipartOptions};
use tokio::runtime::Handle;

use crate::{
    Key, ObjectError, Objects, Opened,
    failure::{self, Access},
    folder::{self, Staged},
};

/// The longest time for giving up what was written of an object.
const ABORT: Duration = Duration::from_secs(10);

/// Writes an object of any size, of which 16 MiB at most are in memory. The object exists, and replaces an older one, when
/// [`finish`](Self::finish) has returned; before that a reader finds the old one or none. Dropping the writer gives it up.
///
/// In a bucket, an object above [`PART`](Self::PART) is a multipart upload. One that was given up is aborted if the process
/// lives on; the rest is removed by the bucket's lifecycle rule for unfinished uploads.
pub struct ObjectWriter {
    objects: Objects,
    key: Key,
    media_type: &'static str,
    buffer: BytesMut,
    parts: usize,
    bytes: u64,
    begun: Begun,
}

/// What there is of the object.
enum Begun {
    Nothing,
    Upload(Unfinished),
    File(Staged),
    /// A write has failed, or was interrupted.
    GivenUp,
}

impl Objects {
    /// A writer of an object, with this media type. Nothing is sent yet.
    #[must_use]
    pub fn writer(&self, key: &Key, media_type: &'static str) -> ObjectWriter {
        ObjectWriter {
            objects: self.clone(),
            key: key.clone(),
            media_type,
            buffer: BytesMut::new(),
            parts: 0,
            bytes: 0,
            begun: Begun::Nothing,
        }
    }
}

impl ObjectWriter {
    /// The size of a part in bytes: all have the same, but the last.
    pub const PART: usize = 8 << 20;
    /// The most parts (Amazon S3 User Guide, "Amazon S3 multipart upload limits"): 78 GiB.
    pub const MAX_PARTS: usize = 10_000;

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`ObjectError::Unwritable`] when the object becomes too large, or the store's error. Give it up then.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), ObjectError> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = Self::PART - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == Self::PART {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Ends the object, which exists from now on. Returns its size in bytes.
    ///
    /// # Errors
    /// As [`write`](Self::write), or as [`Objects::put`].
    pub async fn finish(mut self) -> Result<u64, ObjectError> {
        if matches!(self.begun, Begun::Nothing) {
            let bytes = self.buffer.split().freeze();
            self.objects.put(&self.key, bytes, self.media_type).await?;
            return Ok(self.bytes);
        }
        if !self.buffer.is_empty() {
            self.flush().await?;
        }
        let objects = self.objects.clone();
        objects.in_time(self.complete()).await?;
        Ok(self.bytes)
    }

    async fn complete(&mut self) -> Result<(), ObjectError> {
        let objects = self.objects.clone();
        let opened = objects.opened().await?;
        let completed = match &mut self.begun {
            Begun::Upload(upload) => upload.complete().await,
            begun => match std::mem::replace(begun, Begun::GivenUp) {
                Begun::File(staged) => folder::blocking(|| staged.commit()).await.map_err(failure::of_files),
                _ => return Err(self.given_up(opened)),
            },
        };
        completed.map_err(|error| opened.explained(Access::Write, Some(&self.key), error))?;
        self.begun = Begun::GivenUp;
        Ok(())
    }

    /// Writes what has gathered, as a part.
    async fn flush(&mut self) -> Result<(), ObjectError> {
        let part = self.buffer.split().freeze();
        let objects = self.objects.clone();
        objects.in_time(self.put_part(part)).await
    }

    async fn put_part(&mut self, part: Bytes) -> Result<(), ObjectError> {
        let objects = self.objects.clone();
        let opened = objects.opened().await?;
        let path = self.key.below(&opened.prefix);
        if self.parts == Self::MAX_PARTS {
            let reason = "it has more than 10,000 parts of 8 MiB, which a bucket cannot hold";
            return Err(ObjectError::Unwritable { object: opened.location.of(&self.key), reason });
        }
        self.parts += 1;
        // An object with a hole must not be finished.
        let begun = std::mem::replace(&mut self.begun, Begun::GivenUp);
        let explained = |error| opened.explained(Access::Write, Some(&self.key), error);
        self.begun = match (begun, &opened.folder) {
            (Begun::GivenUp, _) => return Err(self.given_up(opened)),
            (Begun::Nothing, Some(folder)) => {
                let path = folder.path_to_filesystem(&path).map_err(explained)?;
                let create = move || {
                    let mut staged = Staged::create(path)?;
                    staged.append(&part)?;
                    Ok(staged)
                };
                Begun::File(folder::blocking(create).await.map_err(failure::of_files).map_err(explained)?)
            }
            (Begun::File(mut staged), _) => {
                let append = move || {
                    staged.append(&part)?;
                    Ok(staged)
                };
                Begun::File(folder::blocking(append).await.map_err(failure::of_files).map_err(explained)?)
            }
            (Begun::Nothing, None) => {
                let attributes = Attributes::from_iter([(Attribute::ContentType, self.media_type)]);
                let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                let begin = opened.store.put_multipart_opts(&path, options);
                let mut upload = Unfinished(Some(begin.await.map_err(explained)?));
                upload.put_part(part).await.map_err(explained)?;
                Begun::Upload(upload)
            }
            (Begun::Upload(mut upload), _) => {
                upload.put_part(part).await.map_err(explained)?;
                Begun::Upload(upload)
            }
        };
        Ok(())
    }

    fn given_up(&self, opened: &Opened) -> ObjectError {
        ObjectError::Unwritable { object: opened.location.of(&self.key), reason: "a part of it could not be written" }
    }
}

/// A multipart upload. Dropping it before it is complete aborts it.
struct Unfinished(Option<Box<dyn MultipartUpload>>);

impl Unfinished {
    async fn put_part(&mut self, part: Bytes) -> object_store::Result<()> {
        match &mut self.0 {
            Some(upload) => upload.put_part(part.into()).await,
            None => Ok(()),
        }
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        if let Some(upload) = &mut self.0 {
            upload.complete().await?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(mut upload) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            // Nothing waits for it: the lifecycle rule removes what this does not.
            drop(runtime.spawn(async move {
                let _ = tokio::time::timeout(ABORT, upload.abort()).await;
            }));
        }
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter").field("key", &self.key).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
