//! A separate stack, which a test may break.

use std::{collections::BTreeMap, path::PathBuf};

use aws_sdk_dynamodb::types::{PointInTimeRecoverySpecification, TimeToLiveSpecification};
use aws_sdk_lambda::types::{DestinationConfig, OnFailure, RecursiveLoop, State};
use aws_sdk_sqs::{config::Credentials, types::QueueAttributeName};
use hyper::Request;
use lamplighter::{Function, ScheduledJob, schedule::Schedule};
use lamplighter_aws::{AwsClients, StackReader};
use lamplighter_infra::{
    Deployment, Template,
    doctor::{Expected, Finding, Kind},
};
use lamplighter_tests::ministack::{REGION, ROOT_KEY, Stack, eventually};
use serde_json::Value;

use crate::cloud::{Cloud, SOON, cloud, deploy};

pub(super) fn sdk(cloud: &Cloud, key: &str, secret: &str) -> AwsClients {
    let credentials = Credentials::new(key, secret, None, None, "tests");
    AwsClients::fixed(REGION, Some(cloud.aws.endpoint()), credentials)
}

/// A deployed stack, and its expected state.
pub(crate) struct Patient {
    pub(super) cloud: &'static Cloud,
    pub(crate) stack: Stack,
    pub(super) wanted: Expected,
    pub(super) sdk: AwsClients,
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(super) events: aws_sdk_eventbridge::Client,
    pub(super) scheduler: aws_sdk_scheduler::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
}

pub(super) fn schedules() -> Vec<ScheduledJob> {
    // Far enough in the future that none fires meanwhile.
    let yearly = |name: &str| Schedule::cron(name, "0 0 1 1 *").unwrap();
    let tick = e2e_function::Tick { label: "examined".into() };
    vec![yearly("new-year").starts(&tick).unwrap(), yearly("berlin").zone("Europe/Berlin").starts(&tick).unwrap()]
}

impl Patient {
    /// Deploys the function of the tests as a separate stack.
    pub(super) async fn deploy(name: &str) -> Self {
        Self::deploy_in(cloud().await, name).await
    }

    /// The same in a separate account, for changes that other stacks would notice. It ends with the process.
    pub(super) async fn deploy_alone(name: &str) -> Self {
        Self::deploy_in(Box::leak(Box::new(Cloud::start().await)), name).await
    }

    async fn deploy_in(cloud: &'static Cloud, name: &str) -> Self {
        let functions = [e2e_function::function()];
        let deployment = Deployment::derive(&functions, &[], &schedules()).unwrap();
        let ledger = cloud.aws.log().with_file_name(format!("{name}.jsonl"));
        let parameters = [("E2eLedger", ledger.to_str().unwrap())];
        Self::of(cloud, name, &functions, deployment, &parameters, &[("e2e", "e2e-function")]).await
    }

    pub(crate) async fn of(
        cloud: &'static Cloud,
        name: &str,
        functions: &[Function],
        deployment: Deployment,
        parameters: &[(&str, &str)],
        code: &[(&str, &str)],
    ) -> Self {
        let template = Template::new(&deployment).to_json();
        let stack = deploy(&cloud.aws, name, template.clone(), parameters, code).await;
        Self::complete_stack(cloud, stack, &template, Expected::new(functions, deployment)).await
    }

    /// Deploys functions that this process does not contain, from their template and their archives.
    #[allow(dead_code, reason = "the tests of workspaces use it")]
    pub(crate) async fn from_template(
        cloud: &'static Cloud,
        name: &str,
        template: Value,
        code: &BTreeMap<String, PathBuf>,
    ) -> Self {
        let stack = cloud.aws.deploy(name, template.clone(), &[("Architecture", "x86_64")], code).await.unwrap();
        let nothing = Deployment::derive(&[], &[], &[]).unwrap();
        Self::complete_stack(cloud, stack, &template, Expected::new(&[], nothing)).await
    }

    async fn complete_stack(cloud: &'static Cloud, stack: Stack, template: &Value, wanted: Expected) -> Self {
        let sdk = sdk(cloud, ROOT_KEY, ROOT_KEY);
        let config = sdk.config().await.unwrap();
        let patient = Self {
            cloud,
            stack,
            wanted,
            sqs: aws_sdk_sqs::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            scheduler: aws_sdk_scheduler::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sdk: sdk.clone(),
        };
        patient.complete(template).await;
        patient
    }

    /// Does what CloudFormation does and the emulator leaves out.
    async fn complete(&self, template: &Value) {
        for (id, resource) in template["Resources"].as_object().unwrap() {
            match resource["Type"].as_str().unwrap() {
                "AWS::Serverless::Function" => self.recursion(self.id(id), RecursiveLoop::Allow).await,
                "AWS::Lambda::EventInvokeConfig" => self.forget_no_calls(&id.replace("Calls", "Function")).await,
                "AWS::Scheduler::Schedule" => self.in_zone(&resource["Properties"]).await,
                "AWS::DynamoDB::Table" => {
                    self.expire(true).await;
                    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
                    let update = self.dynamodb.update_continuous_backups().table_name(self.id(id));
                    update.point_in_time_recovery_specification(on.build().unwrap()).send().await.unwrap();
                }
                _ => {}
            }
        }
    }

    pub(crate) fn id(&self, logical: &str) -> &str {
        self.stack.physical_id(logical).unwrap()
    }

    pub(super) async fn recursion(&self, function: &str, guard: RecursiveLoop) {
        let put = self.lambda.put_function_recursion_config().function_name(function).recursive_loop(guard);
        put.send().await.unwrap();
    }

    async fn in_zone(&self, wanted: &Value) {
        let (group, name) = (self.id("ScheduleGroup"), wanted["Name"].as_str().unwrap());
        let made = self.scheduler.get_schedule().group_name(group).name(name).send().await.unwrap();
        let update = self.scheduler.update_schedule().group_name(group).name(name);
        let update = update.set_schedule_expression(made.schedule_expression).set_target(made.target);
        let update = update.set_flexible_time_window(made.flexible_time_window).set_state(made.state);
        update
            .schedule_expression_timezone(wanted["ScheduleExpressionTimezone"].as_str().unwrap())
            .send()
            .await
            .unwrap();
    }

    pub(super) async fn forget_no_calls(&self, function: &str) {
        let undelivered = self.stack.output("Undelivered").unwrap();
        let failure = OnFailure::builder().destination(undelivered).build();
        let put = self.lambda.put_function_event_invoke_config().function_name(self.id(function));
        let put = put.maximum_retry_attempts(2).maximum_event_age_in_seconds(21_600);
        put.destination_config(DestinationConfig::builder().on_failure(failure).build()).send().await.unwrap();
    }

    pub(super) async fn expire(&self, enabled: bool) {
        let ttl = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(enabled).build().unwrap();
        let update = self.dynamodb.update_time_to_live().table_name(self.id("Jobs")).time_to_live_specification(ttl);
        update.send().await.unwrap();
    }

    pub(super) async fn examine_by(&self, sdk: &AwsClients) -> Vec<Finding> {
        self.wanted.examine(&StackReader::new(sdk.clone()), &self.stack.name).await.unwrap().findings
    }

    pub(super) async fn is_well(&self, after: &str) {
        let findings = self.examine_by(&self.sdk).await;
        assert!(findings.is_empty(), "after {after}: {findings:#?}");
    }

    /// Asserts exactly these findings, each by its kind, its subject, and part of what was found.
    pub(super) async fn finds(&self, told: &[(Kind, &str, &str)]) -> Vec<Finding> {
        let findings = self.examine_by(&self.sdk).await;
        let kinds: Vec<_> = findings.iter().map(|one| (one.kind, &*one.resource)).collect();
        let wanted: Vec<_> = told.iter().map(|one| (one.0, one.1)).collect();
        assert_eq!(kinds, wanted, "{findings:#?}");
        for (finding, (.., found)) in findings.iter().zip(told) {
            assert!(finding.found.contains(found), "{found:?} is not in {finding:#?}");
        }
        findings
    }

    pub(super) async fn attribute(&self, queue: &str, name: QueueAttributeName, value: &str) {
        self.sqs.set_queue_attributes().queue_url(self.id(queue)).attributes(name, value).send().await.unwrap();
    }

    pub(super) async fn attribute_of(&self, queue: &str, name: QueueAttributeName) -> String {
        let asked = self.sqs.get_queue_attributes().queue_url(self.id(queue)).attribute_names(name.clone());
        asked.send().await.unwrap().attributes.unwrap().remove(&name).unwrap()
    }

    /// Calls CloudWatch Logs, for which the tests have no SDK.
    pub(super) async fn logs(&self, action: &str, input: Value) -> Value {
        let request = Request::post("/").header("content-type", "application/x-amz-json-1.1");
        let request = request.header("x-amz-target", format!("Logs_20140328.{action}"));
        let request = request.body(input.to_string().into_bytes()).unwrap();
        let answer = self.cloud.aws.request_as_root("logs", request).await.unwrap().into_body();
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    pub(super) async fn is_active(&self, function: &str) {
        eventually(format!("{function} is active"), SOON, async || {
            let now = self.lambda.get_function_configuration().function_name(function).send().await.unwrap();
            if now.state == Some(State::Active) { Ok(()) } else { Err(format!("{:?}", now.state)) }
        })
        .await
        .unwrap();
    }
}
