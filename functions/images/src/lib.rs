//! Makes thumbnails of pictures in an object store, for a local folder and for S3 with the same code.
//!
//! JPEG, PNG and WebP are read. A thumbnail stands upright, however the camera was held, keeps the proportions and the
//! colour profile, loses everything else that was in the file (place and time among it), and is never larger than the
//! picture. Its key follows from the job's arguments, so a job that runs twice writes the same objects again.
//!
//! | what | what follows |
//! | --- | --- |
//! | no such object, or one above [`Limits::bytes`] | failed for good |
//! | no picture, a broken one, or one above [`Limits::pixels`] | failed for good |
//! | the store is away, or does not allow it | tried again by the job's policy |
//!
//! The store is named by `LAMPLIGHTER_OBJECTS`; see [`Objects::from_env`].

mod error;
mod picture;
mod thumbnail;

use std::sync::Arc;

use lamplighter::{Context, Function, JobError, State};
use lamplighter_jobs::{MakeThumbnails, images::ThumbnailFormat};
use lamplighter_objects::{Key, Objects};
use serde::Serialize;
use tokio::sync::Semaphore;

pub use self::picture::{Limits, PictureError};
use self::{error::Error, picture::Picture, thumbnail::Encoded};

/// Where pictures are, and how large they may be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where pictures are read and thumbnails written.
    pub objects: Objects,
    /// How large pictures may be.
    pub limits: Limits,
}

impl Settings {
    /// Pictures at this place, within the default limits.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects, limits: Limits::default() }
    }
}

/// The function, with the store that the environment names.
#[must_use]
pub fn function() -> Function {
    function_with(Settings::new(Objects::from_env()))
}

/// The function with these settings.
#[must_use]
pub fn function_with(settings: Settings) -> Function {
    // One picture a processor: more would only take more memory.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Function::new("images")
        .description("Makes thumbnails of pictures")
        .memory_mb(1024)
        .uses_objects()
        .job(thumbnails)
        .with_state(Images { settings, threads: Arc::new(Semaphore::new(threads)) })
}

/// What the handler needs.
#[derive(Debug, Clone)]
pub struct Images {
    settings: Settings,
    /// A permit is the right to hold one decoded picture.
    threads: Arc<Semaphore>,
}

/// What a job leaves in its record.
#[derive(Debug, Serialize)]
pub struct Thumbnails {
    /// The picture's width in pixels, as it is looked at.
    pub width: u32,
    /// The picture's height in pixels, as it is looked at.
    pub height: u32,
    /// The thumbnails, smallest first.
    pub thumbnails: Vec<Thumbnail>,
}

/// One thumbnail.
#[derive(Debug, Serialize)]
pub struct Thumbnail {
    /// Its key in the object store.
    pub key: String,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// Its size in bytes.
    pub bytes: usize,
}

/// Makes the thumbnails of one picture.
///
/// # Errors
/// See the [table](crate).
pub async fn thumbnails(
    job: MakeThumbnails,
    ctx: Context,
    State(images): State<Images>,
) -> Result<Thumbnails, JobError> {
    run(job, &ctx, &images).await.map_err(Error::into_job_error)
}

async fn run(job: MakeThumbnails, ctx: &Context, images: &Images) -> Result<Thumbnails, Error> {
    let Settings { objects, limits } = &images.settings;
    let (source, folder) = (key(&job.key)?, key(&job.folder)?);
    let sizes = sizes(&job)?;
    let total = sizes.len() as u64;
    ctx.progress(0, total);

    let permit = images.threads.clone().acquire_owned().await.map_err(|_| Error::Stopped)?;
    let bytes = objects.get(&source, limits.bytes).await?;
    let limits = *limits;
    let picture = blocking(&job.key, move |key| Picture::decode(key, &bytes, limits).map_err(Error::from)).await?;
    let picture = Arc::new(picture);
    let format = job.format.unwrap_or(if picture.transparent { ThumbnailFormat::Png } else { ThumbnailFormat::Jpeg });

    let (width, height) = picture.upright();
    let mut made = Thumbnails { width, height, thumbnails: Vec::with_capacity(sizes.len()) };
    for (done, edge) in (1..).zip(sizes) {
        let picture = picture.clone();
        let Encoded { width, height, bytes } =
            blocking(&job.key, move |_| thumbnail::make(&picture, edge, format).map_err(Error::from)).await?;
        let target = folder.join(format!("{source}/{edge}.{}", format.extension()))?;
        let size = bytes.len();
        objects.put(&target, bytes, format.content_type()).await?;
        made.thumbnails.push(Thumbnail { key: target.to_string(), width, height, bytes: size });
        ctx.progress(done, total);
    }
    drop(permit);
    tracing::debug!(key = job.key, thumbnails = made.thumbnails.len(), "thumbnails made");
    Ok(made)
}

fn key(text: &str) -> Result<Key, Error> {
    Ok(Key::new(text)?)
}

/// The sizes asked for, smallest first, each once.
fn sizes(job: &MakeThumbnails) -> Result<Vec<u32>, Error> {
    let mut sizes = job.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let number_fits = (1..=MakeThumbnails::MAX_SIZES).contains(&sizes.len());
    if number_fits && sizes.iter().all(|size| MakeThumbnails::EDGES.contains(size)) {
        Ok(sizes)
    } else {
        Err(Error::Sizes)
    }
}

/// Runs heavy work where it holds up nobody.
async fn blocking<T: Send + 'static>(
    key: &str,
    work: impl FnOnce(&str) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let owned = key.to_owned();
    match tokio::task::spawn_blocking(move || work(&owned)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(PictureError::Panicked { key: key.into() }.into()),
        Err(_) => Err(Error::Stopped),
    }
}
