//! EventBridge Scheduler and the rules of EventBridge: one group of schedules, one bus.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    call::{Call, Route},
    endpoint::{Endpoint, Service},
    http::{Reply, Request, json_reply, refused},
};

/// An endpoint of EventBridge and its Scheduler.
pub type FakeSchedules = Endpoint<Schedules>;

/// The schedules of a group, and the rules of a bus.
#[derive(Debug, Default)]
pub struct Schedules(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the form in which they were last written.
    schedules: BTreeMap<String, Value>,
    rules: BTreeMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    rule: Value,
    target: Value,
}

/// Small enough that a caller must ask for more pages.
const PAGE: usize = 2;

/// An error: its status, code and message.
type Refusal = (u16, &'static str, &'static str);

impl Endpoint<Schedules> {
    /// The group of its schedules, and the stack of its rules.
    pub const GROUP: &'static str = "shop";
    /// The role with which they send.
    pub const ROLE: &'static str = "arn:aws:iam::123456789012:role/shop-schedules";
}

impl Schedules {
    /// Returns a schedule of the group, in the form in which it was last written.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<Value> {
        self.state().schedules.get(name).cloned()
    }

    /// Adds a schedule to the group, as a deployment does: the body of a `CreateSchedule`.
    pub fn deploy_schedule(&self, name: &str, schedule: Value) {
        self.state().schedules.insert(name.into(), schedule);
    }

    /// Adds a rule and its target to the bus, as a deployment does: the bodies of a `PutRule` and of a target.
    pub fn deploy_rule(&self, name: &str, rule: Value, target: Value) {
        self.state().rules.insert(name.into(), Rule { rule, target });
    }

    /// Returns the state of a rule.
    #[must_use]
    pub fn rule_state(&self, name: &str) -> Option<String> {
        let state = self.state().rules.get(name)?.rule["State"].as_str()?.to_owned();
        Some(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for Schedules {
    type Measure = ();

    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let path = path.strip_prefix("/schedules")?;
        let Some(name) = path.strip_prefix('/') else {
            return (method == Method::GET).then_some(Route { action: "ListSchedules", field: None });
        };
        let action = match *method {
            Method::POST => "CreateSchedule",
            Method::GET => "GetSchedule",
            Method::PUT => "UpdateSchedule",
            Method::DELETE => "DeleteSchedule",
            _ => return None,
        };
        Some(Route { action, field: Some(("Name", name.into())) })
    }

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let answer = match call.service.as_str() {
            "events" => self.state().rule(&call.action, &call.body),
            _ => self.state().scheduler(&call.action, &call.body),
        };
        match answer {
            Ok(answer) => json_reply(StatusCode::OK, &answer),
            Err((status, code, message)) => refused(&request, status, code, message),
        }
    }
}

impl State {
    fn scheduler(&mut self, action: &str, body: &Value) -> Result<Value, Refusal> {
        let group = ["GroupName", "groupName", "ScheduleGroup"].iter().find_map(|field| body[field].as_str());
        if group != Some(FakeSchedules::GROUP) {
            return Err((404, "ResourceNotFoundException", "there is no such group"));
        }
        if action == "ListSchedules" {
            let names = names(self.schedules.keys(), body);
            let named = |name: &String| json!({ "Name": name, "GroupName": FakeSchedules::GROUP });
            return Ok(page("Schedules", names.iter().map(named).collect(), body));
        }
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        let arn = json!({ "ScheduleArn": format!("arn:aws:scheduler:us-east-1:123456789012:schedule/shop/{name}") });
        match (action, self.schedules.contains_key(&name)) {
            ("CreateSchedule", true) => Err((409, "ConflictException", "the schedule is there already")),
            ("CreateSchedule", false) | ("UpdateSchedule", true) => {
                self.schedules.insert(name, body.clone());
                Ok(arn)
            }
            ("GetSchedule", true) => Ok(self.schedules[&name].clone()),
            ("DeleteSchedule", true) => {
                self.schedules.remove(&name);
                Ok(json!({}))
            }
            _ => Err((404, "ResourceNotFoundException", "there is no such schedule")),
        }
    }

    fn rule(&mut self, action: &str, body: &Value) -> Result<Value, Refusal> {
        if action == "ListRules" {
            let names = names(self.rules.keys(), body);
            let named = |name: &String| {
                let mut rule = self.rules[name].rule.clone();
                rule["Name"] = name.as_str().into();
                rule
            };
            return Ok(page("Rules", names.iter().map(named).collect(), body));
        }
        let name = body["Name"].as_str().or(body["Rule"].as_str()).unwrap_or_default();
        let Some(Rule { rule, target }) = self.rules.get_mut(name) else {
            return Err((400, "ResourceNotFoundException", "there is no such rule"));
        };
        match action {
            "ListTargetsByRule" => Ok(json!({ "Targets": [target] })),
            "EnableRule" | "DisableRule" => {
                rule["State"] = if action == "EnableRule" { "ENABLED".into() } else { "DISABLED".into() };
                Ok(json!({}))
            }
            _ => Err((400, "ValidationException", "an unknown action")),
        }
    }
}

/// Returns the requested names.
fn names<'a>(all: impl Iterator<Item = &'a String>, body: &Value) -> Vec<String> {
    let prefix = body["NamePrefix"].as_str().unwrap_or_default();
    all.filter(|name| name.starts_with(prefix)).cloned().collect()
}

/// Returns a page of a listing; its token is the position of the next page.
fn page(field: &str, all: Vec<Value>, body: &Value) -> Value {
    let from = body["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0);
    let more = all.len() > from + PAGE;
    let page: Vec<_> = all.into_iter().skip(from).take(PAGE).collect();
    let next = more.then(|| (from + PAGE).to_string());
    json!({ field: page, "NextToken": next })
}
