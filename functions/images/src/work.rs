//! Heavy work where it holds up nobody, and the right to do it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::Error, picture::PictureError};

/// What the pictures in hand may take together in MiB, and how many of them there may be.
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

    /// How many have this in hand, or wait for it.
    #[cfg(test)]
    pub(crate) fn users(&self) -> usize {
        Arc::strong_count(&self.slots)
    }

    /// Waits for a slot, and begins work in it.
    pub(crate) async fn begin(&self, key: &str) -> Result<Work, Error> {
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| Error::Stopped(Stopped))?;
        Ok(Work { key: key.into(), stop: Stop::default(), permits: vec![Arc::new(slot)] })
    }

    /// Waits for so many bytes. Whoever has them also has a slot, so that everybody gets them in the end. Work that is
    /// larger than all there is gets all there is, and runs alone.
    pub(crate) async fn reserve(&self, work: &mut Work, bytes: u64) -> Result<(), Error> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).min(self.mib);
        let permit = self.memory.clone().acquire_many_owned(mib).await.map_err(|_| Error::Stopped(Stopped))?;
        work.permits.push(Arc::new(permit));
        Ok(())
    }
}

/// The work on one picture. Dropping it ends a step that is under way at the next opportunity. Until then the step keeps
/// the permits: they belong to the work, not to whoever waits for it.
#[derive(Debug)]
pub(crate) struct Work {
    key: String,
    stop: Stop,
    permits: Vec<Arc<OwnedSemaphorePermit>>,
}

impl Work {
    /// Does a step on a thread that may block.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&str, &Stop) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (key, stop, permits) = (self.key.clone(), self.stop.clone(), self.permits.clone());
        let step = tokio::task::spawn_blocking(move || {
            // Whatever the step holds is gone before its permits are.
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

/// Whether nobody waits for the work any longer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the work where nobody waits for it.
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

    /// Begins a step that goes on when it is told to, and says whether it was stopped then.
    async fn abandoned(capacity: &Capacity) -> (mpsc::Sender<()>, mpsc::Receiver<bool>) {
        let mut work = capacity.begin("a.jpg").await.unwrap();
        capacity.reserve(&mut work, 10 << 20).await.unwrap();
        let (began, begun) = tokio::sync::oneshot::channel();
        let (go_on, told) = mpsc::channel();
        let (say, said) = mpsc::channel();
        let handler = tokio::spawn(async move {
            let step = work.step(move |_, stop| {
                began.send(()).unwrap();
                told.recv().unwrap();
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
    async fn an_abandoned_step_keeps_its_permits_until_it_ends_and_is_told_to_stop() {
        let capacity = Capacity::new(1, 100);
        let (go_on, said) = abandoned(&capacity).await;
        assert_eq!(capacity.slots.available_permits(), 0, "the decoder still runs");
        assert_eq!(capacity.memory.available_permits(), 90, "and holds its memory");
        go_on.send(()).unwrap();
        assert!(said.recv().unwrap(), "the step sees that nobody waits for it");
        let next = capacity.begin("b.jpg").await.unwrap();
        capacity.memory.acquire_many(100).await.unwrap().forget();
        drop(next);
    }

    #[tokio::test]
    async fn a_step_that_comes_too_late_does_nothing() {
        let capacity = Capacity::new(1, 100);
        let work = capacity.begin("a.jpg").await.unwrap();
        work.stop.0.store(true, Ordering::Relaxed);
        let step = work.step(|_, _| -> Result<(), Error> { panic!("it ran") }).await;
        assert!(matches!(step, Err(Error::Stopped(_))));
    }

    #[tokio::test]
    async fn work_larger_than_all_memory_gets_all_of_it() {
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
    async fn a_panic_fails_the_picture_and_frees_the_permits() {
        let capacity = Capacity::new(1, 100);
        let work = capacity.begin("a.jpg").await.unwrap();
        let step = work.step(|_, _| -> Result<(), Error> { panic!("a decoder's own") }).await;
        assert!(matches!(step, Err(Error::Picture(PictureError::Panicked { .. }))));
        drop(work);
        assert_eq!(capacity.slots.available_permits(), 1);
    }
}
