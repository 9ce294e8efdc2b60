//! A shop with some jobs, and requests to its dashboard.

use std::time::Duration;

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use lamplighter::{
    App, Client, Definition, Function, Job, JobError, JobId, Queue, Sensitive, Variables, env::Env, schedule::Schedule,
};
use lamplighter_dashboard::{Access, ActionKind, Dashboard, Rights, Site, Viewer};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ship {
    pub(crate) order: String,
    pub(crate) token: Sensitive<String>,
}

impl Job for Ship {
    const NAME: &'static str = "order.ship";
    const QUEUE: Queue = Queue::standard("orders");
}

/// Sends a mail.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Mail {
    pub(crate) to: String,
}

impl Job for Mail {
    const NAME: &'static str = "mail.send";
    const QUEUE: Queue = Queue::standard("mails");
}

pub(crate) const TOKEN: &str = "s3cr3t-token";

async fn ship(job: Ship) -> Result<String, JobError> {
    match &*job.order {
        "bad" => Err(JobError::fail("the warehouse refuses")),
        order => Ok(order.to_owned()),
    }
}

async fn mail(job: Mail) -> Result<(), JobError> {
    match job.to.strip_prefix("fail: ") {
        Some(text) => Err(JobError::fail(text.to_owned())),
        None => Ok(()),
    }
}

pub(crate) fn app() -> App {
    let nightly = Schedule::cron("nightly", "0 3 * * *").unwrap().starts(&Mail { to: "all".into() }).unwrap();
    App::new("shop")
        .function(|| Function::new("orders").job(ship))
        .function(|| Function::new("mails").job(mail))
        .definitions([Definition::of::<Ship>(), Definition::of::<Mail>()])
        .schedules([nightly])
}

pub(crate) struct Shop {
    pub(crate) backend: SqliteBackend,
    pub(crate) router: Router,
    pub(crate) shipped: JobId,
    pub(crate) refused: JobId,
    pub(crate) mailed: JobId,
    pub(crate) batch: JobId,
    pub(crate) fingerprint: String,
}

/// Who asks is in a header: tests are the service that knows its users.
pub(crate) fn access() -> Access {
    Access::custom(|parts| {
        let name = parts.headers.get("x-user")?.to_str().ok()?;
        let rights = match name {
            "operator" => Rights::operator(),
            "reader" => Rights::reader(),
            "team" => Rights::operator().only_queues(["mails"]),
            "careful" => Rights::operator().deny(ActionKind::Delete),
            _ => return None,
        };
        Some(Viewer::new(name, rights))
    })
}

pub(crate) async fn shop() -> Shop {
    let env = Env::system();
    let backend = SqliteBackend::memory(env.clone()).unwrap();
    let client = backend.client();
    let engine = Engine::builder(&backend).app(&app(), &Variables::system()).start().await.unwrap();
    let ship = |order: &str| Ship { order: order.into(), token: TOKEN.into() };
    let shipped = client.enqueue(ship("a-1")).await.unwrap().id().clone();
    let refused = client.enqueue(ship("bad")).await.unwrap().id().clone();
    let mailed = client.enqueue(Mail { to: "ada".into() }).await.unwrap().id().clone();
    let batch = client.enqueue_batch([Mail { to: "bob".into() }]).await.unwrap().id().clone();
    for id in [&shipped, &refused, &mailed, &batch] {
        client.wait(id, Duration::from_secs(20)).await.unwrap();
    }
    engine.drain(Duration::from_secs(20)).await;
    let group = client.get(&refused).await.unwrap().unwrap().last_fingerprint().unwrap();
    let site = Site::new(&app(), backend.backend(), env, backend.operator()).environment("test");
    let router = Dashboard::new(site, access()).unwrap().live(Duration::from_secs(1)).router();
    Shop { backend, router, shipped, refused, mailed, batch, fingerprint: group.to_string() }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) const HOST: &str = "localhost:7000";

pub(crate) fn request(method: Method, path: &str, user: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, HOST).header("x-user", user)
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Shop {
    pub(crate) fn client(&self) -> Client {
        self.backend.client()
    }

    pub(crate) async fn get(&self, path: &str, user: &str) -> Answer {
        send(&self.router, request(Method::GET, path, user).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn page(&self, path: &str, user: &str) -> Answer {
        let request = request(Method::GET, path, user).header(header::ACCEPT, "text/html");
        send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, user: &str, body: &Value) -> Answer {
        self.post_with(path, user, body, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, user: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = request(Method::POST, path, user)
            .header(header::ORIGIN, format!("http://{HOST}"))
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.router, request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// All addresses that can be read, below the API.
    pub(crate) fn reads(&self) -> Vec<String> {
        let Self { shipped, refused, batch, fingerprint, .. } = self;
        [
            "/me",
            "/overview",
            "/jobs",
            "/errors",
            "/queues",
            "/queues/orders",
            "/schedules",
            "/schedules/nightly",
            "/types",
            "/types/mail.send",
            "/batches",
            "/dead-letters/orders",
            "/dead-letters/orders/counts",
            "/stats",
            "/stats?points=60",
            "/health",
            "/operations",
            "/openapi.json",
            "/jobs?q=state:failed%20job:order.*&limit=1",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            format!("/jobs/{shipped}"),
            format!("/jobs/{refused}/log"),
            format!("/errors/{fingerprint}"),
            format!("/batches/{batch}"),
        ])
        .collect()
    }

    /// All pages.
    pub(crate) fn pages(&self) -> Vec<String> {
        let Self { shipped, refused, batch, fingerprint, .. } = self;
        [
            "/",
            "/jobs",
            "/errors",
            "/queues",
            "/queues/orders",
            "/schedules",
            "/schedules/nightly",
            "/types",
            "/types/mail.send",
            "/batches",
            "/dead-letters",
            "/dead-letters/orders",
            "/operations",
            "/health",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([
            format!("/jobs/{shipped}"),
            format!("/jobs/{refused}"),
            format!("/errors/{fingerprint}"),
            format!("/batches/{batch}"),
        ])
        .collect()
    }
}
