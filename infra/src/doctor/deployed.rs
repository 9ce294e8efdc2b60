//! The deployed stack: read once, and plain data from then on.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use lamplighter::backend::StoreError;
use lamplighter_aws::{
    Account, Code, DeployedStack, Drift, Observed, ResourceRef, RunTimeSchedule, StackReader, Unreadable,
};
use serde_json::Value;

use super::{
    compare::drift::is_compared,
    expected::{Resource, Subject},
};

/// The deployed stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Deployed {
    pub(super) stack: DeployedStack,
    /// The template that it was deployed from, if it can be read.
    pub(super) template: Option<Value>,
    /// The resources that were read, by logical id.
    pub(super) looks: BTreeMap<String, Observed>,
    /// Drift of the resources that are not read individually, by logical id, as CloudFormation reports it; `None` where
    /// it cannot.
    pub(super) drifts: Option<BTreeMap<String, Drift>>,
    /// The code of functions, by logical id.
    pub(super) code: BTreeMap<String, Code>,
    /// Schedules created at run time.
    pub(super) made: Vec<RunTimeSchedule>,
    pub(super) account: Account,
    /// Unreadable data besides single resources: a label, and the reason.
    pub(super) unreadable: Vec<(String, Unreadable)>,
}

/// AWS CloudFormation User Guide, "Detect unmanaged configuration changes to stacks and resources with drift
/// detection".
const DRIFT_IS_DETECTED_IN: [&str; 4] =
    ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"];

/// Resources that are read concurrently.
const AT_ONCE: usize = 8;

impl Deployed {
    pub(super) async fn read(
        stack_reader: &StackReader,
        stack: DeployedStack,
        resources: &[Resource],
    ) -> Result<Self, StoreError> {
        let mut deployed = Self::default();
        // First: a function that is asked for a description of its code writes logs, which can create a deleted log
        // group again.
        if DRIFT_IS_DETECTED_IN.contains(&&*stack.status) {
            let compared =
                resources.iter().filter(|one| is_compared(&one.kind) && stack.resources.contains_key(&one.id));
            let compared: Vec<_> = compared.map(|resource| resource.id.clone()).collect();
            let (drifts, unreadable) = stack_reader.drift(&stack.name, &compared).await?;
            deployed.drifts = Some(drifts);
            deployed.unreadable.extend(unreadable.into_iter().map(|one| ("alarms, logs and buckets".to_owned(), one)));
        }
        let parts = resources.iter().filter_map(|resource| Some((resource, part(resource, &stack)?)));
        let looks = parts.map(|(resource, part)| async move {
            let look = stack_reader.look(&part).await?;
            let code = match (&part, can_answer(&look)) {
                (ResourceRef::Function(name), true) => Some(stack_reader.code(name).await?),
                _ => None,
            };
            Ok::<_, StoreError>((resource, look, code))
        });
        let looks = looks.collect::<Vec<_>>();
        let looks: Vec<_> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
        for (resource, look, code) in looks {
            deployed.looks.insert(resource.id.clone(), look);
            match code {
                Some(Ok(Some(code))) => _ = deployed.code.insert(resource.id.clone(), code),
                Some(Err(unreadable)) => deployed.unreadable.push((resource.label(), unreadable)),
                Some(Ok(None)) | None => {}
            }
        }
        match stack_reader.template(&stack.name).await? {
            Ok(template) => deployed.template = template,
            Err(unreadable) => deployed.unreadable.push((format!("template of stack {}", stack.name), unreadable)),
        }
        if let Some(group) = resources.iter().find(|resource| resource.of == Subject::Group) {
            let name = group.properties["Name"].as_str().unwrap_or_default();
            let (made, unreadable) = stack_reader.run_time_schedules(name).await?;
            deployed.made = made;
            deployed
                .unreadable
                .extend(unreadable.into_iter().map(|one| ("schedules made at run time".to_owned(), one)));
        }
        let (account, unreadable) = stack_reader.account().await?;
        deployed.account = account;
        deployed.unreadable.extend(unreadable.into_iter().map(|one| ("quotas of the account".to_owned(), one)));
        deployed.stack = stack;
        Ok(deployed)
    }
}

/// Returns whether a function can answer: not if its reserved concurrency is zero, or if it has no code yet.
fn can_answer(look: &Observed) -> bool {
    look.seen.as_ref().is_some_and(|seen| {
        let state = seen["State"].as_str().unwrap_or("Active");
        seen["ReservedConcurrency"] != 0 && !matches!(state, "Pending" | "Failed")
    })
}

/// Returns what to read; `None` for a resource that the stack itself describes, or that the stack lacks.
fn part(resource: &Resource, stack: &DeployedStack) -> Option<ResourceRef> {
    let id = stack.resources.get(&resource.id).map(|resource| &*resource.physical_id).filter(|id| !id.is_empty())?;
    let text = |name: &str| resource.properties[name].as_str().map(ToOwned::to_owned);
    let id = id.to_owned();
    Some(match &*resource.kind {
        "AWS::SQS::Queue" => ResourceRef::Queue(id),
        "AWS::Lambda::Function" => ResourceRef::Function(id),
        "AWS::Lambda::Url" => ResourceRef::Url(text("TargetFunctionArn")?),
        "AWS::Lambda::EventInvokeConfig" => ResourceRef::Calls(text("FunctionName")?),
        "AWS::Lambda::EventSourceMapping" => ResourceRef::Mapping(id),
        "AWS::Events::Rule" => ResourceRef::Rule(text("Name")?),
        "AWS::Events::EventBus" => ResourceRef::Bus(text("Name")?),
        "AWS::Scheduler::Schedule" => ResourceRef::Schedule(text("GroupName")?, text("Name")?),
        "AWS::Scheduler::ScheduleGroup" => ResourceRef::Group(text("Name")?),
        "AWS::DynamoDB::Table" => ResourceRef::Table(id),
        "AWS::IAM::Role" => ResourceRef::Role(id),
        _ => return None,
    })
}
