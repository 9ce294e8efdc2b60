//! Runs one batch, and settles its messages.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
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

/// Runs the batches of a queue.
#[derive(Clone)]
pub(crate) struct BatchRunner {
    pub(crate) worker: Worker,
    pub(crate) writer: Writer,
    pub(crate) stop: Stop,
    /// Reports the messages that are no longer in flight.
    pub(crate) landed: mpsc::UnboundedSender<Landed>,
}

/// Messages that are no longer in flight.
#[derive(Debug)]
pub(crate) enum Landed {
    /// Their jobs are settled, and the messages are gone.
    Settled(Vec<i64>),
    /// Written: the file has the time of their next delivery. That may be now, and its signal may already have been
    /// sent while they counted as in flight.
    Written(Vec<i64>),
    /// Nothing could be written about them: they may be received again unchanged.
    Open(Vec<i64>),
}

/// A batch.
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    /// The worker's time limit.
    pub(crate) budget: Duration,
    /// When the messages become visible again without a settlement.
    pub(crate) hidden_until: Instant,
}

/// The number of attempts to write the open settlements once the engine stops; before that it always tries again.
const TRIES: u32 = 4;
/// The first pause between attempts; it grows up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl BatchRunner {
    /// Runs a batch, and settles its messages as soon as their jobs have ended.
    pub(crate) async fn run(self, batch: Batch) {
        let Batch { deliveries, budget, hidden_until } = batch;
        // Whichever way this task ends, none of its messages stays in flight.
        let seqs =
            deliveries.iter().filter_map(|delivery| Receipt::parse(&delivery.receipt)).map(|receipt| receipt.seq);
        let landing = Landing { open: Mutex::new(seqs.collect()), landed: self.landed.clone() };
        let (pass_on, mut unsettled) = mpsc::unbounded_channel();
        let work = async {
            let sink = |settled: Vec<Disposition>| self.sort(settled, &pass_on, hidden_until, &landing);
            self.worker.process_each(deliveries, Instant::now() + budget, sink).await;
            drop(pass_on);
        };
        let settle = async {
            let mut open = Vec::new();
            while unsettled.recv_many(&mut open, 1024).await > 0 {
                self.settle(std::mem::take(&mut open), &landing).await;
            }
        };
        tokio::join!(work, settle);
    }

    /// Most messages are settled already, in one transaction with their records; the others are passed on to be
    /// written.
    fn sort(
        &self,
        settled: Vec<Disposition>,
        pass_on: &mpsc::UnboundedSender<Transport>,
        hidden_until: Instant,
        landing: &Landing,
    ) {
        let (mut gone, mut back) = (Vec::with_capacity(settled.len()), Vec::new());
        for Disposition { receipt, action, token, done: is_done, .. } in settled {
            let (text, Some(receipt)) = (&receipt, Receipt::parse(&receipt)) else { continue };
            if is_done {
                match action {
                    MessageAction::Retry(_) | MessageAction::Release(_) => back.push(receipt.seq),
                    MessageAction::Ack | MessageAction::DeadLetter(_) => gone.push(receipt.seq),
                }
            } else {
                // The other half of this task receives until this half has ended.
                let hidden_for = hidden_until.saturating_duration_since(Instant::now());
                let _ = pass_on.send(Transport { receipt, owner: receipt::owner(text), action, token, hidden_for });
            }
        }
        if !gone.is_empty() {
            landing.report(Landed::Settled(gone));
        }
        if !back.is_empty() {
            landing.report(Landed::Written(back));
        }
    }

    /// Tries until it is written, or until the messages become visible anyway: while the file cannot be written, there
    /// is no better use for their slots.
    async fn settle(&self, open: Vec<Transport>, landing: &Landing) {
        let seqs = open.iter().map(|one| one.receipt.seq).collect();
        let messages = open.len();
        let began = Instant::now();
        let mut attempt = 1;
        let landed = loop {
            let Err(error) = self.write(open.clone()).await else { break Landed::Written(seqs) };
            let late = began.elapsed() >= open.iter().map(|one| one.hidden_for).max().unwrap_or_default();
            if is_final(&error) || (attempt >= TRIES && (late || self.stop.is_draining())) {
                tracing::error!(%error, messages, "messages could not be settled; they will come again");
                break Landed::Open(seqs);
            }
            if attempt == 1 {
                tracing::warn!(%error, messages, "messages could not be settled; trying again");
            }
            tokio::time::sleep((PAUSE * attempt).min(LONGEST_PAUSE)).await;
            attempt = attempt.saturating_add(1);
        };
        landing.report(landed);
    }

    async fn write(&self, open: Vec<Transport>) -> Result<(), StoreError> {
        self.writer.run(open.len(), move |tx| transport(tx, &open)).await
    }
}

/// Whether another try fails too.
fn is_final(error: &StoreError) -> bool {
    matches!(error.kind(), StoreErrorKind::Invalid | StoreErrorKind::Broken)
}

/// Reports each message of a batch once: when it lands, or when the batch ends in any way. One that has landed may have been
/// received again since.
struct Landing {
    open: Mutex<HashSet<i64>>,
    landed: mpsc::UnboundedSender<Landed>,
}

impl Landing {
    fn report(&self, landed: Landed) {
        let (Landed::Settled(seqs) | Landed::Written(seqs) | Landed::Open(seqs)) = &landed;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for seq in seqs {
            open.remove(seq);
        }
        // Fails when the engine no longer exists, and then nothing needs it.
        let _ = self.landed.send(landed);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let open = std::mem::take(self.open.get_mut().unwrap_or_else(PoisonError::into_inner));
        let _ = self.landed.send(Landed::Open(open.into_iter().collect()));
    }
}
