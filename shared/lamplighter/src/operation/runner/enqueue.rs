//! Enqueueing a job: a new one, or a copy of another with other arguments.

use super::{Runner, held::Held, step, within};
use crate::{
    client::NewJob,
    id::JobId,
    job::Definition,
    operation::{Action, Arguments, Operation, OperationError, OperationProgress, OperationState, Target},
    ports::StoreError,
    record::Record,
    redaction::NothingToKeep,
};

/// A job to be enqueued.
pub(super) struct NewCopy {
    definition: Definition,
    args: Arguments,
    /// The job that it is a copy of.
    of: Option<Record>,
}

impl NewCopy {
    /// Its arguments without what is sensitive, and without what is too long to be kept for a year; and whether anything is.
    pub(super) fn shown(&self) -> (Arguments, bool) {
        let shown = match self.definition.redaction() {
            Some(redaction) => Arguments::new(redaction.args(self.args.get())),
            None => self.args.clone(),
        };
        match shown.shortened(Operation::MAX_ARGUMENT_BYTES) {
            Some(short) => (short, true),
            None => (shown, false),
        }
    }

    /// The job that is enqueued for an action.
    fn job(&self, action: &Action) -> NewJob {
        let Self { definition, args, .. } = self;
        let args = args.get().to_owned();
        let job = NewJob::raw(definition.name, definition.queue.name(), definition.options.tracking, args);
        let job = job.limits(definition.options.limits.clone());
        match at(action) {
            Some(at) => job.at(at),
            None => job,
        }
    }
}

impl Runner {
    /// The job that an action enqueues, if it does, with checked arguments.
    pub(super) async fn copy(&self, action: &Action, target: &Target) -> Result<Option<NewCopy>, OperationError> {
        let (job, args, of) = match (action, target) {
            (Action::EditAndRun { args }, Target::Job { id }) => {
                let record = within(self.client().get(id)).await?;
                let record = record.ok_or_else(|| OperationError::UnknownJob(id.clone()))?;
                (record.message.job.clone(), args, Some(record))
            }
            (Action::Enqueue { job, args, .. }, _) => (job.clone(), args, None),
            _ => return Ok(None),
        };
        let definition = self.shared.definitions.iter().find(|definition| definition.name == job);
        let definition = definition.ok_or_else(|| {
            OperationError::Invalid(format!("job {job} is not defined here, so it cannot be enqueued"))
        })?;
        // An editor sees arguments without what is sensitive, and sends them back so.
        let args = match definition.redaction() {
            Some(redaction) => {
                let original = of.as_ref().map(|record| &*record.message.args);
                let refused = |error: NothingToKeep| OperationError::Arguments {
                    job: job.clone(),
                    problems: vec![error.to_string()],
                };
                Arguments::new(redaction.restored(args.get(), original).map_err(refused)?)
            }
            None => args.clone(),
        };
        let problems = self.shared.check.problems(definition, args.get());
        if !problems.is_empty() {
            return Err(OperationError::Arguments { job, problems });
        }
        let copy = NewCopy { definition: definition.clone(), args, of };
        // What is refused anyway leaves no operation behind.
        self.client().check(copy.job(action))?;
        Ok(Some(copy))
    }

    /// Enqueues it, and ends the operation.
    pub(super) async fn enqueue(&self, operation: Operation, copy: NewCopy) -> Result<Operation, OperationError> {
        let job = copy.job(&operation.action).id(&new_id(&operation)?);
        let of = copy.of;
        let client = match &of {
            Some(of) => self.client().copies(of),
            None => self.client().clone(),
        };
        let silent = || Err(StoreError::unavailable("it is not known whether the job was enqueued").into());
        let enqueued = within(async { Ok::<_, StoreError>(client.enqueue_all([job]).await) }).await?;
        let mut held = Held::new(operation, self.client().env().now());
        match enqueued.into_iter().next().unwrap_or_else(silent) {
            Ok(enqueued) => {
                let operation = &mut held.operation;
                operation.results.push(enqueued.id().clone());
                // Under an id that was made for it, it was enqueued by an earlier try.
                let is_ours = !enqueued.is_duplicate() || !has_id(&operation.action);
                operation.progress.add(match is_ours {
                    true => OperationProgress::CHANGED,
                    false => OperationProgress::UNCHANGED,
                });
                held.end(OperationState::Done);
                if is_ours {
                    self.write_lines(&held.operation, enqueued.id(), of.as_ref()).await;
                }
                self.save(&mut held).await?;
                Ok(held.operation)
            }
            Err(error) => {
                let error = OperationError::Enqueue(error);
                if !error.is_temporary() {
                    held.operation.note_error(&error);
                    held.end(OperationState::Failed);
                    self.save(&mut held).await?;
                }
                Err(error)
            }
        }
    }

    async fn write_lines(&self, operation: &Operation, id: &JobId, of: Option<&Record>) {
        let (what, rest) = (operation.action.participle(), operation.log_line());
        let rest = rest.strip_prefix(what).unwrap_or(&rest);
        match of {
            Some(of) => {
                self.write_line(operation, &of.id, format!("run again with other arguments as job {id}{rest}")).await;
                let text = format!("enqueued as a copy of job {} with other arguments{rest}", of.id);
                self.write_line(operation, id, text).await;
            }
            None => self.write_line(operation, id, format!("enqueued{rest}")).await,
        }
    }

    /// Ends an operation whose process died while it enqueued the job: its arguments are gone, and whether the job is there
    /// can be seen.
    pub(super) async fn find_enqueued(&self, held: &mut Held) -> Result<bool, OperationError> {
        let id = new_id(&held.operation)?;
        if within(self.client().get(&id)).await?.is_some() {
            held.operation.results.push(id);
            return Ok(step::done(held));
        }
        Err(OperationError::Invalid(format!(
            "the process that asked for it ended before job {id} was known to be enqueued; its arguments are not kept, so ask again"
        )))
    }
}

fn at(action: &Action) -> Option<jiff::Timestamp> {
    match action {
        Action::Enqueue { at, .. } => *at,
        _ => None,
    }
}

fn has_id(action: &Action) -> bool {
    matches!(action, Action::Enqueue { id: Some(_), .. })
}

/// The id of the job: the caller's, or one that is made from the operation's, so that it is enqueued once.
fn new_id(operation: &Operation) -> Result<JobId, OperationError> {
    if let Action::Enqueue { id: Some(id), .. } = &operation.action {
        return Ok(id.clone());
    }
    let text = operation.id.as_str();
    JobId::new(text.strip_prefix(Operation::PREFIX).unwrap_or(text))
        .map_err(|error| OperationError::Invalid(error.to_string()))
}
