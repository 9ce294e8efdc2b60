//! EventBridge Scheduler (JSON over REST) and the rules of EventBridge (AWS JSON 1.1) as their clients see them: one group
//! of schedules, one bus. Every call is recorded, and any can be made to fail.

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
use crate::{AwsClients, ScheduleSettings};

/// An endpoint of EventBridge and its Scheduler.
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
    rules: BTreeMap<String, (Value, Value)>,
}

/// So few on a page that whoever lists must ask for more.
const PAGE: usize = 2;

impl FakeSchedules {
    /// The group that its schedules are in, and the stack that its rules belong to.
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

    /// Puts a schedule into its group, as a deployment does: as the body of a `CreateSchedule`.
    pub fn deploy_schedule(&self, name: &str, schedule: Value) {
        self.shared.state().schedules.insert(name.into(), schedule);
    }

    /// Puts a rule and its target onto its bus, as a deployment does: as the bodies of a `PutRule` and of a target.
    pub fn deploy_rule(&self, name: &str, rule: Value, target: Value) {
        self.shared.state().rules.insert(name.into(), (rule, target));
    }

    /// The state of a rule.
    #[must_use]
    pub fn rule_state(&self, name: &str) -> Option<String> {
        let rule = self.shared.state().rules.get(name)?.0["State"].as_str()?.to_owned();
        Some(rule)
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let body: Value = match asked.body.is_empty() {
            true => query(&asked.query),
            false => serde_json::from_slice(&asked.body).unwrap_or_default(),
        };
        let target = asked.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        if let Some(action) = target.and_then(|target| target.strip_prefix("AWSEvents.")) {
            return self.state().answer(action, body, State::rule);
        }
        let action = match (&asked.method, asked.path.strip_prefix("/schedules/")) {
            (&Method::POST, Some(_)) => "CreateSchedule",
            (&Method::GET, Some(_)) => "GetSchedule",
            (&Method::PUT, Some(_)) => "UpdateSchedule",
            (&Method::DELETE, Some(_)) => "DeleteSchedule",
            (&Method::GET, None) if asked.path == "/schedules" => "ListSchedules",
            _ => return refused(400, "ValidationException", "an unknown action"),
        };
        let mut body = body;
        if let Some(name) = asked.path.strip_prefix("/schedules/") {
            body["Name"] = name.into();
        }
        self.state().answer(action, body, State::scheduler)
    }
}

impl State {
    fn answer(&mut self, action: &str, body: Value, answer: fn(&mut Self, &str, Value) -> Reply) -> Reply {
        self.calls.push(Call { action: action.into(), body: body.clone() });
        match self.faults.iter().position(|(failing, ..)| *failing == action) {
            Some(fault) => {
                let (_, status, code) = self.faults.remove(fault);
                refused(status, code, "as the test asked")
            }
            None => answer(self, action, body),
        }
    }

    fn scheduler(&mut self, action: &str, body: Value) -> Reply {
        let group = ["GroupName", "groupName", "ScheduleGroup"].iter().find_map(|field| body[field].as_str());
        if group != Some(FakeSchedules::GROUP) {
            return refused(404, "ResourceNotFoundException", "there is no such group");
        }
        if action == "ListSchedules" {
            let names = names(self.schedules.keys(), &body);
            let named = |name: &String| json!({ "Name": name, "GroupName": FakeSchedules::GROUP });
            return page("Schedules", names.iter().map(named).collect(), &body);
        }
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        let arn = json!({ "ScheduleArn": format!("arn:aws:scheduler:us-east-1:123456789012:schedule/shop/{name}") });
        match (action, self.schedules.contains_key(&name)) {
            ("CreateSchedule", true) => refused(409, "ConflictException", "the schedule is there already"),
            ("CreateSchedule", false) | ("UpdateSchedule", true) => {
                self.schedules.insert(name, body);
                json_reply(StatusCode::OK, &arn)
            }
            ("GetSchedule", true) => json_reply(StatusCode::OK, &self.schedules[&name]),
            ("DeleteSchedule", true) => {
                self.schedules.remove(&name);
                json_reply(StatusCode::OK, &json!({}))
            }
            _ => refused(404, "ResourceNotFoundException", "there is no such schedule"),
        }
    }

    fn rule(&mut self, action: &str, body: Value) -> Reply {
        if action == "ListRules" {
            let names = names(self.rules.keys(), &body);
            return page("Rules", names.iter().map(|name| with_name(name, &self.rules[name].0)).collect(), &body);
        }
        let name = body["Name"].as_str().or(body["Rule"].as_str()).unwrap_or_default();
        let Some((rule, target)) = self.rules.get_mut(name) else {
            return refused(400, "ResourceNotFoundException", "there is no such rule");
        };
        match action {
            "ListTargetsByRule" => json_reply(StatusCode::OK, &json!({ "Targets": [target] })),
            "EnableRule" | "DisableRule" => {
                rule["State"] = if action == "EnableRule" { "ENABLED".into() } else { "DISABLED".into() };
                json_reply(StatusCode::OK, &json!({}))
            }
            _ => refused(400, "ValidationException", "an unknown action"),
        }
    }
}

fn with_name(name: &str, rule: &Value) -> Value {
    let mut rule = rule.clone();
    rule["Name"] = name.into();
    rule
}

/// The names that are asked for.
fn names<'a>(all: impl Iterator<Item = &'a String>, body: &Value) -> Vec<String> {
    let prefix = body["NamePrefix"].as_str().unwrap_or_default();
    all.filter(|name| name.starts_with(prefix)).cloned().collect()
}

/// A page of a listing; its token is where the next begins.
fn page(field: &str, all: Vec<Value>, body: &Value) -> Reply {
    let from = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
    let more = all.len() > from + PAGE;
    let page: Vec<_> = all.into_iter().skip(from).take(PAGE).collect();
    let next = more.then(|| (from + PAGE).to_string());
    json_reply(StatusCode::OK, &json!({ field: page, "NextToken": next }))
}

fn query(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "__type": code, "Message": message, "message": message });
    with_header(json_reply(status, &body), "x-amzn-errortype", code)
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/json")
}
