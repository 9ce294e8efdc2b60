//! Doing something as an operation: written down with who asked for it and why, carried out here, and stopped by Ctrl-C.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use lamplighter::{
    Client,
    host::Stop,
    operation::{Action, NewOperation, Operation, OperationProgress, OperationState, Runner, Target},
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

/// What came of some operations.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) progress: OperationProgress,
    pub(crate) error: Option<String>,
    pub(crate) is_stopped: bool,
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

    /// Does it to one thing, without a bar.
    pub(crate) async fn once(&self, action: Action, target: Target) -> Result<Operation, Error> {
        let operation = self.runner.start(self.asking.request(action, target, None)).await?;
        let ended = self.runner.run(&operation.id, &Stop::new(), None).await?;
        match (&ended.state, &ended.error) {
            (OperationState::Failed, Some(error)) => Err(Error::failed(error)),
            _ if ended.progress.failed > 0 => {
                Err(Error::failed(ended.error.as_deref().unwrap_or("it could not be done")))
            }
            _ => Ok(ended),
        }
    }

    /// Does it to many things, with a bar. Ctrl-C stops it.
    pub(crate) async fn all(
        &self,
        action: Action,
        target: Target,
        rate: Option<NonZeroU32>,
        (verb, total): (&str, u64),
    ) -> Result<Operation, Error> {
        let new = self.asking.request(action, target, rate).with_expected(total);
        let operation = self.runner.start(new).await?;
        self.run(operation, verb).await
    }

    /// All jobs that match now.
    pub(crate) fn matching(&self, query: &Query) -> Target {
        Target::Query { query: query.to_string(), end: Timestamp::now() }
    }

    /// Does it to all of these, one after the other, until one is stopped.
    pub(crate) async fn each(
        &self,
        action: &Action,
        targets: Vec<Target>,
        (verb, total): (&str, u64),
    ) -> Result<Sum, Error> {
        let mut sum = Sum::default();
        for target in targets {
            let ended = self.all(action.clone(), target, None, (verb, total)).await?;
            sum.progress.changed += ended.progress.changed;
            sum.progress.unchanged += ended.progress.unchanged;
            sum.progress.failed += ended.progress.failed;
            sum.error = sum.error.or(ended.error);
            sum.is_stopped = ended.state == OperationState::Stopped;
            if sum.is_stopped {
                break;
            }
        }
        Ok(sum)
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
            () = self.look(&operation, &bar) => unreachable_end(id),
            () = stopping => unreachable_end(id),
        };
        bar.finish_and_clear();
        Ok(ended?)
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

/// Neither looking nor stopping ends before the run does.
fn unreachable_end(id: &lamplighter::JobId) -> Result<Operation, lamplighter::operation::OperationError> {
    Err(lamplighter::operation::OperationError::Unknown(id.clone()))
}
