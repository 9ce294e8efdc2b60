//! Processes that only run jobs: by hand, as a service, in a container, on a platform.

use super::{End, Lifetime, that_began};
use crate::{
    clock::{Moment, ms},
    numbers::trouble,
    year::{TroubleKind, Year},
};

/// The effect of a deployment on the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDeployment {
    /// It is killed, its files are replaced, and it is started.
    KilledAndReplaced,
    /// It is stopped cleanly, its files are replaced, and it is started.
    StoppedAndReplaced,
    /// The next one is started, and then this one is stopped cleanly.
    Rolling,
    /// None: running jobs continue in the old version.
    Unnoticed,
}

/// Where the next process starts after the machine has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterMachineFailure {
    /// On the same machine, when that is available again.
    WaitsForIt,
    /// On another one, after this long.
    Moves(u64),
}

/// How the process is kept alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) on_deployment: OnDeployment,
    /// The time from a crash to its restart.
    pub(crate) restarted: u64,
    pub(crate) after_machine_failure: AfterMachineFailure,
    /// The time that it takes to start.
    pub(crate) starts: u64,
}

impl Process {
    pub(crate) fn lifetimes(self, year: &Year) -> Vec<Lifetime> {
        let mut lifetimes = Vec::new();
        let mut start = self.starts;
        // Until then it is down, and further events have no effect.
        let mut away = 0;
        for trouble in &year.troubles {
            let at = trouble.at;
            if at < away || (trouble.kind == TroubleKind::Deployment && self.on_deployment == OnDeployment::Unnoticed) {
                continue;
            }
            let (end, back) = match trouble.kind {
                TroubleKind::Deployment => match self.on_deployment {
                    OnDeployment::KilledAndReplaced => (End::Kill(at), at + ms(trouble::REPLACED)),
                    OnDeployment::StoppedAndReplaced => (End::Stop(at), at + ms(trouble::REPLACED)),
                    OnDeployment::Rolling | OnDeployment::Unnoticed => (End::Stop(at), at.saturating_sub(self.starts)),
                },
                TroubleKind::Crash => (End::Kill(at), at + self.restarted),
                TroubleKind::MachineFailure { until } => (End::Kill(at), self.after(at, until)),
            };
            lifetimes.push(Lifetime { start, end });
            (start, away) = (back + self.starts, back);
        }
        lifetimes.push(Lifetime { start, end: End::Never });
        that_began(lifetimes)
    }

    fn after(self, failed: Moment, back: Moment) -> Moment {
        match self.after_machine_failure {
            AfterMachineFailure::WaitsForIt => back,
            AfterMachineFailure::Moves(after) => failed + after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::HOUR, year::Trouble};

    const SERVICE: Process = Process {
        on_deployment: OnDeployment::StoppedAndReplaced,
        restarted: 60_000,
        after_machine_failure: AfterMachineFailure::WaitsForIt,
        starts: 8_000,
    };

    fn lifetimes(process: Process) -> Vec<(Moment, End)> {
        let troubles = [
            (HOUR, TroubleKind::Deployment),
            (2 * HOUR, TroubleKind::Crash),
            (3 * HOUR, TroubleKind::MachineFailure { until: 4 * HOUR }),
            (3 * HOUR + 60_000, TroubleKind::Deployment),
        ];
        let troubles = troubles.map(|(at, kind)| Trouble { at, kind }).to_vec();
        let year = Year { end: 5 * HOUR, requests: Vec::new(), troubles, jobs: Vec::new() };
        process.lifetimes(&year).iter().map(|lifetime| (lifetime.start, lifetime.end)).collect()
    }

    #[test]
    fn a_service_is_stopped_restarted_and_waits_for_its_machine() {
        let expected = [
            (8_000, End::Stop(HOUR)),
            (HOUR + 53_000, End::Kill(2 * HOUR)),
            (2 * HOUR + 68_000, End::Kill(3 * HOUR)),
            (4 * HOUR + 8_000, End::Never),
        ];
        assert_eq!(lifetimes(SERVICE), expected);
        let killed = Process { on_deployment: OnDeployment::KilledAndReplaced, ..SERVICE };
        assert_eq!(lifetimes(killed)[0].1, End::Kill(HOUR));
    }

    #[test]
    fn a_container_is_replaced_by_its_successor_and_moves() {
        let container = Process {
            on_deployment: OnDeployment::Rolling,
            after_machine_failure: AfterMachineFailure::Moves(120_000),
            ..SERVICE
        };
        let found = lifetimes(container);
        assert_eq!((found[0], found[1].0), ((8_000, End::Stop(HOUR)), HOUR));
        assert_eq!(found[3].0, 3 * HOUR + 128_000);
    }

    #[test]
    fn lambda_notices_no_deployment() {
        let lambda = Process {
            on_deployment: OnDeployment::Unnoticed,
            restarted: 0,
            after_machine_failure: AfterMachineFailure::Moves(0),
            starts: 0,
        };
        let expected = [(0, End::Kill(2 * HOUR)), (2 * HOUR, End::Kill(3 * HOUR)), (3 * HOUR, End::Never)];
        assert_eq!(lifetimes(lambda), expected);
    }
}
