//! The plan of a seed: which jobs there are, what their handlers do, and which faults may happen until when.

use lamplighter::message::Outcome;

use crate::dice::Dice;

/// All that is decided before anything runs.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<JobPlan>,
    pub(crate) batches: Vec<BatchPlan>,
    pub(crate) noise: Vec<(u64, Noise)>,
    pub(crate) hosts: usize,
    pub(crate) profile: Profile,
    /// When faults stop, in milliseconds.
    pub(crate) calm_at: u64,
}

/// One job, by its number.
#[derive(Debug, Clone)]
pub(crate) struct JobPlan {
    /// When it is enqueued, and with which delay.
    pub(crate) at: u64,
    pub(crate) delay: u64,
    /// Its FIFO group, if it is on the FIFO queue.
    pub(crate) group: Option<u64>,
    /// Whether it is one of those of which one at a time runs.
    pub(crate) alone: bool,
    /// The job that it waits for.
    pub(crate) after: Option<(usize, Outcome)>,
    pub(crate) from: From,
    /// What its executions do, one after the other; the later ones succeed.
    pub(crate) acts: Vec<(u64, Act)>,
}

/// Who enqueues a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Producer,
    /// The handler of another job.
    Handler,
    Batch,
}

/// Jobs that are enqueued as a batch, and one that waits for it.
#[derive(Debug, Clone)]
pub(crate) struct BatchPlan {
    pub(crate) at: u64,
    pub(crate) jobs: Vec<usize>,
    pub(crate) then: Option<(usize, Outcome)>,
}

/// What an execution does after its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Succeed,
    Err,
    ErrIn(u64),
    Fail,
    Panic,
    Snooze(u64),
    Continue,
    Checkpoint,
    Overrun,
    Enqueue(usize),
}

/// What else happens: messages of strangers, and operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    /// The message of a job is sent a second time.
    Twice(usize),
    /// The message of another job under its id.
    Foreign(usize),
    Garbage,
    /// A job that no function performs.
    Unknown,
    Cancel(usize),
    RunAgain(usize),
    /// A job is given another time, so many milliseconds from then.
    Reschedule(usize, u64),
}

/// Which kinds of fault there are in a seed: few at a time, so that each is met alone and with each other one.
#[derive(Debug, Clone, Default)]

pub(crate) struct Profile {
    /// Calls take time, so that they overlap.
    pub(crate) slow: bool,
    /// Some calls are refused, lost, or answered never.
    pub(crate) lossy_store: bool,
    pub(crate) lossy_queue: bool,
    /// Times in which a service is away.
    pub(crate) store_away: Vec<Away>,
    pub(crate) queue_away: Vec<Away>,
    pub(crate) crashes: bool,
    pub(crate) freezes: bool,
    pub(crate) duplicates: bool,
    pub(crate) reorders: bool,
    pub(crate) drains: bool,
    /// Leases are short, and renewed.
    pub(crate) renews: bool,
    /// How far the clock of each host is from the store's, in milliseconds, and from when on.
    pub(crate) clocks: Vec<(u64, i64)>,
}

/// A time in which a service is away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) how: How,
}

/// How a service is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It answers that it is.
    Refuses,
    /// It does nothing and never answers.
    Silent,
    /// It does what it is asked, and never answers.
    Mute,
    /// What it is asked arrives when it is back, unless that is too late.
    Stuck,
}

impl Profile {
    /// Whether nothing but the store can go wrong.
    pub(crate) fn only_store(&self) -> bool {
        !(self.lossy_queue
            || !self.queue_away.is_empty()
            || self.crashes
            || self.freezes
            || self.duplicates
            || self.drains
            || !self.clocks.is_empty())
    }
}

impl Plan {
    /// What an execution does, after how many milliseconds.
    pub(crate) fn act(&self, job: usize, execution: usize) -> (u64, Act) {
        let acts = self.jobs.get(job).map(|job| &job.acts);
        acts.and_then(|acts| acts.get(execution)).copied().unwrap_or((0, Act::Succeed))
    }

    /// The jobs that the handler of this one enqueues.
    pub(crate) fn children(&self, parent: usize) -> Vec<usize> {
        let jobs = self.jobs.iter().enumerate().skip(parent + 1);
        jobs.filter(|(_, job)| job.from == From::Handler).map(|(number, _)| number).collect()
    }

    pub(crate) fn of(seed: u64) -> Self {
        let dice = &mut Dice::new(seed, 1);
        let calm_at = dice.between(20_000, 240_000);
        let hosts = dice.between(1, 4);
        let profile = profile(dice, calm_at, hosts);
        let count = usize::try_from(dice.between(1, 7)).unwrap_or(1);
        let fifo = dice.percent(30);
        let mut jobs: Vec<_> = (0..count).map(|number| job(dice, number, fifo)).collect();
        let mut batches = Vec::new();
        if !fifo && count > 2 && dice.percent(30) {
            let at = dice.between(0, 10_000);
            let then = dice.percent(70).then(|| (count - 1, outcome(dice)));
            let members: Vec<usize> = (0..count - usize::from(then.is_some())).collect();
            for job in &mut jobs {
                (job.from, job.after, job.delay) = (From::Batch, None, 0);
            }
            batches.push(BatchPlan { at, jobs: members, then });
        }
        // Of its own dice: what else happens does not depend on it.
        if !fifo && Dice::new(seed, 7).percent(10) {
            jobs.iter_mut().filter(|job| job.from == From::Producer).for_each(|job| job.alone = true);
        }
        let mut noise = Vec::new();
        for (number, job) in jobs.iter().enumerate() {
            let at = job.at + dice.between(0, 60_000);
            if dice.percent(8) {
                noise.push((at, Noise::Twice(number)));
            }
            if dice.percent(4) {
                noise.push((at, Noise::Foreign(number)));
            }
            if dice.percent(5) {
                noise.push((at, Noise::Cancel(number)));
            }
            if dice.percent(5) {
                noise.push((at, Noise::RunAgain(number)));
            }
        }
        if dice.percent(5) {
            noise.push((dice.between(0, 30_000), Noise::Garbage));
        }
        if dice.percent(4) {
            noise.push((dice.between(0, 30_000), Noise::Unknown));
        }
        // Of its own dice, too.
        let mut dice = Dice::new(seed, 8);
        for (number, job) in jobs.iter().enumerate().filter(|_| !fifo) {
            if dice.percent(8) {
                let at = job.at + dice.between(0, 60_000);
                let later = if dice.percent(50) { 0 } else { dice.between(0, 40_000) };
                noise.push((at, Noise::Reschedule(number, later)));
            }
        }
        noise.sort_by_key(|(at, _)| *at);
        Self { jobs, batches, noise, hosts: usize::try_from(hosts).unwrap_or(1), profile, calm_at }
    }
}

fn profile(dice: &mut Dice, calm_at: u64, hosts: u64) -> Profile {
    let mut profile = Profile {
        slow: dice.percent(70),
        lossy_store: dice.percent(25),
        lossy_queue: dice.percent(15),
        crashes: dice.percent(35),
        freezes: dice.percent(20),
        duplicates: dice.percent(25),
        reorders: dice.percent(50),
        drains: dice.percent(10),
        renews: dice.percent(25),
        ..Profile::default()
    };
    if dice.percent(40) {
        profile.store_away = (0..dice.between(1, 4)).map(|_| away(dice, calm_at)).collect();
    }
    if dice.percent(15) {
        profile.queue_away = (0..dice.between(1, 3)).map(|_| away(dice, calm_at)).collect();
    }
    if dice.percent(12) {
        profile.clocks =
            (0..hosts).map(|_| (dice.between(0, calm_at), signed(dice.between(0, 240_000)) - 120_000)).collect();
    }
    profile
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn away(dice: &mut Dice, calm_at: u64) -> Away {
    let from = dice.between(0, calm_at / 2);
    let length = if dice.percent(50) { dice.between(10, 5_000) } else { dice.between(5_000, 200_000) };
    let how = [How::Refuses, How::Silent, How::Mute, How::Stuck][dice.index(4)];
    Away { from, to: (from + length).min(calm_at), how }
}

fn job(dice: &mut Dice, number: usize, fifo: bool) -> JobPlan {
    let at = dice.between(0, 10_000);
    let group = fifo.then(|| dice.between(0, 2));
    let delay = if !fifo && dice.percent(15) { dice.between(1_000, 60_000) } else { 0 };
    let after = (number > 0 && dice.percent(15)).then(|| (dice.index(number), outcome(dice)));
    let from = if number > 0 && !fifo && dice.percent(10) { From::Handler } else { From::Producer };
    let acts = (0..dice.between(0, 5)).map(|_| (takes(dice), act(dice, number, from))).collect();
    JobPlan { at, delay, group, alone: false, after, from, acts }
}

fn takes(dice: &mut Dice) -> u64 {
    match dice.between(0, 10) {
        0..5 => 0,
        5..8 => dice.between(1, 300),
        _ => dice.between(300, 4_900),
    }
}

fn outcome(dice: &mut Dice) -> Outcome {
    [Outcome::Success, Outcome::Failure, Outcome::End][dice.index(3)]
}

fn act(dice: &mut Dice, number: usize, from: From) -> Act {
    match dice.between(0, 100) {
        0..25 => Act::Succeed,
        25..45 => Act::Err,
        45..52 => Act::ErrIn(dice.between(0, 30_000)),
        52..58 => Act::Fail,
        58..65 => Act::Panic,
        65..75 => Act::Snooze(dice.between(0, 30_000)),
        75..83 => Act::Continue,
        83..89 => Act::Checkpoint,
        89..94 => Act::Overrun,
        _ if from == From::Handler => Act::Err,
        _ => Act::Enqueue(number),
    }
}
