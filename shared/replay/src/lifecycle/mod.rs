//! When a process that runs jobs is alive. Jobs have no say in it: that is the point for IIS, and holds for the others too.

mod iis;
mod process;

pub(crate) use self::{
    iis::{Iis, KeepAwake},
    process::{AfterMachineFailure, OnDeployment, Process},
};

use crate::clock::Moment;

/// One process, or what counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// From here on it takes jobs.
    pub(crate) start: Moment,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Not within the replay.
    Never,
    /// It is told to stop.
    Stop(Moment),
    /// It is gone, without notice.
    Kill(Moment),
}

impl Lifetime {
    /// When it takes no more jobs.
    pub(crate) fn until(&self) -> Moment {
        match self.end {
            End::Never => Moment::MAX,
            End::Stop(at) | End::Kill(at) => at,
        }
    }
}

/// Drops what ended before it began: a process that was ended while it started.
fn that_began(mut lifetimes: Vec<Lifetime>) -> Vec<Lifetime> {
    lifetimes.retain(|lifetime| lifetime.start < lifetime.until());
    lifetimes
}
