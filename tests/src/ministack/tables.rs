//! Tables of records.

use hyper::Request;
use serde_json::json;

use super::MiniStack;
use super::error::{Error, Result};

/// The table's keys, and those of its two indexes: the listing, and the due jobs.
const KEYS: [[&str; 2]; 3] = [["pk", "sk"], ["lpk", "lsk"], ["dpk", "dsk"]];

impl MiniStack {
    /// Creates a table of records with its indexes, as in the template.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn make_table(&self, name: &str) -> Result<()> {
        let schema = |[hash, range]: [&str; 2]| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        let index = |name: &str, keys| json!({ "IndexName": name, "KeySchema": schema(keys), "Projection": { "ProjectionType": "KEYS_ONLY" } });
        let attributes: Vec<_> =
            KEYS.iter().flatten().map(|name| json!({ "AttributeName": name, "AttributeType": "S" })).collect();
        let table = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": attributes,
            "KeySchema": schema(KEYS[0]),
            "GlobalSecondaryIndexes": [index("listing", KEYS[1]), index("due", KEYS[2])],
        });
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.CreateTable")
            .body(table.to_string().into_bytes());
        let failed = |error: hyper::http::Error| Error::Request {
            what: format!("making table {name}"),
            reason: error.to_string(),
        };
        self.request_as_root("dynamodb", request.map_err(failed)?).await.map(|_| ())
    }
}
