//! Job states as stored in the file.

use lamplighter::JobState;

/// A message without a record: untracked, or from a sender who wrote the body by hand.
pub(crate) const UNTRACKED: i64 = 0;
pub(crate) const QUEUED: i64 = 1;
pub(crate) const SUCCEEDED: i64 = 2;
// States above 2 are in the index of states.
pub(crate) const SCHEDULED: i64 = 3;
pub(crate) const WAITING: i64 = 4;
pub(crate) const RUNNING: i64 = 5;
pub(crate) const RETRYING: i64 = 6;
pub(crate) const FAILED: i64 = 7;
pub(crate) const CANCELLED: i64 = 8;

/// The state's number in the file.
pub(crate) const fn code(state: JobState) -> i64 {
    match state {
        JobState::Waiting => WAITING,
        JobState::Scheduled => SCHEDULED,
        JobState::Queued => QUEUED,
        JobState::Running => RUNNING,
        JobState::Retrying => RETRYING,
        JobState::Succeeded => SUCCEEDED,
        JobState::Failed => FAILED,
        JobState::Cancelled => CANCELLED,
    }
}

/// The state with that number; `None` for a message without a record.
pub(crate) const fn of(code: i64) -> Option<JobState> {
    match code {
        WAITING => Some(JobState::Waiting),
        SCHEDULED => Some(JobState::Scheduled),
        QUEUED => Some(JobState::Queued),
        RUNNING => Some(JobState::Running),
        RETRYING => Some(JobState::Retrying),
        SUCCEEDED => Some(JobState::Succeeded),
        FAILED => Some(JobState::Failed),
        CANCELLED => Some(JobState::Cancelled),
        _ => None,
    }
}

/// Returns whether the number is a final state.
pub(crate) const fn is_final(code: i64) -> bool {
    code == SUCCEEDED || code >= FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_states_agree() {
        for state in JobState::ALL {
            assert_eq!(of(code(state)), Some(state));
            assert_eq!(is_final(code(state)), state.is_final());
        }
        assert_eq!(of(UNTRACKED), None);
        assert!(!is_final(UNTRACKED));
    }
}
