//! The poller: receives a queue's messages in a long-running process, without a Lambda function for the queue.
//!
//! ```text
//! permits ─→ receive ─→ worker ─→ settle ─→ delete
//!              └── in flight: extended until it is settled ──┘
//! ```
//!
//! - It asks for as many messages as it may run, and keeps none in a buffer.
//! - A receive is never cancelled: SQS may have given it messages, which would stay hidden.
//! - While a message is here, its visibility is extended, and so is the lease of its job: both last for
//!   [`PollerSettings::lease`]. When the process is killed, its jobs run elsewhere after that time.
//! - What is done is deleted in batches.

mod delete;
mod flight;
mod health;
mod presence;
mod receive;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join;
use lamplighter::{
    Function, Queue,
    backend::{StoreError, StoreErrorKind},
    host::{Delivery, Disposition, MessageAction, Source, SourceHealth, Stop},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

use self::{
    delete::Deleter,
    flight::Flight,
    health::Gauge,
    presence::Presence,
    receive::{QueueFacts, Receiver},
};
use crate::{
    AwsBackend,
    lambda::Host,
    queues::QueueUrls,
    settlement::{self, Item},
    sqs::Postponed,
};

/// Polls one queue for its function. A [`Source`].
pub struct SqsPoller {
    host: Host,
    queue: Queue,
    facts: QueueFacts,
    settings: PollerSettings,
    slots: usize,
    gauge: Arc<Gauge>,
    /// Whether the queue was paused when it was connected.
    paused: bool,
}

/// The settings for polling a queue.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PollerSettings {
    /// The number of concurrent jobs where neither the queue nor its function sets a limit. Default 256.
    pub jobs_at_once: usize,
    /// The wait of an empty receive: 0 to 20 seconds (Amazon SQS API Reference, ReceiveMessage). A drain waits for it,
    /// so it should be well below the time that the host leaves. Default 10 seconds.
    pub wait: Duration,
    /// The time after the death of this process until its jobs run elsewhere; leases are renewed at a third of it. 10
    /// seconds to an hour. Default a minute.
    pub lease: Duration,
}

impl Default for PollerSettings {
    fn default() -> Self {
        Self { jobs_at_once: 256, wait: Duration::from_secs(10), lease: Duration::from_secs(60) }
    }
}

/// The longest wait of a receive (Amazon SQS API Reference, ReceiveMessage).
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The limits of a lease: below the first, renewals would be most of the calls.
const LEASE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));
/// The time in addition to a job's own timeout: to claim it, and to settle it. Much more than a busy table takes: a claim that
/// is given up may have been granted, and is then an attempt that never ran.
const MARGIN: Duration = Duration::from_secs(60);
/// The time for carrying out the worker's decisions, after which the messages return by themselves.
const SETTLE: Duration = Duration::from_secs(20);
/// The maximum number of concurrent receives while the queue has many messages.
const MOST_RECEIVES: usize = 8;
/// The pauses after failed receives: doubled up to the longest.
const AFTER_ERROR: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));

impl SqsPoller {
    /// Connects pollers of these queues for the function that consumes them. Reads each queue's attributes from SQS, so
    /// that a wrong name or a missing permission is reported before anything runs. `name` is the process's name in
    /// histories.
    ///
    /// # Errors
    /// When the deployment has no such queue, or its attributes cannot be read.
    pub async fn connect(
        aws: &AwsBackend,
        function: Function,
        queues: &[Queue],
        name: &str,
        (settings, stop): (PollerSettings, &Stop),
    ) -> Result<Vec<Self>, StoreError> {
        let lease = settings.lease.clamp(LEASE.0, LEASE.1);
        let settings = PollerSettings { lease, wait: settings.wait.min(LONGEST_WAIT), ..settings };
        let host = Host::polling(function, aws, name, lease, stop);
        let mut pollers = Vec::with_capacity(queues.len());
        for queue in queues {
            let Some(QueueUrls { url, .. }) = aws.sqs().queues().get(queue.name()) else {
                return Err(StoreError::new(
                    StoreErrorKind::Invalid,
                    format_args!("there is no queue {:?} in this deployment; deploy it first", queue.name()),
                ));
            };
            let facts = QueueFacts::ask(aws.sqs(), url).await?;
            let slots = host.function().jobs_at_once(queue).unwrap_or(settings.jobs_at_once).max(1);
            let gauge = Arc::new(Gauge::new(slots, settings.wait));
            let paused = Presence::begin(aws.sqs(), url).await;
            pollers.push(Self { host: host.clone(), queue: *queue, facts, settings, slots, gauge, paused });
        }
        Ok(pollers)
    }

    /// Returns the time limit for the jobs of one receive, by the longest timeout on their queue.
    fn timeout(&self) -> Duration {
        let jobs = self.host.function().routes().filter(|route| route.queue.name() == self.queue.name());
        jobs.map(|route| route.options.timeout).max().unwrap_or_default()
    }
}

/// The messages of one receive, on their way through the worker.
struct Batch {
    items: Vec<Item>,
    permits: OwnedSemaphorePermit,
}

#[async_trait]
impl Source for SqsPoller {
    fn name(&self) -> String {
        format!("queue {}", self.queue.name())
    }

    async fn run(&self, stop: &Stop) {
        let permits = Arc::new(Semaphore::new(self.slots));
        let flight = Arc::new(Flight::new(self.host.sqs().clone(), &self.facts.url, self.settings.lease));
        let deleter = Deleter::new(self.host.sqs().clone(), &self.facts.url);
        let receiver = Receiver { host: &self.host, queue: &self.queue, facts: &self.facts, settings: &self.settings };
        let mut receives = JoinSet::new();
        let mut batches = JoinSet::new();
        let mut helpers = JoinSet::new();
        helpers.spawn(flight.clone().extend());
        let presence = Presence::watch(self.host.sqs().clone(), &self.facts.url, self.paused, &mut helpers);
        let mut paused = presence.clone();
        let (mut wanted, mut pause, mut resting) = (1usize, AFTER_ERROR.0, None::<Instant>);
        while !stop.is_draining() {
            self.gauge.turned();
            let is_paused = *paused.borrow_and_update();
            while !is_paused && resting.is_none() && receives.len() < wanted && permits.available_permits() > 0 {
                let most = permits.available_permits().min(receive::MOST);
                let Ok(taken) = permits.clone().try_acquire_many_owned(u32::try_from(most).unwrap_or(1)) else { break };
                // The first waits for messages; the others only help while there are many.
                let wait = if receives.is_empty() { self.settings.wait } else { Duration::ZERO };
                receives.spawn(receiver.receive(most, wait, taken));
            }
            tokio::select! {
                () = stop.draining() => {}
                Some(received) = receives.join_next(), if !receives.is_empty() => match received {
                    Ok(Ok((items, taken))) => {
                        pause = AFTER_ERROR.0;
                        self.gauge.reached();
                        if *presence.borrow() {
                            self.show_again(items).await;
                            continue;
                        }
                        wanted = if items.len() == receive::MOST { (wanted + 1).min(MOST_RECEIVES) } else { 1 };
                        self.begin(items, taken, &flight, &deleter, &mut batches);
                    }
                    Ok(Err(error)) => {
                        tracing::error!(queue = self.queue.name(), %error, pause = ?pause, "could not receive messages");
                        self.gauge.failed(&error);
                        (resting, wanted) = (Some(Instant::now() + pause), 1);
                        pause = (pause * 2).min(AFTER_ERROR.1);
                    }
                    Err(error) => tracing::error!(queue = self.queue.name(), %error, "a receive did not end"),
                },
                Some(_) = batches.join_next(), if !batches.is_empty() => {}
                () = at(resting) => resting = None,
                // All slots are taken: one may become free before a batch has ended.
                free = permits.acquire(), if receives.is_empty() && resting.is_none() && !is_paused => drop(free),
                Ok(()) = paused.changed() => {}
                // So that the gauge shows that the loop turns.
                () = tokio::time::sleep(self.gauge.turn()) => {}
            }
        }
        while let Some(received) = receives.join_next().await {
            // The worker releases messages that arrive now.
            if let Ok(Ok((items, taken))) = received {
                self.begin(items, taken, &flight, &deleter, &mut batches);
            }
        }
        while batches.join_next().await.is_some() {
            self.gauge.turned();
        }
        helpers.shutdown().await;
    }

    fn is_settling(&self) -> bool {
        self.gauge.is_settling()
    }

    fn health(&self) -> SourceHealth {
        self.gauge.health(self.name())
    }
}

impl SqsPoller {
    /// Releases messages that arrived after the queue was paused.
    async fn show_again(&self, items: Vec<Item>) {
        let receipts = items.into_iter().filter_map(|item| item.record.receipt_handle);
        let postponed: Vec<_> = receipts.map(|receipt| Postponed { receipt, delay: Duration::ZERO }).collect();
        for error in self.host.sqs().postpone(&self.facts.url, &postponed).await.into_iter().filter_map(Result::err) {
            tracing::warn!(queue = self.queue.name(), %error, "a message of the paused queue comes back after its lease");
        }
    }

    fn begin(
        &self,
        items: Vec<Item>,
        permits: OwnedSemaphorePermit,
        flight: &Arc<Flight>,
        deleter: &Deleter,
        batches: &mut JoinSet<()>,
    ) {
        if items.is_empty() {
            return;
        }
        let groups = items.iter().filter_map(|item| item.record.system.group.as_deref());
        let mut lanes: BTreeMap<&str, u32> = BTreeMap::new();
        groups.for_each(|group| *lanes.entry(group).or_default() += 1);
        // Jobs of a FIFO group run one after the other.
        let in_a_row = if self.queue.is_fifo() { lanes.into_values().max().unwrap_or(1) } else { 1 };
        let deadline = Instant::now() + self.timeout().saturating_mul(in_a_row).saturating_add(MARGIN);
        let work = Work {
            host: self.host.clone(),
            queue: self.queue,
            flight: flight.clone(),
            deleter: deleter.clone(),
            gauge: self.gauge.clone(),
            has_limits: self.host.function().has_limits(),
        };
        batches.spawn(work.run(Batch { items, permits }, deadline));
    }
}

/// The context of a batch.
struct Work {
    host: Host,
    queue: Queue,
    flight: Arc<Flight>,
    deleter: Deleter,
    gauge: Arc<Gauge>,
    has_limits: bool,
}

impl Work {
    async fn run(self, batch: Batch, deadline: Instant) {
        let Batch { items, mut permits } = batch;
        let _taken = self.gauge.take(items.len());
        let mut flying = self.flight.begin(items.iter().filter_map(|item| item.record.receipt_handle.clone()));
        let mut items: Vec<_> = items.into_iter().map(Some).collect();
        let deliveries = items.iter().enumerate().filter_map(|(index, item)| self.delivery(index, item.as_ref()?));
        let deliveries: Vec<_> = deliveries.collect();
        let (decided, mut undecided) = mpsc::unbounded_channel();
        let process = async {
            let sink = |dispositions: Vec<Disposition>| {
                let now = Instant::now();
                let lot = dispositions.into_iter().filter_map(|Disposition { receipt, action, done, .. }| {
                    // What the store has hidden stays so.
                    let action = if done { MessageAction::Release(None) } else { action };
                    let mut item = items.get_mut(receipt.parse::<usize>().ok()?)?.take()?;
                    item.decided = Some((action, now));
                    Some(item)
                });
                // The other half receives until this half has ended.
                let _ = decided.send(lot.collect::<Vec<_>>());
            };
            self.host.worker().process_each(deliveries, deadline, sink).await;
            drop(decided);
        };
        let settle = async {
            while let Some(mut lot) = undecided.recv().await {
                while let Ok(more) = undecided.try_recv() {
                    lot.extend(more);
                }
                let settled = lot.len();
                let _settling = self.gauge.settling();
                self.settle(lot, &mut flying).await;
                drop(permits.split(settled));
            }
        };
        join(process, settle).await;
    }

    /// The receipt returns with the answer: an index is shorter, and unique here.
    fn delivery(&self, index: usize, item: &Item) -> Option<Delivery> {
        let record = &item.record;
        let message_id = record.message_id.clone()?;
        let body = record.body.clone().unwrap_or_default();
        let mut delivery = Delivery::new(self.queue.name(), message_id, index.to_string(), body);
        delivery.receive_count = record.system.receives.unwrap_or(1).max(1);
        // On a standard queue a group balances tenants, and orders nothing.
        delivery.group = record.system.group.as_deref().filter(|_| self.queue.is_fifo()).map(Into::into);
        delivery.trace = record.system.trace.clone();
        if self.has_limits {
            delivery.handle = record.receipt_handle.as_deref().map(Into::into);
        }
        Some(delivery)
    }

    async fn settle(&self, lot: Vec<Item>, flying: &mut flight::Flying) {
        // A message that is released is no longer extended; otherwise it would return when the extension ends.
        let comes_again =
            |item: &&Item| matches!(item.decided, Some((MessageAction::Retry(_) | MessageAction::Release(_), _)));
        flying.land(lot.iter().filter(comes_again).filter_map(|item| item.record.receipt_handle.as_deref())).await;
        let kept: BTreeSet<_> = settlement::settle(&self.host, &lot, Duration::ZERO, Instant::now() + SETTLE).await;
        let done = lot.iter().enumerate().filter(|(index, _)| !kept.contains(index));
        let done: Vec<_> = done.filter_map(|(_, item)| item.record.receipt_handle.clone()).collect();
        let receipts: Vec<_> = lot.iter().filter_map(|item| item.record.receipt_handle.as_deref()).collect();
        self.deleter.delete(done).await;
        flying.land(receipts.into_iter()).await;
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

impl std::fmt::Debug for SqsPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqsPoller").field("queue", &self.queue.name()).finish_non_exhaustive()
    }
}
