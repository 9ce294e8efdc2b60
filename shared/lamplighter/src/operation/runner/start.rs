//! Beginning an operation.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Runner, meant::spelled_out, within};
use crate::{
    error::ErrorNote,
    id::JobId,
    operation::{Action, Created, NewOperation, Operation, OperationError, Target},
    ports::DeadLetterKey,
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
        let (shown, is_cut) = match &copy {
            Some(copy) => {
                let (args, is_cut) = copy.shown();
                (action.with_arguments(args), is_cut)
            }
            None => (action, false),
        };
        let mut operation = Operation::new(id, shown, target, line(&new.by).unwrap_or_default(), now);
        operation.is_cut = is_cut;
        operation.reason = new.reason.as_deref().and_then(line);
        (operation.expected, operation.per_second, operation.digest) = (new.expected, new.per_second, digest);
        operation.comparable = self.comparable(&operation.target);
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

    /// The operation that was begun by the same request under the same key, if there is one. What it is about need not be there
    /// any more.
    ///
    /// # Errors
    /// When the key belongs to another request, or when the store cannot be reached.
    pub async fn begun(&self, new: &NewOperation) -> Result<Option<Operation>, OperationError> {
        let Some(key) = &new.idempotency_key else { return Ok(None) };
        let id = derived(key, &new.by)?;
        let Some(found) = within(self.client().operation_port()?.get(&id)).await? else { return Ok(None) };
        if found.digest != Some(digest(key, new)?) {
            return Err(OperationError::KeyTaken(found.id));
        }
        // Else the process has died before the job was enqueued, and its arguments come again with the request.
        let is_known =
            new.action.arguments().is_none() || found.state.is_final() || found.is_held(self.client().env().now());
        Ok(is_known.then_some(found))
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
    if let Action::NoteError { note: Some(note) } = &new.action
        && note.chars().nth(ErrorNote::MAX_CHARS).is_some()
    {
        return invalid(format!("a note has at most {} characters", ErrorNote::MAX_CHARS));
    }
    check_texts(&new.action, &new.target)?;
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

/// Checks names that are kept as they came: an operation is kept for a year, and listed with others.
fn check_texts(action: &Action, target: &Target) -> Result<(), OperationError> {
    let mut texts: Vec<&str> = match target {
        Target::Queue { queue } => vec![queue],
        Target::Schedule { schedule } => vec![schedule],
        Target::DeadLetters { queue, job, reason, key, .. } => {
            let id = match key {
                Some(DeadLetterKey::MessageId(id)) => Some(id),
                _ => None,
            };
            std::iter::once(queue).chain(job).chain(reason).chain(id).map(String::as_str).collect()
        }
        _ => Vec::new(),
    };
    if let Action::Enqueue { job, .. } = action {
        texts.push(job);
    }
    match texts.iter().any(|text| text.chars().nth(Operation::MAX_CHARS).is_some()) {
        true => Err(OperationError::Invalid(format!("a name has at most {} characters", Operation::MAX_CHARS))),
        false => Ok(()),
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
    Ok(hash(&["lamplighter request", key, &new.asked()?]))
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
