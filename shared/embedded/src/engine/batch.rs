//! One batch on its way through the worker, and back to its queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    host::{Delivery, Disposition, MessageAction, Stop, Worker},
};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    db::writer::Writer,
    operations::{
        receipt::{self, Receipt},
        transport::{Transport, transport},
    },
};

/// What ended after the stop was asked for.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ended: AtomicUsize,
    pub(crate) handed_back: AtomicUsize,
}

/// What all batches of a queue need.
#[derive(Clone)]
pub(crate) struct Road {
    pub(crate) worker: Worker,
    pub(crate) writer: Writer,
    pub(crate) stop: Stop,
    pub(crate) tally: Arc<Tally>,
    /// Where it is told which messages are not in flight any more.
    pub(crate) landed: mpsc::UnboundedSender<Landed>,
}

/// Messages that are not in flight any more.
#[derive(Debug)]
pub(crate) enum Landed {
    /// Their jobs are settled, and so are they.
    Settled(Vec<i64>),
    /// The file says when they come again. That may be now, and have been told while they counted as in flight.
    Told(Vec<i64>),
    /// Nothing could be written about them: they may be received again as they are.
    Open(Vec<i64>),
}

/// A batch.
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    /// How long the worker may take.
    pub(crate) budget: Duration,
    /// When the messages come again if nothing is said about them.
    pub(crate) hidden_until: Instant,
}

/// Tries to write down what the store did not, once the engine stops; before that there is always another.
const TRIES: u32 = 4;
/// The pauses between them grow up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Road {
    /// Runs a batch, and settles its messages as soon as their jobs have ended.
    pub(crate) async fn take(self, batch: Batch) {
        let Batch { deliveries, budget, hidden_until } = batch;
        // Whatever happens to this task, no message stays in flight when it has ended.
        let seqs =
            deliveries.iter().filter_map(|delivery| Receipt::parse(&delivery.receipt)).map(|receipt| receipt.seq);
        let _landing = Landing { seqs: seqs.collect(), landed: self.landed.clone() };
        let (tell, mut told) = mpsc::unbounded_channel();
        let work = async {
            let sink = |settled: Vec<Disposition>| self.sort(settled, &tell, hidden_until);
            self.worker.process_each(deliveries, Instant::now() + budget, sink).await;
            drop(tell);
        };
        let settle = async {
            let mut open = Vec::new();
            while told.recv_many(&mut open, 1024).await > 0 {
                self.settle(std::mem::take(&mut open)).await;
            }
        };
        tokio::join!(work, settle);
    }

    /// Most are settled already, in one transaction with their records; the others are put through.
    fn sort(&self, settled: Vec<Disposition>, tell: &mpsc::UnboundedSender<Transport>, hidden_until: Instant) {
        if self.stop.is_draining() {
            let handed_back = settled.iter().filter(|one| matches!(one.action, MessageAction::Release(_))).count();
            self.tally.handed_back.fetch_add(handed_back, Ordering::Relaxed);
            self.tally.ended.fetch_add(settled.len() - handed_back, Ordering::Relaxed);
        }
        let mut done = Vec::with_capacity(settled.len());
        for Disposition { receipt, action, token, done: is_done, .. } in settled {
            let (text, Some(receipt)) = (&receipt, Receipt::parse(&receipt)) else { continue };
            if is_done {
                done.push(receipt.seq);
            } else {
                // The other half of this task listens until this half has ended.
                let hidden_for = hidden_until.saturating_duration_since(Instant::now());
                let _ = tell.send(Transport { receipt, owner: receipt::owner(text), action, token, hidden_for });
            }
        }
        if !done.is_empty() {
            let _ = self.landed.send(Landed::Settled(done));
        }
    }

    /// Tries until it is written, or until the messages come again anyhow: while the file cannot be written, nothing
    /// better can be done with their slots.
    async fn settle(&self, open: Vec<Transport>) {
        let seqs = open.iter().map(|one| one.receipt.seq).collect();
        let messages = open.len();
        let began = Instant::now();
        let mut attempt = 1;
        let landed = loop {
            let Err(error) = self.write(open.clone()).await else { break Landed::Told(seqs) };
            let late = began.elapsed() >= open.iter().map(|one| one.hidden_for).max().unwrap_or_default();
            if error.kind() == StoreErrorKind::Invalid || (attempt >= TRIES && (late || self.stop.is_draining())) {
                tracing::error!(%error, messages, "messages could not be settled; they will come again");
                break Landed::Open(seqs);
            }
            if attempt == 1 {
                tracing::warn!(%error, messages, "messages could not be settled; trying again");
            }
            tokio::time::sleep((PAUSE * attempt).min(LONGEST_PAUSE)).await;
            attempt = attempt.saturating_add(1);
        };
        let _ = self.landed.send(landed);
    }

    async fn write(&self, open: Vec<Transport>) -> Result<(), StoreError> {
        self.writer.run(open.len(), move |tx| transport(tx, &open)).await
    }
}

/// Tells at the end of a batch, whatever the end, that its messages are not in flight any more; those of which nothing
/// was told before are open.
struct Landing {
    seqs: Vec<i64>,
    landed: mpsc::UnboundedSender<Landed>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Nobody listens when the engine is gone.
        let _ = self.landed.send(Landed::Open(std::mem::take(&mut self.seqs)));
    }
}
