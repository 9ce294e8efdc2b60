//! A small stack, expected and deployed.

use std::collections::BTreeMap;

use lamplighter::{
    Context, DashboardFunction, EventTrigger, Function, Job, JobError, Options, Queue, QueueHost, Setting, mins,
    schedule::Schedule, secs,
};
use lamplighter_aws::{Account, Code, DeployedStack, Drift, Observed, RunTimeSchedule, StackResource, lambda::About};
use serde_json::{Value, json};

use crate::{
    Deployment,
    doctor::{
        compare::compare,
        deployed::Deployed,
        expected::{Expected, Resource},
        finding::Examination,
    },
};

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Work {
    order: String,
}

impl Job for Work {
    const NAME: &'static str = "work.do";
    const QUEUE: Queue = Queue::standard("work").max_concurrency(20);
    fn options() -> Options {
        Options::new().timeout(secs(10))
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Step {}

impl Job for Step {
    const NAME: &'static str = "step.take";
    const QUEUE: Queue = Queue::fifo("steps");
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Haul {}

impl Job for Haul {
    const NAME: &'static str = "haul.carry";
    const QUEUE: Queue = Queue::standard("haul").host(QueueHost::Worker);
    fn options() -> Options {
        Options::new().timeout(mins(60))
    }
}

async fn haul(_: Haul, _: Context) -> Result<(), JobError> {
    Ok(())
}

async fn work(_: Work, _: Context) -> Result<(), JobError> {
    Ok(())
}

async fn step(_: Step, _: Context) -> Result<(), JobError> {
    Ok(())
}

pub(super) fn function() -> Function {
    Function::new("shop")
        .setting(Setting::secret("SHOP_TOKEN", "A secret"))
        .on_event(EventTrigger::new::<Work>().source("orders"))
        .job(work)
        .job(step)
        .job(haul)
        .with_state(())
}

/// The expected and the deployed stack.
pub(super) struct Fixture {
    pub(super) expected: Expected,
    pub(super) deployed: Deployed,
}

impl Fixture {
    /// Returns a stack as CloudFormation would create it.
    pub(super) fn well() -> Self {
        let order = || Work { order: "1".into() };
        let schedules = [
            Schedule::rate("hourly", mins(60)).unwrap().starts(&order()).unwrap(),
            Schedule::cron("berlin", "0 6 * * *").unwrap().zone("Europe/Berlin").starts(&Step {}).unwrap(),
        ];
        let functions = [function(), DashboardFunction::new().function()];
        let deployment = Deployment::derive(&functions, &[], &schedules).unwrap();
        let expected = Expected::new(&functions, deployment);
        let mut stack = DeployedStack {
            name: "shop".into(),
            id: "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/1".into(),
            status: "UPDATE_COMPLETE".into(),
            ..DeployedStack::default()
        };
        for resource in expected.resources(&stack) {
            let name =
                ["FunctionName", "QueueName", "Name", "LogGroupName"].map(|name| resource.properties[name].as_str());
            let name = name.into_iter().flatten().next().unwrap_or(&resource.id).to_owned();
            let is_queue = resource.kind == "AWS::SQS::Queue";
            let physical_id =
                if is_queue { format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}") } else { name };
            let made = StackResource { kind: resource.kind.clone(), physical_id, status: "CREATE_COMPLETE".into() };
            stack.resources.insert(resource.id, made);
        }
        let resources = expected.resources(&stack);
        let mut deployed = Deployed { template: Some(expected.template.clone()), ..Deployed::default() };
        for resource in &resources {
            if let Some(seen) = seen(resource, &resources, &stack) {
                deployed.looks.insert(resource.id.clone(), Observed { seen: Some(seen), unreadable: Vec::new() });
            }
        }
        deployed.code.insert("ShopFunction".into(), Code::About(About::of(&function())));
        deployed.drifts = Some(BTreeMap::new());
        deployed.account = Account { concurrency: Some(1000), code: Some((10, 1000)), rules: Some(2) };
        deployed
            .made
            .push(made("arn:aws:sqs:eu-west-1:123456789012:shop-work", r#"{"job":"work.do","schedule":"pulse"}"#));
        deployed.stack = stack;
        Self { expected, deployed }
    }

    pub(super) fn examination(&self) -> Examination {
        compare(&self.expected, &self.expected.resources(&self.deployed.stack), &self.deployed)
    }

    pub(super) fn seen(&mut self, id: &str) -> &mut Value {
        self.deployed.looks.get_mut(id).unwrap_or_else(|| panic!("no {id}")).seen.as_mut().unwrap()
    }

    pub(super) fn drifts(&mut self, id: &str, drift: Drift) {
        self.deployed.drifts.as_mut().unwrap().insert(id.into(), drift);
    }

    pub(super) fn is_gone(&mut self, id: &str) {
        self.deployed.looks.get_mut(id).unwrap().seen = None;
    }
}

pub(super) fn made(target: &str, input: &str) -> RunTimeSchedule {
    let (name, target, input) = ("runtime-pulse".into(), target.into(), input.into());
    RunTimeSchedule { name, target, input, enabled: true }
}

/// Returns the observed state of a resource without differences.
fn seen(resource: &Resource, all: &[Resource], stack: &DeployedStack) -> Option<Value> {
    let mut seen = resource.properties.clone();
    let own = stack.resources[&resource.id].physical_id.as_str();
    match &*resource.kind {
        "AWS::SQS::Queue" => {
            let of = |policy: &&Resource| policy.properties["Queues"][0] == own;
            seen["Policy"] = all.iter().find(of).unwrap().properties["PolicyDocument"].clone();
            seen["Waiting"] = 0.into();
            seen["InFlight"] = 0.into();
            for absent in ["ContentBasedDeduplication", "RedrivePolicy", "KmsMasterKeyId"] {
                seen.as_object_mut().unwrap().entry(absent).or_insert(Value::Null);
            }
        }
        "AWS::Lambda::Function" => {
            seen["State"] = "Active".into();
            seen["LastUpdateStatus"] = "Successful".into();
            seen["ReservedConcurrency"] = Value::Null;
            seen["KmsKeyArn"] = Value::Null;
            seen["Environment"]["Variables"]["SHOP_TOKEN"] = "geheim".into();
            let of = |one: &&Resource| one.kind == "AWS::Lambda::Permission" && resource.id == "ShopFunction";
            let statements = all.iter().filter(of).map(|permission| {
                json!({ "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Resource": resource.arn,
                        "Action": "lambda:InvokeFunction",
                        "Condition": {"ArnLike": {"AWS:SourceArn": permission.properties["SourceArn"]}} })
            });
            seen["Policy"] = json!({ "Statement": statements.collect::<Vec<_>>() });
        }
        "AWS::Lambda::EventSourceMapping" => {
            seen["State"] = "Enabled".into();
            seen["MaximumBatchingWindowInSeconds"] = 0.into();
            seen["Filters"] = 0.into();
            let of = |one: &&Resource| one.id == "ShopFunction";
            seen["FunctionArn"] = all.iter().find(of).unwrap().arn.clone().into();
            seen.as_object_mut().unwrap().entry("ScalingConfig").or_insert(Value::Null);
        }
        "AWS::Events::Rule" => {
            for absent in ["ScheduleExpression", "EventPattern"] {
                seen.as_object_mut().unwrap().entry(absent).or_insert(Value::Null);
            }
        }
        "AWS::Lambda::Url" => seen["Cors"] = Value::Null,
        "AWS::DynamoDB::Table" => seen["TableStatus"] = "ACTIVE".into(),
        "AWS::IAM::Role" => {
            let policies = seen["Policies"].as_array().unwrap().iter().map(|policy| policy["PolicyDocument"].clone());
            seen["Policies"] = policies.collect();
        }
        "AWS::Lambda::EventInvokeConfig" | "AWS::Scheduler::Schedule" => {}
        "AWS::Events::EventBus" | "AWS::Scheduler::ScheduleGroup" => seen = json!({}),
        _ => return None,
    }
    Some(seen)
}
