//! Simulates jobs, a library, and processes that start and end.

mod job;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::job::{Attempt, JobStatus, Phase};
use crate::{
    clock::{Moment, ms},
    events::Events,
    library::{AtTheLimit, Library, Timing},
    lifecycle::{End, Lifetime},
    numbers::{aws, site},
    outcome::Outcome,
    year::{Job, Origin, SCHEDULES},
};

/// The purposes of a job's random numbers.
mod luck {
    pub(super) const PICKUP: u64 = 1;
    pub(super) const PRECISION: u64 = 2;
    /// The purposes of its attempts begin here.
    pub(super) const RETRY: u64 = 100;
}

/// An event on one host. Jobs and processes are numbers.
#[derive(Debug, Clone, Copy)]
enum Event {
    Starts(usize),
    /// A process that has just started checks for missed jobs.
    LooksBack(usize),
    /// A process takes no more jobs.
    Closes(usize),
    /// A process notifies its jobs of the stop.
    Tells(usize),
    /// A process interrupts jobs that still run.
    Limit(usize),
    Dies(usize),
    /// A job is due, or due again.
    Due(usize),
    /// A live process finds that a job is due.
    Found(usize),
    /// A job can be begun.
    Ready(usize),
    /// An attempt has ended, and its end is stored.
    Ends(usize, Attempt),
}

/// The end of one run of a job, for pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    Done,
    FailedByItself,
    CutOff,
}

/// One run of a job, for pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) due: Moment,
    pub(crate) origin: Origin,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    pub(crate) end: RunEnd,
}

struct Simulation<'a> {
    library: &'a Library,
    lifetimes: &'a [Lifetime],
    jobs: &'a [&'a Job],
    statuses: Vec<JobStatus>,
    events: Events<Event>,
    /// Processes that take jobs; the newest last.
    open: Vec<usize>,
    /// Jobs that each process runs.
    running: Vec<Vec<usize>>,
    /// Jobs that can be begun, in order.
    ready: VecDeque<usize>,
    /// Jobs that are due while no process is alive to notice.
    unnoticed: Vec<usize>,
    outcome: Outcome,
    /// The window: the runs of jobs that begin in it are kept.
    window: std::ops::Range<Moment>,
    runs: Vec<Run>,
}

/// Runs `jobs`, which are sorted by their moments, in processes of these lifetimes. Returns the figures, and the runs
/// that began in `window`.
pub(crate) fn simulate(
    library: &Library,
    lifetimes: &[Lifetime],
    jobs: &[&Job],
    window: std::ops::Range<Moment>,
) -> (Outcome, Vec<Run>) {
    let mut simulation = Simulation {
        library,
        lifetimes,
        jobs,
        statuses: jobs.iter().map(|job| JobStatus::new(job)).collect(),
        events: Events::new(),
        open: Vec::new(),
        running: vec![Vec::new(); lifetimes.len()],
        ready: VecDeque::new(),
        unnoticed: Vec::new(),
        outcome: Outcome { jobs: jobs.len() as u64, ..Outcome::default() },
        window,
        runs: Vec::new(),
    };
    simulation.announce_processes();
    simulation.run();
    (simulation.outcome, simulation.runs)
}

impl Simulation<'_> {
    fn announce_processes(&mut self) {
        let stop = self.library.stop;
        for (process, lifetime) in self.lifetimes.iter().enumerate() {
            self.events.at(lifetime.start, Event::Starts(process));
            match lifetime.end {
                End::Never => {}
                End::Kill(at) => self.events.at(at, Event::Dies(process)),
                End::Stop(at) => {
                    self.events.at(at + stop.noticed, Event::Closes(process));
                    self.events.at(at + stop.told, Event::Tells(process));
                    self.events.at(at + stop.limit, Event::Limit(process));
                }
            }
        }
    }

    fn run(&mut self) {
        let mut next_due = 0;
        loop {
            let due = self.jobs.get(next_due).map_or(Moment::MAX, |job| job.due);
            // Events of processes precede due jobs of the same moment.
            if let Some((now, event)) = self.events.next_until(due) {
                self.take(now, event);
            } else if due < Moment::MAX {
                self.due(due, next_due);
                next_due += 1;
            } else {
                break;
            }
        }
        let lost = self.statuses.iter().filter(|status| !matches!(status.phase, Phase::Done | Phase::Missed)).count();
        self.outcome.lost = lost as u64;
    }

    fn take(&mut self, now: Moment, event: Event) {
        match event {
            Event::Starts(process) => {
                self.open.push(process);
                self.events.at(now, Event::LooksBack(process));
                self.begin_ready(now);
            }
            Event::LooksBack(process) => {
                if self.open.contains(&process) {
                    self.look_back(now);
                }
            }
            Event::Closes(process) => self.open.retain(|open| *open != process),
            Event::Tells(process) => {
                let heeding = |job: &usize| self.jobs[*job].heeds_cancellation;
                let (ending, going_on) = self.running[process].iter().partition(|job| heeding(job));
                self.running[process] = going_on;
                self.hand_back(now, ending);
            }
            Event::Limit(process) => {
                let cut_off = std::mem::take(&mut self.running[process]);
                match self.library.stop.at_the_limit {
                    AtTheLimit::HandedBack => self.hand_back(now, cut_off),
                    AtTheLimit::Abandoned => self.abandon(now, cut_off),
                }
            }
            Event::Dies(process) => {
                self.open.retain(|open| *open != process);
                let running = std::mem::take(&mut self.running[process]);
                self.abandon(now, running);
            }
            Event::Due(job) => self.due(now, job),
            Event::Found(job) => {
                if self.open.is_empty() {
                    self.unnoticed.push(job);
                } else {
                    self.found(now, job);
                }
            }
            Event::Ready(job) => {
                self.ready.push_back(job);
                self.begin_ready(now);
            }
            Event::Ends(job, attempt) => self.ends(now, job, attempt),
        }
    }

    fn timing(&self, job: usize) -> Timing {
        match (self.jobs[job].origin, self.statuses[job].failures) {
            (Origin::Request, 0) => Timing::Platform(0),
            (Origin::Tick(_), 0) => self.library.ticks,
            // A short delay is the queue's own.
            (Origin::Delayed(delay), 0) if delay <= ms(aws::SQS_DELAY) => self.on_time(self.library.delays),
            (Origin::Delayed(_), 0) => self.library.delays,
            _ => self.on_time(self.library.delays),
        }
    }

    /// The queue itself keeps short delays and retries where a platform keeps delays.
    fn on_time(&self, timing: Timing) -> Timing {
        match timing {
            Timing::Platform(_) => Timing::Platform(0),
            polled => polled,
        }
    }

    fn due(&mut self, now: Moment, job: usize) {
        self.statuses[job].waits_since(now);
        match (self.timing(job), self.open.last()) {
            (Timing::Platform(precision), _) => {
                let late = (self.jobs[job].unit(luck::PRECISION) * precision as f64) as u64;
                self.found(now + late, job);
            }
            (timing, Some(process)) => {
                let found = timing.found(self.lifetimes[*process].start, now);
                self.events.at(found, Event::Found(job));
            }
            (_, None) => self.unnoticed.push(job),
        }
    }

    fn found(&mut self, now: Moment, job: usize) {
        let pickup = (self.jobs[job].unit(luck::PICKUP) * self.library.pickup as f64) as u64;
        self.events.at(now + pickup, Event::Ready(job));
    }

    /// Of several ticks of a schedule the latest runs, in place of all.
    fn look_back(&mut self, now: Moment) {
        let mut latest = [None; SCHEDULES.len()];
        for job in std::mem::take(&mut self.unnoticed) {
            match self.jobs[job].origin {
                Origin::Tick(schedule) if self.statuses[job].is_new() => {
                    if let Some(older) = latest[schedule].replace(job) {
                        self.statuses[older].phase = Phase::Missed;
                        self.outcome.missed += 1;
                    }
                }
                _ => self.found(now, job),
            }
        }
        for job in latest.into_iter().flatten() {
            self.found(now, job);
        }
    }

    fn begin_ready(&mut self, now: Moment) {
        while let Some(process) = self.open.last().copied()
            && self.running[process].len() < self.library.workers
            && let Some(job) = self.ready.pop_front()
        {
            self.begin(now, job, process);
        }
    }

    fn begin(&mut self, now: Moment, job: usize, process: usize) {
        let (spec, status) = (self.jobs[job], &mut self.statuses[job]);
        if status.is_new() {
            self.outcome.begins(spec, now - spec.due);
        }
        self.outcome.is_stuck(status.stuck(self.lifetimes[process].start, now));
        let attempt = status.begin(now, process);
        self.running[process].push(job);
        self.events.at(now + spec.work + ms(site::ACKNOWLEDGES), Event::Ends(job, attempt));
    }

    fn ends(&mut self, now: Moment, job: usize, attempt: Attempt) {
        let (spec, status) = (self.jobs[job], &mut self.statuses[job]);
        if !status.is_running(attempt) {
            return;
        }
        self.running[status.process].retain(|running| *running != job);
        let failed = status.failures < spec.failures;
        if failed {
            status.failures += 1;
            let (failures, luck) = (status.failures, spec.unit(luck::RETRY + u64::from(status.failures)));
            status.phase = Phase::Waiting;
            if self.library.retry_is_a_new_message {
                status.receives = 0;
            }
            match self.library.retries.delay(failures, luck) {
                Some(delay) => self.events.at(now + ms(delay), Event::Due(job)),
                None => self.statuses[job].phase = Phase::GivenUp,
            }
        } else {
            self.outcome.done += 1;
            self.outcome.ran_twice += u64::from(status.finished_before);
            status.phase = Phase::Done;
        }
        self.keep(job, now, if failed { RunEnd::FailedByItself } else { RunEnd::Done });
        self.begin_ready(now);
    }

    /// Makes these jobs ready at once.
    fn hand_back(&mut self, now: Moment, jobs: Vec<usize>) {
        for job in jobs {
            if self.cut_off(now, job) {
                self.ready.push_back(job);
            }
        }
        self.begin_ready(now);
    }

    /// Makes these jobs ready after the recovery time.
    fn abandon(&mut self, now: Moment, jobs: Vec<usize>) {
        for job in jobs {
            if self.cut_off(now, job) {
                let visible = self.library.recovery.visible(self.statuses[job].begun_at, now);
                self.statuses[job].hidden_until = visible;
                self.events.at(visible, Event::Ready(job));
            }
        }
    }

    /// Interrupts a job. Returns whether it may be begun again.
    fn cut_off(&mut self, now: Moment, job: usize) -> bool {
        let (spec, status) = (self.jobs[job], &mut self.statuses[job]);
        let had_ended = now >= status.begun_at + spec.work && status.failures >= spec.failures;
        status.finished_before |= had_ended;
        status.waits_since(now);
        let given_up = self.library.max_receives.is_some_and(|most| status.receives >= most);
        if given_up {
            status.phase = Phase::GivenUp;
        } else {
            self.outcome.begun_again += 1;
        }
        self.keep(job, now, RunEnd::CutOff);
        !given_up
    }

    fn keep(&mut self, job: usize, to: Moment, end: RunEnd) {
        let from = self.statuses[job].begun_at;
        if self.window.contains(&from) {
            let Job { due, origin, .. } = *self.jobs[job];
            self.runs.push(Run { due, origin, from, to, end });
        }
    }
}
