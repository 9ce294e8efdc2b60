//! Writes of several items that are done together, or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update as TransactUpdate, builders::PutBuilder,
    },
};
use lamplighter::backend::{StoreError, StoreErrorKind};

use super::{
    Dynamo,
    expression::Update,
    item::{Attributes, Item, number, text},
};
use crate::sdk::explain;

/// The pause after a conflict with another transaction, on average.
const CONFLICT: Duration = Duration::from_millis(50);
/// The number of tries beside other transactions on the same items.
const TURNS: usize = 40;

/// The result of a transaction.
pub(super) enum Transacted {
    Done,
    /// The condition of the write at this index failed: its item, if that was asked for and there is one. Nothing was
    /// written.
    Refused(usize, Option<Item>),
}

impl Dynamo {
    /// Writes items together. A conflict with another transaction, which many jobs of one batch or many that wait for the same
    /// one may cause, is tried again.
    pub(super) async fn transact(
        &self,
        writes: Vec<TransactWriteItem>,
        doing: impl Fn() -> String,
    ) -> Result<Transacted, StoreError> {
        // The token makes a repeated call, whose answer was lost, the same call.
        let token = format!("{:016x}", self.env().random.next_u64());
        let client = self.client().await?;
        for _ in 0..TURNS {
            let call = client.transact_write_items().set_transact_items(Some(writes.clone()));
            let Err(error) = call.client_request_token(&token).send().await else { return Ok(Transacted::Done) };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
            else {
                return Err(explain(&error, &doing()));
            };
            let reasons = cancelled.cancellation_reasons();
            let is = |code: &str| reasons.iter().position(|reason| reason.code() == Some(code));
            if let Some(index) = is("ConditionalCheckFailed") {
                return Ok(Transacted::Refused(index, reasons[index].item.clone().map(Item)));
            }
            if is("TransactionConflict").is_none() {
                return Err(explain(&error, &doing()));
            }
            tokio::time::sleep(CONFLICT.mul_f64(0.5 + self.env().random.unit())).await;
        }
        Err(StoreError::unavailable(format_args!("others wrote the same items of table {} all the time", self.table())))
    }

    /// A new item, as a part of a transaction, which fails where an item with its key exists and has not expired.
    pub(super) fn put_new_in_transaction(&self, item: Attributes) -> Result<TransactWriteItem, StoreError> {
        let now = self.env().now().as_second();
        part(
            self.put(item)
                .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", number(now)),
        )
    }

    /// An item whose key has never been used, as a part of a transaction, which fails otherwise.
    pub(super) fn put_first_in_transaction(&self, item: Attributes) -> Result<TransactWriteItem, StoreError> {
        part(self.put(item).condition_expression("attribute_not_exists(pk)"))
    }

    /// An item, as a part of a transaction.
    pub(super) fn put_in_transaction(&self, item: Attributes) -> Result<TransactWriteItem, StoreError> {
        part(self.put(item))
    }

    fn put(&self, item: Attributes) -> PutBuilder {
        Put::builder().table_name(self.table()).set_item(Some(item))
    }

    /// An update of the item with these keys, as a part of a transaction.
    pub(super) fn part_of_transaction(
        &self,
        pk: &str,
        sk: &str,
        update: Update,
    ) -> Result<TransactWriteItem, StoreError> {
        let built = TransactUpdate::builder()
            .table_name(self.table())
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values((!update.values.is_empty()).then_some(update.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let built = built.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        Ok(TransactWriteItem::builder().update(built).build())
    }
}

fn part(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}
