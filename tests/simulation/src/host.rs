//! A host: receives messages, hands them to the product's worker with a deadline, and acts on its answers as Lambda and SQS
//! do. It crashes, stands still, and is told to stop.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    Context, JobId,
    env::{Env, SeededRandom},
    host::{Delivery, Disposition, MessageAction, Stop, Worker},
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    faults::Service,
    invariant::Invariant,
    jobs::{Stage, function},
    ledger::End,
    life::{Interrupted, Interruption, Life},
    line::Line,
    model::queue::Received,
    mutant::Mutant,
    plan::Act,
    world::{HostClock, Sim, World},
};

/// How long an invocation may take.
const INVOCATION: Duration = Duration::from_secs(12);
/// The part of it that is left for acting on the answers, as on Lambda.
const ACTING: Duration = Duration::from_millis(500);
/// The longest call of the host itself, and the time before its deadline at which it answers in any case.
const CALL: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_millis(20);
/// How long a lease lasts where it is renewed.
const LEASE: Duration = Duration::from_secs(6);

/// One host, with one process at a time.
pub(crate) struct Host {
    sim: Sim,
    number: usize,
    seed: u64,
    processes: u64,
}

/// One process of a host.
struct Process {
    line: Line,
    worker: Worker,
    stop: Stop,
}

impl Host {
    pub(crate) fn new(sim: Sim, number: usize, seed: u64) -> Self {
        Self { sim, number, seed, processes: 0 }
    }

    /// Works until the simulation is over.
    pub(crate) async fn run(mut self) {
        let mut process = self.process();
        loop {
            let (queue, received) = self.receive().await;
            if !process.invoke(queue, received).await {
                let pause = self.sim.with(|world| world.faults.dice.between(0, 20_000));
                sleep(Duration::from_millis(pause)).await;
                process = self.process();
            }
        }
    }

    fn process(&mut self) -> Process {
        self.processes += 1;
        let name = format!("host {}.{}", self.number + 1, self.processes);
        let line = Line { sim: self.sim.clone(), life: Life::new(name.clone(), self.sim.origin) };
        let random = SeededRandom::new(self.seed ^ ((self.number as u64) << 32) ^ (self.processes << 48));
        let clock = HostClock { sim: self.sim.clone(), host: self.number };
        let env = Env { clock: Arc::new(clock), random: Arc::new(random) };
        let stop = Stop::new();
        let (function, backend) = (function(Arc::new(line.clone())), line.backend());
        let worker = match self.sim.plan.profile.renews {
            true => Worker::with_lease(function, backend, env, name, stop.clone(), LEASE),
            false => Worker::new(function, backend, env, name, stop.clone()),
        };
        Process { line, worker, stop }
    }

    /// Waits for messages.
    async fn receive(&self) -> (&'static str, Vec<Received>) {
        loop {
            let changed = self.sim.changed.notified();
            let (found, next) = self.sim.with(World::receive);
            if let Some(found) = found {
                return found;
            }
            let now = self.sim.now();
            let wait = next.map_or(60_000, |next| next.saturating_sub(now)).clamp(100, 60_000);
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep(Duration::from_millis(wait)) => {}
            }
        }
    }
}

impl World {
    /// Receives from one of the queues; with nothing there, returns when there will be.
    fn receive(&mut self) -> (Option<(&'static str, Vec<Received>)>, Option<u64>) {
        let (now, holds) = (self.now, !self.is(Mutant::GroupNotHeld));
        for index in 0..self.queues.len() {
            let name = self.queues[index].name;
            let received = self.queues[index].receive(now, &mut self.faults, holds);
            if received.is_empty() {
                continue;
            }
            self.busy += 1;
            if self.is(Mutant::DeletedOnReceipt) {
                for one in &received {
                    self.delete(name, &one.receipt);
                }
            }
            return (Some((name, received)), None);
        }
        (None, self.queues.iter().filter_map(|queue| queue.next_visible()).min())
    }
}

impl Process {
    /// Runs one invocation. Returns whether the process goes on.
    async fn invoke(&self, queue: &'static str, received: Vec<Received>) -> bool {
        let (sim, life) = (&self.line.sim, &self.line.life);
        let name = life.name();
        let (interruption, drain) = sim.with(|world| {
            world.tell(name, || {
                let ids = received.iter().map(|one| &*one.receipt).collect::<Vec<_>>().join(", ");
                format!("receives {ids}")
            });
            let now = world.now;
            let interruption = match (world.faults.crash(now), world.faults.freeze(now)) {
                (Some(polls), _) => Interruption::Crash { polls },
                (None, Some((polls, time))) => Interruption::Freeze { polls, time: Duration::from_millis(time) },
                (None, None) => Interruption::Never,
            };
            (interruption, world.faults.drain(now))
        });
        if let Some((after, abort)) = drain {
            let stop = self.stop.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(after)).await;
                stop.drain();
                sleep(Duration::from_millis(abort)).await;
                stop.abort();
            });
        }
        let deadline = Instant::now() + INVOCATION;
        let invocation = Interrupted::new(self.work(queue, received, deadline), life.clone(), interruption);
        // Nobody ends a process that stands still together with its platform: it goes on as if nothing had happened.
        let longest = match interruption {
            Interruption::Freeze { time, .. } => deadline + time + INVOCATION,
            Interruption::Never | Interruption::Crash { .. } => deadline,
        };
        let ended = timeout_at(longest, invocation).await;
        let goes_on = sim.with(|world| {
            world.busy -= 1;
            match ended {
                Ok(Some(())) => {}
                Ok(None) => world.tell(name, || "crashes".into()),
                Err(_) if life.stood_still() => world.tell(name, || "is ended by its platform".into()),
                Err(_) => {
                    let text = format!("{name} has not answered at its deadline, {INVOCATION:?} after it received");
                    world.ledger.violates(Invariant::AnswerInTime, text);
                }
            }
            matches!(ended, Ok(Some(()))) && drain.is_none() && !life.stood_still()
        });
        if !goes_on {
            life.kill();
        }
        sim.changed.notify_waiters();
        goes_on
    }

    /// Runs the jobs of a batch, and acts on the answers.
    async fn work(&self, queue: &'static str, received: Vec<Received>, deadline: Instant) {
        let (sim, name) = (&self.line.sim, self.line.life.name());
        let (too_late, twice) = sim.with(|world| (world.is(Mutant::DeadlineTooLate), world.is(Mutant::AnsweredTwice)));
        let mut deliveries: Vec<_> = received.iter().map(|one| delivery(queue, one)).collect();
        if twice {
            deliveries.extend(deliveries.first().cloned());
        }
        let answer_by = if too_late { deadline + INVOCATION } else { deadline - ACTING };
        let answers = self.worker.process(deliveries, answer_by).await;
        sim.with(|world| {
            let late = Instant::now() > answer_by && !self.line.life.stood_still();
            if late {
                world
                    .ledger
                    .violates(Invariant::AnswerInTime, format!("the worker of {name} answered after its deadline"));
            }
            let mut counts: BTreeMap<&str, u32> = received.iter().map(|one| (&*one.receipt, 0)).collect();
            for answer in &answers {
                *counts.entry(&answer.receipt).or_default() += 1;
            }
            if let Some((receipt, count)) = counts.into_iter().find(|(_, count)| *count != 1) {
                world.ledger.violates(Invariant::OneAnswer, format!("{name} got {count} answers for {receipt}"));
            }
        });
        let decided = sim.now();
        for answer in answers {
            if let Some(one) = received.iter().find(|one| one.receipt == answer.receipt) {
                let by = (deadline - LAST).min(Instant::now() + CALL);
                // What is not answered in time leaves the message where it is.
                let _ = timeout_at(by, self.act(queue, one.clone(), answer, decided)).await;
            }
        }
    }

    /// Acts on one answer.
    async fn act(&self, queue: &'static str, one: Received, answer: Disposition, decided: u64) {
        let (name, receipt) = (self.line.life.name(), one.receipt.clone());
        self.line.sim.with(|world| {
            // The whole of a cause is in the record.
            world.tell(name, || match &answer.action {
                MessageAction::DeadLetter(cause) => format!("{receipt}: DeadLetter({})", cause.reason.as_str()),
                other => format!("{receipt}: {other:?}"),
            });
        });
        match answer.action {
            MessageAction::Ack => self.delete(queue, receipt).await,
            MessageAction::Release(None) => {
                let done = move |world: &mut World| {
                    if world.is(Mutant::ReleaseForgotten) {
                        let until = world.now + 86_400_000;
                        world.queue(queue).hide(&receipt, until, false);
                    }
                };
                self.line.call(Service::Queue, "hide", done, || ()).await;
            }
            MessageAction::Retry(delay) | MessageAction::Release(Some(delay)) => {
                let until = decided + u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                let done = move |world: &mut World| {
                    let old_counts = world.faults.twice(world.now);
                    let until = if world.is(Mutant::ReleaseForgotten) { until + 86_400_000 } else { until };
                    let until = until.max(world.now);
                    world.queue(queue).hide(&receipt, until, old_counts);
                };
                self.line.call(Service::Queue, "hide", done, || ()).await;
            }
            MessageAction::DeadLetter(cause) => {
                let deleted_first = self.line.sim.with(|world| world.is(Mutant::DeadLetterLater));
                if deleted_first {
                    self.delete(queue, receipt.clone()).await;
                }
                let done = move |world: &mut World| {
                    world.dead_letter(&one, &cause);
                    true
                };
                if self.line.call(Service::Queue, "send a dead letter", done, || false).await && !deleted_first {
                    self.delete(queue, receipt).await;
                }
            }
        }
    }

    async fn delete(&self, queue: &'static str, receipt: String) {
        let done = move |world: &mut World| world.delete(queue, &receipt);
        self.line.call(Service::Queue, "delete", done, || ()).await;
    }
}

fn delivery(queue: &'static str, one: &Received) -> Delivery {
    let message = &one.message;
    let delivery = Delivery::new(queue, message.id.clone(), one.receipt.clone(), &*message.body);
    let delivery = delivery.received(message.receives);
    match &message.group {
        Some(group) => delivery.group(group.clone()),
        None => delivery,
    }
}

#[async_trait]
impl Stage for Line {
    async fn alive(&self) {
        self.life.alive().await;
    }

    fn begins(&self, ctx: &Context, job: &str, n: usize) -> (usize, u64, Act) {
        let (host, id, attempt) = (self.life.name(), ctx.id(), ctx.attempt());
        self.sim.with(|world| {
            let number = world.ledger.begins(id, job, attempt, host);
            let (takes, act) = world.act(n, number);
            world.tell(host, || format!("attempt {attempt} of {id} begins: {act:?} after {takes} ms"));
            (number, takes, act)
        })
    }

    fn ends(&self, ctx: &Context, execution: usize, end: End) {
        // What a dead process drops has no end.
        if self.life.is_dead() {
            return;
        }
        let (host, id, attempt) = (self.life.name(), ctx.id(), ctx.attempt());
        self.sim.with(|world| {
            if world.ledger.ends(id, execution, end) {
                world.tell(host, || format!("attempt {attempt} of {id} ends: {end:?}"));
            }
        });
    }

    fn acknowledged(&self, id: &JobId) {
        self.sim.with(|world| world.ledger.acknowledged(id));
    }

    fn children(&self, parent: usize) -> Vec<usize> {
        self.sim.plan.children(parent)
    }
}
