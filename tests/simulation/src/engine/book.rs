//! What was seen of an engine: acknowledgements and executions, and what must hold between them and the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use lamplighter::{Context, Job, JobId, JobState, Record, record::AttemptOutcome};

use super::{
    Shared,
    clock::{Death, Wall},
    lock,
};
use crate::{
    invariant::{Invariant, Violation},
    jobs::{ATTEMPTS, Alone, LINKS, Stage},
    ledger::End,
    plan::{Act, Plan},
    run::Report,
    story::Story,
    transitions::Transitions,
};

/// The account of a seed.
pub(crate) struct Book {
    pub(super) plan: Arc<Plan>,
    story: Story,
    wall: Option<Wall>,
    life: u32,
    /// Whether the engine of this life is dead: what it drops is not heard.
    is_dead: bool,
    /// Lives that ended early.
    ends: usize,
    pub(super) jobs: BTreeMap<JobId, Account>,
    /// The jobs of each FIFO group, in the order of their acknowledgement.
    groups: BTreeMap<u64, Vec<JobId>>,
    pub(super) transitions: Transitions,
    /// The ids of the plan's jobs.
    pub(super) ids: BTreeMap<usize, JobId>,
    /// The ids of batches.
    pub(super) batches: BTreeSet<String>,
    /// What was enqueued or sent in an earlier life.
    pub(super) done: BTreeSet<String>,
    executions: u64,
    violation: Option<Violation>,
}

/// The account of a job.
#[derive(Default)]
pub(super) struct Account {
    pub(super) acknowledged: bool,
    /// An operator has cancelled it or run it again.
    pub(super) by_hand: bool,
    /// Its number, and its group.
    n: Option<usize>,
    /// Whether it is one of those of which one at a time runs.
    is_alone: bool,
    executions: Vec<Execution>,
}

struct Execution {
    life: u32,
    attempt: u32,
    end: Option<End>,
}

impl Book {
    pub(super) fn new(plan: Arc<Plan>, story: Story) -> Self {
        Self {
            plan,
            story,
            wall: None,
            life: 0,
            is_dead: false,
            ends: 0,
            jobs: BTreeMap::new(),
            groups: BTreeMap::new(),
            transitions: Transitions::default(),
            ids: BTreeMap::new(),
            batches: BTreeSet::new(),
            done: BTreeSet::new(),
            executions: 0,
            violation: None,
        }
    }

    pub(super) fn begins_life(&mut self, life: u32, wall: Wall, text: String) {
        (self.life, self.wall, self.is_dead) = (life, Some(wall), false);
        self.tell("engine", || text);
    }

    pub(super) fn ends_life(&mut self, is_clean: bool) {
        if !is_clean {
            self.tell("engine", || "is killed".into());
        }
        (self.is_dead, self.ends) = (true, self.ends + 1);
    }

    /// The engine is killed now.
    pub(super) fn kills(&mut self) {
        self.tell("engine", || "is killed".into());
        self.is_dead = true;
    }

    pub(super) fn tell(&mut self, who: &str, what: impl FnOnce() -> String) {
        let at = self.wall.as_ref().map_or(0, Wall::now);
        self.story.tell(at, who, what);
    }

    pub(super) fn violates(&mut self, invariant: Invariant, message: String) {
        self.violation.get_or_insert(Violation { invariant, message });
    }

    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(super) fn report(&mut self) -> Report {
        Report {
            violation: self.violation.clone(),
            story: std::mem::take(&mut self.story),
            transitions: std::mem::take(&mut self.transitions),
            executions: self.executions,
        }
    }

    pub(super) fn starves(&mut self, open: &str) {
        self.violates(Invariant::NothingStarves, format!("{open}, hours after the last engine started"));
    }

    /// A job was acknowledged.
    pub(super) fn acknowledged(&mut self, id: &JobId, n: Option<usize>, is_new: bool) {
        self.tell("producer", || format!("{id} is acknowledged"));
        let group =
            n.and_then(|n| self.plan.jobs.get(n)).and_then(|job| job.group.filter(|_| is_new && job.after.is_none()));
        let account = self.jobs.entry(id.clone()).or_default();
        account.acknowledged = true;
        account.n = account.n.or(n);
        if let Some(n) = n {
            self.ids.insert(n, id.clone());
        }
        // A job that waits joins its group later, and one that an earlier life has written has joined it earlier: only what
        // is known to be in order is checked.
        if let Some(group) = group {
            self.groups.entry(group).or_default().push(id.clone());
        }
    }

    fn begins(&mut self, ctx: &Context, job: &str, n: usize) -> (usize, u64, Act) {
        let (id, attempt, life) = (ctx.id().clone(), ctx.attempt(), self.life);
        self.executions += 1;
        self.ids.entry(n).or_insert_with(|| id.clone());
        let group = self.plan.jobs.get(n).and_then(|job| job.group);
        let account = self.jobs.entry(id.clone()).or_default();
        let number = account.executions.len();
        let is_double = account.executions.iter().any(|other| other.life == life && other.end.is_none());
        let is_double = is_double && !account.by_hand;
        account.is_alone = job == Alone::NAME;
        account.executions.push(Execution { life, attempt, end: None });
        let (takes, act) = self.plan.act(n, number);
        self.tell("engine", || format!("attempt {attempt} of {id} begins: {act:?} after {takes} ms"));
        if is_double {
            self.violates(Invariant::OneLease, format!("attempt {attempt} of {id} begins while another one runs"));
        }
        if job == Alone::NAME {
            self.check_alone(&id);
        }
        if attempt > ATTEMPTS {
            let text = format!("attempt {attempt} of {id} begins; {ATTEMPTS} are allowed");
            self.violates(Invariant::AttemptsWithinLimit, text);
        }
        if job == "stranger" {
            self.violates(Invariant::OneOwner, format!("a stranger's job runs under the id {id}"));
        }
        if let Some(group) = group.filter(|_| ctx.queue() == LINKS.name()) {
            self.check_order(&id, group);
        }
        (number, takes, act)
    }

    /// Of the jobs that share a mutex, one runs. A handler goes on for a while when its job is cancelled.
    fn check_alone(&mut self, id: &JobId) {
        let life = self.life;
        let runs = |account: &Account| account.executions.iter().any(|one| one.life == life && one.end.is_none());
        let mut others =
            self.jobs.iter().filter(|(other, account)| *other != id && account.is_alone && !account.by_hand);
        if let Some(other) = others.find(|(_, account)| runs(account)).map(|(other, _)| other.clone()) {
            self.violates(Invariant::LimitIsKept, format!("{id} begins while {other} has the place"));
        }
    }

    fn check_order(&mut self, id: &JobId, group: u64) {
        let Some(jobs) = self.groups.get(&group).filter(|jobs| jobs.contains(id)) else { return };
        let open = jobs.iter().take_while(|job| *job != id).find(|job| {
            self.jobs.get(*job).is_some_and(|account| {
                !account.by_hand
                    && !account.executions.iter().any(|execution| match execution.end {
                        Some(End::Succeeded | End::Failed) => true,
                        // The last attempt may also have been one that was lost before its handler began.
                        Some(End::Error | End::Panicked | End::Dropped) | None => execution.attempt + 1 >= ATTEMPTS,
                        Some(End::Snoozed | End::Continued) => false,
                    })
            })
        });
        if let Some(open) = open.cloned() {
            self.violates(Invariant::FifoOrder, format!("{id} runs before {open}, which is before it in its group"));
        }
    }

    fn ends(&mut self, ctx: &Context, execution: usize, end: End) {
        if self.is_dead {
            return;
        }
        let (id, attempt) = (ctx.id(), ctx.attempt());
        let account = self.jobs.get_mut(id).and_then(|account| account.executions.get_mut(execution));
        if let Some(execution) = account.filter(|execution| execution.end.is_none()) {
            execution.end = Some(end);
            self.tell("engine", || format!("attempt {attempt} of {id} ends: {end:?}"));
        }
    }

    /// Compares the record of a job that has ended with what was seen of it.
    pub(super) fn compare(&mut self, record: &Record, has_dead_letter: bool) {
        let (id, state) = (&record.id, record.state);
        let account = self.jobs.entry(id.clone()).or_default();
        if account.by_hand {
            return;
        }
        let ended = |ends: &[End]| {
            account.executions.iter().filter(|one| one.end.is_some_and(|end| ends.contains(&end))).count()
        };
        // What was killed in the middle of its handler is an attempt too: a lost one.
        let killed = account.executions.iter().filter(|one| one.end.is_none()).count();
        let settled = killed + ended(&[End::Succeeded, End::Error, End::Failed, End::Panicked, End::Continued]);
        let (succeeded, executions) = (ended(&[End::Succeeded]), account.executions.len());
        let recorded = record.attempts.iter().filter(|attempt| attempt.outcome != AttemptOutcome::Cancelled).count();
        let told = |outcome| record.attempts.iter().filter(|attempt| attempt.outcome == outcome).count();
        // A claim that was committed and whose handler never began is an attempt that was lost.
        let most = executions + self.ends;
        let mut broken = None;
        if !(settled..=most).contains(&recorded) {
            let text = format!(
                "{id} has {recorded} attempts in its record, {executions} executions, {settled} of them ended or killed"
            );
            broken = Some((Invariant::AttemptIsExecution, text));
        } else if told(AttemptOutcome::Succeeded) > succeeded || (state == JobState::Succeeded && succeeded == 0) {
            broken = Some((Invariant::RecordIsTrue, format!("{id} has succeeded, and its handler never did")));
        } else if state == JobState::Failed && !has_dead_letter {
            broken = Some((Invariant::NothingIsLost, format!("{id} has failed, and has no dead letter")));
        }
        if let Some((invariant, message)) = broken {
            self.violates(invariant, message);
        }
    }
}

/// A handler's stage in an engine.
pub(super) struct Actor {
    book: Shared,
    death: Death,
}

impl Actor {
    pub(super) fn new(book: Shared, death: Death) -> Self {
        Self { book, death }
    }
}

#[async_trait]
impl Stage for Actor {
    async fn alive(&self) {
        if lock(&self.book).is_dead {
            std::future::pending::<()>().await;
        }
    }

    fn begins(&self, ctx: &Context, job: &str, n: usize) -> (usize, u64, Act) {
        self.death.handler();
        lock(&self.book).begins(ctx, job, n)
    }

    fn ends(&self, ctx: &Context, execution: usize, end: End) {
        lock(&self.book).ends(ctx, execution, end);
        self.death.handler();
    }

    fn acknowledged(&self, id: &JobId) {
        lock(&self.book).acknowledged(id, None, true);
    }

    fn children(&self, parent: usize) -> Vec<usize> {
        lock(&self.book).plan.children(parent)
    }
}
