//! When a process that runs jobs is alive, independent of the jobs: that is the point for IIS, and holds for the others
//! too.

mod iis;
mod process;

pub(crate) use self::{
    iis::{Iis, KeepAwake},
    process::{AfterMachineFailure, OnDeployment, Process},
};

use crate::clock::Moment;

/// One process, or its equivalent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The moment from which it takes jobs.
    pub(crate) start: Moment,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Not within the replay.
    Never,
    /// It is asked to stop.
    Stop(Moment),
    /// It is killed, without notice.
    Kill(Moment),
}

impl Lifetime {
    /// Returns when it takes no more jobs.
    pub(crate) fn until(&self) -> Moment {
        match self.end {
            End::Never => Moment::MAX,
            End::Stop(at) | End::Kill(at) => at,
        }
    }
}

/// Removes lifetimes that ended before they began: processes that were ended while they started.
fn that_began(mut lifetimes: Vec<Lifetime>) -> Vec<Lifetime> {
    lifetimes.retain(|lifetime| lifetime.start < lifetime.until());
    lifetimes
}
