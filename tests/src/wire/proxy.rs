//! A proxy in front of the emulator, which measures the calls.

use std::{io, sync::Arc};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, header};
use lamplighter_fakes::{Endpoint, Reply, Service, reply};
use serde_json::{Value, json};

use super::units::{self, Item, KeysOnly};
use crate::ministack::{self, MiniStack};

/// The table's indexes.
const INDEXES: [KeysOnly; 2] =
    [KeysOnly { keys: ["lpk", "lsk"], table: ["pk", "sk"] }, KeysOnly { keys: ["dpk", "dsk"], table: ["pk", "sk"] }];

/// A proxy for the emulator, on a port of its own.
pub type Proxy = Endpoint<Emulator>;

/// A call that passed through the proxy, or failed there.
pub type Call = lamplighter_fakes::Call<Measure>;

/// Starts a proxy in front of an emulator.
///
/// # Errors
/// When no port is available.
pub async fn proxy(aws: Arc<MiniStack>) -> io::Result<Proxy> {
    Endpoint::with(Emulator { aws, writing: tokio::sync::Mutex::default() }).await
}

/// The emulator behind a [`Proxy`].
#[derive(Debug)]
pub struct Emulator {
    aws: Arc<MiniStack>,
    /// Held from the read of an item before its write to the read after it.
    writing: tokio::sync::Mutex<()>,
}

/// The cost of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measure {
    /// Whether the condition of a write did not hold.
    pub refused: bool,
    /// Write units of DynamoDB.
    pub written: u64,
    /// Read units of DynamoDB.
    pub read: u64,
    /// The units that the emulator reports, if any: it reports none for a write whose condition did not hold.
    pub second_opinion: Option<f64>,
    /// Bytes of the larger item, before or after a write.
    pub bytes: usize,
}

impl Service for Emulator {
    type Measure = Measure;

    async fn answer(&self, call: &mut Call, request: lamplighter_fakes::Request) -> Reply {
        let answered = self.forward(call, request.map(|body| body.to_vec())).await;
        answered.unwrap_or_else(|error| reply(StatusCode::BAD_GATEWAY, error.to_string()))
    }
}

impl Emulator {
    async fn forward(&self, call: &mut Call, request: Request<Vec<u8>>) -> ministack::Result<Reply> {
        let (mut head, mut body) = request.into_parts();
        let key = match (call.service.as_str(), call.action.as_str()) {
            ("dynamodb", "UpdateItem" | "DeleteItem") => Some(call.body["Key"].clone()),
            ("dynamodb", "PutItem") => Some(json!({ "pk": call.body["Item"]["pk"], "sk": call.body["Item"]["sk"] })),
            _ => None,
        };
        if key.is_some() {
            call.body["ReturnConsumedCapacity"] = "TOTAL".into();
            body = call.body.to_string().into_bytes();
        }
        // The emulator has an address of its own, and the body may have become longer.
        for name in [header::HOST, header::CONTENT_LENGTH] {
            head.headers.remove(name);
        }
        let request = Request::from_parts(head, body);
        let (answered, written, bytes) = match &key {
            Some(key) => self.write(request, &call.body, key).await?,
            None => (self.aws.request(request).await?, 0, 0),
        };
        let told: Value = serde_json::from_slice(answered.body()).unwrap_or_default();
        let refused = told["__type"].as_str().is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException"));
        let read = if call.service == "dynamodb" { read(&call.action, &told) } else { 0 };
        let second_opinion = told["ConsumedCapacity"]["CapacityUnits"].as_f64();
        call.measure = Measure { refused, written, read, second_opinion, bytes };
        let (mut head, body) = answered.into_parts();
        // The whole body is here, so it has a length.
        head.headers.remove(header::TRANSFER_ENCODING);
        Ok(Response::from_parts(head, Full::new(Bytes::from(body))))
    }

    /// Sends a write, and returns its write units and the bytes of the larger item.
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
            // A refused put still shows what it would have written. No index has changed.
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

/// Returns the read units of a request, assumed to be consistent, as all of ours are that name a job.
fn read(action: &str, told: &Value) -> u64 {
    match action {
        "GetItem" => units::read(told["Item"].as_object()),
        "Query" => units::read(told["Items"].as_array().into_iter().flatten().filter_map(Value::as_object)),
        _ => 0,
    }
}
