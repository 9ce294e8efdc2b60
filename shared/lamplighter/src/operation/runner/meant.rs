//! Which jobs an action is meant for.

use jiff::Timestamp;

use crate::{
    batch::Batch,
    operation::{Action, Target},
    query::Query,
    record::{Attempt, JobState, Record},
};

/// The states that an action on all that match is meant for, where no state is named.
const fn is_usual(action: &Action, state: JobState) -> bool {
    match action {
        // Jobs that have succeeded, or that somebody has cancelled, run again by name only.
        Action::Retry => matches!(state, JobState::Failed),
        action => action.touches(state),
    }
}

/// The jobs among these that an action changes; `None` if there can be none. By its states, the store finds them without
/// reading the others.
pub(super) fn touched(action: &Action, mut query: Query) -> Option<Query> {
    let wanted = std::mem::take(&mut query.states);
    for state in JobState::ALL.into_iter().filter(|state| action.touches(*state)) {
        let is_meant = if wanted.is_empty() { is_usual(action, state) } else { wanted.contains(&state) };
        if is_meant {
            query = query.state(state);
        }
    }
    (!query.states().is_empty()).then_some(query)
}

/// The query as an operation keeps it: it names the states that are meant, where the action's own are others.
pub(super) fn spelled_out(action: &Action, query: Query) -> Query {
    let is_named = !query.states().is_empty() || *action != Action::Retry;
    if is_named { query } else { query.state(JobState::Failed) }
}

/// Whether it is the record of a job, and not that of a batch: a search for jobs to change means no batch, which is named by
/// its id.
pub(super) fn is_plain(record: &Record) -> bool {
    record.queue != Batch::QUEUE
}

/// The jobs that are meant by an action on a target.
pub(super) struct Meant {
    /// By state.
    states: Vec<JobState>,
    /// Jobs that came into these states later are left alone.
    end: Timestamp,
}

impl Meant {
    pub(super) fn by(action: &Action, target: &Target) -> Self {
        let touched = |query: Query| touched(action, query).map(|query| query.states).unwrap_or_default();
        let (states, end) = match target {
            // One that cannot be read matches nothing.
            Target::Query { query, end } => (query.parse().map(touched).unwrap_or_default(), *end),
            Target::Batch { .. } if *action != Action::Cancel => (touched(Query::new()), Timestamp::MAX),
            _ => (JobState::ALL.into_iter().filter(|state| action.touches(*state)).collect(), Timestamp::MAX),
        };
        Self { states, end }
    }

    /// Whether a job is still meant: it may have run meanwhile, or have ended.
    pub(super) fn includes(&self, record: &Record, now: Timestamp) -> bool {
        self.has(record.state) && (self.end == Timestamp::MAX || self.since(record, now) <= self.end)
    }

    fn has(&self, state: JobState) -> bool {
        self.states.contains(&state)
    }

    /// Since when a job is in these states without a break, as far as its record tells.
    fn since(&self, record: &Record, now: Timestamp) -> Timestamp {
        let mut stays = stays(record);
        let first = (!stays.is_empty()).then(|| stays.remove(0));
        let Some((_, mut since)) = first else { return self.waited_since(record, now) };
        for (state, began) in stays {
            if !self.has(state) {
                return since;
            }
            since = began;
        }
        if !record.state.is_final() && self.has(JobState::Queued) { run_began(record) } else { since }
    }

    /// The same for a job of which no attempt of this run has begun.
    fn waited_since(&self, record: &Record, now: Timestamp) -> Timestamp {
        let began = run_began(record);
        let before = [JobState::Waiting, JobState::Scheduled, JobState::Queued, JobState::Running];
        let is_first = began == record.created_at && before.into_iter().all(|state| self.has(state));
        // It came to its queue when it was due: by its time, by hand, or since the jobs before it have ended. In the line of a
        // limit, that says when it asks again.
        let is_told = record.state == JobState::Queued && record.due_at <= now && record.limit.is_none();
        if is_told && !is_first { began.max(record.due_at) } else { began }
    }
}

/// The states of the present run that the record tells of, the latest first, and when each began. What was before its first
/// attempt is not among them.
fn stays(record: &Record) -> Vec<(JobState, Timestamp)> {
    let began = match record.state {
        state if state.is_final() => return vec![(state, record.finished_at.unwrap_or(record.created_at))],
        JobState::Running => record.started_at,
        _ => None,
    };
    let mut stays: Vec<_> = began.map(|began| (JobState::Running, began)).into_iter().collect();
    for attempt in ended(record).iter().rev() {
        stays.push((if stays.is_empty() { record.state } else { JobState::Retrying }, attempt.ended_at));
        stays.push((JobState::Running, attempt.started_at));
    }
    stays
}

/// The ended attempts of the present run.
fn ended(record: &Record) -> &[Attempt] {
    let running = u32::from(record.state == JobState::Running);
    let count = usize::try_from(record.attempt.saturating_sub(running)).unwrap_or(usize::MAX);
    let (_, ended) = record.attempts.split_at(record.attempts.len().saturating_sub(count));
    ended
}

/// When the present run began, or the one before it ended.
fn run_began(record: &Record) -> Timestamp {
    let earlier = record.attempts.len() - ended(record).len();
    let last = record.attempts[..earlier].last();
    // Of a long history, the first attempts of a run may be gone: it is then older than any that is there.
    last.map_or(record.created_at, |last| last.ended_at.max(record.created_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JobId, message::Message, record::AttemptOutcome};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A job that was enqueued at 0, and attempts that ran so long.
    fn record(state: JobState, attempt: u32, attempts: &[(i64, i64)]) -> Record {
        let message = serde_json::json!({
            "id": "a", "queue": "work", "state": state, "message": Message::without_arguments("mail.send"),
            "created_at": at(0), "due_at": at(0), "attempt": attempt, "attempts": [],
        });
        let mut record: Record = serde_json::from_value(message).unwrap();
        let ran =
            |(n, (from, to)): (u32, &(i64, i64))| Attempt::new(n, "host", (at(*from), at(*to)), AttemptOutcome::Error);
        record.attempts = (1..).zip(attempts).map(ran).collect();
        assert_eq!(record.id, JobId::new("a").unwrap());
        record
    }

    fn is_meant(action: &Action, query: &str, end: i64, record: &Record) -> bool {
        Meant::by(action, &Target::Query { query: query.into(), end: at(end) }).includes(record, at(1000))
    }

    #[test]
    fn a_job_that_came_into_the_state_later_is_left_alone() {
        let retrying = record(JobState::Retrying, 1, &[(10, 20)]);
        let mut running = record(JobState::Running, 2, &[(10, 20)]);
        running.started_at = Some(at(30));
        let mut again = record(JobState::Queued, 0, &[(10, 20)]);
        again.due_at = at(50);
        let mut failed = record(JobState::Failed, 1, &[(10, 20)]);
        failed.finished_at = Some(at(20));
        for (action, query, record, since) in [
            (Action::Cancel, "state:retrying", &retrying, 20),
            (Action::RunNow, "", &retrying, 20),
            (Action::Reschedule { at: at(99) }, "", &retrying, 20),
            (Action::Cancel, "state:running", &running, 30),
            (Action::Cancel, "state:running,retrying", &running, 10),
            (Action::Cancel, "state:queued", &again, 50),
            (Action::Cancel, "", &again, 50),
            (Action::Retry, "", &failed, 20),
            (Action::Delete, "state:failed", &failed, 20),
            // It was open all the time.
            (Action::Cancel, "", &retrying, 0),
            (Action::Cancel, "", &running, 0),
        ] {
            assert!(is_meant(&action, query, since, record), "{action} {query} at {since}");
            assert!(!is_meant(&action, query, since - 1, record), "{action} {query} before {since}");
        }
    }

    #[test]
    fn a_job_that_waits_is_meant_since_it_does() {
        let mut scheduled = record(JobState::Scheduled, 0, &[]);
        scheduled.due_at = at(2000);
        assert!(is_meant(&Action::RunNow, "", 0, &scheduled), "its time is to come");
        let mut due = record(JobState::Queued, 0, &[]);
        due.due_at = at(60);
        assert!(is_meant(&Action::Cancel, "", 0, &due), "it was open before");
        assert!(!is_meant(&Action::Cancel, "state:queued", 59, &due), "it was scheduled then");
        assert!(is_meant(&Action::Cancel, "state:queued", 60, &due));
        due.limit = Some("api".into());
        assert!(is_meant(&Action::Cancel, "state:queued", 0, &due), "in line for a place");
    }

    #[test]
    fn a_retry_without_a_state_means_those_that_failed() {
        let touched = |query: &str| touched(&Action::Retry, query.parse().unwrap()).map(|query| query.to_string());
        assert_eq!(touched("job:a").as_deref(), Some("state:failed job:a"));
        assert_eq!(touched("state:cancelled,queued").as_deref(), Some("state:cancelled"));
        assert_eq!(touched("state:queued"), None);
        let kept = |action: Action, query: &str| spelled_out(&action, query.parse().unwrap()).to_string();
        assert_eq!(kept(Action::Retry, "job:a"), "state:failed job:a");
        assert_eq!(kept(Action::Retry, "state:succeeded"), "state:succeeded");
        assert_eq!(kept(Action::Cancel, "job:a"), "job:a");
        let succeeded = record(JobState::Succeeded, 1, &[]);
        let id = succeeded.id.clone();
        assert!(!is_meant(&Action::Retry, "", 99, &succeeded));
        assert!(Meant::by(&Action::Retry, &Target::Job { id: id.clone() }).includes(&succeeded, at(0)), "by its id");
        assert!(
            !Meant::by(&Action::Retry, &Target::Batch { id }).includes(&succeeded, at(0)),
            "among those of a batch"
        );
    }
}
