//! The worker process of an application pool.

use super::{End, Lifetime, that_began};
use crate::{
    clock::{Moment, ms},
    numbers::{iis, trouble},
    year::{TroubleKind, Year},
};

/// How the site is kept awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAwake {
    /// It is not: IIS's defaults, `startMode` `OnDemand` among them. The process, and in it the job server, starts with
    /// a request.
    No,
    /// A monitor requests a page periodically.
    Ping(u64),
    /// `startMode` `AlwaysRunning`, `preloadEnabled`, and no idle time-out, as Hangfire's documentation says ("Making
    /// ASP.NET Application Always Running").
    AlwaysRunning,
}

/// The part of IIS that decides over the life of a worker process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Iis {
    pub(crate) keep_awake: KeepAwake,
}

/// The events that IIS receives. Jobs are not among them.
#[derive(Debug, Clone, Copy)]
enum Input {
    Request,
    Trouble(TroubleKind),
    MachineIsBack,
}

impl Iis {
    pub(crate) fn lifetimes(self, year: &Year) -> Vec<Lifetime> {
        let mut pool = Pool { keep_awake: self.keep_awake, alive: None, lifetimes: Vec::new() };
        if self.keep_awake == KeepAwake::AlwaysRunning {
            pool.start(0);
        }
        for (at, input) in self.inputs(year) {
            pool.up_to(at);
            pool.take(at, input);
        }
        pool.finish(year.requests.last().copied().unwrap_or(0).max(year.end))
    }

    fn inputs(self, year: &Year) -> Vec<(Moment, Input)> {
        let mut inputs: Vec<_> = year.requests.iter().map(|at| (*at, Input::Request)).collect();
        let outages: Vec<_> = year
            .troubles
            .iter()
            .filter_map(|trouble| match trouble.kind {
                TroubleKind::MachineFailure { until } => Some(trouble.at..until),
                TroubleKind::Deployment | TroubleKind::Crash => None,
            })
            .collect();
        if let KeepAwake::Ping(every) = self.keep_awake {
            let last = year.requests.last().copied().unwrap_or(0);
            let pings = (0..last).step_by(every as usize);
            inputs.extend(
                pings.filter(|at| !outages.iter().any(|outage| outage.contains(at))).map(|at| (at, Input::Request)),
            );
        }
        inputs.extend(year.troubles.iter().map(|trouble| (trouble.at, Input::Trouble(trouble.kind))));
        inputs.extend(outages.iter().map(|outage| (outage.end, Input::MachineIsBack)));
        inputs.sort_by_key(|(at, _)| *at);
        inputs
    }
}

struct Pool {
    keep_awake: KeepAwake,
    alive: Option<Alive>,
    lifetimes: Vec<Lifetime>,
}

struct Alive {
    began: Moment,
    last_request: Moment,
}

impl Pool {
    fn start(&mut self, at: Moment) {
        self.alive = Some(Alive { began: at, last_request: at });
    }

    fn end(&mut self, end: End) {
        if let Some(alive) = self.alive.take() {
            self.lifetimes.push(Lifetime { start: alive.began + ms(trouble::STARTS), end });
        }
    }

    /// An overlapped recycle: the next process starts before the last one ends. Its application, and the job server in
    /// it, start with a request, or by preloading.
    fn recycle(&mut self, at: Moment) {
        self.end(End::Stop(at));
        if self.keep_awake == KeepAwake::AlwaysRunning {
            self.start(at);
        }
    }

    /// Applies what IIS does by itself until then.
    fn up_to(&mut self, moment: Moment) {
        while let Some(Alive { began, last_request }) = self.alive {
            let idle = match self.keep_awake {
                KeepAwake::AlwaysRunning => Moment::MAX,
                KeepAwake::No | KeepAwake::Ping(_) => last_request + ms(iis::IDLE_TIMEOUT),
            };
            let periodic = began + ms(iis::PERIODIC_RESTART);
            if idle.min(periodic) > moment {
                return;
            }
            if idle <= periodic {
                self.end(End::Stop(idle));
            } else {
                self.recycle(periodic);
            }
        }
    }

    fn take(&mut self, at: Moment, input: Input) {
        match input {
            Input::Request => match &mut self.alive {
                Some(alive) => alive.last_request = at,
                None => self.start(at),
            },
            Input::Trouble(TroubleKind::Deployment) => {
                if self.alive.is_some() {
                    self.recycle(at);
                }
            }
            Input::Trouble(TroubleKind::Crash) if self.alive.is_some() => {
                self.end(End::Kill(at));
                if self.keep_awake == KeepAwake::AlwaysRunning {
                    self.start(at);
                }
            }
            Input::Trouble(TroubleKind::Crash) => {}
            Input::Trouble(TroubleKind::MachineFailure { .. }) => self.end(End::Kill(at)),
            Input::MachineIsBack => {
                if self.keep_awake == KeepAwake::AlwaysRunning && self.alive.is_none() {
                    self.start(at);
                }
            }
        }
    }

    fn finish(mut self, end: Moment) -> Vec<Lifetime> {
        self.up_to(end);
        self.end(End::Never);
        that_began(self.lifetimes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{HOUR, MINUTE},
        year::Trouble,
    };

    const STARTS: u64 = ms(trouble::STARTS);

    fn lifetimes(keep_awake: KeepAwake, requests: &[Moment], troubles: &[(Moment, TroubleKind)]) -> Vec<(Moment, End)> {
        let troubles = troubles.iter().map(|(at, kind)| Trouble { at: *at, kind: *kind }).collect();
        let year = Year { end: 0, requests: requests.to_vec(), troubles, jobs: Vec::new() };
        Iis { keep_awake }.lifetimes(&year).iter().map(|lifetime| (lifetime.start, lifetime.end)).collect()
    }

    #[test]
    fn a_process_starts_with_a_request_and_ends_twenty_minutes_after_the_last() {
        let found = lifetimes(KeepAwake::No, &[HOUR, HOUR + 19 * MINUTE, 9 * HOUR], &[]);
        let expected = [(HOUR + STARTS, End::Stop(HOUR + 39 * MINUTE)), (9 * HOUR + STARTS, End::Never)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_busy_process_is_replaced_after_29_hours_and_its_job_server_starts_with_the_next_request() {
        let requests: Vec<_> = (0..30 * 6).map(|at| at * 10 * MINUTE + 1).collect();
        let found = lifetimes(KeepAwake::No, &requests, &[]);
        let recycled = 1 + 29 * HOUR;
        assert_eq!(found, [(1 + STARTS, End::Stop(recycled)), (recycled + STARTS, End::Never)]);
        let found = lifetimes(KeepAwake::No, &[&requests[..], &[recycled - 1, recycled + 5 * MINUTE]].concat(), &[]);
        assert_eq!(found[0].1, End::Stop(recycled));
    }

    #[test]
    fn pings_keep_it_awake_and_recycles_continue() {
        let found = lifetimes(KeepAwake::Ping(5 * MINUTE), &[40 * HOUR], &[]);
        assert_eq!(found, [(STARTS, End::Stop(29 * HOUR)), (29 * HOUR + STARTS, End::Never)]);
    }

    #[test]
    fn always_running_needs_no_request() {
        let until = 20 * HOUR + 7 * MINUTE;
        let away = (20 * HOUR, TroubleKind::MachineFailure { until });
        let found = lifetimes(KeepAwake::AlwaysRunning, &[40 * HOUR], &[(HOUR, TroubleKind::Crash), away]);
        let expected = [(STARTS, End::Kill(HOUR)), (HOUR + STARTS, End::Kill(20 * HOUR)), (until + STARTS, End::Never)];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_deployment_recycles_a_live_process_and_starts_none() {
        let found = lifetimes(KeepAwake::No, &[HOUR], &[(HOUR + MINUTE, TroubleKind::Deployment)]);
        assert_eq!(found, [(HOUR + STARTS, End::Stop(HOUR + MINUTE))]);
        assert_eq!(lifetimes(KeepAwake::No, &[9 * HOUR], &[(HOUR, TroubleKind::Deployment)]).len(), 1);
    }
}
