//! Our own road: receive, send, delete.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use lamplighter::{
    JobState, Timestamp,
    backend::{Store, StoreError},
    host::Stop,
};
use tokio::time::{Instant, sleep_until};

use super::{Letter, Moved, Place, Redrive, Redriven, look::NOTHING_NEW, transport::Received};
use crate::{operator::Operator, sqs::MAX_ENTRIES};

/// Batches under way at once, where neither an order nor a rate is to be kept.
const LANES: usize = 4;

/// What is to become of a letter.
#[derive(Debug, Clone)]
enum Fate {
    /// It is sent to its queue, and deleted here.
    Send,
    /// It is deleted: its job needs it no more.
    Drop,
    /// It stays.
    Keep(StoreError),
}

/// One redrive.
struct Run<'a, T> {
    operator: &'a Operator,
    place: &'a Place,
    redrive: &'a Redrive,
    stop: &'a Stop,
    tell: &'a T,
    began: Timestamp,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    redriven: Redriven,
    /// Letters that are left, by message id: how they are put back.
    held: HashMap<String, String>,
    /// Jobs whose letters were moved. One that has failed again meanwhile has a new letter, which stays.
    jobs: HashSet<(String, String)>,
    /// Whether the next call would fail as the last one did.
    broken: bool,
}

impl Ledger {
    /// What was to be moved stays, and is put back.
    fn keep(&mut self, letter: &Letter) {
        self.redriven.failed += 1;
        self.held.insert(letter.letter.message_id.clone(), letter.receipt.clone());
    }

    fn note(&mut self, error: &StoreError) {
        self.redriven.error.get_or_insert_with(|| error.clone());
    }

    fn breaks(&mut self, error: &StoreError) {
        self.note(error);
        self.broken = true;
    }
}

impl Operator {
    pub(super) async fn own_road<T: Fn(Moved) + Send + Sync>(
        &self,
        place: &Place,
        redrive: &Redrive,
        before: Moved,
        stop: &Stop,
        tell: &T,
    ) -> Redriven {
        let ledger = Ledger { redriven: Redriven { moved: before, ..Redriven::default() }, ..Ledger::default() };
        let began = self.env().now();
        let run = Run { operator: self, place, redrive, stop, tell, began, ledger: Mutex::new(ledger) };
        let lanes = if place.fifo || redrive.per_second.is_some() { 1 } else { LANES };
        join_all((0..lanes).map(|_| run.lane())).await;
        let Ledger { mut redriven, held, .. } = run.ledger.into_inner().unwrap_or_else(PoisonError::into_inner);
        let receipts: Vec<_> = held.into_values().collect();
        self.put_back(&place.dead_url, &receipts).await;
        redriven.stopped = stop.is_draining();
        redriven
    }
}

impl<T: Fn(Moved) + Send + Sync> Run<'_, T> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One batch after the other, until nothing new comes.
    async fn lane(&self) {
        let mut pace = self.redrive.per_second.map(Pace::new);
        let mut nothing_new = 0;
        while nothing_new < NOTHING_NEW {
            let most = match &mut pace {
                Some(pace) => pace.wait(self.stop).await,
                None => MAX_ENTRIES,
            };
            if self.stop.is_draining() || self.ledger().broken {
                return;
            }
            match self.operator.receive(&self.place.dead_url, most).await {
                Ok(Received::Letters(letters)) => {
                    let chosen = self.choose(letters);
                    nothing_new = if chosen.news { 0 } else { nothing_new + 1 };
                    let moved = self.take(chosen.letters).await;
                    if let Some(pace) = &mut pace {
                        pace.took(moved);
                    }
                    let far = self.ledger().redriven.moved;
                    (self.tell)(far);
                }
                Ok(Received::TooManyInFlight) => return,
                Err(error) => self.ledger().breaks(&error),
            }
        }
    }

    /// Parts what is to be moved from what stays.
    fn choose(&self, letters: Vec<Letter>) -> Chosen {
        let mut ledger = self.ledger();
        let mut chosen = Chosen { letters: Vec::new(), news: false };
        for letter in letters {
            let fits = self.redrive.filter.fits(&letter.letter)
                && letter.letter.dead_since <= self.began
                && ledger.jobs.insert((letter.letter.id.clone(), letter.letter.job.clone()));
            if fits {
                chosen.news = true;
                chosen.letters.push(letter);
            } else if ledger.held.insert(letter.letter.message_id, letter.receipt).is_none() {
                chosen.news = true;
                ledger.redriven.moved.left += 1;
            }
        }
        chosen
    }

    /// Moves a batch, and says how many were moved.
    async fn take(&self, mut letters: Vec<Letter>) -> u32 {
        if letters.is_empty() {
            return 0;
        }
        let fates = match &self.redrive.store {
            Some(store) => join_all(letters.iter_mut().map(|letter| fate(&**store, letter, &self.place.queue))).await,
            None => vec![Fate::Send; letters.len()],
        };
        let with = |wanted: fn(&Fate) -> bool| -> Vec<&Letter> {
            letters.iter().zip(&fates).filter(|(_, fate)| wanted(fate)).map(|(letter, _)| letter).collect()
        };
        let sending = with(|fate| matches!(fate, Fate::Send));
        let Place { url, dead_url, fifo, .. } = self.place;
        let unsent = self.operator.send_back(url, &sending, *fifo).await;
        let sent: Vec<_> =
            (0..sending.len()).filter(|place| unsent.spares(*place)).map(|place| sending[place]).collect();
        let mut deleting = sent.clone();
        deleting.extend(with(|fate| matches!(fate, Fate::Drop)));
        let undeleted = match deleting.is_empty() {
            true => Default::default(),
            false => self.operator.delete(dead_url, &deleting).await,
        };

        let mut ledger = self.ledger();
        for (letter, fate) in letters.iter().zip(&fates) {
            if let Fate::Keep(error) = fate {
                ledger.breaks(error);
                ledger.keep(letter);
            }
        }
        for (place, error) in &unsent.failed {
            ledger.note(error);
            ledger.keep(sending[*place]);
        }
        for (place, error) in &undeleted.failed {
            ledger.note(error);
            let count = if *place < sent.len() { &mut ledger.redriven.twice } else { &mut ledger.redriven.failed };
            *count += 1;
        }
        for error in unsent.broken.iter().chain(&undeleted.broken) {
            ledger.breaks(error);
        }
        let dropped = (sent.len()..deleting.len()).filter(|place| undeleted.spares(*place)).count();
        ledger.redriven.moved.moved += sent.len() as u64;
        ledger.redriven.moved.obsolete += dropped as u64;
        u32::try_from(sent.len()).unwrap_or(u32::MAX)
    }
}

struct Chosen {
    letters: Vec<Letter>,
    /// Whether there was a letter that had not been seen before.
    news: bool,
}

/// What becomes of a letter whose job may have a record. One that has failed is queued again, before its message is sent.
async fn fate(store: &dyn Store, letter: &mut Letter, queue: &str) -> Fate {
    let Some(id) = letter.job_id() else { return Fate::Send };
    let state = match store.get(&id).await {
        // Another job's record is left alone. Whoever receives the message dead-letters it again, and says why.
        Ok(Some(record)) if record.message.job != letter.letter.job || record.queue != queue => {
            letter.disown();
            return Fate::Send;
        }
        Ok(record) => record.map(|record| record.state),
        Err(error) => return Fate::Keep(error),
    };
    match state {
        None => Fate::Send,
        // Queued by a redrive that came no further, or by hand: then there are two messages of one job, which runs once.
        Some(JobState::Queued) => Fate::Send,
        Some(JobState::Failed) => match store.mark_queued(&id).await {
            Ok(_) => Fate::Send,
            Err(error) => Fate::Keep(error),
        },
        // It brings how an attempt ended, which nobody else knows.
        Some(_) if letter.carries_settlement() => Fate::Send,
        Some(_) => Fate::Drop,
    }
}

/// So many letters a second, and no more.
struct Pace {
    per_second: NonZeroU32,
    next: Instant,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, next: Instant::now() }
    }

    /// Waits until it is time again, and says how many may be taken.
    async fn wait(&self, stop: &Stop) -> usize {
        tokio::select! {
            () = sleep_until(self.next) => {}
            () = stop.draining() => {}
        }
        usize::try_from(self.per_second.get()).unwrap_or(usize::MAX).min(MAX_ENTRIES)
    }

    fn took(&mut self, letters: u32) {
        self.next = self.next.max(Instant::now()) + Duration::from_secs(1) * letters / self.per_second.get();
    }
}
