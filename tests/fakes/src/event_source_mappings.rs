//! Event source mappings of Lambda.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    call::{Call, Route},
    endpoint::Service,
    http::{Reply, Request, json_reply, refused},
};

const PATH: &str = "/2015-03-31/event-source-mappings";

/// The event source mappings of an account.
#[derive(Debug, Default)]
pub struct EventSourceMappings(Mutex<BTreeMap<String, Mapping>>);

#[derive(Debug, Clone)]
struct Mapping {
    arn: String,
    enabled: bool,
    /// The number of coming requests that still find it switching.
    switching: u32,
    /// The number of such requests after each switch.
    lag: u32,
}

impl EventSourceMappings {
    /// Adds an enabled mapping of a queue, by its ARN.
    pub fn add(&self, mapping: &str, queue_arn: String) {
        self.mappings().insert(mapping.into(), Mapping { arn: queue_arn, enabled: true, switching: 0, lag: 0 });
    }

    /// Makes each switch of a mapping take this many requests for its state.
    pub fn switch_takes(&self, mapping: &str, requests: u32) {
        if let Some(mapping) = self.mappings().get_mut(mapping) {
            mapping.lag = requests;
        }
    }

    /// Removes a mapping.
    pub fn remove(&self, mapping: &str) {
        self.mappings().remove(mapping);
    }

    /// Returns whether a mapping is enabled, or about to be.
    #[must_use]
    pub fn is_enabled(&self, mapping: &str) -> bool {
        self.mappings().get(mapping).is_some_and(|mapping| mapping.enabled)
    }

    fn mappings(&self) -> MutexGuard<'_, BTreeMap<String, Mapping>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service for EventSourceMappings {
    type Measure = ();

    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let id = path.strip_prefix(PATH)?.trim_matches('/');
        let action = match (method, id) {
            (&Method::GET, "") => "ListEventSourceMappings",
            (&Method::GET, _) => "GetEventSourceMapping",
            _ => "UpdateEventSourceMapping",
        };
        Some(Route { action, field: Some(("UUID", id.into())) })
    }

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let mut mappings = self.mappings();
        if call.action == "ListEventSourceMappings" {
            let of = mappings.iter_mut().filter(|(_, mapping)| call.body["EventSourceArn"] == mapping.arn.as_str());
            let all: Vec<_> = of.map(|(id, mapping)| mapping.describe(id)).collect();
            return json_reply(StatusCode::OK, &json!({ "EventSourceMappings": all }));
        }
        let id = call.body["UUID"].as_str().unwrap_or_default();
        let Some(mapping) = mappings.get_mut(id) else {
            let message = "The resource you requested does not exist.";
            return refused(&request, 404, "ResourceNotFoundException", message);
        };
        if let Some(enabled) = call.body["Enabled"].as_bool() {
            (mapping.enabled, mapping.switching) = (enabled, mapping.lag);
        }
        json_reply(StatusCode::OK, &mapping.describe(id))
    }
}

impl Mapping {
    fn describe(&mut self, id: &str) -> Value {
        let done = self.switching == 0;
        self.switching = self.switching.saturating_sub(1);
        let state = match (self.enabled, done) {
            (true, true) => "Enabled",
            (true, false) => "Enabling",
            (false, true) => "Disabled",
            (false, false) => "Disabling",
        };
        json!({ "UUID": id, "EventSourceArn": self.arn, "State": state })
    }
}
