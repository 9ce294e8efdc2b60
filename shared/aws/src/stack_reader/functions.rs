//! Functions of Lambda, and their event source mappings.

use aws_sdk_lambda::{
    Client,
    operation::{
        get_event_source_mapping::GetEventSourceMappingOutput,
        get_function_configuration::GetFunctionConfigurationOutput,
    },
};
use lamplighter::backend::StoreError;
use serde_json::{Value, json};

use super::{Looking, Observed, ask, parsed};

pub(super) async fn function(client: &Client, name: &str) -> Result<Observed, StoreError> {
    let doing = |what: &str| format!("read {what} of function {name}");
    let asked = client.get_function_configuration().function_name(name).send();
    let answer = ask("lambda:GetFunctionConfiguration", &doing("the configuration"), asked).await;
    let (mut looking, answer) = match Looking::begin(answer) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    configuration(&mut looking, answer);
    let asked = client.get_function_concurrency().function_name(name).send();
    let answer = ask("lambda:GetFunctionConcurrency", &doing("the reserved concurrency"), asked).await;
    looking.take("ReservedConcurrency", answer, |answer| answer.reserved_concurrent_executions.into());
    let asked = client.get_function_recursion_config().function_name(name).send();
    let answer = ask("lambda:GetFunctionRecursionConfig", &doing("the recursion guard"), asked).await;
    looking.take("RecursiveLoop", answer, |answer| answer.recursive_loop.map(|one| one.as_str().to_owned()).into());
    let asked = client.get_policy().function_name(name).send();
    let answer = ask("lambda:GetPolicy", &doing("the policy"), asked).await;
    looking.take("Policy", answer, |answer| answer.policy.as_deref().map_or(Value::Null, parsed));
    Ok(looking.end())
}

fn configuration(looking: &mut Looking, answer: GetFunctionConfigurationOutput) {
    let variables = answer.environment.and_then(|all| all.variables).unwrap_or_default();
    let architectures = answer.architectures.unwrap_or_default();
    let logging = answer.logging_config;
    let log_format = logging.as_ref().and_then(|one| one.log_format.as_ref()).map(|one| one.as_str());
    let log_group = logging.as_ref().and_then(|one| one.log_group.as_deref());
    let logging = json!({ "LogFormat": log_format, "LogGroup": log_group });
    looking.set("Timeout", answer.timeout);
    looking.set("MemorySize", answer.memory_size);
    looking.set("Runtime", answer.runtime.map(|one| one.as_str().to_owned()));
    looking.set("Handler", answer.handler);
    looking.set("Role", answer.role);
    looking.set("Architectures", architectures.iter().map(|one| one.as_str()).collect::<Vec<_>>());
    looking.set("Tracing", answer.tracing_config.and_then(|one| one.mode).map(|one| one.as_str().to_owned()));
    looking.set("Environment", json!({ "Variables": variables }));
    looking.set("LoggingConfig", logging);
    looking.set("KmsKeyArn", answer.kms_key_arn);
    looking.set("State", answer.state.map(|one| one.as_str().to_owned()));
    looking.set("StateReason", answer.state_reason);
    looking.set("LastUpdateStatus", answer.last_update_status.map(|one| one.as_str().to_owned()));
    looking.set("LastUpdateStatusReason", answer.last_update_status_reason);
}

pub(super) async fn url(client: &Client, function: &str) -> Result<Observed, StoreError> {
    let asked = client.get_function_url_config().function_name(function).send();
    let doing = format!("read the URL of function {function}");
    let (mut looking, answer) = match Looking::begin(ask("lambda:GetFunctionUrlConfig", &doing, asked).await) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    looking.set("AuthType", answer.auth_type.as_str());
    looking.set("InvokeMode", answer.invoke_mode.map(|one| one.as_str().to_owned()));
    looking.set("Cors", answer.cors.map(|cors| json!({ "AllowOrigins": cors.allow_origins })));
    Ok(looking.end())
}

pub(super) async fn calls(client: &Client, function: &str) -> Result<Observed, StoreError> {
    let asked = client.get_function_event_invoke_config().function_name(function).send();
    let doing = format!("read the destination of failed calls of function {function}");
    let (mut looking, answer) = match Looking::begin(ask("lambda:GetFunctionEventInvokeConfig", &doing, asked).await) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    let failure = answer.destination_config.and_then(|one| one.on_failure).and_then(|one| one.destination);
    looking.set("DestinationConfig", json!({ "OnFailure": { "Destination": failure } }));
    looking.set("MaximumRetryAttempts", answer.maximum_retry_attempts);
    looking.set("MaximumEventAgeInSeconds", answer.maximum_event_age_in_seconds);
    Ok(looking.end())
}

pub(super) async fn mapping(client: &Client, id: &str) -> Result<Observed, StoreError> {
    let asked = client.get_event_source_mapping().uuid(id).send();
    let answer = ask("lambda:GetEventSourceMapping", &format!("read the event source mapping {id}"), asked).await;
    let (mut looking, answer) = match Looking::begin(answer) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    let GetEventSourceMappingOutput { state, batch_size, maximum_batching_window_in_seconds, .. } = &answer;
    looking.set("State", state.clone());
    looking.set("BatchSize", *batch_size);
    looking.set("MaximumBatchingWindowInSeconds", maximum_batching_window_in_seconds.unwrap_or_default());
    let types = answer.function_response_types.unwrap_or_default();
    looking.set("FunctionResponseTypes", types.iter().map(|one| one.as_str()).collect::<Vec<_>>());
    let most = answer.scaling_config.and_then(|scaling| scaling.maximum_concurrency);
    looking.set("ScalingConfig", json!({ "MaximumConcurrency": most }));
    looking.set("EventSourceArn", answer.event_source_arn);
    looking.set("FunctionArn", answer.function_arn);
    let filters = answer.filter_criteria.and_then(|criteria| criteria.filters).unwrap_or_default();
    looking.set("Filters", filters.len());
    Ok(looking.end())
}
