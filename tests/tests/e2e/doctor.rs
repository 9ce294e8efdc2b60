//! Deployed stacks, broken through AWS's own API in each way that `lamp doctor` detects, and repaired again.

pub(crate) mod patient;

use std::process::Command;

use aws_sdk_lambda::types::{FunctionResponseType, RecursiveLoop, ScalingConfig};
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use lamplighter::{env::Env, mins, schedule::Schedule};
use lamplighter_aws::{AwsBackend, Stack as Outputs};
use lamplighter_infra::{
    Deployment,
    doctor::{Expected, Kind, Severity},
};
use lamplighter_tests::ministack::package;
use serde_json::{Value, json};

use self::patient::{Patient, schedules, sdk};
use crate::cloud::cloud;

/// A new deployment has no findings; each fault is found, alone, and is gone after the repair.
#[tokio::test]
async fn queues_and_mappings_are_examined() {
    use QueueAttributeName::{Policy, RedrivePolicy, VisibilityTimeout};
    let patient = Patient::deploy("examined-queues").await;
    patient.is_well("its deployment").await;

    let right = patient.attribute_of("ActsQueue", VisibilityTimeout).await;
    patient.attribute("ActsQueue", VisibilityTimeout, "31").await;
    let findings = patient.finds(&[(Kind::QueueDrifted, "queue acts", "VisibilityTimeout 31")]).await;
    assert!(findings[0].repair.contains(&format!("--attributes VisibilityTimeout={right}`")), "{findings:#?}");
    assert_eq!((findings[0].severity, &*findings[0].name), (Severity::Error, "examined-queues-acts"));
    patient.attribute("ActsQueue", VisibilityTimeout, &right).await;

    let right = patient.attribute_of("ActsQueue", RedrivePolicy).await;
    let mut wrong: serde_json::Value = serde_json::from_str(&right).unwrap();
    wrong["maxReceiveCount"] = 7.into();
    patient.attribute("ActsQueue", RedrivePolicy, &wrong.to_string()).await;
    patient.finds(&[(Kind::QueueDrifted, "queue acts", "RedrivePolicy")]).await;
    patient.attribute("ActsQueue", RedrivePolicy, &right).await;

    let right = patient.attribute_of("TicksQueue", Policy).await;
    patient.attribute("TicksQueue", Policy, "").await;
    let rule = "does not allow arn:aws:events:us-east-1:000000000000:rule/examined-queues-new-year";
    let lost = (Kind::QueuePolicy, "queue ticks", rule);
    patient.finds(&[lost, (Kind::QueuePolicy, "queue ticks", "without TLS")]).await;
    patient.attribute("TicksQueue", Policy, &right).await;

    let dead = patient.id("ActsDeadLetters");
    patient.cloud.aws.send(dead, "{}").await.unwrap();
    patient.finds(&[(Kind::DeadLetters, "dead-letter queue of acts", "one dead letter")]).await;
    patient.sqs.purge_queue().queue_url(dead).send().await.unwrap();
    let undelivered = patient.id("EventsNotDelivered");
    patient.cloud.aws.send(undelivered, "{}").await.unwrap();
    patient.finds(&[(Kind::UndeliveredEvents, "queue for undelivered events", "one event")]).await;
    patient.sqs.purge_queue().queue_url(undelivered).send().await.unwrap();

    let mapping = || patient.lambda.update_event_source_mapping().uuid(patient.id("ActsMapping"));
    let about = "event source mapping of queue acts";
    mapping().enabled(false).send().await.unwrap();
    let findings = patient.finds(&[(Kind::MappingDisabled, about, "it is Disabled")]).await;
    assert!(findings[0].repair.contains("`lamp resume acts --stack examined-queues`"), "{findings:#?}");
    mapping().enabled(true).send().await.unwrap();
    mapping().set_function_response_types(Some(Vec::new())).batch_size(7).send().await.unwrap();
    let drifted = |found| (Kind::MappingDrifted, about, found);
    patient.finds(&[drifted("BatchSize 7"), drifted("FunctionResponseTypes []")]).await;
    let asked = patient.lambda.get_event_source_mapping().uuid(patient.id("OrderedMapping")).send().await.unwrap();
    let types = FunctionResponseType::ReportBatchItemFailures;
    mapping().function_response_types(types).batch_size(asked.batch_size.unwrap()).send().await.unwrap();
    mapping().scaling_config(ScalingConfig::builder().maximum_concurrency(2).build()).send().await.unwrap();
    patient.finds(&[drifted("ScalingConfig.MaximumConcurrency 2")]).await;
    mapping().scaling_config(ScalingConfig::builder().build()).send().await.unwrap();
    patient.is_well("all was repaired").await;
}

#[tokio::test]
async fn functions_roles_and_the_table_are_examined() {
    let patient = Patient::deploy("examined-code").await;
    let (function, about) = (patient.id("E2eFunction"), "function e2e");

    let right = patient.lambda.get_function_configuration().function_name(function).send().await.unwrap();
    let variables = right.environment.unwrap().variables.unwrap();
    let update = |timeout: i32, table: &str| {
        let mut variables = variables.clone();
        variables.insert("LAMPLIGHTER_TABLE".into(), table.into());
        let environment = aws_sdk_lambda::types::Environment::builder().set_variables(Some(variables)).build();
        patient.lambda.update_function_configuration().function_name(function).timeout(timeout).environment(environment)
    };
    update(3, "elsewhere").send().await.unwrap();
    patient.is_active(function).await;
    let drifted = |found| (Kind::FunctionDrifted, about, found);
    patient.finds(&[drifted("LAMPLIGHTER_TABLE elsewhere"), drifted("Timeout 3")]).await;
    update(right.timeout.unwrap(), &variables["LAMPLIGHTER_TABLE"]).send().await.unwrap();
    patient.is_active(function).await;

    patient.recursion(function, RecursiveLoop::Terminate).await;
    patient.finds(&[(Kind::RecursionGuard, about, "RecursiveLoop Terminate")]).await;
    patient.recursion(function, RecursiveLoop::Allow).await;

    let reserve = patient.lambda.put_function_concurrency().function_name(function);
    reserve.reserved_concurrent_executions(0).send().await.unwrap();
    patient.finds(&[(Kind::FunctionThrottled, about, "0 concurrent invocations")]).await;
    patient.lambda.delete_function_concurrency().function_name(function).send().await.unwrap();

    let permission = patient.id("E2eEventsPermission");
    patient.lambda.remove_permission().function_name(function).statement_id(permission).send().await.unwrap();
    let findings = patient.finds(&[(Kind::InvokePermission, about, "rule/examined-code-e2e-events")]).await;
    let source = findings[0].found.split(' ').find(|word| word.starts_with("arn:")).unwrap();
    let allow = patient.lambda.add_permission().function_name(function).statement_id(permission);
    let allow = allow.action("lambda:InvokeFunction").principal("events.amazonaws.com").source_arn(source);
    allow.send().await.unwrap();

    patient.lambda.delete_function_event_invoke_config().function_name(function).send().await.unwrap();
    patient.finds(&[(Kind::ResourceMissing, "failed calls E2eCalls", "somebody has deleted it")]).await;
    let put = patient.lambda.put_function_event_invoke_config().function_name(function);
    put.maximum_retry_attempts(0).maximum_event_age_in_seconds(21_600).send().await.unwrap();
    let failed = |found| (Kind::FailedCalls, about, found);
    patient.finds(&[failed("no DestinationConfig"), failed("MaximumRetryAttempts 0")]).await;
    patient.forget_no_calls("E2eFunction").await;

    let role = patient.id("E2eRole");
    let right = patient.iam.get_role_policy().role_name(role).policy_name("e2e").send().await.unwrap();
    let nothing = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["logs:*", "sqs:*", "events:*", "scheduler:*", "iam:*", "s3:*", "xray:*"], "Resource": "*"},
    ]});
    let put =
        |document: String| patient.iam.put_role_policy().role_name(role).policy_name("e2e").policy_document(document);
    put(nothing.to_string()).send().await.unwrap();
    patient.finds(&[(Kind::RolePermission, "role of function e2e", "it may not dynamodb:BatchGetItem on")]).await;
    put(decoded(&right.policy_document)).send().await.unwrap();

    patient.expire(false).await;
    patient.finds(&[(Kind::TableDrifted, "table of records", "\"Enabled\":false")]).await;
    patient.expire(true).await;

    let logs = patient.id("E2eLogs");
    let groups = patient.logs("DescribeLogGroups", json!({ "logGroupNamePrefix": logs })).await;
    let keep = |days: &Value| json!({ "logGroupName": logs, "retentionInDays": days });
    patient.logs("PutRetentionPolicy", keep(&3.into())).await;
    patient.finds(&[(Kind::ResourceDrifted, "log group E2eLogs", "RetentionInDays 3")]).await;
    patient.logs("PutRetentionPolicy", keep(&groups["logGroups"][0]["retentionInDays"])).await;
    patient.is_well("all was repaired").await;
}

/// IAM encodes policies as in a URL.
fn decoded(text: &str) -> String {
    match url::form_urlencoded::parse(format!("a={}", text.replace('+', "%2B")).as_bytes()).next() {
        Some((_, text)) => text.into_owned(),
        None => String::new(),
    }
}

#[tokio::test]
async fn rules_and_schedules_are_examined() {
    let patient = Patient::deploy("examined-times").await;
    let rule = patient.id("NewYearRule");
    patient.events.disable_rule().name(rule).send().await.unwrap();
    let findings = patient.finds(&[(Kind::ScheduleDisabled, "schedule new-year", "it is DISABLED")]).await;
    assert!(findings[0].repair.contains("`lamp schedule resume new-year --stack examined-times`"), "{findings:#?}");
    patient.events.enable_rule().name(rule).send().await.unwrap();

    let right = patient.events.describe_rule().name(rule).send().await.unwrap();
    patient.events.put_rule().name(rule).schedule_expression("rate(7 days)").send().await.unwrap();
    patient.finds(&[(Kind::ScheduleDrifted, "schedule new-year", "ScheduleExpression rate(7 days)")]).await;
    patient.events.put_rule().name(rule).set_schedule_expression(right.schedule_expression).send().await.unwrap();

    let targets = patient.events.list_targets_by_rule().rule(rule).send().await.unwrap().targets.unwrap();
    let mut silent = targets[0].clone();
    silent.dead_letter_config = None;
    patient.events.put_targets().rule(rule).targets(silent).send().await.unwrap();
    patient.finds(&[(Kind::ScheduleDrifted, "schedule new-year", "no DeadLetterConfig")]).await;
    patient.events.remove_targets().rule(rule).ids("queue").send().await.unwrap();
    patient.finds(&[(Kind::ScheduleNowhere, "schedule new-year", "it has no target")]).await;
    patient.events.put_targets().rule(rule).set_targets(Some(targets)).send().await.unwrap();

    // Schedules from the client have no findings; those that send elsewhere have.
    let outputs = Outputs::read(&patient.sdk, "examined-times").await.unwrap();
    let client = AwsBackend::new(patient.sdk.clone(), outputs.settings(), Env::system()).client();
    let tick = e2e_function::Tick { label: "made".into() };
    client.schedule(Schedule::rate("made", mins(1440)).unwrap(), &tick).await.unwrap();
    patient.is_well("a schedule was made").await;
    let (group, role) = (patient.id("ScheduleGroup"), patient.stack.output("SchedulerRole").unwrap());
    let target = Target::builder().arn("arn:aws:sqs:us-east-1:000000000000:gone").role_arn(role);
    let target = target.input(r#"{"job":"e2e.tick","schedule":"astray"}"#).build().unwrap();
    let punctual = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().unwrap();
    let create = patient.scheduler.create_schedule().group_name(group).name("runtime-astray").target(target);
    create.schedule_expression("rate(7 days)").flexible_time_window(punctual).send().await.unwrap();
    let findings = patient.finds(&[(Kind::ScheduleNowhere, "schedule astray", "it sends to arn:aws:sqs")]).await;
    assert!(findings[0].repair.contains("`lamp schedule remove astray --stack examined-times`"), "{findings:#?}");
    client.unschedule("astray").await.unwrap();
    patient.is_well("all was repaired").await;
}

#[tokio::test]
async fn deleted_resources_and_their_triggers_are_found_missing() {
    let patient = Patient::deploy("examined-ruins").await;
    patient.sqs.delete_queue().queue_url(patient.id("TicksQueue")).send().await.unwrap();
    patient.lambda.delete_event_source_mapping().uuid(patient.id("ActsMapping")).send().await.unwrap();
    let berlin = patient.scheduler.delete_schedule().group_name(patient.id("ScheduleGroup"));
    berlin.name("deployed-berlin").send().await.unwrap();
    patient.events.remove_targets().rule(patient.id("E2eEvents")).ids("function").send().await.unwrap();
    patient.events.delete_rule().name(patient.id("E2eEvents")).send().await.unwrap();
    patient.dynamodb.delete_table().table_name(patient.id("Jobs")).send().await.unwrap();
    patient.logs("DeleteLogGroup", json!({ "logGroupName": patient.id("E2eLogs") })).await;
    let deleted = "somebody has deleted it";
    let gone = |resource| (Kind::ResourceMissing, resource, deleted);
    patient
        .finds(&[
            gone("event source mapping of queue acts"),
            gone("queue ticks"),
            gone("rule for events of function e2e"),
            gone("schedule berlin"),
            (Kind::ScheduleNowhere, "schedule new-year", "examined-ruins-ticks"),
            gone("table of records"),
            gone("log group E2eLogs"),
        ])
        .await;
}

/// The code of another function, and a template of other definitions.
#[tokio::test]
async fn old_code_and_old_definitions_are_found() {
    let cloud = cloud().await;
    let functions = [e2e_function::function()];
    let deployment = Deployment::derive(&functions, &[], &schedules()).unwrap();
    let ledger = cloud.aws.log().with_file_name("examined-past.jsonl");
    let parameters = [("E2eLedger", ledger.to_str().unwrap())];
    let code = [("e2e", "webhooks")];
    let mut patient = Patient::of(cloud, "examined-past", &functions, deployment.clone(), &parameters, &code).await;
    patient.finds(&[(Kind::OldCode, "function e2e", "it runs the code of function webhooks")]).await;

    let mut newer = deployment;
    newer.queues[0].visibility_secs += 60;
    newer.schedules.retain(|schedule| schedule.name != "berlin");
    patient.wanted = Expected::new(&functions, newer);
    let findings = patient
        .finds(&[
            (Kind::OldCode, "function e2e", ""),
            (Kind::QueueDrifted, "queue acts", "VisibilityTimeout"),
            (Kind::ResourceLeftOver, "schedule BerlinSchedule", "AWS::Scheduler::Schedule in the stack"),
        ])
        .await;
    assert!(findings[1].repair.contains("deployed from other definitions: `cargo lamp infra`"), "{findings:#?}");
}

/// Exceeded quotas of an account, and a failed deployment.
#[tokio::test]
async fn quotas_and_the_stack_itself_are_examined() {
    let patient = Patient::deploy_alone("examined-account").await;
    patient.is_well("its deployment").await;
    let rule = async |n: usize| {
        let rule = patient.events.put_rule().name(format!("rule-{n}")).schedule_expression("rate(7 days)");
        rule.send().await.unwrap();
    };
    futures_util::future::join_all((0..240).map(rule)).await;
    let findings = patient.finds(&[(Kind::Quota, "default event bus", "rules of the bus")]).await;
    assert_eq!((findings[0].severity, &*findings[0].expected), (Severity::Warning, "less than 80 % of 300"));
    let delete = async |n: usize| {
        patient.events.delete_rule().name(format!("rule-{n}")).send().await.unwrap();
    };
    futures_util::future::join_all((0..240).map(delete)).await;
    patient.is_well("the rules were deleted").await;

    let mut template =
        lamplighter_infra::Template::new(&Deployment::derive(&[e2e_function::function()], &[], &schedules()).unwrap())
            .to_json();
    // CloudFormation cannot create this kind of parameter (AWS CloudFormation Template Reference,
    // "AWS::SSM::Parameter").
    let secret = json!({ "Type": "SecureString", "Value": "any" });
    template["Resources"]["Secret"] = json!({ "Type": "AWS::SSM::Parameter", "Properties": secret });
    let ledger = patient.cloud.aws.log().with_file_name("examined-account.jsonl");
    let parameters = [("E2eLedger", ledger.to_str().unwrap()), ("Architecture", "x86_64")];
    let code = tokio::task::spawn_blocking(|| package::bootstraps(&["e2e-function"]).unwrap()).await.unwrap();
    let code = code.into_values().map(|archive| ("e2e".to_owned(), archive)).collect();
    patient.cloud.aws.deploy("examined-account", template, &parameters, &code).await.unwrap_err();
    let findings = patient.examine_by(&patient.sdk).await;
    assert_eq!(
        (findings[0].kind, &*findings[0].resource),
        (Kind::StackFailed, "stack examined-account"),
        "{findings:#?}"
    );
}

#[tokio::test]
async fn unreadable_resources_are_reported_and_the_rest_is_examined() {
    let patient = Patient::deploy("examined-by-few").await;
    patient.attribute("ActsQueue", QueueAttributeName::VisibilityTimeout, "31").await;
    patient.iam.create_user().user_name("looker").send().await.unwrap();
    let allow = |actions: Value| json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [allow(json!([
        "cloudformation:*", "sqs:*", "events:*", "dynamodb:*", "scheduler:*", "lambda:Get*",
        // The emulator's names for AWS's GetEventSourceMapping and GetFunctionConcurrency.
        "lambda:ListEventSourceMappings", "lambda:PutFunctionConcurrency",
    ]))]});
    let put = patient.iam.put_user_policy().user_name("looker").policy_name("look").policy_document(policy.to_string());
    put.send().await.unwrap();
    let key = patient.iam.create_access_key().user_name("looker").send().await.unwrap().access_key.unwrap();
    let looker = sdk(patient.cloud, &key.access_key_id, &key.secret_access_key);
    let findings = patient.examine_by(&looker).await;
    let told: Vec<_> = findings.iter().map(|one| (one.kind, one.severity, &*one.repair)).collect();
    let denied = |repair| (Kind::NotExamined, Severity::Warning, repair);
    assert_eq!(told[0].0, Kind::QueueDrifted, "{findings:#?}");
    let ask = "grant the caller lambda:InvokeFunction";
    assert_eq!(told[1..], [denied(ask), denied("grant the caller iam:GetRole")], "{findings:#?}");
}

/// The real program on the real template, as an operator runs it.
#[tokio::test]
async fn the_command_examines_the_repositorys_own_stack() {
    let cloud = cloud().await;
    let app = lamplighter_app::app();
    let deployment = lamplighter_infra::deployment(&app).unwrap();
    let functions = lamplighter_infra::functions(&app);
    let names: Vec<_> = deployment.functions.iter().map(|function| function.name.clone()).collect();
    let code: Vec<_> = names.iter().map(|name| (&**name, &**name)).collect();
    let patient = Patient::of(cloud, "examined-own", &functions, deployment, &[], &code).await;
    let lamp = tokio::task::spawn_blocking(|| package::binary("lamp").unwrap()).await.unwrap();
    let doctor = async |args: &[&str]| {
        let mut command = Command::new(&lamp);
        command.arg("doctor").args(args).envs(cloud.aws.environment()).env("LAMPLIGHTER_STACK", "examined-own");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = doctor(&[]).await;
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    assert!(out.starts_with("all is well with examined-own: ") && out.ends_with(" resources\n"), "{out}");
    assert_eq!(doctor(&["--json"]).await, (Some(0), String::new(), String::new()));

    patient
        .lambda
        .update_event_source_mapping()
        .uuid(patient.id("WebhooksMapping"))
        .enabled(false)
        .send()
        .await
        .unwrap();
    let (code, out, err) = doctor(&[]).await;
    assert_eq!((code, &*err), (Some(1), ""), "{out}");
    assert!(out.starts_with("error event source mapping of queue webhooks "), "{out}");
    assert!(out.contains("  repair  `lamp resume webhooks --stack examined-own`"), "{out}");
    assert!(out.trim_end().ends_with("one finding"), "{out}");
    let (code, out, _) = doctor(&["--json"]).await;
    let finding: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &finding["kind"], &finding["severity"]), (Some(1), &json!("mapping-disabled"), &json!("error")));
    let (code, _, err) = doctor(&["--stack", "nowhere"]).await;
    assert_eq!((code, err.contains("there is no stack \"nowhere\" in us-east-1")), (Some(1), true), "{err}");
}
