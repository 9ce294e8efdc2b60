//! Moves dead letters one by one: receive, send, delete.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use lamplighter::{
    JobState, Timestamp,
    backend::{Redrive, RedriveMethod, RedriveProgress, RedriveResult, Store, StoreError},
    host::Stop,
};
use tokio::time::{Instant, sleep_until};

use super::{DeadLetterQueue, Progress, Received, browse::NOTHING_NEW, transport::Answer};
use crate::sqs::MAX_ENTRIES;

/// Concurrent batches without an order, a rate or a limit.
const LANES: usize = 4;

/// What to do with a dead letter.
#[derive(Debug, Clone)]
enum Fate {
    /// Send it to its queue, and delete it here.
    Send,
    /// Delete it: its job no longer needs it.
    Drop,
    /// Leave it here.
    Keep(StoreError),
}

/// One redrive.
struct Run<'a> {
    queue: &'a DeadLetterQueue<'a>,
    redrive: &'a Redrive,
    stop: &'a Stop,
    progress: Progress<'a>,
    began: Timestamp,
    ledger: Mutex<Ledger>,
}

struct Ledger {
    result: RedriveResult,
    /// The receipts of dead letters that stay, by message id, to make them visible again.
    held: HashMap<String, String>,
    /// Jobs whose dead letters were moved. A job that has failed again meanwhile has a new one, which stays.
    jobs: HashSet<(String, String)>,
    /// The number that may still be moved or removed.
    allowed: u64,
    /// Whether further calls would fail as the last one did.
    broken: bool,
}

impl Ledger {
    /// Makes a dead letter visible again that was to be moved and stays.
    fn keep(&mut self, one: &Received) {
        self.result.failed += 1;
        self.held.insert(one.message_id.clone(), one.receipt.clone());
    }

    fn first_error(&mut self, error: StoreError) {
        self.result.error.get_or_insert(error);
    }

    fn breaks(&mut self, error: StoreError) {
        self.first_error(error);
        self.broken = true;
    }
}

impl DeadLetterQueue<'_> {
    pub(super) async fn move_manually(
        &self,
        redrive: &Redrive,
        before: RedriveProgress,
        stop: &Stop,
        progress: Progress<'_>,
    ) -> RedriveResult {
        let ledger = Ledger {
            result: RedriveResult::new(RedriveMethod::Manual, before),
            held: HashMap::new(),
            jobs: HashSet::new(),
            allowed: redrive.limit.unwrap_or(u64::MAX),
            broken: false,
        };
        let began = self.access.env().now();
        let run = Run { queue: self, redrive, stop, progress, began, ledger: Mutex::new(ledger) };
        let singly = self.fifo || redrive.per_second.is_some() || redrive.limit.is_some();
        join_all((0..if singly { 1 } else { LANES }).map(|_| run.lane())).await;
        let Ledger { mut result, held, .. } = run.ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
        let receipts: Vec<_> = held.into_values().collect();
        self.put_back(&receipts).await;
        result.stopped = stop.is_draining();
        result
    }
}

impl Run<'_> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves one batch after the other, until no new dead letter is received.
    async fn lane(&self) {
        let mut pace = self.redrive.per_second.map(Pace::new);
        let mut nothing_new = 0;
        while nothing_new < NOTHING_NEW {
            let most = match &mut pace {
                Some(pace) => pace.wait(self.stop).await,
                None => MAX_ENTRIES,
            };
            let allowed = self.ledger().allowed;
            if self.stop.is_draining() || self.ledger().broken || allowed == 0 {
                return;
            }
            match self.queue.receive(most.min(usize::try_from(allowed).unwrap_or(usize::MAX))).await {
                Ok(Answer::Received(received)) => {
                    let chosen = self.choose(received);
                    nothing_new = if chosen.news { 0 } else { nothing_new + 1 };
                    let taken = self.take(chosen.dead_letters).await;
                    if let Some(pace) = &mut pace {
                        pace.took(taken);
                    }
                    let far = self.ledger().result.progress;
                    (self.progress)(far);
                }
                Ok(Answer::TooManyInFlight) => return,
                Err(error) => self.ledger().breaks(error),
            }
        }
    }

    /// Separates the dead letters to move from those that stay.
    fn choose(&self, received: Vec<Received>) -> Chosen {
        let mut ledger = self.ledger();
        let mut chosen = Chosen { dead_letters: Vec::new(), news: false };
        for one in received {
            let fits = self.redrive.filter.fits(&one.dead_letter)
                && one.dead_letter.dead_since <= self.began
                && ledger.jobs.insert((one.dead_letter.id.clone(), one.dead_letter.job.clone()));
            if fits {
                chosen.news = true;
                chosen.dead_letters.push(one);
            } else if ledger.held.insert(one.message_id, one.receipt).is_none() {
                chosen.news = true;
                ledger.result.progress.left += 1;
            }
        }
        chosen
    }

    /// Moves a batch, and returns how many count for its rate.
    async fn take(&self, mut batch: Vec<Received>) -> u32 {
        if batch.is_empty() {
            return 0;
        }
        let store = self.queue.access.store.as_deref().filter(|_| self.redrive.records);
        let fates = match store {
            _ if self.redrive.discard => vec![Fate::Drop; batch.len()],
            Some(store) => join_all(batch.iter_mut().map(|one| fate(store, one, self.queue.queue))).await,
            None => vec![Fate::Send; batch.len()],
        };
        let with = |wanted: fn(&Fate) -> bool| -> Vec<&Received> {
            batch.iter().zip(&fates).filter(|(_, fate)| wanted(fate)).map(|(one, _)| one).collect()
        };
        let sending = with(|fate| matches!(fate, Fate::Send));
        let unsent = self.queue.send_back(&sending).await;
        let sent: Vec<_> =
            (0..sending.len()).filter(|place| unsent.spares(*place)).map(|place| sending[place]).collect();
        let mut deleting = sent.clone();
        deleting.extend(with(|fate| matches!(fate, Fate::Drop)));
        let undeleted = match deleting.is_empty() {
            true => Default::default(),
            false => self.queue.delete(&deleting).await,
        };

        let mut ledger = self.ledger();
        for (one, fate) in batch.iter().zip(&fates) {
            if let Fate::Keep(error) = fate {
                ledger.breaks(error.clone());
                ledger.keep(one);
            }
        }
        for (place, error) in unsent.failed {
            ledger.first_error(error);
            ledger.keep(sending[place]);
        }
        let dropped = (sent.len()..deleting.len()).filter(|place| undeleted.spares(*place)).count() as u64;
        for (place, error) in undeleted.failed {
            ledger.first_error(error);
            let count = if place < sent.len() { &mut ledger.result.twice } else { &mut ledger.result.failed };
            *count += 1;
        }
        for error in unsent.broken.into_iter().chain(undeleted.broken) {
            ledger.breaks(error);
        }
        ledger.result.progress.moved += sent.len() as u64;
        ledger.result.progress.obsolete += dropped;
        ledger.allowed = ledger.allowed.saturating_sub(sent.len() as u64 + dropped);
        let counted = if self.redrive.discard { deleting.len() } else { sent.len() };
        u32::try_from(counted).unwrap_or(u32::MAX)
    }
}

struct Chosen {
    dead_letters: Vec<Received>,
    /// Whether there was one that had not been received before.
    news: bool,
}

/// Decides about a dead letter whose job may have a record. The record of a failed job is queued again before its
/// message is sent.
async fn fate(store: &dyn Store, one: &mut Received, queue: &str) -> Fate {
    let Some(id) = one.job_id() else { return Fate::Send };
    let state = match store.get(&id).await {
        // Another job's record is not changed. The worker that receives the message dead-letters it again, with the
        // reason.
        Ok(Some(record)) if record.message.job != one.dead_letter.job || record.queue != queue => {
            one.disown();
            return Fate::Send;
        }
        Ok(record) => record.map(|record| record.state),
        Err(error) => return Fate::Keep(error),
    };
    match state {
        None => Fate::Send,
        // Queued by a redrive that was interrupted, or by hand: then there are two messages of one job, which runs
        // once.
        Some(JobState::Queued) => Fate::Send,
        Some(JobState::Failed) => match store.mark_queued(&id).await {
            Ok(_) => Fate::Send,
            Err(error) => Fate::Keep(error),
        },
        // It contains the result of an attempt, which is recorded nowhere else.
        Some(_) if one.carries_settlement() => Fate::Send,
        Some(_) => Fate::Drop,
    }
}

/// The maximum rate of dead letters per second.
struct Pace {
    per_second: NonZeroU32,
    next: Instant,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, next: Instant::now() }
    }

    /// Waits for the next interval, and returns how many may be moved.
    async fn wait(&self, stop: &Stop) -> usize {
        tokio::select! {
            () = sleep_until(self.next) => {}
            () = stop.draining() => {}
        }
        usize::try_from(self.per_second.get()).unwrap_or(usize::MAX).min(MAX_ENTRIES)
    }

    fn took(&mut self, moved: u32) {
        self.next = self.next.max(Instant::now()) + Duration::from_secs(1) * moved / self.per_second.get();
    }
}
