//! Maintains a deployment, once a minute: sends due jobs to their queues, and continues jobs that a crash has left
//! behind.
//!
//! | found | done |
//! | --- | --- |
//! | a job whose time has come | sent, and its entry deleted: in that order |
//! | an entry of the outbox | enqueued, and deleted: in that order |
//! | a record that has long been queued, retrying or scheduled, and a queue that holds nothing for it | sent again |
//! | an operation whose runner has died | carried on, unless it needs the queues |
//! | records | counted, a part in each round |
//! | a lease that has long ended, and a queue that holds nothing at all | the attempt is lost; the job is sent again, or has failed |
//!
//! Everything here may be done twice, and by two processes concurrently: a message that is sent twice is one job, since
//! its claim decides. Work without time left is done next time: the walk through the listing continues where it
//! stopped.

mod due;
mod function;
mod operations;
mod queues;
mod report;
mod stale;

use std::{sync::Arc, time::Duration};

use lamplighter::{Client, backend::StoreError, env::Env};
use tokio::time::{Instant, timeout_at};

pub use self::{
    function::{Sweep, function, schedules},
    report::{QueueReport, Report},
};
use crate::{AwsBackend, backend::DelayedSender, dynamo::Dynamo};

/// Maintains a deployment. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Maintenance {
    aws: AwsBackend,
}

/// Why a round failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// There is no table.
    #[error("there is nothing to look after: no table is configured here; set LAMPLIGHTER_TABLE to its name")]
    NoTable,
    /// AWS did not answer, or refused.
    #[error(transparent)]
    Backend(#[from] StoreError),
}

/// One round.
struct Round<'a> {
    delayed_sender: &'a DelayedSender,
    dynamo: &'a Dynamo,
    env: &'a Env,
    client: Client,
    queues: queues::Depths,
    events: Option<Arc<dyn lamplighter::backend::Events>>,
    deadline: Instant,
    report: Report,
}

impl Maintenance {
    /// The time for which a record stays unchanged before it counts as left behind: longer than any message is in
    /// transit.
    pub const STALE: Duration = Duration::from_secs(600);

    /// The time that calls in progress at a round's deadline have to end, before they are dropped.
    pub const GRACE: Duration = Duration::from_secs(4);

    /// Creates the maintenance of this deployment.
    #[must_use]
    pub fn new(aws: &AwsBackend) -> Self {
        Self { aws: aws.clone() }
    }

    /// Runs one round, and begins no further work after `deadline`. Calls in progress then are dropped after
    /// [`GRACE`](Self::GRACE).
    ///
    /// # Errors
    /// When there is no table, or when the table or the queues cannot be reached; earlier work of the round remains
    /// done.
    pub async fn run(&self, deadline: Instant) -> Result<Report, MaintenanceError> {
        let delayed_sender = self.aws.delayed_sender();
        let Some(dynamo) = &delayed_sender.table else { return Err(MaintenanceError::NoTable) };
        // Dropped work is done next time, and completed work stays done.
        let late = || StoreError::unavailable("AWS gave no answer in time");
        timeout_at(deadline + Self::GRACE, self.round(delayed_sender, dynamo, deadline))
            .await
            .unwrap_or_else(|_| Err(late().into()))
    }

    async fn round(
        &self,
        delayed_sender: &DelayedSender,
        dynamo: &Dynamo,
        deadline: Instant,
    ) -> Result<Report, MaintenanceError> {
        let queues = queues::Depths::read(&delayed_sender.sqs).await?;
        let report = Report { queues: queues.report(), ..Report::default() };
        let events = self.aws.backend().events;
        let (env, client) = (self.aws.env(), self.aws.client());
        let mut round = Round { delayed_sender, dynamo, env, client, queues, events, deadline, report };
        round.move_due().await?;
        round.repair().await?;
        round.go_on_with_operations().await;
        // Nothing depends on it.
        if let Err(error) = round.dynamo.walk_tally(|| round.is_over()).await {
            tracing::warn!(%error, "records could not be counted");
        }
        Ok(round.report)
    }
}

impl Round<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
