//! A deployed stack as an operator's tools see it: CloudFormation, SQS with messages in it, and the event source mappings
//! of Lambda, at one endpoint. Every call is recorded, and any can be made to fail.

mod mappings;
mod queues;
mod stacks;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_credential_types::Credentials;
use hyper::StatusCode;
use serde_json::{Value, json};

pub use self::queues::FakeLetter;
use self::{
    mappings::Mapping,
    queues::{Queue, Tasks},
};
use super::{
    http::{Asked, Reply, Serve, Server, reply, with_header},
    sqs::{Call, FakeSqs, Fault},
};
use crate::{AwsClients, QueueMap};

/// An endpoint with one stack, its queues, and the event source mappings of its functions.
#[derive(Debug)]
pub struct FakeDeployment {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    faults: Vec<(&'static str, Fault)>,
    outputs: BTreeMap<String, String>,
    queues: BTreeMap<String, Queue>,
    mappings: BTreeMap<String, Mapping>,
    tasks: Tasks,
    /// Messages that were ever put into a queue here.
    messages: u64,
}

impl FakeDeployment {
    /// The stack's name.
    pub const STACK: &'static str = "shop";

    /// Starts one, with the queues `work` and `steps.fifo`, each with a dead-letter queue and an enabled mapping.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let server = Server::start(shared.clone()).await?;
        let fake = Self { server, shared };
        let map = json!({
            "work": {"url": fake.url("shop-work"), "dlq": fake.url("shop-work-dlq")},
            "steps": {"url": fake.url("shop-steps.fifo"), "dlq": fake.url("shop-steps-dlq.fifo")},
        });
        {
            let mut state = fake.shared.state();
            state.outputs.insert("Queues".into(), map.to_string());
            for queue in ["shop-work", "shop-work-dlq", "shop-steps.fifo", "shop-steps-dlq.fifo"] {
                state.queues.insert(queue.into(), Queue::default());
            }
            for (id, queue) in [("mapping-work", "shop-work"), ("mapping-steps", "shop-steps.fifo")] {
                state.mappings.insert(id.into(), Mapping::enabled(FakeSqs::arn(queue)));
            }
        }
        Ok(fake)
    }

    /// A queue's URL.
    #[must_use]
    pub fn url(&self, queue: &str) -> String {
        format!("http://{}/{}/{queue}", self.server.address, FakeSqs::ACCOUNT)
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// An SDK that calls this endpoint.
    #[must_use]
    pub fn sdk(&self) -> AwsClients {
        let credentials = Credentials::new("test", "test", None, None, "test");
        AwsClients::fixed(FakeSqs::REGION, Some(self.endpoint()), credentials)
    }

    /// Its queues, as its stack's output tells.
    #[must_use]
    pub fn queues(&self) -> QueueMap {
        let text = self.shared.state().outputs.get("Queues").cloned().unwrap_or_default();
        text.parse().unwrap_or_default()
    }

    /// Gives the stack an output, or takes it away.
    pub fn output(&self, name: &str, value: Option<&str>) {
        let outputs = &mut self.shared.state().outputs;
        match value {
            Some(value) => outputs.insert(name.into(), value.into()),
            None => outputs.remove(name),
        };
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

    /// The names of the calls so far, in order.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.action).collect()
    }

    /// The bodies of the calls of one action so far.
    #[must_use]
    pub fn bodies(&self, action: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.action == action).map(|call| call.body).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let (action, body) = call_of(&asked);
        let failing = {
            let mut state = self.state();
            state.calls.push(Call { action: action.clone(), body: body.clone() });
            let fault = state.faults.iter().position(|(failing, _)| *failing == action);
            fault.map(|fault| state.faults.remove(fault).1)
        };
        let failing = match failing {
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Call(status, code, message)) => return refused(&asked, status, code, message),
            Some(Fault::Entries(places, sender)) => (places, sender),
            None => (Vec::new(), false),
        };
        let mut state = self.state();
        match action.as_str() {
            "DescribeStacks" => stacks::describe(&state.outputs, &body),
            "ListEventSourceMappings" | "GetEventSourceMapping" | "UpdateEventSourceMapping" => {
                mappings::answer(&mut state.mappings, &action, &body)
            }
            _ => match queues::answer(&mut state, &action, &body, &failing) {
                Some(answer) => json_reply(StatusCode::OK, &answer),
                None => refused(&asked, 400, "InvalidAction", &format!("the action {action} is not valid here")),
            },
        }
    }
}

/// The action that a request asks for, and what it says.
fn call_of(asked: &Asked) -> (String, Value) {
    if let Some(target) = asked.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        let action = target.trim_start_matches("AmazonSQS.").to_owned();
        return (action, serde_json::from_slice(&asked.body).unwrap_or_default());
    }
    if let Some(call) = mappings::call_of(asked) {
        return call;
    }
    let form = pairs(&String::from_utf8_lossy(&asked.body));
    (form["Action"].as_str().unwrap_or_default().to_owned(), form)
}

/// What a form or a query says.
fn pairs(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value.replace("%3A", ":")))).collect()
}

fn refused(asked: &Asked, status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if asked.body.starts_with(b"Action=") {
        return stacks::refused(status, code, message);
    }
    let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message});
    with_header(json_reply(status, &body), "x-amzn-errortype", code)
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/json")
}
