//! What operators do: an item `OP#id` each, which only its own runner and who stops it write, under a rising version.
//!
//! | attribute | meaning |
//! | --- | --- |
//! | `m` | the operation as JSON |
//! | `vn` | its version |
//! | `fin` | present once it has ended: nothing writes it any more |
//! | `lpk`, `lsk` | the key in the listing, by when it was asked for |
//! | `dpk`, `dsk` | while it is open, the key in the index of what is due, in a partition of its own |
//! | `ttl` | a year after it was asked for |
//!
//! | operation | write units, of up to a kilobyte |
//! | --- | --- |
//! | create | 1, and 1 in each of the two indexes |
//! | save | 1; the last one also 1 of the index of what is due |

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use lamplighter::{
    JobId, Timestamp,
    backend::{StoreError, StoreErrorKind},
    operation::{Created, Operation, OperationPage, OperationQuery},
};

use super::{
    Dynamo, Written, expiry,
    expression::Update,
    item::{Item, number, text},
    keys::{ListingKey, Month, RECORD, SHARDS, operation_partition, shard},
    list::{AHEAD, Merge, Shard, page_length},
    read::key,
};
use crate::sdk::explain;

const KEY: &str = "OP#";
/// The partition of open operations in the index of what is due. No shard of jobs has its name.
const OPEN: &str = "operations";

fn operation_key(id: &str) -> String {
    format!("{KEY}{id}")
}

fn place(operation: &Operation) -> ListingKey {
    ListingKey::new(operation.created_at, &operation.id, "op", "op")
}

fn to_json(operation: &Operation) -> Result<String, StoreError> {
    serde_json::to_string(operation).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))
}

fn of(item: &Item) -> Result<Operation, StoreError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        let pk = item.text("pk").unwrap_or_default();
        StoreError::new(StoreErrorKind::Invalid, format_args!("item {pk} is no operation of this version: {why}"))
    };
    let json = item.text("m").ok_or_else(|| unreadable(&"it has no text"))?;
    serde_json::from_str(json).map_err(|error| unreadable(&error))
}

impl Dynamo {
    /// Writes a new operation.
    pub(crate) async fn create_operation(&self, operation: &Operation) -> Result<Created, StoreError> {
        let (id, place) = (operation.id.as_str(), place(operation));
        let put = self.client().await?.put_item().table_name(self.table());
        let mut put = put
            .item("pk", text(operation_key(id)))
            .item("sk", text(RECORD))
            .item("m", text(to_json(operation)?))
            .item("vn", number(operation.version))
            .item("lpk", text(operation_partition(Month::of(operation.created_at), shard(id))))
            .item("lsk", text(place.as_str()))
            .item("ttl", expiry(operation.created_at, Operation::KEPT))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(self.env().now().as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        put = match operation.state.is_final() {
            true => put.item("fin", number(1)),
            false => put.item("dpk", text(OPEN)).item("dsk", text(place.as_str())),
        };
        match put.send().await {
            Ok(_) => Ok(Created::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    let found = of(&Item(refused.item.clone().unwrap_or_default()))?;
                    Ok(Created::Existing(Box::new(found)))
                }
                _ => Err(explain(&error, &self.with_operation("write", id))),
            },
        }
    }

    /// One operation.
    pub(crate) async fn read_operation(&self, id: &JobId) -> Result<Option<Operation>, StoreError> {
        let pk = operation_key(id.as_str());
        let item = self.read_at(&pk, RECORD, || self.with_operation("read", id.as_str())).await?;
        item.filter(|item| !item.has_expired(self.env().now())).map(|item| of(&item)).transpose()
    }

    /// Replaces an operation that was read at its version.
    pub(crate) async fn save_operation(&self, operation: &Operation) -> Result<bool, StoreError> {
        let next = operation.version + 1;
        let mut saved = operation.clone();
        saved.version = next;
        let json = to_json(&saved)?;
        let mut update = Update::new()
            .set("m", text(&*json))
            .set("vn", number(next))
            .when("#vn = :was AND attribute_not_exists(#fin)")
            .name("fin")
            .value("was", number(operation.version));
        if operation.state.is_final() {
            update = update.set("fin", number(1)).remove(&["dpk", "dsk"]);
        }
        let id = operation.id.as_str();
        match self.update_at(&operation_key(id), update, || self.with_operation("write", id)).await? {
            Written::Applied(_) => Ok(true),
            // The same save, whose answer was lost.
            Written::Refused(item) => Ok(item.is_some_and(|item| item.text("m") == Some(&json))),
        }
    }

    /// Those that have not ended, the oldest first. Reads one partition of an index, and then those operations.
    pub(crate) async fn read_open_operations(&self) -> Result<Vec<Operation>, StoreError> {
        let most = i32::try_from(OperationQuery::MOST_OPEN).unwrap_or(i32::MAX);
        let query = self.client().await?.query().table_name(self.table()).index_name(Self::DUE).limit(most);
        let query = query.key_condition_expression("dpk = :open").expression_attribute_values(":open", text(OPEN));
        let page = query.send().await;
        let page =
            page.map_err(|error| explain(&error, &format!("look for open operations in table {}", self.table())))?;
        let places = page.items.unwrap_or_default().into_iter().map(Item);
        let places: Vec<_> = places.filter_map(|item| ListingKey::parse(item.text("dsk")?)).collect();
        let mut operations = self.read_operations(&places).await?;
        // The index lags behind the table.
        operations.retain(|operation| !operation.state.is_final());
        operations.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(operations)
    }

    /// A page of operations, the latest first.
    pub(crate) async fn read_operation_page(&self, query: &OperationQuery) -> Result<OperationPage, StoreError> {
        let after = self.after(query.cursor.as_deref())?;
        let limit = page_length(query.limit);
        let now = self.env().now();
        let end = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let end = after.as_ref().map_or(end, |after| after.created_at().min(end));
        let since = now.saturating_sub(Operation::KEPT).unwrap_or(Timestamp::UNIX_EPOCH);
        let high = after.as_ref().map_or_else(|| "9".repeat(20), |after| after.as_str().to_owned());
        let mut places: Vec<ListingKey> = Vec::with_capacity(limit + 1);
        'months: for month in Month::back(since..=end) {
            let low = ListingKey::start_of(since);
            let shards = (0..SHARDS).map(|shard| Shard::new(operation_partition(month, shard), &low, &high));
            let mut merge = Merge { shards: shards.collect() };
            while let Some(place) = merge.next(self).await? {
                if after.as_ref().is_none_or(|after| place < *after) {
                    places.push(place);
                }
                if places.len() > limit {
                    break 'months;
                }
            }
        }
        let is_more = places.len() > limit;
        places.truncate(limit);
        let next = places.last().filter(|_| is_more).map(|last| last.as_str().to_owned());
        let mut operations = self.read_operations(&places).await?;
        operations.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(OperationPage::new(operations, next))
    }

    /// The operations at these places, in no order. One that this version cannot read is left out, and said.
    async fn read_operations(&self, places: &[ListingKey]) -> Result<Vec<Operation>, StoreError> {
        let keys: Vec<_> = places.iter().map(|place| key(&operation_key(place.id()))).collect();
        let now = self.env().now();
        let items = self.read_all(&keys, None).await?.into_iter().filter(|item| !item.has_expired(now));
        let read = items.filter_map(|item| of(&item).inspect_err(|error| tracing::warn!(%error)).ok());
        Ok(read.collect())
    }

    fn with_operation(&self, what: &str, id: &str) -> String {
        format!("{what} operation {id} in table {}", self.table())
    }
}
