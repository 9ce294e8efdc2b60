//! Secrets Manager and Parameter Store as their clients see them.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_credential_types::Credentials;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::http::{Asked, Reply, Serve, Server, reply, with_header};
use crate::AwsClients;

/// An endpoint that keeps secrets by their ARNs.
#[derive(Debug)]
pub struct FakeSecrets {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: BTreeMap<String, String>,
    /// What each call asked for, in which region, in their order.
    asked: Vec<(Value, String)>,
    denying: bool,
}

impl FakeSecrets {
    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let server = Server::start(shared.clone()).await?;
        Ok(Self { server, shared })
    }

    /// An SDK that calls this endpoint, from `us-east-1`.
    #[must_use]
    pub fn sdk(&self) -> AwsClients {
        let credentials = Credentials::new("test", "test", None, None, "test");
        AwsClients::fixed("us-east-1", Some(format!("http://{}", self.server.address)), credentials)
    }

    /// Keeps a secret.
    pub fn keep(&self, arn: &str, secret: &str) {
        self.shared.state().kept.insert(arn.into(), secret.into());
    }

    /// Denies all calls from now on.
    pub fn deny(&self) {
        self.shared.state().denying = true;
    }

    /// The bodies of the calls so far, each with the region that it was signed for.
    #[must_use]
    pub fn asked(&self) -> Vec<(Value, String)> {
        self.shared.state().asked.clone()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let header = |name| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        // `Credential=KEY/DATE/REGION/SERVICE/aws4_request`
        let region = header("authorization").split('/').nth(2).unwrap_or_default().to_owned();
        let mut state = self.state();
        state.asked.push((body.clone(), region));
        if state.denying {
            return refuse("AccessDeniedException", "the role may not");
        }
        let find = |field: &str| body[field].as_str().and_then(|arn| Some((arn, state.kept.get(arn)?)));
        let (answer, missing) = match header("x-amz-target") {
            "secretsmanager.GetSecretValue" => (
                find("SecretId").map(|(arn, text)| json!({"ARN": arn, "SecretString": text})),
                "ResourceNotFoundException",
            ),
            "AmazonSSM.GetParameter" => (
                find("Name")
                    .map(|(arn, text)| json!({"Parameter": {"ARN": arn, "Value": text, "Type": "SecureString"}})),
                "ParameterNotFound",
            ),
            _ => (None, "UnknownOperationException"),
        };
        match answer {
            Some(answer) => json_reply(StatusCode::OK, &answer),
            None => refuse(missing, "there is none"),
        }
    }
}

fn refuse(code: &str, message: &str) -> Reply {
    json_reply(StatusCode::BAD_REQUEST, &json!({"__type": code, "message": message}))
}

fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/x-amz-json-1.1")
}
