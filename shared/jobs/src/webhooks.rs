//! Webhooks: events delivered by HTTP.

use lamplighter::{Job, Options, Queue, Retry, Sensitive, hours, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use crate::queues;

/// Delivers an event by HTTP POST, signed as the Standard Webhooks specification says, and tries again while the
/// receiver is unavailable.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverWebhook {
    /// Where to: an http or https URL without user name and password. Private addresses are refused unless the
    /// function's settings allow them.
    pub url: Url,
    /// What happened, for example `invoice.paid`: the `type` of the body.
    #[schemars(length(min = 1, max = 256))]
    pub event: String,
    /// Any JSON value: the `data` of the body. It arrives byte for byte as it was sent: numbers of any size and form, the
    /// order of fields, repeated ones, white space.
    pub payload: Box<RawValue>,
    /// The name of the signing secret in the function's settings; the default secret when absent. Never the secret
    /// itself: arguments are kept in messages and records. Should it be given here by mistake, it is hidden in errors, in
    /// logs and by the command `lamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub secret: Option<Sensitive<String>>,
}

impl Job for DeliverWebhook {
    const NAME: &'static str = "webhook.deliver";
    const QUEUE: Queue = queues::WEBHOOKS;

    /// Fifteen attempts over some nine hours on average, seventeen at most: a receiver may be down for a night.
    fn options() -> Options {
        Options::new()
            .timeout(secs(30))
            .retry(Retry::exponential(secs(5)).cap(hours(6)).attempts(15))
            .retention(crate::retention())
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{Definition, Retry};

    use super::*;

    #[test]
    fn retries_last_a_night_and_end_within_a_day() {
        let options = DeliverWebhook::options();
        let longest: std::time::Duration = waits(&options.retry, 1.0);
        assert!((hours(12)..hours(24)).contains(&longest), "at most {longest:?}");
        let average = waits(&options.retry, 0.5);
        assert!((hours(8)..hours(10)).contains(&average), "on average {average:?}");
    }

    fn waits(retry: &Retry, unit: f64) -> std::time::Duration {
        (1..).map_while(|attempt| retry.delay(attempt, unit)).sum()
    }

    #[test]
    fn a_payload_keeps_its_bytes() {
        let payload = r#"{"n":123456789012345678901, "price":19.90,"b":1,"a":2,"a":3,"huge":1e400,"text":"\u00e9<"}"#;
        let json = format!(r#"{{"url":"https://example.com/","event":"e","payload":{payload}}}"#);
        let job: DeliverWebhook = serde_json::from_str(&json).unwrap();
        assert_eq!(job.payload.get(), payload);
        assert_eq!(serde_json::value::to_raw_value(&job).unwrap().get(), json);
    }

    #[test]
    fn schema_accepts_any_payload() {
        let schema = schemars::schema_for!(DeliverWebhook).to_value();
        let payload = &schema["properties"]["payload"];
        assert!(payload.get("type").is_none() && payload.get("$ref").is_none(), "{payload}");
        assert!(schema["required"].as_array().unwrap().contains(&"payload".into()));
    }

    #[test]
    fn the_secrets_name_is_sensitive_and_the_wire_keeps_it() {
        let json = r#"{"url":"https://example.com/","event":"e","payload":1,"secret":"billing"}"#;
        let job: DeliverWebhook = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&job).unwrap(), json);
        assert!(!format!("{job:?}").contains("billing"));
        let redaction = Definition::of::<DeliverWebhook>().redaction().unwrap();
        assert!(redaction.is_sensitive("secret") && !redaction.is_sensitive("url"));
        let schema = schemars::schema_for!(DeliverWebhook).to_value();
        assert_eq!(schema["properties"]["secret"]["maxLength"], 128);
    }

    #[test]
    fn a_misspelt_field_is_refused_by_name() {
        let error = serde_json::from_str::<DeliverWebhook>(r#"{"url":"https://example.com","event":"e","paylod":{}}"#)
            .unwrap_err();
        assert!(error.to_string().contains("`paylod`"), "{error}");
    }
}
