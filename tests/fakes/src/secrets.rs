//! Secrets Manager and Parameter Store.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use hyper::StatusCode;
use serde_json::json;

use crate::{
    call::Call,
    endpoint::{Endpoint, Service},
    http::{Reply, Request, json_reply, refused},
};

/// An endpoint that stores secrets by their ARNs.
pub type FakeSecrets = Endpoint<Secrets>;

/// Secrets and parameters, by their ARNs.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<BTreeMap<String, String>>);

impl Secrets {
    /// Stores a secret.
    pub fn keep(&self, arn: &str, secret: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.into(), secret.into());
    }
}

impl Service for Secrets {
    type Measure = ();

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |field: &str| call.body[field].as_str().and_then(|arn| Some((arn, kept.get(arn)?)));
        let (answer, missing) = match call.action.as_str() {
            "GetSecretValue" => (
                find("SecretId").map(|(arn, text)| json!({ "ARN": arn, "SecretString": text })),
                "ResourceNotFoundException",
            ),
            "GetParameter" => (
                find("Name")
                    .map(|(arn, text)| json!({ "Parameter": { "ARN": arn, "Value": text, "Type": "SecureString" } })),
                "ParameterNotFound",
            ),
            _ => (None, "UnknownOperationException"),
        };
        match answer {
            Some(answer) => json_reply(StatusCode::OK, &answer),
            None => refused(&request, 400, missing, "there is none"),
        }
    }
}
