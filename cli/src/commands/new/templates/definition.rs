//! `{{job}}`.

use lamplighter::{Job, Options, Queue, Retry, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::queues;

/// What this job does, in a sentence: `lamp definitions` shows it to the job's senders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct {{type}} {
    /// What the job is about: a number, a key, an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub subject: Option<String>,
}

impl Job for {{type}} {
    const NAME: &'static str = "{{job}}";
    const QUEUE: Queue = queues::{{queue}};

    /// Eight attempts over some ten minutes.
    fn options() -> Options {
        Options::new().timeout(secs({{timeout}})).retry(Retry::exponential(secs(5)).attempts(8)){{records}}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_written_and_a_misspelt_field_is_refused() {
        let job: {{type}} = serde_json::from_str(r#"{"subject":"42"}"#).unwrap();
        assert_eq!(job, {{type}} { subject: Some("42".into()) });
        assert_eq!(serde_json::to_string(&{{type}}::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<{{type}}>(r#"{"sbject":"42"}"#).is_err());
    }
}
