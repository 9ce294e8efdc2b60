//! The backend: queues on SQS, and whatever else a deployment has.

mod later;
#[cfg(feature = "dynamodb")]
mod records;
mod sender;
mod settings;

use std::{fmt, sync::Arc};

use lamplighter::{Backend, Client, Env};

pub(crate) use self::later::Later;
use self::sender::Sender;
pub use self::settings::Settings;
use crate::{queues::QueueMapError, sdk::Sdk, sqs::Sqs};

/// A deployment on AWS, seen from a program that enqueues, runs or looks after jobs. Cloning is cheap; all clients are
/// made at first use.
///
/// What a deployment has and what this program was built for must come together: without the feature `dynamodb`, or
/// without a table, no records are kept.
#[derive(Clone)]
pub struct Aws {
    later: Later,
    backend: Backend,
}

impl Aws {
    /// The deployment that environment variables name, as in a Lambda function.
    ///
    /// # Errors
    /// When the map of queues makes no sense.
    pub fn from_env() -> Result<Self, QueueMapError> {
        Ok(Self::new(Sdk::environment(), Settings::from_env()?, Env::system()))
    }

    /// A deployment of these parts.
    #[must_use]
    pub fn new(sdk: Sdk, settings: Settings, env: Env) -> Self {
        let later = Later {
            sqs: Sqs::with_env(sdk.clone(), settings.queues.clone(), env.clone()),
            #[cfg(feature = "schedules")]
            schedules: schedules(&sdk, &settings),
            #[cfg(feature = "dynamodb")]
            table: settings.table.as_ref().map(|table| crate::dynamo::Dynamo::new(sdk, table.as_str(), env.clone())),
            env,
        };
        let backend = backend(&later);
        Self { later, backend }
    }

    /// Its parts behind the core's ports.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend.clone()
    }

    /// A client, to enqueue jobs and ask after them.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.backend(), self.env().clone())
    }

    /// The same without records: attempts are counted by receives.
    #[must_use]
    pub fn stateless(&self) -> Self {
        let mut later = self.later.clone();
        #[cfg(feature = "dynamodb")]
        {
            later.table = None;
        }
        let mut backend = backend(&later);
        backend.events = self.backend.events.clone();
        backend.payloads = self.backend.payloads.clone();
        Self { later, backend }
    }

    /// Its queues.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.later.sqs
    }

    /// The clock and the randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.later.env
    }

    pub(crate) fn later(&self) -> &Later {
        &self.later
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("backend", &self.backend).finish_non_exhaustive()
    }
}

fn backend(later: &Later) -> Backend {
    let backend = Backend::new(Arc::new(Sender(later.clone())));
    #[cfg(feature = "dynamodb")]
    if let Some(dynamo) = &later.table {
        let records = records::Records { dynamo: dynamo.clone(), later: later.clone() };
        return backend.with_store(Arc::new(records));
    }
    backend
}

/// What sends messages by schedules, where the deployment has a group for them.
#[cfg(feature = "schedules")]
fn schedules(sdk: &Sdk, settings: &Settings) -> Option<crate::OneTime> {
    let (group, role) = (settings.schedule_group.as_ref()?, settings.scheduler_role.as_ref()?);
    let made = crate::ScheduleSettings::new(group, role).and_then(|made| match &settings.undelivered {
        Some(queue) => made.undelivered(queue),
        None => Ok(made),
    });
    match made {
        Ok(made) => Some(crate::OneTime::new(sdk.clone(), made)),
        Err(error) => {
            tracing::error!(%error, "no schedules: long delays go by the table, or are refused");
            None
        }
    }
}
