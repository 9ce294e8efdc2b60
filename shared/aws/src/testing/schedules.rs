//! EventBridge Scheduler as its clients see it: JSON over HTTP, one group of schedules. Every call is recorded, and any
//! can be made to fail.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_credential_types::Credentials;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    http::{Asked, Reply, Serve, Server, reply, with_header},
    sqs::{Call, FakeSqs},
};
use crate::{ScheduleSettings, Sdk};

/// An endpoint of EventBridge Scheduler.
#[derive(Debug)]
pub struct FakeSchedules {
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
    faults: Vec<(&'static str, u16, &'static str)>,
    /// As they were last written.
    schedules: BTreeMap<String, Value>,
}

impl FakeSchedules {
    /// The group that its schedules are in.
    pub const GROUP: &'static str = "shop";
    /// The role by which they send.
    pub const ROLE: &'static str = "arn:aws:iam::123456789012:role/shop-schedules";

    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let server = Server::start(shared.clone()).await?;
        Ok(Self { server, shared })
    }

    /// An SDK that calls this endpoint.
    #[must_use]
    pub fn sdk(&self) -> Sdk {
        let credentials = Credentials::new("test", "test", None, None, "test");
        Sdk::fixed(FakeSqs::REGION, Some(format!("http://{}", self.server.address)), credentials)
    }

    /// Settings that name its group, its role, and the queue `shop-undelivered-events`.
    ///
    /// # Errors
    /// Never: they are fit.
    pub fn settings(&self) -> Result<ScheduleSettings, crate::ScheduleSettingsError> {
        ScheduleSettings::new(Self::GROUP, Self::ROLE)?.undelivered(FakeSqs::arn("shop-undelivered-events"))
    }

    /// Makes the next call of `action` fail that has no fault yet, with this status and error code.
    pub fn fail(&self, action: &'static str, status: u16, code: &'static str) {
        self.shared.state().faults.push((action, status, code));
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The bodies of the calls of one action so far. A call without one has what stands in its address.
    #[must_use]
    pub fn bodies(&self, action: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call.action == action).map(|call| call.body).collect()
    }

    /// A schedule of its group, as it was last written.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<Value> {
        self.shared.state().schedules.get(name).cloned()
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let name = asked.path.strip_prefix("/schedules/").unwrap_or_default();
        let action = match (&asked.method, name) {
            (&Method::POST, _) => "CreateSchedule",
            (&Method::DELETE, _) => "DeleteSchedule",
            _ => return refused(400, "ValidationException", "an unknown action"),
        };
        let mut body: Value = match asked.body.is_empty() {
            true => query(&asked.query),
            false => serde_json::from_slice(&asked.body).unwrap_or_default(),
        };
        body["Name"] = name.into();
        self.state().answer(action, name, body)
    }
}

impl State {
    fn answer(&mut self, action: &str, name: &str, body: Value) -> Reply {
        self.calls.push(Call { action: action.into(), body: body.clone() });
        if let Some(fault) = self.faults.iter().position(|(failing, ..)| *failing == action) {
            let (_, status, code) = self.faults.remove(fault);
            return refused(status, code, "as the test asked");
        }
        let group = body["GroupName"].as_str().or(body["groupName"].as_str());
        if group != Some(FakeSchedules::GROUP) {
            return refused(404, "ResourceNotFoundException", "there is no such group");
        }
        let arn = json!({ "ScheduleArn": format!("arn:aws:scheduler:us-east-1:123456789012:schedule/shop/{name}") });
        match (action, self.schedules.contains_key(name)) {
            ("CreateSchedule", true) => refused(409, "ConflictException", "the schedule is there already"),
            ("CreateSchedule", false) => {
                self.schedules.insert(name.into(), body);
                json_reply(StatusCode::OK, &arn)
            }
            (_, false) => refused(404, "ResourceNotFoundException", "there is no such schedule"),
            (_, true) => {
                self.schedules.remove(name);
                json_reply(StatusCode::OK, &json!({}))
            }
        }
    }
}

fn query(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_header(json_reply(status, &json!({ "Message": message })), "x-amzn-errortype", code)
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/json")
}
