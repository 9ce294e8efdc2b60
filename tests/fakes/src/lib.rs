//! Services of AWS for tests and measurements, each on a port of this machine.
//!
//! An [`Endpoint`] is the core that all of them share: it serves HTTP (or HTTPS), parses the call in a request, records
//! it, and makes it fail where a test has a [`Fault`] for it. A [`Service`] is only its own state and answers, in one
//! file each.
//!
//! | endpoint | services |
//! | --- | --- |
//! | [`FakeSqs`] | SQS, with messages in its queues |
//! | [`FakeDeployment`] | CloudFormation, SQS, and event source mappings of Lambda: one deployed stack |
//! | [`FakeSchedules`] | EventBridge Scheduler, and the rules of EventBridge |
//! | [`FakeSecrets`] | Secrets Manager and Parameter Store |
//! | [`RuntimeApi`] | Lambda's side of the runtime API |
//! | [`FakeProvider`] | an OpenID provider, which people sign in with |
//!
//! A [`Collector`] takes the spans that a test's program exports.
//!
//! Nothing here depends on a crate of the library, so that the unit tests of each can use it too.

mod call;
mod cloudformation;
mod collector;
mod deployment;
mod endpoint;
mod event_source_mappings;
mod fault;
mod http;
mod open_id;
pub mod process;
mod recorder;
mod runtime_api;
mod schedules;
mod secrets;
mod server;
mod sqs;
mod tls;

pub use hyper::{Method, StatusCode};

pub use self::{
    call::{Call, Route},
    cloudformation::CloudFormation,
    collector::{Collector, Exported},
    deployment::{Deployment, FakeDeployment},
    endpoint::{Endpoint, Service},
    event_source_mappings::EventSourceMappings,
    fault::{Fault, Gate},
    http::{Reply, Request, json_reply, reply, with_header},
    open_id::{FakeProvider, Lie, OpenId, Signing},
    runtime_api::{Answer, LambdaRuntime, RuntimeApi},
    schedules::{FakeSchedules, Schedules},
    secrets::{FakeSecrets, Secrets},
    sqs::{FakeMessage, FakeSqs, Sqs, queue_arn},
    tls::Authority,
};

/// The account that everything here belongs to.
pub const ACCOUNT: &str = "123456789012";
/// The region of everything here.
pub const REGION: &str = "us-east-1";
