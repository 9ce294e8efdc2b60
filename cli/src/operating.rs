//! Doing something as an operation: written down with who asked for it and why, carried out here, and stopped by Ctrl-C.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use lamplighter::{
    Client, JobId,
    host::Stop,
    operation::{
        Action, NewOperation, Operation, OperationError, OperationProgress, OperationState, Preview, Runner, Target,
    },
    query::Query,
};
use lamplighter_arguments::BySchema;

use crate::{catalog::Catalog, error::Error, place, progress, signals, site};

/// How often the bar is moved.
const LOOK: Duration = Duration::from_millis(500);

/// Who does it, and why.
#[derive(Debug, Default, Args)]
pub(crate) struct Asking {
    /// Why, for the audit trail (`lamp ops`).
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who does it, for the audit trail; by default the user of this terminal.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

impl Asking {
    /// The name that was given, or that of the user of this terminal.
    pub(crate) fn name(&self) -> Option<String> {
        self.by.clone().or_else(site::user).filter(|name| !name.trim().is_empty())
    }

    fn request(&self, action: Action, target: Target, rate: Option<NonZeroU32>) -> NewOperation {
        let by = self.name().unwrap_or_else(|| "somebody at a terminal".into());
        let mut new = NewOperation::new(action, target, by);
        (new.reason, new.per_second) = (self.reason.clone(), rate);
        new
    }
}

/// What came of one operation, or of several that do the same.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) progress: OperationProgress,
    pub(crate) error: Option<String>,
    /// The one that was stopped, if one was.
    pub(crate) stopped: Option<JobId>,
}

impl From<Operation> for Outcome {
    fn from(ended: Operation) -> Self {
        let stopped = (ended.state == OperationState::Stopped).then_some(ended.id);
        Self { progress: ended.progress, error: ended.error, stopped }
    }
}

/// What carries operations out on a place.
pub(crate) struct Operating<'a> {
    client: Client,
    runner: Runner,
    asking: &'a Asking,
}

impl<'a> Operating<'a> {
    /// `None` where no operations are kept: on a stack without a table.
    pub(crate) fn on(target: &place::Target, catalog: &Catalog, asking: &'a Asking) -> Option<Self> {
        let runner = target.runner(catalog)?.with_check(Arc::new(BySchema));
        Some(Self { client: target.client(), runner, asking })
    }

    /// Counts what it would be done to.
    pub(crate) async fn preview(&self, action: &Action, target: &Target) -> Result<Preview, Error> {
        Ok(self.runner.preview(action, target).await?)
    }

    /// Does it to one thing, without a bar.
    pub(crate) async fn once(&self, action: Action, target: Target) -> Result<Operation, Error> {
        let operation = self.runner.start(self.asking.request(action, target, None)).await?;
        let ended = self.runner.run(&operation.id, &Stop::new(), None).await;
        let ended = ended.map_err(|error| left_open(&operation.id, error))?;
        match (&ended.state, &ended.error) {
            (OperationState::Failed, Some(error)) => Err(Error::failed(error)),
            _ if ended.progress.failed > 0 => {
                Err(Error::failed(ended.error.as_deref().unwrap_or("it could not be done")))
            }
            _ => Ok(ended),
        }
    }

    /// Does it to many things, with a bar; they are as many as expected, if that is known. Ctrl-C stops it.
    pub(crate) async fn all(
        &self,
        action: Action,
        target: Target,
        rate: Option<NonZeroU32>,
        (verb, expected): (&str, Option<u64>),
    ) -> Result<Operation, Error> {
        let mut new = self.asking.request(action, target, rate);
        new.expected = expected;
        let operation = self.runner.start(new).await?;
        self.run(operation, verb).await
    }

    /// All jobs that match now.
    pub(crate) fn matching(query: &Query) -> Target {
        Target::Query { query: query.to_string(), end: Timestamp::now() }
    }

    /// Does it to all of these jobs, one target after the other, until one is stopped.
    pub(crate) async fn each(
        &self,
        action: &Action,
        targets: Vec<Target>,
        rate: Option<NonZeroU32>,
        verb: &str,
    ) -> Result<Outcome, Error> {
        let mut all = Outcome::default();
        for target in targets {
            let expected = match &target {
                Target::Jobs { ids } => Some(ids.len() as u64),
                _ => None,
            };
            let ended: Outcome = self.all(action.clone(), target, rate, (verb, expected)).await?.into();
            all.progress.add(ended.progress);
            all.error = all.error.or(ended.error);
            all.stopped = ended.stopped;
            if all.stopped.is_some() {
                break;
            }
        }
        Ok(all)
    }

    /// Carries an operation on to its end, with a bar. Ctrl-C stops it.
    pub(crate) async fn run(&self, operation: Operation, verb: &str) -> Result<Operation, Error> {
        let stop = signals::stop()?;
        let bar = progress::bar(verb, operation.expected.unwrap_or_default());
        let id = &operation.id;
        // The run itself is not told: it ends when the operation is stopped.
        let running = Stop::new();
        let by = self.asking.name().unwrap_or_else(|| operation.by.clone());
        let stopping = async {
            stop.draining().await;
            let told = self.client.stop_operation(id, &by).await;
            if told.is_err() {
                running.drain();
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = self.runner.run(id, &running, None) => ended,
            // Neither of them ends.
            () = self.look(&operation, &bar) => Err(OperationError::Unknown(id.clone())),
            () = stopping => Err(OperationError::Unknown(id.clone())),
        };
        bar.finish_and_clear();
        ended.map_err(|error| left_open(id, error))
    }

    /// Moves the bar, without end.
    async fn look(&self, operation: &Operation, bar: &ProgressBar) {
        loop {
            tokio::time::sleep(LOOK).await;
            if bar.is_hidden() {
                continue;
            }
            if let Ok(Some(now)) = self.client.operation(&operation.id).await {
                bar.set_position(now.progress.done);
                bar.set_length(now.progress.done.max(operation.expected.unwrap_or_default()));
            }
        }
    }
}

/// The error of a run. An operation that could not go on is not over.
fn left_open(id: &JobId, error: OperationError) -> Error {
    match error {
        OperationError::Held(_) => Error::failed(format_args!("{error}; `lamp watch {id}` follows it")),
        error if error.is_temporary() => {
            Error::failed(format_args!("{error}; operation {id} is not over: `lamp ops {id} --resume` goes on with it"))
        }
        error => error.into(),
    }
}
