//! The hosts that are compared.

use std::ops::Range;

use crate::{
    clock::{Moment, ms},
    library::{Drain, Library, engine, functions, in_asp_net, in_process, lambda, poller},
    lifecycle::{AfterMachineFailure, Iis, KeepAwake, Lifetime, OnDeployment, Process},
    numbers::{aws, azure, trouble},
    outcome::Outcome,
    simulation::{Run, simulate},
    year::{Job, Year},
};

/// One way to run the jobs of the site.
#[derive(Debug)]
#[non_exhaustive]
pub struct Host {
    /// Its name, for tables.
    pub name: &'static str,
    /// Whether it is one of Lamplighter's.
    pub ours: bool,
    /// A remark in one line: what controls the jobs there.
    pub remark: &'static str,
    parts: &'static [Part],
}

/// A library in processes of some kind, and its jobs.
#[derive(Debug)]
struct Part {
    library: fn() -> Library,
    processes: Processes,
    takes: fn(&Job) -> bool,
}

#[derive(Debug, Clone, Copy)]
enum Processes {
    Iis(Iis),
    Own(Process),
}

/// The results of one host.
pub(crate) struct Played {
    pub(crate) outcome: Outcome,
    /// The runs that began in the window.
    pub(crate) runs: Vec<Run>,
    /// The times when a process was alive to run jobs. Empty if a platform runs them.
    pub(crate) lifetimes: Vec<Lifetime>,
}

impl Host {
    pub(crate) fn play(&self, year: &Year, window: &Range<Moment>) -> Played {
        let mut played = Played {
            outcome: Outcome { host: self.name, ours: self.ours, ..Outcome::default() },
            runs: Vec::new(),
            lifetimes: Vec::new(),
        };
        for part in self.parts {
            let jobs: Vec<_> = year.jobs.iter().filter(|job| (part.takes)(job)).collect();
            let lifetimes = part.processes.lifetimes(year);
            let (outcome, runs) = simulate(&(part.library)(), &lifetimes, &jobs, window.clone());
            played.outcome = played.outcome.and(outcome);
            played.runs.extend(runs);
            if self.parts.len() == 1 {
                played.lifetimes = lifetimes;
            }
        }
        played
    }
}

impl Processes {
    fn lifetimes(self, year: &Year) -> Vec<Lifetime> {
        match self {
            Self::Iis(iis) => iis.lifetimes(year),
            Self::Own(process) => process.lifetimes(year),
        }
    }
}

fn all(_: &Job) -> bool {
    true
}

fn fits_lambda(job: &Job) -> bool {
    !job.is_too_long_for_lambda()
}

const SERVICE: Process = Process {
    on_deployment: OnDeployment::StoppedAndReplaced,
    restarted: ms(trouble::RESTARTED),
    after_machine_failure: AfterMachineFailure::WaitsForIt,
    starts: ms(trouble::STARTS),
};
const CONTAINER: Process = Process {
    on_deployment: OnDeployment::Rolling,
    after_machine_failure: AfterMachineFailure::Moves(ms(trouble::MOVED)),
    ..SERVICE
};
const CONSOLE: Process = Process { on_deployment: OnDeployment::KilledAndReplaced, ..SERVICE };
const LAMBDA: Process = Process {
    on_deployment: OnDeployment::Unnoticed,
    restarted: 0,
    after_machine_failure: AfterMachineFailure::Moves(0),
    starts: 0,
};
const AZURE_APP: Process = Process { after_machine_failure: AfterMachineFailure::Moves(ms(trouble::MOVED)), ..SERVICE };

/// A host of one library in one kind of process.
macro_rules! host {
    ($name:literal, $ours:literal, $library:expr, $processes:expr, $remark:literal) => {
        Host {
            name: $name,
            ours: $ours,
            remark: $remark,
            parts: &[Part { library: $library, processes: $processes, takes: all }],
        }
    };
}

/// All hosts. The others are compared with the first one.
pub const ALL: [Host; 11] = [
    host!(
        "Hangfire model: IIS, defaults",
        false,
        in_asp_net,
        Processes::Iis(Iis { keep_awake: KeepAwake::No }),
        "asleep 20 minutes after the last request, whatever its jobs do; awake again with the next one"
    ),
    host!(
        "Hangfire model: IIS, pinged",
        false,
        in_asp_net,
        Processes::Iis(Iis { keep_awake: KeepAwake::Ping(ms(trouble::PING)) }),
        "a monitor keeps it awake; each recycle cuts off what runs longer than 15 seconds more"
    ),
    host!(
        "Hangfire model: IIS, always running",
        false,
        in_asp_net,
        Processes::Iis(Iis { keep_awake: KeepAwake::AlwaysRunning }),
        "preloaded after each recycle, which still cuts off what runs longer than 15 seconds more"
    ),
    host!(
        "Hangfire model: console process",
        false,
        in_process,
        Processes::Own(CONSOLE),
        "killed by each deployment; what ran is found again after four to five minutes"
    ),
    host!(
        "Hangfire model: Windows service",
        false,
        in_process,
        Processes::Own(SERVICE),
        "15 seconds to stop; what ignores cancellation is found again after four to five minutes"
    ),
    host!(
        "Lamplighter: engine in a service",
        true,
        engine,
        Processes::Own(SERVICE),
        "25 seconds to drain, then handed back; the next start takes up what a kill has left"
    ),
    host!(
        "Lamplighter: worker in a service",
        true,
        || poller(Drain::Own),
        Processes::Own(SERVICE),
        "schedules and delays are AWS's; a lease of a minute is all that a kill leaves"
    ),
    host!(
        "Lamplighter: worker in a container",
        true,
        || poller(Drain::Within(aws::ECS_STOP_TIMEOUT)),
        Processes::Own(CONTAINER),
        "the next task is there before this one drains, for 96 of its 120 seconds"
    ),
    host!(
        "Lamplighter: worker in a WebJob",
        true,
        || poller(Drain::Within(azure::WEBJOB_STOP)),
        Processes::Own(AZURE_APP),
        "five seconds to stop, of which four are the handlers'"
    ),
    host!(
        "Lamplighter: Azure Functions",
        true,
        functions,
        Processes::Own(Process { on_deployment: OnDeployment::KilledAndReplaced, ..AZURE_APP }),
        "no notice of a stop: what ran is visible again after five to ten minutes"
    ),
    Host {
        name: "Lamplighter: Lambda, with a worker",
        ours: true,
        remark: "no process to keep alive; jobs above 15 minutes go to a worker in a container",
        parts: &[
            Part { library: lambda, processes: Processes::Own(LAMBDA), takes: fits_lambda },
            Part {
                library: || poller(Drain::Within(aws::ECS_STOP_TIMEOUT)),
                processes: Processes::Own(CONTAINER),
                takes: Job::is_too_long_for_lambda,
            },
        ],
    },
];
