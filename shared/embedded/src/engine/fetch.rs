//! Takes messages from one queue and hands them to the worker: an event source mapping.
//!
//! It never takes more than may run at once, so nothing that waits for a slot is hidden from the queue, and a batch is
//! as large as the slots that are free: single messages while jobs are slow, hundreds while they are quick.

use std::{collections::HashSet, sync::Arc, time::Duration};

use lamplighter::{Delivery, StoreError, Timestamp};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::batch::{Batch, Road};
use crate::{
    embedded::Embedded,
    file::unit::Unit,
    time,
    work::receive::{self, Cursor, Found, Received, Wanted},
};

/// How often the whole queue is looked at from its beginning, for messages that became visible behind the cursor.
const FROM_START: Duration = Duration::from_millis(100);
/// The clock may be set, and a machine may sleep: a wait for a message to become visible is never longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After the file could not be read.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What is fetched from, and how.
pub(crate) struct Source {
    pub(crate) embedded: Embedded,
    /// The queue's number in the file, and its name.
    pub(crate) queue: i64,
    pub(crate) name: Arc<str>,
    pub(crate) fifo: bool,
    /// Jobs that may run at once.
    pub(crate) slots: usize,
    /// Messages of one FIFO group in a batch.
    pub(crate) of_group: usize,
    /// How long a batch may take, and for how long its messages are hidden.
    pub(crate) budget: Duration,
    pub(crate) visibility: Duration,
    /// Receives without an answer after which a message without a record is buried.
    pub(crate) max_receives: u32,
}

/// Fetches until the engine stops, then waits for its batches.
pub(crate) struct Fetch {
    source: Source,
    road: Road,
    landed: mpsc::UnboundedReceiver<Vec<i64>>,
    in_flight: Arc<HashSet<i64>>,
    batches: JoinSet<()>,
    cursor: Cursor,
    looked_from_start: Instant,
    /// Whether there may be visible messages that are not in flight.
    look: bool,
    /// When to look again if nobody says anything.
    wake: Option<Instant>,
}

impl Fetch {
    pub(crate) fn new(source: Source, road: Road, landed: mpsc::UnboundedReceiver<Vec<i64>>) -> Self {
        Self {
            source,
            road,
            landed,
            in_flight: Arc::default(),
            batches: JoinSet::new(),
            cursor: Cursor::START,
            looked_from_start: Instant::now(),
            look: true,
            wake: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.road.stop.clone();
        let notify = self.source.embedded.0.signals.of_queue(self.source.queue);
        loop {
            while let Ok(seqs) = self.landed.try_recv() {
                self.land(&seqs);
            }
            while self.batches.try_join_next().is_some() {}
            if stop.is_draining() {
                break;
            }
            let free = self.source.slots.saturating_sub(self.in_flight.len());
            if self.look && free > 0 {
                self.fetch(free).await;
                continue;
            }
            let wake = self.wake;
            let sleep = async {
                match wake {
                    Some(wake) => tokio::time::sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.draining() => {}
                Some(seqs) = self.landed.recv() => self.land(&seqs),
                () = notify.notified() => self.look = true,
                () = sleep, if !self.look => self.look = true,
            }
        }
        while self.batches.join_next().await.is_some() {}
    }

    fn land(&mut self, seqs: &[i64]) {
        let in_flight = Arc::make_mut(&mut self.in_flight);
        for seq in seqs {
            in_flight.remove(seq);
        }
    }

    async fn fetch(&mut self, free: usize) {
        // Before the look: what comes after it is told.
        self.look = false;
        self.wake = None;
        match self.receive(free).await {
            Ok(found) => {
                self.look = found.messages.len() >= free;
                self.cursor = found.cursor;
                self.wake = found.next.map(|next| self.instant(next));
                if let Err(error) = self.start(found.messages).await {
                    self.rest(&error);
                }
            }
            Err(error) => self.rest(&error),
        }
    }

    fn rest(&mut self, error: &StoreError) {
        tracing::error!(queue = &*self.source.name, %error, "could not receive");
        self.look = false;
        self.wake = Some(Instant::now() + AFTER_ERROR);
    }

    fn instant(&self, moment: i64) -> Instant {
        let moment: Timestamp = time::moment(moment);
        Instant::now() + self.source.embedded.env().until(moment).min(LONGEST_WAIT)
    }

    async fn receive(&mut self, messages: usize) -> Result<Found, StoreError> {
        if self.looked_from_start.elapsed() >= FROM_START {
            self.looked_from_start = Instant::now();
            self.cursor = Cursor::START;
        }
        let Source { embedded, queue, fifo, of_group, .. } = &self.source;
        let now = time::nearest(embedded.env().now());
        let wanted = Wanted { queue: *queue, fifo: *fifo, now, messages, of_group: *of_group, from: self.cursor };
        // What lands meanwhile counts as in flight until this is over: the read may see it as it was before.
        let in_flight = self.in_flight.clone();
        embedded.0.readers.read(move |connection| receive::receive(connection, &wanted, &in_flight)).await
    }

    async fn start(&mut self, mut messages: Vec<Received>) -> Result<(), StoreError> {
        let untracked: Vec<i64> =
            messages.iter().filter(|message| message.untracked).map(|message| message.receipt.seq).collect();
        if !untracked.is_empty() {
            let limit = self.source.max_receives;
            let count = move |unit: &mut Unit<'_>| receive::count(unit, &untracked, limit);
            let gone = self.source.embedded.0.writer.run(messages.len(), count).await?;
            messages.retain(|message| !gone.contains(&message.receipt.seq));
        }
        if messages.is_empty() {
            return Ok(());
        }
        Arc::make_mut(&mut self.in_flight).extend(messages.iter().map(|message| message.receipt.seq));
        let deliveries = messages.into_iter().map(|message| self.delivery(message)).collect();
        let now = time::nearest(self.source.embedded.env().now());
        let hidden_until = time::after(now, self.source.visibility);
        let batch = Batch { deliveries, budget: self.source.budget, hidden_until };
        self.batches.spawn(self.road.clone().take(batch));
        Ok(())
    }

    fn delivery(&self, message: Received) -> Delivery {
        Delivery {
            queue: self.source.name.clone(),
            message_id: message.id,
            receipt: message.receipt.to_string(),
            body: message.body,
            receive_count: message.receives.saturating_add(1),
            group: message.group.map(Into::into),
        }
    }
}
