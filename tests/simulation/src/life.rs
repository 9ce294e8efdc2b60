//! The life of one host process: it can die, and it can stand still for a while.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// One process.
#[derive(Debug)]
pub(crate) struct Life {
    name: String,
    origin: Instant,
    dead: AtomicBool,
    /// Milliseconds since the origin.
    frozen_until: AtomicU64,
}

impl Life {
    pub(crate) fn new(name: String, origin: Instant) -> Arc<Self> {
        Arc::new(Self { name, origin, dead: AtomicBool::new(false), frozen_until: AtomicU64::new(0) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Whether it has stood still.
    pub(crate) fn stood_still(&self) -> bool {
        self.frozen_until.load(Ordering::Relaxed) > 0
    }

    fn freeze(&self, time: Duration) {
        let until = self.origin.elapsed() + time;
        self.frozen_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns at once for a process that lives, later for one that stands still, and never for a dead one.
    pub(crate) async fn alive(&self) {
        loop {
            if self.is_dead() {
                return std::future::pending().await;
            }
            let until = self.origin + Duration::from_millis(self.frozen_until.load(Ordering::Relaxed));
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// When a host is interrupted in an invocation, counted in polls of it: between any two of its awaits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Interruption {
    Never,
    Crash { polls: u64 },
    Freeze { polls: u64, time: Duration },
}

/// An invocation that may be interrupted. Resolves to `None` where the host has crashed.
pub(crate) struct Interrupted<F> {
    inner: Option<Pin<Box<F>>>,
    life: Arc<Life>,
    interruption: Interruption,
    frozen: Option<Pin<Box<Sleep>>>,
}

impl<F> Interrupted<F> {
    pub(crate) fn new(inner: F, life: Arc<Life>, interruption: Interruption) -> Self {
        Self { inner: Some(Box::pin(inner)), life, interruption, frozen: None }
    }
}

impl<F: Future> Future for Interrupted<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match &mut this.interruption {
            Interruption::Crash { polls: 0 } => {
                // Dead first: what is dropped with it must not be heard.
                this.life.kill();
                this.inner = None;
                return Poll::Ready(None);
            }
            Interruption::Freeze { polls: 0, time } => {
                let time = *time;
                this.interruption = Interruption::Never;
                this.life.freeze(time);
                this.frozen = Some(Box::pin(sleep(time)));
            }
            Interruption::Crash { polls } | Interruption::Freeze { polls, .. } => *polls -= 1,
            Interruption::Never => {}
        }
        if let Some(frozen) = &mut this.frozen {
            std::task::ready!(frozen.as_mut().poll(cx));
            this.frozen = None;
        }
        match &mut this.inner {
            Some(inner) => inner.as_mut().poll(cx).map(Some),
            None => Poll::Ready(None),
        }
    }
}
