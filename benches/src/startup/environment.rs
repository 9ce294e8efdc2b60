//! The environment of a bootstrap, as in a stack.

use lamplighter_fakes::RuntimeApi;
use serde_json::json;

/// The queue of the smallest function, by its name on AWS.
pub(crate) const QUEUE: &str = "shop-nothing";
const ACCOUNT: &str = "us-east-1:123456789012";

/// Returns everything that the template sets for a function with records, or for the dashboard; the others read only the map of
/// queues.
pub(crate) fn of(api: &RuntimeApi, bootstrap: &str) -> Vec<(&'static str, String)> {
    let url = |queue: &str| format!("https://sqs.us-east-1.amazonaws.com/123456789012/{queue}");
    let queues = json!({ "nothing": { "url": url(QUEUE), "dlq": url("shop-nothing-dlq") } });
    let mut environment = api.environment(bootstrap);
    environment.push(("LAMPLIGHTER_QUEUES", queues.to_string()));
    // The specification's switch, which turns traces off.
    environment.push(("OTEL_SDK_DISABLED", "true".to_owned()));
    if !matches!(bootstrap, "stateless" | "traced") {
        environment.extend([
            ("LAMPLIGHTER_TABLE", "shop-jobs".to_owned()),
            ("LAMPLIGHTER_EVENT_BUS", "shop".to_owned()),
            ("LAMPLIGHTER_SCHEDULE_GROUP", "shop".to_owned()),
            ("LAMPLIGHTER_SCHEDULER_ROLE", "arn:aws:iam::123456789012:role/shop-scheduler".to_owned()),
            ("LAMPLIGHTER_UNDELIVERED", format!("arn:aws:sqs:{ACCOUNT}:shop-undelivered")),
        ]);
    }
    if bootstrap == "dashboard" {
        environment.extend([
            ("LAMPLIGHTER_DASHBOARD_RIGHTS", "*:assumed-role/Operators/* operator".to_owned()),
            ("LAMPLIGHTER_DASHBOARD_FORMS", format!("arn:aws:cloudformation:{ACCOUNT}:stack/shop/1")),
        ]);
    }
    environment
}

/// Returns the ARN of the queue.
pub(crate) fn queue_arn() -> String {
    format!("arn:aws:sqs:{ACCOUNT}:{QUEUE}")
}
