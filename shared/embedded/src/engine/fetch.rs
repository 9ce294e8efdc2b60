//! Receives messages from one queue and hands them to the worker, like an event source mapping.
//!
//! A batch has as many messages as there are free slots: single messages while jobs are slow, hundreds while they are
//! quick. It never holds more than may run concurrently. Messages of a standard queue are also read ahead into a
//! buffer, more of them while they are used up quickly: a read costs the same for one row as for dozens. Messages in
//! the buffer are neither claimed nor counted, and a job that is cancelled there is not run.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{backend::StoreError, host::Delivery};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{
    batch::{Batch, BatchRunner, Landed},
    lanes::Lanes,
};
use crate::{
    backend::SqliteBackend,
    db::transaction::Transaction,
    operations::{
        pause, receipt,
        receive::{self, Cursor, Expected, Found, Received, Tenants},
    },
    time,
};

/// The largest number of messages in one read.
const MOST: usize = 4096;
/// A read that is used up within this time was too small, one that lasts longer was too large.
const LASTS: Duration = Duration::from_millis(50);
/// The interval at which the queue is read from its beginning, for messages that became visible before the cursor.
const FROM_START: Duration = Duration::from_millis(100);
/// The longest wait for a message to become visible: the clock may be set, and a machine may sleep.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after the file could not be read.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// The queue to fetch from, and its limits.
#[derive(Clone)]
pub(crate) struct QueueSettings {
    pub(crate) embedded: SqliteBackend,
    /// The queue's number in the file, and its name.
    pub(crate) queue: i64,
    pub(crate) name: Arc<str>,
    pub(crate) fifo: bool,
    /// Jobs that may run concurrently.
    pub(crate) slots: usize,
    /// The largest number of messages of one FIFO group in a batch.
    pub(crate) of_group: usize,
    /// The time limit of a batch.
    pub(crate) budget: Duration,
    pub(crate) visibility: Duration,
    /// Receives without an answer after which a message without a record becomes a dead letter.
    pub(crate) max_receives: u32,
    /// Whether the queue was paused when the engine started.
    pub(crate) paused: bool,
}

/// A walk along the tenants of a queue, over several reads where there are many.
#[derive(Default)]
struct Walk {
    /// The tenant after which the next read goes on.
    last: Option<Arc<str>>,
    /// Whether the cursor must not begin again before it has come to the end.
    goes_on: bool,
    /// Whether anything was found, or left, since the walk began with the first of them.
    has_more: bool,
}

/// Fetches until the engine stops, then waits for its batches.
pub(crate) struct Fetch {
    source: QueueSettings,
    runner: BatchRunner,
    landed: mpsc::UnboundedReceiver<Landed>,
    /// The number of messages with the worker, for other tasks.
    in_flight: Arc<AtomicUsize>,
    /// The messages in the buffer or with the worker.
    taken: Arc<HashSet<i64>>,
    buffer: Lanes,
    /// For a queue with tenants, the state of the walk along them.
    tenants: Option<Walk>,
    batches: JoinSet<()>,
    reading: Option<JoinHandle<Result<Found, StoreError>>>,
    /// The size of the next read, and the time of the last one.
    portion: usize,
    read_at: Instant,
    cursor: Cursor,
    looked_from_start: Instant,
    /// Whether there may be visible messages outside of the buffer and the worker.
    look: bool,
    /// When to read again without a signal: from the last read, and after an error, regardless of other reads.
    wake: Option<Instant>,
    look_again: Option<Instant>,
    /// Whether the queue is paused, and the signal that this may have changed.
    paused: bool,
    pauses: watch::Receiver<()>,
    /// When to check again whether it is paused, after the check has failed.
    check_again: Option<Instant>,
}

impl Fetch {
    pub(crate) fn new(
        source: QueueSettings,
        runner: BatchRunner,
        landed: mpsc::UnboundedReceiver<Landed>,
        in_flight: Arc<AtomicUsize>,
    ) -> Self {
        let portion = source.slots.min(MOST);
        let (paused, pauses) = (source.paused, source.embedded.0.signals.of_pauses());
        Self {
            source,
            runner,
            landed,
            in_flight,
            taken: Arc::default(),
            buffer: Lanes::new(),
            tenants: None,
            batches: JoinSet::new(),
            reading: None,
            portion,
            read_at: Instant::now(),
            cursor: Cursor::START,
            looked_from_start: Instant::now(),
            look: true,
            wake: None,
            look_again: None,
            paused,
            pauses,
            check_again: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.runner.stop.clone();
        let notify = self.source.embedded.0.signals.of_queue(self.source.queue);
        while !stop.is_draining() {
            while let Ok(landed) = self.landed.try_recv() {
                self.on_landed(landed);
            }
            while self.batches.try_join_next().is_some() {}
            // Before any message is handed over: the buffer may already hold messages that were enqueued after the
            // pause.
            if self.pauses.has_changed().unwrap_or(false) {
                self.check_paused().await;
            }
            if !self.paused {
                self.hand_over().await;
                self.read_ahead();
            }
            self.in_flight.store(self.running(), Ordering::Relaxed);
            let wake = self.wake.filter(|_| !self.look && !self.paused);
            tokio::select! {
                () = stop.draining() => {}
                Some(landed) = self.landed.recv() => self.on_landed(landed),
                found = read(&mut self.reading) => self.take(found),
                () = notify.notified() => self.look = true,
                () = at(wake) => self.look = true,
                () = at(self.look_again) => (self.look, self.cursor, self.look_again) = (true, Cursor::START, None),
                Ok(()) = self.pauses.changed() => self.check_paused().await,
                () = at(self.check_again) => self.check_paused().await,
            }
        }
        // Messages in the buffer have never left their queue.
        while self.batches.join_next().await.is_some() {
            while let Ok(landed) = self.landed.try_recv() {
                self.on_landed(landed);
            }
            self.in_flight.store(self.running(), Ordering::Relaxed);
        }
        if let Some(reading) = self.reading.take() {
            // It uses a connection to the file.
            let _ = reading.await;
        }
    }

    fn running(&self) -> usize {
        self.taken.len() - self.buffer.len()
    }

    fn on_landed(&mut self, landed: Landed) {
        match landed {
            Landed::Settled(seqs) => drop(self.land(&seqs)),
            Landed::Written(seqs) => self.look |= self.land(&seqs) > 0,
            // A written settlement signals that there is something to receive. Nothing was written here.
            Landed::Open(seqs) => {
                if self.land(&seqs) > 0 {
                    self.look_later();
                }
            }
        }
    }

    /// Returns how many of them had not landed before.
    fn land(&mut self, seqs: &[i64]) -> usize {
        let taken = Arc::make_mut(&mut self.taken);
        let landed = seqs.iter().filter(|seq| taken.remove(seq));
        landed.inspect(|seq| self.buffer.has_ended(**seq)).count()
    }

    /// Reads the whole queue again soon, with or without a signal.
    fn look_later(&mut self) {
        self.look_again = self.look_again.or_else(|| Some(Instant::now() + AFTER_ERROR));
    }

    async fn check_paused(&mut self) {
        let (queue, name) = (self.source.queue, &*self.source.name);
        self.pauses.mark_unchanged();
        self.check_again = None;
        let paused = self.source.embedded.0.readers.read(move |connection| pause::is_paused(connection, queue)).await;
        match paused {
            Ok(paused) if paused == self.paused => {}
            Ok(true) => {
                tracing::info!(queue = name, "paused");
                self.paused = true;
                // Messages in the buffer have never left their queue, and stay there.
                let taken = Arc::make_mut(&mut self.taken);
                for seq in self.buffer.clear() {
                    taken.remove(&seq);
                }
            }
            Ok(false) => {
                tracing::info!(queue = name, "resumed");
                (self.paused, self.look, self.cursor) = (false, true, Cursor::START);
            }
            Err(error) => {
                tracing::error!(queue = name, %error, "cannot read whether the queue is paused; trying again");
                self.check_again = Some(Instant::now() + AFTER_ERROR);
            }
        }
    }

    /// Hands the worker as many messages as may run concurrently.
    async fn hand_over(&mut self) {
        let free = self.source.slots.saturating_sub(self.running()).min(self.buffer.len());
        if free == 0 {
            return;
        }
        let messages: Vec<_> = std::iter::from_fn(|| self.buffer.next()).take(free).collect();
        if let Err(error) = self.start(messages).await {
            self.rest(&error);
        }
    }

    /// Starts reading the next messages, unless the buffer holds enough.
    fn read_ahead(&mut self) {
        let enough = if self.source.fifo {
            // The next messages of a group are known only after the ones before it are settled.
            !self.buffer.is_empty() || self.running() >= self.source.slots
        } else {
            // The buffer may be full of one tenant's messages when another comes.
            let is_stale = self.tenants.is_some() && self.read_at.elapsed() >= FROM_START;
            self.buffer.len() * 2 >= self.portion && !is_stale
        };
        if !self.look || enough || self.reading.is_some() {
            return;
        }
        // Before the read: later messages are signalled.
        self.look = false;
        self.wake = None;
        let goes_on = self.tenants.as_ref().is_some_and(|walk| walk.goes_on);
        if self.looked_from_start.elapsed() >= FROM_START && !goes_on {
            self.looked_from_start = Instant::now();
            self.cursor = Cursor::START;
        }
        let QueueSettings { embedded, queue, fifo, of_group, slots, .. } = &self.source;
        let messages = if *fifo { slots.saturating_sub(self.running()) } else { self.portion };
        let now = time::nearest(embedded.env().now());
        let wanted = Expected { queue: *queue, fifo: *fifo, now, messages, of_group: *of_group, from: self.cursor };
        // Messages that land during the read still count as taken: it may see their earlier state.
        let (taken, readers) = (self.taken.clone(), embedded.0.readers.clone());
        let tenants = match &self.tenants {
            Some(walk) => Tenants { held: self.buffer.held(), last: walk.last.clone() },
            None => Tenants::default(),
        };
        let read = move |connection: &rusqlite::Connection| receive::receive(connection, &wanted, &taken, &tenants);
        let read = async move { readers.read(read).await };
        self.reading = Some(tokio::spawn(read));
    }

    fn take(&mut self, found: Result<Found, StoreError>) {
        match found {
            // Read before the pause.
            Ok(_) if self.paused => {}
            Ok(Found { messages, cursor, all, next, fair }) => {
                let quick = self.read_at.elapsed() < LASTS;
                self.read_at = Instant::now();
                let portion = if quick { self.portion.saturating_mul(2) } else { self.portion / 2 };
                self.portion = portion.clamp(self.source.slots.min(MOST), MOST);
                // There may have been a signal meanwhile.
                self.look |= match fair {
                    None => {
                        self.tenants = None;
                        !all
                    }
                    Some(fair) => {
                        let walk = self.tenants.get_or_insert_default();
                        walk.has_more |= fair.rest || !messages.is_empty();
                        (walk.last, walk.goes_on) = (fair.last, fair.goes_on);
                        // At its end, it begins again where there is more.
                        !all && (walk.last.is_some() || std::mem::take(&mut walk.has_more))
                    }
                };
                self.cursor = cursor;
                self.wake = next.map(|next| {
                    let wait = self.source.embedded.env().until(time::moment(next));
                    Instant::now() + wait.min(LONGEST_WAIT)
                });
                let taken = Arc::make_mut(&mut self.taken);
                taken.extend(messages.iter().map(|message| message.receipt.seq));
                self.buffer.add(messages);
            }
            Err(error) => self.rest(&error),
        }
    }

    fn rest(&mut self, error: &StoreError) {
        tracing::error!(queue = &*self.source.name, %error, "could not receive messages");
        self.look = false;
        self.look_later();
    }

    async fn start(&mut self, mut messages: Vec<Received>) -> Result<(), StoreError> {
        let untracked: Vec<i64> =
            messages.iter().filter(|message| message.untracked).map(|message| message.receipt.seq).collect();
        if !untracked.is_empty() {
            let limit = self.source.max_receives;
            let count = move |tx: &mut Transaction<'_>| receive::count(tx, &untracked, limit);
            match self.source.embedded.0.writer.run(messages.len(), count).await {
                Ok(gone) => {
                    messages.retain(|message| !gone.contains(&message.receipt.seq));
                    self.land(&gone);
                }
                Err(error) => {
                    let all: Vec<_> = messages.iter().map(|message| message.receipt.seq).collect();
                    self.land(&all);
                    return Err(error);
                }
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        let deliveries = messages.into_iter().map(|message| self.delivery(message)).collect();
        let hidden_until = Instant::now() + self.source.visibility;
        let batch = Batch { deliveries, budget: self.source.budget, hidden_until };
        self.batches.spawn(self.runner.clone().run(batch));
        Ok(())
    }

    fn delivery(&self, message: Received) -> Delivery {
        let receipt = receipt::text(message.receipt, message.owner);
        let mut delivery = Delivery::new(self.source.name.clone(), message.id, receipt, message.body);
        delivery.receive_count = message.receives.saturating_add(1);
        delivery.group = message.group.map(Into::into);
        delivery
    }
}

/// Waits for the current read; pending if there is none.
async fn read(reading: &mut Option<JoinHandle<Result<Found, StoreError>>>) -> Result<Found, StoreError> {
    match reading {
        Some(task) => {
            let found = task.await;
            *reading = None;
            found.unwrap_or_else(|error| Err(StoreError::unavailable(format_args!("a read did not end: {error}"))))
        }
        None => std::future::pending().await,
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
