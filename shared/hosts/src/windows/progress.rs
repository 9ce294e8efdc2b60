//! What the service manager is told.

use std::time::Duration;

use lamplighter::host::Phase;

/// How long a service is starting at most. One whose queue cannot be reached yet goes on trying, and the manager stops none that
/// is still starting.
const LONGEST_START: Duration = Duration::from_secs(20);

/// A report to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    Starting,
    Running,
    Stopping,
}

/// How far a service is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    is_running: bool,
}

impl Progress {
    /// What to report: as long as it starts or stops, always something, so that the checkpoint grows; that it runs, once.
    pub(super) fn report(&mut self, phase: Phase, is_ready: bool, since_start: Duration) -> Option<Report> {
        match phase {
            Phase::Draining | Phase::Stopped => Some(Report::Stopping),
            Phase::Running if self.is_running => None,
            Phase::Running if is_ready || since_start >= LONGEST_START => {
                self.is_running = true;
                Some(Report::Running)
            }
            Phase::Running => Some(Report::Starting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_starts_until_it_is_ready_and_runs_without_further_reports_until_it_drains() {
        let mut progress = Progress::default();
        assert_eq!(progress.report(Phase::Running, false, SECOND), Some(Report::Starting));
        assert_eq!(progress.report(Phase::Running, false, 2 * SECOND), Some(Report::Starting));
        assert_eq!(progress.report(Phase::Running, true, 3 * SECOND), Some(Report::Running));
        // A queue that cannot be reached for a while makes no service start again.
        assert_eq!(progress.report(Phase::Running, false, 4 * SECOND), None);
        assert_eq!(progress.report(Phase::Draining, false, 5 * SECOND), Some(Report::Stopping));
        assert_eq!(progress.report(Phase::Draining, false, 6 * SECOND), Some(Report::Stopping));
        assert_eq!(progress.report(Phase::Stopped, false, 7 * SECOND), Some(Report::Stopping));
    }

    #[test]
    fn one_that_does_not_reach_its_queue_runs_all_the_same() {
        let mut progress = Progress::default();
        assert_eq!(progress.report(Phase::Running, false, LONGEST_START - SECOND), Some(Report::Starting));
        assert_eq!(progress.report(Phase::Running, false, LONGEST_START), Some(Report::Running));
    }
}
