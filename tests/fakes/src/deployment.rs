//! A deployed stack as an operator's tools access it.

use std::io;

use hyper::Method;
use serde_json::json;

use crate::{
    call::{Call, Route},
    cloudformation::CloudFormation,
    endpoint::{Endpoint, Service},
    event_source_mappings::EventSourceMappings,
    http::{Reply, Request},
    sqs::{Sqs, queue_arn},
};

/// An endpoint with one stack, its queues, and the event source mappings of its functions.
pub type FakeDeployment = Endpoint<Deployment>;

/// The services through which a deployed stack is accessed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Deployment {
    /// The stack.
    pub stack: CloudFormation,
    /// Its queues.
    pub sqs: Sqs,
    /// The event source mappings of its queues.
    pub mappings: EventSourceMappings,
}

impl Endpoint<Deployment> {
    /// The stack's name.
    pub const STACK: &'static str = CloudFormation::STACK;

    /// Starts an endpoint with the queues `work` and `steps.fifo`, each with a dead-letter queue and an enabled
    /// mapping: `mapping-work` and `mapping-steps`.
    ///
    /// # Errors
    /// When no port is available.
    pub async fn start() -> io::Result<Self> {
        let (stack, sqs, mappings) = Default::default();
        let fake = Self::with(Deployment { stack, sqs, mappings }).await?;
        let map = json!({
            "work": { "url": fake.queue_url("shop-work"), "dlq": fake.queue_url("shop-work-dlq") },
            "steps": { "url": fake.queue_url("shop-steps.fifo"), "dlq": fake.queue_url("shop-steps-dlq.fifo") },
        });
        fake.stack.set_output("Queues", Some(&map.to_string()));
        fake.mappings.add("mapping-work", queue_arn("shop-work"));
        fake.mappings.add("mapping-steps", queue_arn("shop-steps.fifo"));
        Ok(fake)
    }

    /// Returns its map of queues, in the format of its stack's output.
    #[must_use]
    pub fn queue_map(&self) -> String {
        self.stack.output("Queues").unwrap_or_default()
    }
}

impl Service for Deployment {
    type Measure = ();

    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        self.mappings.route(method, path)
    }

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        match call.service.as_str() {
            "cloudformation" => self.stack.answer(call, request).await,
            "lambda" => self.mappings.answer(call, request).await,
            _ => self.sqs.answer(call, request).await,
        }
    }
}
