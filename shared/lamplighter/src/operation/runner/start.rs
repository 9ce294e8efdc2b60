//! Beginning an operation.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Runner, meant::spelled_out, within};
use crate::{
    id::JobId,
    operation::{Action, Created, NewOperation, Operation, OperationError, Target},
    query::Query,
};

impl Runner {
    /// Checks a request, and writes the operation down, with a lease of this runner: [`run`](Self::run) carries it out. Jobs
    /// are enqueued here at once, since the operation keeps their arguments without what is sensitive.
    ///
    /// # Errors
    /// When the request makes no sense, when its idempotency key belongs to another one, or when the store cannot be reached.
    pub async fn start(&self, new: NewOperation) -> Result<Operation, OperationError> {
        let port = self.client().operation_port()?;
        let (digest, id) = match &new.idempotency_key {
            Some(key) => (Some(digest(key, &new)?), derived(key, &new.by)?),
            None => (None, generated(self)?),
        };
        let now = self.client().env().now();
        let (action, target) = (new.action.clone(), checked(&new, now)?);
        self.check_means(&action, &target).await?;
        let copy = self.copy(&action, &target).await?;
        let shown = match &copy {
            Some(copy) => action.with_arguments(copy.shown()),
            None => action,
        };
        let mut operation = Operation::new(id, shown, target, line(&new.by).unwrap_or_default(), now);
        operation.reason = new.reason.as_deref().and_then(line);
        (operation.expected, operation.per_second, operation.digest) = (new.expected, new.per_second, digest);
        operation = self.leased(operation);
        let operation = match within(port.create(&operation)).await? {
            Created::New => operation,
            // The first write, whose answer was lost.
            Created::Existing(found) if *found == operation => operation,
            Created::Existing(found) if found.digest.is_none() || found.digest != operation.digest => {
                return Err(OperationError::KeyTaken(found.id));
            }
            Created::Existing(found) if copy.is_none() || found.state.is_final() || found.is_held(now) => {
                return Ok(*found);
            }
            // Its process has died before the job was enqueued.
            Created::Existing(found) => *found,
        };
        match copy {
            Some(copy) => self.enqueue(operation, copy).await,
            None => Ok(operation),
        }
    }

    /// Checks that what the action needs is here.
    async fn check_means(&self, action: &Action, target: &Target) -> Result<(), OperationError> {
        match (action, target) {
            (Action::PauseQueue | Action::ResumeQueue | Action::Redrive { .. } | Action::DeleteDeadLetters, _) => {
                self.operator()?;
            }
            (Action::Backfill { from, to }, Target::Schedule { schedule }) => {
                if from > to {
                    return Err(OperationError::Invalid("the stretch ends before it begins".into()));
                }
                within(self.client().backfill_ticks(schedule, super::schedules::before(*from), *to)).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Checks that an action can be done to a target, and at that time.
pub(super) fn check_fits(action: &Action, target: &Target) -> Result<(), OperationError> {
    match action {
        action if !action.fits(target) => Err(OperationError::Invalid(format!("{action} cannot be done to {target}"))),
        Action::Reschedule { at } if *at > last_moment() => {
            let last = last_moment();
            Err(OperationError::Invalid(format!(
                "no job can run at {at}: the last moment that can be stored is {last}"
            )))
        }
        _ => Ok(()),
    }
}

/// Stores keep nanoseconds since 1970 in 64 bits.
fn last_moment() -> Timestamp {
    Timestamp::from_nanosecond(i128::from(i64::MAX - 1)).unwrap_or(Timestamp::MAX)
}

/// The target as it is kept: with a query in canonical form and a frozen end that is not to come.
fn checked(new: &NewOperation, now: Timestamp) -> Result<Target, OperationError> {
    let invalid = |text: String| Err(OperationError::Invalid(text));
    if line(&new.by).is_none() {
        return invalid("an operation says who asks for it".into());
    }
    check_fits(&new.action, &new.target)?;
    match &new.target {
        Target::Jobs { ids } if ids.is_empty() => invalid("it names no job".into()),
        Target::Jobs { ids } if ids.len() > Target::MOST_JOBS => {
            let most = Target::MOST_JOBS;
            invalid(format!("it names {} jobs, and at most {most} can be named; use a query", ids.len()))
        }
        Target::Query { query, end } => match query.parse::<Query>() {
            Ok(query) => {
                let query = spelled_out(&new.action, query.pinned(now)).to_string();
                Ok(Target::Query { query, end: (*end).min(now) })
            }
            Err(error) => invalid(error.to_string()),
        },
        target => Ok(target.clone()),
    }
}

/// A text in one line, and not too long; `None` for nothing.
fn line(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text: String = text.trim().chars().take(Operation::MAX_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

fn generated(runner: &Runner) -> Result<JobId, OperationError> {
    named(JobId::generate(runner.client().env()).as_str())
}

/// The id of the operation that somebody asks for under a key.
fn derived(key: &str, by: &str) -> Result<JobId, OperationError> {
    named(&hash(&["lamplighter operation", by, key])[..32])
}

fn named(rest: &str) -> Result<JobId, OperationError> {
    JobId::new(format!("{}{rest}", Operation::PREFIX)).map_err(|error| OperationError::Invalid(error.to_string()))
}

/// What was asked for. The key is in it, and kept nowhere: from the hash, nobody can guess at arguments.
fn digest(key: &str, new: &NewOperation) -> Result<String, OperationError> {
    let asked = NewOperation { idempotency_key: None, ..new.clone() };
    let json = serde_json::to_string(&asked).map_err(|error| OperationError::Invalid(error.to_string()))?;
    Ok(hash(&["lamplighter request", key, &json]))
}

fn hash(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        // With its length: no two lists of parts are one text.
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part.as_bytes());
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
