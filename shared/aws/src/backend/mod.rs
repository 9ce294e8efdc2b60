//! The backend: queues on SQS, and whatever else a deployment has.

mod settings;
#[cfg(feature = "dynamodb")]
mod tracked;

use std::sync::Arc;

use lamplighter::{Backend, Env};

pub use self::settings::Settings;
use crate::{queues::QueueMapError, sdk::Sdk, sqs::Sqs};

/// A deployment on AWS, seen from a program that enqueues, runs or looks after jobs. Cloning is cheap; all clients are
/// made at first use.
///
/// What a deployment has and what this program was built for must come together: without the feature `dynamodb`, or
/// without a table, no records are kept.
#[derive(Debug, Clone)]
pub struct Aws {
    sqs: Sqs,
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
        let sqs = Sqs::with_env(sdk.clone(), settings.queues.clone(), env.clone());
        let backend = backend(&sdk, &settings, &sqs, &env);
        Self { sqs, backend }
    }

    /// Its parts behind the core's ports.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend.clone()
    }

    /// The same without records: attempts are counted by receives.
    #[must_use]
    pub fn stateless(&self) -> Self {
        let mut backend = Backend::new(Arc::new(self.sqs.clone()));
        backend.events = self.backend.events.clone();
        backend.payloads = self.backend.payloads.clone();
        Self { sqs: self.sqs.clone(), backend }
    }

    /// Its queues.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.sqs
    }
}

#[cfg(feature = "dynamodb")]
fn backend(sdk: &Sdk, settings: &Settings, sqs: &Sqs, env: &Env) -> Backend {
    match &settings.table {
        Some(table) => {
            let dynamo = crate::dynamo::Dynamo::new(sdk.clone(), table.as_str(), env.clone());
            let tracked = Arc::new(tracked::Tracked::new(sqs.clone(), dynamo, env.clone()));
            Backend::new(tracked.clone()).with_store(tracked)
        }
        None => Backend::new(Arc::new(sqs.clone())),
    }
}

#[cfg(not(feature = "dynamodb"))]
fn backend(_: &Sdk, _: &Settings, sqs: &Sqs, _: &Env) -> Backend {
    Backend::new(Arc::new(sqs.clone()))
}
