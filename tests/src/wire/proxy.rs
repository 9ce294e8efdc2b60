//! What stands between a program and the emulator: writes down every call, and breaks some.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use super::{
    faults::{Fault, Faults},
    units::{self, Item, KeysOnly},
};
use crate::ministack::{self, MiniStack};

type Reply = Response<Full<Bytes>>;

/// The table's indexes.
const INDEXES: [KeysOnly; 2] =
    [KeysOnly { keys: ["lpk", "lsk"], table: ["pk", "sk"] }, KeysOnly { keys: ["dpk", "dsk"], table: ["pk", "sk"] }];

/// A proxy for the emulator, on a port of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    aws: Arc<MiniStack>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Faults>,
    /// Held from the look at an item before its write to the look after it.
    writing: tokio::sync::Mutex<()>,
}

/// A call that was made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The service, as signatures name it: `dynamodb`, `events`, `scheduler`, `sqs`.
    pub service: String,
    /// `UpdateItem`, `SendMessageBatch`; of a service without names for its actions, the method: `POST`.
    pub action: String,
    /// The request's body.
    pub request: Value,
    /// What was broken of it.
    pub fault: Option<Fault>,
    /// Whether the condition of a write did not hold.
    pub refused: bool,
    /// Write units of DynamoDB.
    pub written: u64,
    /// Read units of DynamoDB.
    pub read: u64,
    /// What the emulator says of that, where it says anything: it does not of writes whose condition did not hold.
    pub second_opinion: Option<f64>,
    /// Bytes of the larger item, before or after a write.
    pub bytes: usize,
}

impl Proxy {
    /// Starts one in front of an emulator.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(aws: Arc<MiniStack>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (calls, faults, writing) = Default::default();
        let shared = Arc::new(Shared { aws, calls, faults, writing });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                let answer = service_fn(move |request| answer(shared.clone(), request));
                // A connection that breaks is its client's affair.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Ok(Self { address, shared, task: task.abort_handle() })
    }

    /// Where clients find it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks calls from now on: those for which `breaks` has a fault, given the service and the action as a [`Call`] has
    /// them.
    pub fn break_calls(&self, breaks: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        self.shared.faults().set(breaks);
    }

    /// Breaks no more calls.
    pub fn repair(&self) {
        self.shared.faults().clear();
    }

    /// The calls since the last time.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Reply, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answered = shared.forward(Request::from_parts(head, body.to_vec())).await;
    Ok(answered.unwrap_or_else(|error| {
        let mut reply = Response::new(Full::new(Bytes::from(error.to_string())));
        *reply.status_mut() = StatusCode::BAD_GATEWAY;
        reply
    }))
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, call: Call) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    async fn forward(&self, request: Request<Vec<u8>>) -> ministack::Result<Reply> {
        let (mut head, mut body) = request.into_parts();
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // AWS4-HMAC-SHA256 Credential=KEY/20261101/us-east-1/sqs/aws4_request, …
        let service = text("authorization").split('/').nth(3).unwrap_or_default().to_owned();
        let target = text("x-amz-target");
        let action = target.rsplit('.').next().filter(|action| !action.is_empty()).unwrap_or(head.method.as_str());
        let action = action.to_owned();
        let mut asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let fault = self.faults().of(&service, &action);
        if let Some(Fault::Refused(..)) = fault {
            self.record(Call { service, action, request: asked, fault, ..Call::default() });
            return Ok(broken(fault).unwrap_or_default());
        }
        let key = match (service.as_str(), action.as_str()) {
            ("dynamodb", "UpdateItem" | "DeleteItem") => Some(asked["Key"].clone()),
            ("dynamodb", "PutItem") => Some(json!({ "pk": asked["Item"]["pk"], "sk": asked["Item"]["sk"] })),
            _ => None,
        };
        if key.is_some() {
            asked["ReturnConsumedCapacity"] = "TOTAL".into();
            body = asked.to_string().into_bytes();
        }
        // The emulator has an address of its own, and the body may have become longer.
        for name in [header::HOST, header::CONTENT_LENGTH] {
            head.headers.remove(name);
        }
        let request = Request::from_parts(head, body);
        let (answered, written, bytes) = match &key {
            Some(key) => self.write(request, &asked, key).await?,
            None => (self.aws.request(request).await?, 0, 0),
        };
        let told: Value = serde_json::from_slice(answered.body()).unwrap_or_default();
        let refused = told["__type"].as_str().is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException"));
        let read = if service == "dynamodb" { read(&action, &told) } else { 0 };
        let second_opinion = told["ConsumedCapacity"]["CapacityUnits"].as_f64();
        self.record(Call { service, action, request: asked, fault, refused, written, read, second_opinion, bytes });
        if let Some(Fault::Late(by)) = fault {
            tokio::time::sleep(by).await;
        }
        if let Some(reply) = broken(fault) {
            return Ok(reply);
        }
        let (mut head, body) = answered.into_parts();
        // The whole body is here: it comes with its length.
        head.headers.remove(header::TRANSFER_ENCODING);
        Ok(Response::from_parts(head, Full::new(Bytes::from(body))))
    }

    /// Sends a write, and tells its write units and the bytes of the larger item.
    async fn write(
        &self,
        request: Request<Vec<u8>>,
        asked: &Value,
        key: &Value,
    ) -> ministack::Result<(Response<Vec<u8>>, u64, usize)> {
        let _writing = self.writing.lock().await;
        let before = self.item(&asked["TableName"], key).await?;
        let answered = self.aws.request(request).await?;
        let (after, indexes) = match answered.status().is_success() {
            true => (self.item(&asked["TableName"], key).await?, &INDEXES[..]),
            // Of a put that was refused it is known what it would have written. No index has heard of it.
            false => (asked["Item"].as_object().or(before.as_ref()).cloned(), &[][..]),
        };
        let bytes = before.iter().chain(&after).map(units::size).max().unwrap_or(0);
        Ok((answered, units::written(before.as_ref(), after.as_ref(), indexes), bytes))
    }

    async fn item(&self, table: &Value, key: &Value) -> ministack::Result<Option<Item>> {
        let body = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.GetItem")
            .body(body.to_string().into_bytes());
        let failed =
            |error: hyper::http::Error| ministack::Error::Request { what: "GetItem".into(), reason: error.to_string() };
        let answer = self.aws.request_as_root("dynamodb", request.map_err(failed)?).await?;
        let mut answer: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok(match answer["Item"].take() {
            Value::Object(item) => Some(item),
            _ => None,
        })
    }
}

/// What a caller gets for a call that was broken.
fn broken(fault: Option<Fault>) -> Option<Reply> {
    let (status, body) = fault?.answer()?;
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = StatusCode::from_u16(status).ok()?;
    Some(reply)
}

/// Read units of a request, taken to be consistent as all of ours are that name a job.
fn read(action: &str, told: &Value) -> u64 {
    match action {
        "GetItem" => units::read(told["Item"].as_object()),
        "Query" => units::read(told["Items"].as_array().into_iter().flatten().filter_map(Value::as_object)),
        _ => 0,
    }
}
