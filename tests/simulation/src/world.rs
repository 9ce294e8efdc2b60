//! The world of a simulation: the models, the faults, the ledger, and the time that they share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lamplighter::{
    Batch, EnqueueError, Enqueued, JobId, JobState, Timestamp,
    backend::{EnqueueRequest, Standing, StoreError, StoreErrorKind},
    env::Clock,
    host::DeadLetterCause,
    message::Message,
};
use serde::Deserialize;
use tokio::{sync::Notify, time::Instant};

use crate::{
    faults::Faults,
    invariant::Invariant,
    jobs::{LINKS, STEPS},
    ledger::Ledger,
    model::{
        queue::{QueueModel, Received},
        store::{Change, StoreModel},
    },
    mutant::Mutant,
    plan::{Act, Noise, Plan},
    story::Story,
};

/// When every simulation begins: the first second of 2027.
const START: i64 = 1_798_761_600;

/// What hosts, producers and handlers share.
#[derive(Clone)]
pub(crate) struct Sim {
    world: Arc<Mutex<World>>,
    pub(crate) changed: Arc<Notify>,
    pub(crate) origin: Instant,
    pub(crate) plan: Arc<Plan>,
}

/// All that is, at one moment.
pub(crate) struct World {
    /// Milliseconds since the beginning.
    pub(crate) now: u64,
    pub(crate) store: StoreModel,
    pub(crate) queues: [QueueModel; 2],
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) story: Story,
    pub(crate) mutant: Option<Mutant>,
    /// The ids of the plan's jobs, once they are written.
    pub(crate) ids: BTreeMap<usize, JobId>,
    /// Dead letters without a job: bodies that no worker can read.
    pub(crate) unreadable: u32,
    /// Invocations under way.
    pub(crate) busy: u32,
    plan: Arc<Plan>,
}

impl Sim {
    pub(crate) fn new(plan: Plan, faults: Faults, mutant: Option<Mutant>, is_told: bool) -> Self {
        let plan = Arc::new(plan);
        let world = World {
            now: 0,
            store: StoreModel::new(mutant),
            queues: [QueueModel::new(STEPS.name(), false), QueueModel::new(LINKS.name(), true)],
            faults,
            ledger: Ledger::default(),
            story: Story::new(is_told),
            mutant,
            ids: BTreeMap::new(),
            unreadable: 0,
            busy: 0,
            plan: plan.clone(),
        };
        Self { world: Arc::new(Mutex::new(world)), changed: Arc::default(), origin: Instant::now(), plan }
    }

    /// Does something at this moment.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.now = self.now();
        work(&mut world)
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The clock of a host, which may be set wrong.
pub(crate) struct HostClock {
    pub(crate) sim: Sim,
    pub(crate) host: usize,
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let ahead = self.sim.with(|world| world.faults.clock(self.host, world.now));
        let step = Duration::from_millis(ahead.unsigned_abs());
        let right = moment(self.sim.now());
        if ahead < 0 { right - step } else { right + step }
    }
}

/// A moment of the services' clock.
pub(crate) fn moment(millis: u64) -> Timestamp {
    let start = Timestamp::from_second(START).unwrap_or(Timestamp::UNIX_EPOCH);
    start.saturating_add(Duration::from_millis(millis)).unwrap_or(Timestamp::MAX)
}

/// The milliseconds of a moment of the services' clock.
fn millis(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millisecond() - START * 1000).unwrap_or(0)
}

/// The arguments of all jobs here.
#[derive(Deserialize)]
struct Number {
    n: usize,
}

impl World {
    pub(crate) fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.story.tell(self.now, who, what);
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn at(&self) -> Timestamp {
        moment(self.now)
    }

    /// What an execution does.
    pub(crate) fn act(&self, job: usize, execution: usize) -> (u64, Act) {
        self.plan.act(job, execution)
    }

    pub(crate) fn queue(&mut self, name: &str) -> &mut QueueModel {
        let [steps, links] = &mut self.queues;
        if name == links.name { links } else { steps }
    }

    /// Enters what the store has changed, and sends what it wants to be sent.
    pub(crate) fn follow(&mut self) {
        for change in self.store.changes() {
            match change {
                Change::State { id, from, to } => {
                    self.tell("store", || match from {
                        Some(from) => format!("{id}: {from} → {to}"),
                        None => format!("{id}: {to}"),
                    });
                    if from.is_none()
                        && let Some(record) = self.store.record(&id)
                    {
                        self.ledger.owned(&id, &record.message.job);
                        if record.message.job != Batch::JOB {
                            self.number(&id, &record.message);
                        }
                    }
                    if to == JobState::Cancelled {
                        self.ledger.cancelled(&id);
                    }
                    self.ledger.state(&id, from, to);
                }
                Change::Granted { id, token, host, until } => {
                    self.ledger.granted(&id, token, &host, until, self.at());
                }
                Change::Lost { id } => {
                    self.tell("store", || format!("{id}: its attempt was lost"));
                    self.ledger.lost(&id, self.at());
                }
                Change::Settled { id, token, decision, ended_at } => {
                    self.ledger.settled(&id, token, &decision, ended_at);
                }
                Change::KnownAgain { id, token, ended_at } => self.ledger.known_again(&id, token, ended_at),
                Change::Fenced { id, token, ended_at } => {
                    self.tell("store", || format!("{id}: a settlement of attempt {} is refused", token.attempt));
                    self.ledger.fenced(&id, token, ended_at);
                }
                Change::Renewed { id, token, until } => self.ledger.renewed(&id, token, until),
                Change::Saved { id, token } => self.ledger.saved(&id, token),
                Change::RunAgain { id } => self.ledger.run_again(&id),
                Change::BatchEnded { id } => self.ledger.batch_ended(&id),
                Change::Send { id, queue, message, group, due } => {
                    self.put(&id, &queue, &message, group, millis(due).max(self.now));
                }
            }
        }
    }

    fn number(&mut self, id: &JobId, message: &Message) {
        if let Ok(Number { n }) = serde_json::from_str(message.args.get()) {
            self.ids.entry(n).or_insert_with(|| id.clone());
        }
    }

    /// Puts a message on a queue.
    pub(crate) fn put(&mut self, id: &JobId, queue: &str, message: &Message, group: Option<Arc<str>>, at: u64) {
        let settles = settles(message);
        if settles.is_some() && self.is(Mutant::SettlementLost) {
            return;
        }
        let times = 1 + u32::from(self.faults.twice(self.now) && queue != LINKS.name());
        let hidden = at.saturating_sub(self.now);
        self.tell("queue", || {
            let what = if settles.is_some() { "a settlement of " } else { "" };
            format!(
                "a message for {what}{} on {queue}, visible in {hidden} ms, {times} ×",
                settles.as_ref().unwrap_or(id)
            )
        });
        let job = settles.unwrap_or_else(|| id.clone());
        if queue == LINKS.name() && message.job != SETTLE {
            self.ledger.joined(&job, &group.clone().unwrap_or_else(|| "none".into()));
        }
        let body: Arc<str> = message.to_json().into();
        for _ in 0..times {
            self.queue(queue).send(body.clone(), group.clone(), Some(job.clone()), at);
        }
    }

    /// Enqueues one job, or sends a settlement.
    pub(crate) fn send(&mut self, request: &EnqueueRequest) -> Result<Enqueued, EnqueueError> {
        let (id, now) = (request.id.clone(), self.at());
        if !request.tracking.is_tracked() {
            let due = request.due_at.map_or(self.now, |due| millis(due).max(self.now));
            let job = request.message.id.clone().unwrap_or_else(|| id.clone());
            self.put(&job, &request.queue, &request.message, request.group.clone(), due);
            return Ok(Enqueued::New(id));
        }
        let job = request.message.job.clone();
        if let Some((owner, state)) = self.store.known(&id) {
            if owner.is(&job, &request.queue) {
                return Ok(Enqueued::Duplicate(id, state));
            }
            return Err(EnqueueError::IdTaken { job, queue: request.queue.to_string(), id, owner });
        }
        if let Standing::Unknown(parent) = self.store.standing(&request.message.after) {
            let reason = format!("it is to wait for {parent}, which has no record");
            return Err(EnqueueError::Refused { job, reason });
        }
        if !self.is(Mutant::AnsweredBeforeWritten) {
            self.store.insert(request, now);
            self.follow();
        }
        Ok(Enqueued::New(id))
    }

    /// Deletes a message, and checks that its job still has a place.
    pub(crate) fn delete(&mut self, queue: &str, receipt: &str) {
        let old_counts = self.faults.twice(self.now);
        let deleted = self.queue(queue).delete(receipt, old_counts);
        if let Some(job) = deleted.and_then(|message| message.job) {
            self.check_place(&job);
        }
    }

    /// Checks that a job that has not ended has a message. One that runs has a record that maintenance finds when its lease has
    /// ended.
    fn check_place(&mut self, id: &JobId) {
        let state = self.store.known(id).map(|(_, state)| state);
        let is_open =
            state.is_some_and(|state| !state.is_final() && !matches!(state, JobState::Waiting | JobState::Running));
        if is_open && !self.queues.iter().any(|queue| queue.has(id)) {
            let state = state.unwrap_or(JobState::Queued);
            self.ledger
                .violates(Invariant::NothingIsLost, format!("{id} is {state}, and its last message was deleted"));
        }
    }

    /// Puts a message into the dead-letter queue.
    pub(crate) fn dead_letter(&mut self, received: &Received, cause: &DeadLetterCause) {
        self.tell("queue", || format!("dead letter of {}: {}", received.message.id, cause.reason.as_str()));
        match received.message.job.clone() {
            // A stranger's message is not the job's.
            Some(job) if cause.reason != lamplighter::backend::DeadLetterReason::ForeignId => {
                self.ledger.dead.insert(job);
            }
            _ => self.unreadable += 1,
        }
    }

    /// What the function `maintenance` does: sends a new message for each record whose message is gone.
    pub(crate) fn maintain(&mut self) {
        let at = self.at();
        for queue in [STEPS.name(), LINKS.name()] {
            if self.queue(queue).is_empty() {
                self.store.send_stale(queue, at);
                self.follow();
            }
        }
    }

    /// Whether nothing is left to do, or nothing that could do it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.busy == 0 && self.queues.iter().all(QueueModel::is_empty) && !self.store.has_stale()
    }

    /// Checks what must hold when nothing is left to do.
    pub(crate) fn check_end(&mut self) {
        let mut lost = None;
        for (id, book) in &self.ledger.jobs {
            let Some(state) = book.state else {
                if book.acknowledged {
                    lost.get_or_insert(format!("{id} was acknowledged, and has no record"));
                }
                continue;
            };
            if !state.is_final() {
                lost.get_or_insert(format!("{id} is {state}, and nothing is left to run it"));
            } else if state == JobState::Failed
                && !self.ledger.dead.contains(id)
                && !self.store.batches.contains_key(id)
            {
                lost.get_or_insert(format!("{id} has failed, and has no dead letter"));
            }
        }
        if let Some(lost) = lost {
            self.ledger.violates(Invariant::NothingIsLost, lost);
        }
        for model in self.store.batches.values() {
            self.ledger.check_batch(&model.batch, &model.jobs);
        }
        // A message that a stranger sends again is one that the worker cannot know of, and so is the former one of a job that
        // was given another time: where the store is away for longer than a lease, it may come before a settlement.
        let second = |noise: &Noise| matches!(noise, Noise::Twice(_) | Noise::Reschedule(..));
        let is_undisturbed = !self.plan.noise.iter().any(|(_, noise)| second(noise));
        if self.faults.only_store() && is_undisturbed {
            self.ledger.check_outcomes();
        }
    }
}

/// The name of the internal message that carries a settlement.
const SETTLE: &str = "lamplighter.settle";

/// The job that a message settles, if it is nothing but a settlement.
fn settles(message: &Message) -> Option<JobId> {
    #[derive(Deserialize)]
    struct Settled {
        id: JobId,
    }
    (message.job == SETTLE).then(|| serde_json::from_str::<Settled>(message.args.get()).ok()).flatten().map(|s| s.id)
}

/// A job's message, as a sender in any language writes it.
pub(crate) fn body(job: &str, id: &JobId, n: usize) -> Arc<str> {
    format!(r#"{{"job":"{job}","id":"{id}","args":{{"n":{n}}}}}"#).into()
}

/// An answer of a service that is away.
pub(crate) fn away() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "away, as planned")
}
