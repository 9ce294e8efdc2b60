//! Event source mappings of Lambda: REST, with answers in JSON.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{FakeDeployment, json_reply, pairs};
use crate::testing::http::{Asked, Reply, with_header};

const PATH: &str = "/2015-03-31/event-source-mappings";

#[derive(Debug, Clone)]
pub(super) struct Mapping {
    arn: String,
    enabled: bool,
    /// Looks for which it is still being switched.
    switching: u32,
    /// How many those are after each switch.
    lag: u32,
}

impl Mapping {
    pub(super) fn enabled(arn: String) -> Self {
        Self { arn, enabled: true, switching: 0, lag: 0 }
    }

    /// Its state as one look finds it.
    fn look(&mut self) -> &'static str {
        let done = self.switching == 0;
        self.switching = self.switching.saturating_sub(1);
        match (self.enabled, done) {
            (true, true) => "Enabled",
            (true, false) => "Enabling",
            (false, true) => "Disabled",
            (false, false) => "Disabling",
        }
    }
}

impl FakeDeployment {
    /// Lets a switch of a mapping take so many looks.
    pub fn switch_takes(&self, mapping: &str, looks: u32) {
        if let Some(mapping) = self.shared.state().mappings.get_mut(mapping) {
            mapping.lag = looks;
        }
    }

    /// Takes a mapping away.
    pub fn unmap(&self, mapping: &str) {
        self.shared.state().mappings.remove(mapping);
    }

    /// Whether a mapping is enabled, or about to be.
    #[must_use]
    pub fn is_enabled(&self, mapping: &str) -> bool {
        self.shared.state().mappings.get(mapping).is_some_and(|mapping| mapping.enabled)
    }
}

/// The call of a request to Lambda.
pub(super) fn call_of(asked: &Asked) -> Option<(String, Value)> {
    let id = asked.path.strip_prefix(PATH)?.trim_matches('/');
    let mut body: Value = match asked.body.is_empty() {
        true => pairs(&asked.query),
        false => serde_json::from_slice(&asked.body).unwrap_or_default(),
    };
    let action = match (&asked.method, id.is_empty()) {
        (&Method::GET, true) => "ListEventSourceMappings",
        (&Method::GET, false) => "GetEventSourceMapping",
        _ => "UpdateEventSourceMapping",
    };
    body["UUID"] = id.into();
    Some((action.into(), body))
}

pub(super) fn answer(mappings: &mut BTreeMap<String, Mapping>, action: &str, body: &Value) -> Reply {
    if action == "ListEventSourceMappings" {
        let of = mappings.iter_mut().filter(|(_, mapping)| body["EventSourceArn"] == mapping.arn.as_str());
        let all: Vec<_> = of.map(|(id, mapping)| describe(id, mapping)).collect();
        return json_reply(StatusCode::OK, &json!({ "EventSourceMappings": all }));
    }
    let id = body["UUID"].as_str().unwrap_or_default();
    let Some(mapping) = mappings.get_mut(id) else {
        let body = json!({ "Message": "The resource you requested does not exist." });
        return with_header(json_reply(StatusCode::NOT_FOUND, &body), "x-amzn-errortype", "ResourceNotFoundException");
    };
    if let Some(enabled) = body["Enabled"].as_bool() {
        (mapping.enabled, mapping.switching) = (enabled, mapping.lag);
    }
    json_reply(StatusCode::OK, &describe(id, mapping))
}

fn describe(id: &str, mapping: &mut Mapping) -> Value {
    json!({ "UUID": id, "EventSourceArn": mapping.arn, "State": mapping.look() })
}
