//! Heavy work on blocking threads, limited by slots and memory.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::Error, picture::PictureError};

/// The limits on pictures being processed: their total memory in MiB, and their number.
#[derive(Debug, Clone)]
pub(crate) struct Capacity {
    slots: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// All of the memory.
    mib: u32,
}

impl Capacity {
    pub(crate) fn new(slots: usize, mib: u32) -> Self {
        let memory = Arc::new(Semaphore::new(mib as usize));
        Self { slots: Arc::new(Semaphore::new(slots)), memory, mib }
    }

    /// How many users hold this, or wait for it.
    #[cfg(test)]
    pub(crate) fn users(&self) -> usize {
        Arc::strong_count(&self.slots)
    }

    /// Waits for a slot, and starts work in it.
    pub(crate) async fn begin(&self, key: &str) -> Result<Work, Error> {
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| Error::Stopped(Stopped))?;
        Ok(Work { key: key.into(), stop: Stop::default(), permits: vec![Arc::new(slot)] })
    }

    /// Waits for this many bytes. Every holder of memory also has a slot, so that every job gets its memory in the end.
    /// Work that needs more than the total gets the total, and runs exclusively.
    pub(crate) async fn reserve(&self, work: &mut Work, bytes: u64) -> Result<(), Error> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).min(self.mib);
        let permit = self.memory.clone().acquire_many_owned(mib).await.map_err(|_| Error::Stopped(Stopped))?;
        work.permits.push(Arc::new(permit));
        Ok(())
    }
}

/// The work on one picture. Dropping it ends a running step at the next opportunity. Until then the step keeps the
/// permits: they belong to the work, not to the job that waits for it.
#[derive(Debug)]
pub(crate) struct Work {
    key: String,
    stop: Stop,
    permits: Vec<Arc<OwnedSemaphorePermit>>,
}

impl Work {
    /// Runs a step on a thread that may block.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&str, &Stop) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (key, stop, permits) = (self.key.clone(), self.stop.clone(), self.permits.clone());
        let step = tokio::task::spawn_blocking(move || {
            // The step's data is dropped before its permits are.
            let _permits = permits;
            stop.check()?;
            step(&key, &stop)
        });
        match step.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(PictureError::Panicked { key: self.key.clone() }.into()),
            Err(_) => Err(Error::Stopped(Stopped)),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
    }
}

/// Whether no job waits for the work any longer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the work if no job waits for it.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// The work was ended from outside.
#[derive(Debug, thiserror::Error)]
#[error("the work on the picture was stopped")]
pub(crate) struct Stopped;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Starts a step that continues on a signal, and then reports whether it was stopped.
    async fn abandoned(capacity: &Capacity) -> (mpsc::Sender<()>, mpsc::Receiver<bool>) {
        let mut work = capacity.begin("a.jpg").await.unwrap();
        capacity.reserve(&mut work, 10 << 20).await.unwrap();
        let (began, begun) = tokio::sync::oneshot::channel();
        let (go_on, resume) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let handler = tokio::spawn(async move {
            let step = work.step(move |_, stop| {
                began.send(()).unwrap();
                resume.recv().unwrap();
                say.send(stop.check().is_err()).unwrap();
                Ok(())
            });
            step.await
        });
        begun.await.unwrap();
        handler.abort();
        assert!(handler.await.unwrap_err().is_cancelled());
        (go_on, said)
    }

    #[tokio::test]
    async fn abandoned_steps_keep_their_permits_and_are_stopped() {
        let capacity = Capacity::new(1, 100);
        let (go_on, said) = abandoned(&capacity).await;
        assert_eq!(capacity.slots.available_permits(), 0, "the decoder still runs");
        assert_eq!(capacity.memory.available_permits(), 90, "and holds its memory");
        go_on.send(()).unwrap();
        assert!(said.recv().unwrap(), "the step sees that no job waits for it");
        let next = capacity.begin("b.jpg").await.unwrap();
        capacity.memory.acquire_many(100).await.unwrap().forget();
        drop(next);
    }

    #[tokio::test]
    async fn late_steps_do_nothing() {
        let capacity = Capacity::new(1, 100);
        let work = capacity.begin("a.jpg").await.unwrap();
        work.stop.0.store(true, Ordering::Relaxed);
        let step = work.step(|_, _| -> Result<(), Error> { panic!("it ran") }).await;
        assert!(matches!(step, Err(Error::Stopped(_))));
    }

    #[tokio::test]
    async fn work_larger_than_the_memory_gets_all_of_it() {
        let capacity = Capacity::new(2, 100);
        let mut work = capacity.begin("a.jpg").await.unwrap();
        capacity.reserve(&mut work, u64::MAX).await.unwrap();
        assert_eq!(capacity.memory.available_permits(), 0);
        let (mut other, small) = (capacity.begin("b.jpg").await.unwrap(), capacity.clone());
        let waits = tokio::spawn(async move { small.reserve(&mut other, 1).await.is_ok() });
        drop(work);
        assert!(waits.await.unwrap());
    }

    #[tokio::test]
    async fn panics_fail_the_picture_and_free_the_permits() {
        let capacity = Capacity::new(1, 100);
        let work = capacity.begin("a.jpg").await.unwrap();
        let step = work.step(|_, _| -> Result<(), Error> { panic!("a decoder's own") }).await;
        assert!(matches!(step, Err(Error::Picture(PictureError::Panicked { .. }))));
        drop(work);
        assert_eq!(capacity.slots.available_permits(), 1);
    }
}
