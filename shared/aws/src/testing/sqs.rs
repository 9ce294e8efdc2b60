//! SQS as its clients see it: AWS JSON 1.0 over HTTP. Every call is recorded, and any can be made to fail.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_credential_types::Credentials;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::http::{Asked, Reply, Serve, Server, reply, with_header};
use crate::AwsClients;

/// An SQS endpoint.
#[derive(Debug)]
pub struct FakeSqs {
    server: Server,
    shared: Arc<Shared>,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The action, such as `SendMessageBatch`.
    pub action: String,
    /// The request's body.
    pub body: Value,
}

/// What shall go wrong with the next call of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The whole call fails, with this status, error code and message.
    Call(u16, &'static str, &'static str),
    /// Of a batch, the entries at these places fail; the flag says that the sender is at fault.
    Entries(Vec<usize>, bool),
    /// There is no answer.
    Silence,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    faults: Vec<(&'static str, Fault)>,
    redrive_policies: BTreeMap<String, String>,
}

impl FakeSqs {
    /// The account that its queues belong to.
    pub const ACCOUNT: &'static str = "123456789012";
    /// Their region.
    pub const REGION: &'static str = "us-east-1";

    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let server = Server::start(shared.clone()).await?;
        Ok(Self { server, shared })
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// A queue's URL.
    #[must_use]
    pub fn url(&self, queue: &str) -> String {
        format!("{}/{}/{queue}", self.endpoint(), Self::ACCOUNT)
    }

    /// A queue's ARN.
    #[must_use]
    pub fn arn(queue: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{queue}", Self::REGION, Self::ACCOUNT)
    }

    /// An SDK that calls this endpoint.
    #[must_use]
    pub fn sdk(&self) -> AwsClients {
        let credentials = Credentials::new("test", "test", None, None, "test");
        AwsClients::fixed(Self::REGION, Some(self.endpoint()), credentials)
    }

    /// Gives a queue a redrive policy that names another as its dead-letter queue.
    pub fn redrive(&self, queue: &str, dead: &str) {
        let policy = json!({"deadLetterTargetArn": Self::arn(dead), "maxReceiveCount": 10}).to_string();
        self.shared.state().redrive_policies.insert(self.url(queue), policy);
    }

    /// Makes the next call of `action` fail that has no fault yet.
    pub fn fail(&self, action: &'static str, fault: Fault) {
        self.shared.state().faults.push((action, fault));
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The bodies of the calls of one action so far.
    #[must_use]
    pub fn bodies(&self, action: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.action == action).map(|call| call.body).collect()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the call, and takes its fault.
    fn record(&self, action: &str, body: &Value) -> Option<Fault> {
        let mut state = self.state();
        state.calls.push(Call { action: action.into(), body: body.clone() });
        let fault = state.faults.iter().position(|(failing, _)| *failing == action)?;
        Some(state.faults.remove(fault).1)
    }

    fn attributes(&self, body: &Value) -> Value {
        let url = body["QueueUrl"].as_str().unwrap_or_default();
        match self.state().redrive_policies.get(url) {
            Some(policy) => json!({"Attributes": {"RedrivePolicy": policy}}),
            None => json!({}),
        }
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let target = asked.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let action = target.trim_start_matches("AmazonSQS.").to_owned();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let failing = match self.record(&action, &body) {
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Call(status, code, message)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
                return json_reply(status, &body);
            }
            Some(Fault::Entries(indices, sender)) => Some((indices, sender)),
            None => None,
        };
        match action.as_str() {
            "SendMessageBatch" | "ChangeMessageVisibilityBatch" => json_reply(StatusCode::OK, &batch(&body, failing)),
            "GetQueueAttributes" => json_reply(StatusCode::OK, &self.attributes(&body)),
            _ => {
                let body = json!({"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": action});
                json_reply(StatusCode::BAD_REQUEST, &body)
            }
        }
    }
}

/// The answer to a batch: all entries went well, but for those that shall fail.
fn batch(body: &Value, failing: Option<(Vec<usize>, bool)>) -> Value {
    let (indices, sender) = failing.unwrap_or_default();
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (index, entry) in body["Entries"].as_array().into_iter().flatten().enumerate() {
        let id = &entry["Id"];
        if indices.contains(&index) {
            failed.push(json!({"Id": id, "SenderFault": sender, "Code": "Injected", "Message": "as the test asked"}));
        } else {
            successful.push(json!({"Id": id, "MessageId": format!("sent-{index}"), "MD5OfMessageBody": ""}));
        }
    }
    json!({"Successful": successful, "Failed": failed})
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/x-amz-json-1.0")
}
