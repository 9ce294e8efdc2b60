//! The resources of a deployed stack, read from their services.
//!
//! It only reads, and does not contain the expected state: each resource is described by the properties of its
//! CloudFormation type, so that it can be compared with a template.

mod account;
mod code;
mod drift;
mod events;
mod functions;
mod queues;
mod roles;
mod schedules;
mod stacks;
mod tables;

use std::{fmt, sync::Arc};

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use lamplighter::{
    Timestamp,
    backend::{StoreError, StoreErrorKind},
};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

pub use self::{
    account::Account,
    code::Code,
    drift::{Drift, DriftedProperty},
    schedules::RunTimeSchedule,
    stacks::{DeployedStack, StackResource},
};
use crate::sdk::{AwsClients, explain};

/// Reads the resources of a deployed stack. Cloning is cheap; all clients are created at first use.
#[derive(Clone)]
pub struct StackReader(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    cloudformation: OnceCell<aws_sdk_cloudformation::Client>,
    dynamodb: OnceCell<aws_sdk_dynamodb::Client>,
    eventbridge: OnceCell<aws_sdk_eventbridge::Client>,
    iam: OnceCell<aws_sdk_iam::Client>,
    lambda: OnceCell<aws_sdk_lambda::Client>,
    scheduler: OnceCell<aws_sdk_scheduler::Client>,
    sqs: OnceCell<aws_sdk_sqs::Client>,
}

/// A resource that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceRef {
    /// A queue of SQS, by its URL.
    Queue(String),
    /// A Lambda function, by its name.
    Function(String),
    /// The URL of a function, by the function's name or ARN.
    Url(String),
    /// The failure destination of a function's asynchronous calls, by the function's name.
    Calls(String),
    /// An event source mapping, by its UUID.
    Mapping(String),
    /// A rule of the default bus, by its name.
    Rule(String),
    /// An event bus, by its name.
    Bus(String),
    /// A schedule of EventBridge Scheduler: its group and its name.
    Schedule(String, String),
    /// A group of schedules, by its name.
    Group(String),
    /// A table of DynamoDB, by its name.
    Table(String),
    /// A role, by its name.
    Role(String),
}

/// The properties of a resource.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The resource's properties, named as in CloudFormation, and its state; `None` if it does not exist. A property
    /// that could not be read is left out; one that is not set is `null`.
    pub seen: Option<Value>,
    /// The parts that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// Something that could not be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// The IAM action that the read needs: `lambda:GetPolicy`.
    pub action: &'static str,
    /// The reason.
    pub why: StoreError,
}

impl Unreadable {
    /// Returns whether the caller lacks the permission.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.why.kind() == StoreErrorKind::Denied
    }
}

impl StackReader {
    /// Reads through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients) -> Self {
        let (cloudformation, dynamodb, eventbridge) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        let (iam, lambda, scheduler, sqs) = (OnceCell::new(), OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self(Arc::new(Inner { sdk, cloudformation, dynamodb, eventbridge, iam, lambda, scheduler, sqs }))
    }

    /// Reads a resource. Parts that the caller may not read do not end the read.
    ///
    /// # Errors
    /// When there is no configuration to call AWS with.
    pub async fn look(&self, part: &ResourceRef) -> Result<Observed, StoreError> {
        match part {
            ResourceRef::Queue(url) => queues::queue(self.sqs().await?, url, Timestamp::now()).await,
            ResourceRef::Function(name) => functions::function(self.lambda().await?, name).await,
            ResourceRef::Url(function) => functions::url(self.lambda().await?, function).await,
            ResourceRef::Calls(function) => functions::calls(self.lambda().await?, function).await,
            ResourceRef::Mapping(id) => functions::mapping(self.lambda().await?, id).await,
            ResourceRef::Rule(name) => events::rule(self.eventbridge().await?, name).await,
            ResourceRef::Bus(name) => events::bus(self.eventbridge().await?, name).await,
            ResourceRef::Schedule(group, name) => schedules::schedule(self.scheduler().await?, group, name).await,
            ResourceRef::Group(name) => schedules::group(self.scheduler().await?, name).await,
            ResourceRef::Table(name) => tables::table(self.dynamodb().await?, name).await,
            ResourceRef::Role(name) => roles::role(self.iam().await?, name).await,
        }
    }
}

/// A client of each service, with its own endpoint if the environment names one.
macro_rules! clients {
    ($($name:ident: $sdk:ident, $variable:literal;)+) => {
        impl StackReader {
            $(async fn $name(&self) -> Result<&$sdk::Client, StoreError> {
                let make = || async {
                    let mut own = $sdk::config::Builder::from(self.0.sdk.config().await?);
                    if let Some(endpoint) = self.0.sdk.endpoint_of($variable) {
                        own.set_endpoint_url(Some(endpoint));
                    }
                    Ok($sdk::Client::from_conf(own.build()))
                };
                self.0.$name.get_or_try_init(make).await
            })+
        }
    };
}

clients! {
    cloudformation: aws_sdk_cloudformation, "AWS_ENDPOINT_URL_CLOUDFORMATION";
    dynamodb: aws_sdk_dynamodb, "AWS_ENDPOINT_URL_DYNAMODB";
    eventbridge: aws_sdk_eventbridge, "AWS_ENDPOINT_URL_EVENTBRIDGE";
    iam: aws_sdk_iam, "AWS_ENDPOINT_URL_IAM";
    lambda: aws_sdk_lambda, "AWS_ENDPOINT_URL_LAMBDA";
    scheduler: aws_sdk_scheduler, "AWS_ENDPOINT_URL_SCHEDULER";
    sqs: aws_sdk_sqs, "AWS_ENDPOINT_URL_SQS";
}

impl fmt::Debug for StackReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examiner").finish_non_exhaustive()
    }
}

/// The error codes of missing resources. Older protocols put the service's name before them.
const GONE: [&str; 4] = ["ResourceNotFoundException", "NoSuchEntity", "NonExistentQueue", "QueueDoesNotExist"];

/// Sends a request about a resource that may not exist. `doing` completes "cannot …".
async fn ask<T, E>(
    action: &'static str,
    doing: &str,
    sending: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<Option<T>, Unreadable>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sending.await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => match error.code().and_then(|code| code.rsplit('.').next()) {
            Some(code) if GONE.contains(&code) => Ok(None),
            _ => Err(Unreadable { action, why: explain(&error, doing) }),
        },
    }
}

/// A read in progress: properties that were read, and parts that were not.
#[derive(Default)]
struct Looking {
    fields: Map<String, Value>,
    unreadable: Vec<Unreadable>,
}

impl Looking {
    /// Begins a read with its first answer; `Err` if that ends it, because the resource is missing or unreadable.
    fn begin<T>(first: Result<Option<T>, Unreadable>) -> Result<(Self, T), Observed> {
        match first {
            Ok(Some(answer)) => Ok((Self::default(), answer)),
            Ok(None) => Err(Observed::default()),
            // It is not known whether the resource exists, so no property is reported missing.
            Err(unreadable) => Err(Observed { seen: Some(Value::Object(Map::new())), unreadable: vec![unreadable] }),
        }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    /// Takes a further answer: a missing part is `null`.
    fn take<T>(&mut self, name: &str, answer: Result<Option<T>, Unreadable>, read: impl FnOnce(T) -> Value) {
        match answer {
            Ok(answer) => self.set(name, answer.map_or(Value::Null, read)),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
    }

    fn end(self) -> Observed {
        Observed { seen: Some(Value::Object(self.fields)), unreadable: self.unreadable }
    }
}

/// A text that holds JSON, such as a policy; unchanged if it is not JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
