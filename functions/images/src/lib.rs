//! Makes thumbnails of pictures in an object store, for a local folder and for S3 with the same code.
//!
//! JPEG, PNG and WebP are read. A thumbnail is upright, however the camera was held, keeps the proportions and the
//! colour profile, drops all other metadata (place and time included), and is never larger than the picture. Its key
//! follows from the job's arguments, so a job that runs twice writes the same objects again.
//!
//! | case | result |
//! | --- | --- |
//! | no such object, or one above [`Limits::bytes`] | failed for good |
//! | not a picture, a broken one, or one above [`Limits::pixels`] or [`Limits::side`] | failed for good |
//! | a truncated picture: see below | failed for good |
//! | the store is unavailable, or denies access | tried again by the job's policy |
//! | out of memory for the pixels | tried again by the job's policy |
//! | the host stops | released, uncounted |
//!
//! A picture is truncated when pixels are missing: no thumbnail has a grey half. The end of the file after the last
//! pixel may be missing, such as the end marker of a JPEG, which some cameras leave out. A progressive JPEG must be
//! complete: its scans cover the same pixels again and again, so without the end marker the number of scans is unknown.
//!
//! # Memory
//!
//! The function has 1024 MB. How much a picture takes follows from its header, and is reserved before it is decoded:
//! small ones are processed concurrently, a large one waits until there is room. A job may end early, by timeout or
//! because the host stops: its memory stays reserved until the decoder, which is asked to stop, has ended.
//!
//! The peak of a process that makes a thumbnail of 4096 pixels of the largest picture of each kind that is accepted,
//! 50 million pixels in 40 MiB, measured by `cargo test -p images --test memory -- --nocapture`, which fails
//! above 1024 MB:
//!
//! | picture | peak in MB |
//! | --- | --- |
//! | JPEG, progressive, 3 colours | 490 |
//! | JPEG, progressive, 4 colours | 585 |
//! | PNG, 16 bits, transparent | 379 |
//! | PNG, 16 bits, transparent, interlaced | 379 |
//! | WebP, lossless | 457 |
//! | WebP, lossless, with the most codes | 588 |
//! | WebP, lossy | 382 |
//! | WebP, lossy, transparent | 580 |
//! | WebP, animated, transparent | 661 |
//! | the two largest of these concurrently | 701 |
//!
//! Of metadata only the orientation and the colour profile are read, 64 KiB of each at most; larger ones count as none.
//!
//! The store is named by `LAMPLIGHTER_OBJECTS`; see [`Objects::from_env`].

mod error;
mod formats;
mod picture;
mod thumbnail;
mod work;

use std::{sync::Arc, time::Duration};

use lamplighter::{Context, Function, JobError, State, Variables};
use lamplighter_jobs::{MakeThumbnails, images::ThumbnailFormat};
use lamplighter_objects::{Key, Objects};
use serde::Serialize;

pub use self::picture::{Limits, PictureError};
use self::{error::Error, picture::Source, thumbnail::Encoded, work::Capacity};

/// The object store, and the limits of pictures.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store of pictures and thumbnails.
    pub objects: Objects,
    /// The largest pictures that are accepted.
    pub limits: Limits,
}

impl Settings {
    /// Pictures in this store, within the default limits.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects, limits: Limits::default() }
    }
}

/// The function, with settings from the environment.
#[must_use]
pub fn function() -> Function {
    function_from(&Variables::system())
}

/// The function, with settings from these variables.
#[must_use]
pub fn function_from(variables: &Variables) -> Function {
    function_with(Settings::new(Objects::from_variables(variables)))
}

/// The function's memory.
const MEMORY_MB: u16 = 1024;
/// The memory that is not for pictures being processed: the process itself, and objects of jobs that wait.
const RESERVE_MB: u16 = 160;

/// The function with these settings.
#[must_use]
pub fn function_with(settings: Settings) -> Function {
    // One picture per processor: more would only take more memory, and large ones take turns.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Function::new("images")
        .description("Makes thumbnails of pictures")
        .memory_mb(MEMORY_MB)
        .uses_objects()
        .job(thumbnails)
        .with_state(Images { settings, capacity: Capacity::new(threads, (MEMORY_MB - RESERVE_MB).into()) })
}

/// The handler's state.
#[derive(Debug, Clone)]
pub struct Images {
    settings: Settings,
    capacity: Capacity,
}

/// The job's output.
#[derive(Debug, Serialize)]
pub struct Thumbnails {
    /// The picture's width in pixels, upright.
    pub width: u32,
    /// The picture's height in pixels, upright.
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
    tokio::select! {
        made = run(job, &ctx, &images) => made.map_err(Error::into_job_error),
        // The next attempt makes the thumbnails again from the beginning: there is nothing to wait for.
        () = ctx.cancelled() => ctx.snooze(Duration::ZERO),
    }
}

async fn run(job: MakeThumbnails, ctx: &Context, images: &Images) -> Result<Thumbnails, Error> {
    let Settings { objects, limits } = &images.settings;
    let (source, folder) = (key(&job.key)?, key(&job.folder)?);
    let sizes = sizes(&job)?;
    let total = sizes.len() as u64;
    ctx.progress(0, total);

    let mut work = images.capacity.begin(&job.key).await?;
    let bytes = objects.get(&source, limits.bytes).await?;
    let limits = *limits;
    let opened = work.step(move |key, _| Source::open(key, bytes, limits)).await?;
    images.capacity.reserve(&mut work, opened.memory()).await?;
    let picture = Arc::new(work.step(move |key, stop| opened.decode(key, stop)).await?);
    let format = job.format.unwrap_or(if picture.transparent { ThumbnailFormat::Png } else { ThumbnailFormat::Jpeg });

    let (width, height) = picture.upright();
    let mut made = Thumbnails { width, height, thumbnails: Vec::with_capacity(sizes.len()) };
    for (done, edge) in (1..).zip(sizes) {
        let picture = picture.clone();
        let Encoded { width, height, bytes } =
            work.step(move |_, stop| thumbnail::make(&picture, edge, format, stop)).await?;
        let target = folder.join(format!("{source}/{edge}.{}", format.extension()))?;
        let size = bytes.len();
        objects.put(&target, bytes, format.content_type()).await?;
        made.thumbnails.push(Thumbnail { key: target.to_string(), width, height, bytes: size });
        ctx.progress(done, total);
    }
    tracing::debug!(key = job.key, thumbnails = made.thumbnails.len(), "thumbnails made");
    Ok(made)
}

fn key(text: &str) -> Result<Key, Error> {
    Ok(Key::new(text)?)
}

/// The requested sizes, smallest first, each once.
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

#[cfg(test)]
mod tests {
    use lamplighter::{
        Job,
        backend::Backend,
        env::Env,
        host::{Delivery, MessageAction, Stop, Worker},
        mins,
        testing::RecordingQueue,
    };

    use super::*;

    #[tokio::test]
    async fn jobs_of_a_stopping_host_are_released_uncounted() {
        let settings = Settings::new(Objects::from_url("memory:///").unwrap());
        let capacity = Capacity::new(1, 100);
        let slot = capacity.begin("another.jpg").await.unwrap();
        let images = Images { settings, capacity: capacity.clone() };
        let function = Function::new("images").job(thumbnails).with_state(images);
        let (stop, idle) = (Stop::new(), capacity.users());
        let worker = Worker::new(
            function,
            Backend::new(Arc::new(RecordingQueue::default())),
            Env::system(),
            "test",
            stop.clone(),
        );
        let body = serde_json::json!({ "job": MakeThumbnails::NAME, "id": "a", "args": { "key": "a.jpg" } });
        let delivery = Delivery::new(MakeThumbnails::QUEUE.name(), "message", "receipt", body.to_string());
        let deadline = tokio::time::Instant::now() + mins(5);
        let job = tokio::spawn(async move { worker.perform(delivery, deadline).await });
        // The handler waits for the slot.
        while capacity.users() == idle {
            tokio::task::yield_now().await;
        }
        stop.drain();
        let result = job.await.unwrap();
        assert!(result.error.is_none(), "{:?}", result.error);
        assert_eq!(result.action, MessageAction::Retry(Duration::ZERO), "released, and no attempt has failed");
        drop(slot);
        capacity.begin("next.jpg").await.unwrap();
    }
}
