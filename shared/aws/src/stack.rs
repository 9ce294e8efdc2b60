//! The parts of a deployed stack, from its outputs.

use std::{collections::BTreeMap, fmt};

use aws_sdk_cloudformation::{Client, config, error::ProvideErrorMetadata, types};
use lamplighter::backend::{StoreError, StoreErrorKind};

use crate::{
    backend::{Settings, names},
    queues::QueueMap,
    sdk::{AwsClients, explain},
};

/// A deployed CloudFormation stack, as described by its outputs. `lamp infra` writes the template that has them.
#[derive(Debug, Clone)]
pub struct Stack {
    name: String,
    queues: QueueMap,
    outputs: BTreeMap<String, String>,
}

/// The outputs that describe a stack. All but the queues may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The queues, as [`QueueMap`] reads them.
    Queues,
    /// The table of records.
    Table,
    /// The event bus for lifecycle events.
    EventBus,
    /// The group of schedules made at run time.
    ScheduleGroup,
    /// The ARN of the role that schedules use to send.
    SchedulerRole,
    /// The ARN of the queue for messages that could not be delivered.
    Undelivered,
    /// The bucket for arguments that are too large for a message.
    Payloads,
    /// Its functions, by their names in Lambda, separated by commas.
    Functions,
    /// The dashboard's URL, if it is deployed.
    DashboardUrl,
    /// The URL of the metrics in CloudWatch.
    CloudWatchDashboardUrl,
}

impl Output {
    /// The output's name in the template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queues => "Queues",
            Self::Table => "Table",
            Self::EventBus => "EventBus",
            Self::ScheduleGroup => "ScheduleGroup",
            Self::SchedulerRole => "SchedulerRole",
            Self::Undelivered => "Undelivered",
            Self::Payloads => "Payloads",
            Self::Functions => "Functions",
            Self::DashboardUrl => "DashboardUrl",
            Self::CloudWatchDashboardUrl => "CloudWatchDashboardUrl",
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Stack {
    /// Reads the outputs of the stack with that name: one call of DescribeStacks.
    ///
    /// # Errors
    /// When there is no such stack, when it was not deployed from our template, or when CloudFormation cannot be read.
    pub async fn read(sdk: &AwsClients, name: &str) -> Result<Self, StoreError> {
        let shared = sdk.config().await?;
        let mut own = config::Builder::from(shared);
        if let Some(endpoint) = sdk.endpoint_of("AWS_ENDPOINT_URL_CLOUDFORMATION") {
            own.set_endpoint_url(Some(endpoint));
        }
        let described = Client::from_conf(own.build()).describe_stacks().stack_name(name).send().await;
        let region = shared.region().map_or("this region", |region| region.as_ref());
        let missing = || {
            let text = format!(
                "there is no stack {name:?} in {region}; check the name, the region (AWS_REGION) and the account, or \
                 deploy it first"
            );
            StoreError::new(StoreErrorKind::Invalid, text)
        };
        match described {
            Ok(answer) => Self::of(name, answer.stacks.unwrap_or_default().pop().ok_or_else(missing)?),
            // CloudFormation has no error code of its own for it.
            Err(error) if error.message().is_some_and(|message| message.contains("does not exist")) => Err(missing()),
            Err(error) => Err(explain(&error, &format!("read the stack {name}"))),
        }
    }

    fn of(name: &str, described: types::Stack) -> Result<Self, StoreError> {
        let invalid = |text: String| StoreError::new(StoreErrorKind::Invalid, text);
        let outputs = described.outputs.unwrap_or_default().into_iter();
        let outputs = outputs.filter_map(|output| Some((output.output_key?, output.output_value?)));
        let outputs: BTreeMap<_, _> = outputs.filter(|(_, value)| !value.trim().is_empty()).collect();
        let Some(queues) = outputs.get(Output::Queues.as_str()) else {
            let state = described.stack_status.map_or_else(String::new, |state| format!(", and is {state}"));
            return Err(invalid(format!(
                "the stack {name} has no output {}{state}: it was not deployed from a template that `lamp infra` \
                 writes, or not completely; deploy that template, or name another stack",
                Output::Queues
            )));
        };
        let queues = QueueMap::read(queues).map_err(|why| {
            invalid(format!(
                "the output {} of the stack {name} does not say where its queues are ({why}); deploy the template again",
                Output::Queues
            ))
        })?;
        Ok(Self { name: name.into(), queues, outputs })
    }

    /// The stack's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its queues.
    #[must_use]
    pub fn queues(&self) -> &QueueMap {
        &self.queues
    }

    /// One of its outputs.
    #[must_use]
    pub fn output(&self, output: Output) -> Option<&str> {
        self.outputs.get(output.as_str()).map(String::as_str)
    }

    /// Returns all of its outputs, by name, including those outside of [`Output`].
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.outputs
    }

    /// The stack as a deployment: the settings that its functions have in environment variables.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let output = |output| self.output(output).map(Into::into);
        Settings {
            queues: self.queues.clone(),
            table: output(Output::Table),
            event_bus: output(Output::EventBus),
            schedule_group: output(Output::ScheduleGroup),
            scheduler_role: output(Output::SchedulerRole),
            undelivered: output(Output::Undelivered),
            payloads: output(Output::Payloads),
            functions: names(self.output(Output::Functions)),
        }
    }
}
