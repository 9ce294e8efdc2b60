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

/// A write of one item, as it was asked for.
struct Write {
    table: Value,
    key: Value,
    /// What a put writes.
    item: Option<Item>,
}

impl Write {
    fn of(asked: &Value) -> Self {
        let item = asked["Item"].as_object().cloned();
        let key = match &item {
            Some(item) => json!({ "pk": item["pk"], "sk": item["sk"] }),
            None => asked["Key"].clone(),
        };
        Self { table: asked["TableName"].clone(), key, item }
    }
}

impl Emulator {
    async fn forward(&self, call: &mut Call, request: Request<Vec<u8>>) -> ministack::Result<Reply> {
        let (mut head, mut body) = request.into_parts();
        let writes: Vec<Write> = match (call.service.as_str(), call.action.as_str()) {
            ("dynamodb", "UpdateItem" | "DeleteItem" | "PutItem") => vec![Write::of(&call.body)],
            ("dynamodb", "TransactWriteItems") => {
                let items = call.body["TransactItems"].as_array().into_iter().flatten();
                items.filter_map(|item| item.as_object()?.values().next()).map(Write::of).collect()
            }
            _ => Vec::new(),
        };
        let in_transaction = call.action == "TransactWriteItems";
        if !writes.is_empty() {
            call.body["ReturnConsumedCapacity"] = "TOTAL".into();
            body = call.body.to_string().into_bytes();
        }
        // The emulator has an address of its own, and the body may have become longer.
        for name in [header::HOST, header::CONTENT_LENGTH] {
            head.headers.remove(name);
        }
        let request = Request::from_parts(head, body);
        let (answered, written, bytes) = match &writes[..] {
            [] => (self.aws.request(request).await?, 0, 0),
            writes => self.write(request, writes, in_transaction).await?,
        };
        let told: Value = serde_json::from_slice(answered.body()).unwrap_or_default();
        let refusals = ["ConditionalCheckFailedException", "TransactionCanceledException"];
        let refused = told["__type"].as_str().is_some_and(|kind| refusals.iter().any(|name| kind.ends_with(name)));
        let read = if call.service == "dynamodb" { read(&call.action, &told) } else { 0 };
        let second_opinion = told["ConsumedCapacity"]["CapacityUnits"].as_f64();
        call.measure = Measure { refused, written, read, second_opinion, bytes };
        let (mut head, body) = answered.into_parts();
        // The whole body is here, so it has a length.
        head.headers.remove(header::TRANSFER_ENCODING);
        Ok(Response::from_parts(head, Full::new(Bytes::from(body))))
    }

    /// Sends writes, and returns their write units and the bytes of the largest item.
    async fn write(
        &self,
        request: Request<Vec<u8>>,
        writes: &[Write],
        in_transaction: bool,
    ) -> ministack::Result<(Response<Vec<u8>>, u64, usize)> {
        let _writing = self.writing.lock().await;
        let mut before = Vec::with_capacity(writes.len());
        for Write { table, key, .. } in writes {
            before.push(self.item(table, key).await?);
        }
        let answered = self.aws.request(request).await?;
        let units = if in_transaction { units::transacted } else { units::written };
        let (mut written, mut bytes) = (0, 0);
        for (Write { table, key, item }, before) in writes.iter().zip(before) {
            let (after, indexes) = match answered.status().is_success() {
                true => (self.item(table, key).await?, &INDEXES[..]),
                // A refused put still shows what it would have written. No index has changed.
                false => (item.clone().or_else(|| before.clone()), &[][..]),
            };
            bytes = before.iter().chain(&after).map(units::size).fold(bytes, usize::max);
            written += units(before.as_ref(), after.as_ref(), indexes);
        }
        Ok((answered, written, bytes))
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
        // Each item is a read of its own.
        "BatchGetItem" => {
            let tables = told["Responses"].as_object().into_iter().flat_map(|tables| tables.values());
            let items = tables.filter_map(Value::as_array).flatten();
            items.map(|item| units::read(item.as_object())).sum()
        }
        "Query" => units::read(told["Items"].as_array().into_iter().flatten().filter_map(Value::as_object)),
        _ => 0,
    }
}
