//! What the spans are of: the program, and the Lambda function.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// The resource by OpenTelemetry's variables and, on Lambda, by Lambda's (OpenTelemetry, "Semantic conventions for FaaS
/// resources"; AWS Lambda Developer Guide, "Defined runtime environment variables").
pub(crate) fn resource(service: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Resource {
    let mut attributes = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| {
        attributes.extend(value.map(|value| KeyValue::new(name, value)));
    };
    let function = variable("AWS_LAMBDA_FUNCTION_NAME");
    if function.is_some() {
        add("cloud.provider", Some("aws".into()));
        add("cloud.platform", Some("aws_lambda".into()));
        add("cloud.region", variable("AWS_REGION"));
        add("faas.name", function.clone());
        add("faas.version", variable("AWS_LAMBDA_FUNCTION_VERSION"));
        add("faas.instance", variable("AWS_LAMBDA_LOG_STREAM_NAME"));
        let megabytes = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse::<i64>().ok());
        attributes.extend(megabytes.map(|count| KeyValue::new("faas.max_memory", count.saturating_mul(1 << 20))));
    }
    let resource = Resource::builder().with_attributes(attributes);
    // What the operator says comes before what the program says.
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|text| text.contains("service.name="));
    match service.map(str::to_owned).or(function).filter(|_| !is_named) {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    fn get(resource: &Resource, name: &'static str) -> Option<String> {
        resource.get(&Key::from_static_str(name)).map(|value| value.to_string())
    }

    #[test]
    fn on_lambda_it_is_the_function() {
        let variable = |name: &str| match name {
            "AWS_LAMBDA_FUNCTION_NAME" => Some("shop-greetings".to_owned()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some("128".into()),
            "AWS_REGION" => Some("eu-central-1".into()),
            _ => None,
        };
        let resource = resource(None, variable);
        let names = ["service.name", "faas.name", "faas.max_memory", "cloud.region", "cloud.provider", "faas.version"];
        let found = names.map(|name| get(&resource, name));
        let expected =
            ["shop-greetings", "shop-greetings", "134217728", "eu-central-1", "aws"].map(|v| Some(v.to_owned()));
        assert_eq!((&found[..5], &found[5]), (&expected[..], &None));
    }

    #[test]
    fn elsewhere_it_is_the_program() {
        let named = resource(Some("shop"), |_| None);
        assert_eq!((get(&named, "service.name").as_deref(), get(&named, "faas.name")), (Some("shop"), None));
        // The name by the variable is read from the environment itself, which has none here.
        let by_variable = resource(Some("shop"), |name| (name == "OTEL_SERVICE_NAME").then(|| "other".into()));
        assert_ne!(get(&by_variable, "service.name").as_deref(), Some("shop"));
    }
}
