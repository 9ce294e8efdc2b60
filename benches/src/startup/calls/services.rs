//! The parts of DynamoDB and SQS that one job needs.

use lamplighter_fakes::{Call, Reply, Request, Service, StatusCode, json_reply};
use serde_json::{Value, json};

/// Both services; each runs at an endpoint of its own.
pub(super) struct JobServices;

impl Service for JobServices {
    type Measure = ();

    async fn answer(&self, call: &mut Call, _request: Request) -> Reply {
        let answer = match call.action.as_str() {
            "UpdateItem" => json!({ "Attributes": record(&call.body["Key"]) }),
            "ChangeMessageVisibilityBatch" => {
                json!({ "Successful": [{ "Id": call.body["Entries"][0]["Id"] }], "Failed": [] })
            }
            _ => json!({}),
        };
        json_reply(StatusCode::OK, &answer)
    }
}

/// Returns a record as a claim finds it, of the usual size.
fn record(key: &Value) -> Value {
    let mut record = json!({
        "st": { "S": "running" },
        "n": { "N": "1" },
        "o": { "N": "7303014920387442" },
        "l": { "N": "1793527260000000000" },
        "h": { "S": "lambda tracked 2026/11/01/[$LATEST]0123456789abcdef0123456789abcdef" },
        "b": { "N": "1793527200000000000" },
        "c": { "N": "1793527200000000000" },
        "d": { "N": "1793527200000000000" },
        "q": { "S": "nothing" },
        "j": { "S": "nothing.do" },
        "m": { "S": r#"{"job":"nothing.do","args":{}}"# },
        "mx": { "N": "10" },
        "rf": { "N": "7776000" },
        "w": { "N": "7303014920387442" },
        "z": { "N": "7303014920387442" },
        "lean": { "BOOL": true },
        "ttl": { "N": "1794823260" },
    });
    for name in ["pk", "sk"] {
        record[name] = key[name].clone();
    }
    record
}
