//! Records in one DynamoDB table, with the layout of [`keys`] and [`item`].
//!
//! Every write is one conditional update of one item. If its condition fails, DynamoDB returns the current item, so
//! that the answer needs no further call; if an answer is lost and the SDK tries again, the item's `z` shows that the
//! write was ours.
//!
//! | operation | lean | full |
//! | --- | --- | --- |
//! | enqueue | nothing; with a caller-supplied id 1 | 2 |
//! | first claim | 1 | 1 |
//! | success | 1 | 3 |
//! | claim of a retry | 2, and 1 of the listing | 2, and 2 of the listing |
//! | retry, failure | 1, and 1 of the listing | 1, and 2 of the listing |
//! | those of one cause that are settled together | 1 for all | 1 for all |
//! | renewal of a lease | 1; the first one also 1 of the listing | 1; the first one also 2 of the listing |
//!
//! in write units for jobs of up to a kilobyte. Reading one record costs a read unit.

mod batches;
mod cancel;
mod claim;
mod delete;
mod due;
mod errors;
mod expression;
mod insert;
mod item;
mod job_data;
mod keys;
mod limits;
mod list;
mod logs;
mod operations;
mod orphans;
mod outbox;
mod pieces;
mod read;
mod relations;
mod renew;
mod reschedule;
mod retry;
mod settle;
mod tally;
mod transaction;
mod unique;

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{self, retry::RetryConfig},
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::{StreamExt, stream};
use lamplighter::{
    backend::{ClaimRequest, Completion, LeaseStatus, RenewRequest, StoreError},
    env::Env,
};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::{Instant, timeout_at},
};

pub(crate) use self::{
    batches::{Counted, Member, Tended},
    cancel::Cancelled,
    claim::Claimed,
    delete::Found as FoundToDelete,
    due::{DueKey, MAX_BODY as MAX_DUE_BODY},
    insert::Inserted,
    limits::{Wait, Woken},
    orphans::{Orphan, Repaired},
    outbox::{EntryKey, FoundEntry, no_table as no_outbox_table},
    relations::{Following, Registered},
    settle::Settled,
    unique::Replaced,
};
use self::{
    expression::Update,
    item::{Item, text},
    keys::RECORD,
};
use crate::sdk::{AwsClients, explain};

/// Concurrent calls.
const CALLS_AT_ONCE: usize = 32;
/// Concurrent claims of a process. A table answers in milliseconds, so these are thousands a second.
const CLAIMS_AT_ONCE: usize = 16;
/// The part of its time that a claim must have left when its turn comes.
const LAST_TURN: u32 = 4;
/// The number of tries at a record that others change concurrently.
const TRIES: usize = 5;
/// How long the pieces of a large message are kept after its message has expired, for later reads of its job.
const PIECES_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The longest life of a message (Amazon SQS Developer Guide, "Message quotas"), and a day: the message of a lean
/// record that is unchanged for so long no longer exists.
const MESSAGE_LIFE: Duration = Duration::from_secs(15 * 86_400);

/// Records in a DynamoDB table. Cloning is cheap, and clones share one client, which is created at first use.
#[derive(Clone)]
pub(crate) struct Dynamo(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    client: OnceCell<Client>,
    table: String,
    env: Env,
    /// The claims that this process makes concurrently, of all its queues.
    claims: Semaphore,
    errors: errors::Errors,
}

/// The result of a conditional write.
enum Written {
    /// The item as it is now.
    Applied(Item),
    /// The condition failed: the current item, if there is one.
    Refused(Option<Item>),
}

impl Dynamo {
    /// The index of records that are listed.
    pub(crate) const LISTING: &'static str = "listing";
    /// The index of jobs that are due later.
    pub(crate) const DUE: &'static str = "due";

    /// Records in that table, through this SDK.
    pub(crate) fn new(sdk: AwsClients, table: impl Into<String>, env: Env) -> Self {
        let claims = Semaphore::new(CLAIMS_AT_ONCE);
        Self(Arc::new(Inner {
            sdk,
            client: OnceCell::new(),
            table: table.into(),
            env,
            claims,
            errors: errors::Errors::default(),
        }))
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        &self.0.table
    }

    async fn client(&self) -> Result<&Client, StoreError> {
        let make = || async {
            let mut own = config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_DYNAMODB") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(Client::from_conf(own.build()))
        };
        self.0.client.get_or_try_init(make).await
    }

    fn env(&self) -> &Env {
        &self.0.env
    }

    fn doing(&self, what: &str, id: &str) -> String {
        format!("{what} the record of job {id} in table {}", self.0.table)
    }

    /// Claims each job.
    ///
    /// Claims wait here rather than at a slow table: one that is given up while it waits was never made, and costs no
    /// attempt. Neither is one whose turn comes when little of its time is left: its answer would come too late.
    pub(crate) async fn claim(&self, requests: &[ClaimRequest], by: Instant) -> Vec<Result<Claimed, StoreError>> {
        let table = self.table();
        let now = Instant::now();
        let last_turn = by - by.saturating_duration_since(now) / LAST_TURN;
        let claim = async |request| {
            let _turn = self.0.claims.acquire().await;
            if Instant::now() >= last_turn {
                return Err(late(table));
            }
            self.claim_one(request).await
        };
        each(requests.iter().map(|request| answered(by, table, claim(request))).collect()).await
    }

    /// Settles attempts.
    pub(crate) async fn settle(&self, requests: &[Completion], by: Instant) -> Vec<Result<Settled, StoreError>> {
        let table = self.table();
        each(requests.iter().map(|request| answered(by, table, self.settle_one(request))).collect()).await
    }

    /// Extends the leases of running attempts.
    pub(crate) async fn renew(&self, requests: &[RenewRequest], by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        let table = self.table();
        each(requests.iter().map(|request| answered(by, table, self.renew_one(request))).collect()).await
    }

    /// Writes to a job's record.
    async fn update(&self, id: &str, update: Update) -> Result<Written, StoreError> {
        self.update_at(&keys::job_key(id), update, || self.doing("write to", id)).await
    }

    /// Writes to an item that is alone under its partition key, or the first one there; `doing` is for an error.
    async fn update_at(&self, pk: &str, update: Update, doing: impl FnOnce() -> String) -> Result<Written, StoreError> {
        self.update_by(pk, update, None, doing).await
    }

    /// Like [`update_at`](Self::update_at), by one call, which is not tried again.
    async fn update_once(
        &self,
        pk: &str,
        update: Update,
        doing: impl FnOnce() -> String,
    ) -> Result<Written, StoreError> {
        self.update_by(pk, update, Some(RetryConfig::disabled()), doing).await
    }

    async fn update_by(
        &self,
        pk: &str,
        update: Update,
        retry: Option<RetryConfig>,
        doing: impl FnOnce() -> String,
    ) -> Result<Written, StoreError> {
        let call = self.client().await?.update_item().table_name(&self.0.table);
        let call = call.key("pk", text(pk)).key("sk", text(RECORD));
        let sent = call
            .update_expression(update.expression())
            .set_condition_expression(update.condition())
            .set_expression_attribute_names(Some(update.names))
            .set_expression_attribute_values((!update.values.is_empty()).then_some(update.values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let sent = match retry {
            None => sent.send().await,
            Some(retry) => sent.customize().config_override(config::Config::builder().retry_config(retry)).send().await,
        };
        match sent {
            Ok(answer) => Ok(Written::Applied(Item(answer.attributes.unwrap_or_default()))),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Written::Refused(refused.item.clone().map(Item)))
                }
                _ => Err(explain(&error, &doing())),
            },
        }
    }
}

/// A call's answer, if it comes in time. After a timeout, the call may still have been done.
async fn answered<T>(
    by: Instant,
    table: &str,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout_at(by, call).await.unwrap_or_else(|_| Err(late(table)))
}

fn late(table: &str) -> StoreError {
    StoreError::unavailable(format_args!("table {table} did not answer in time"))
}

/// Makes calls concurrently, and returns the answers in their order.
async fn each<F: Future>(calls: Vec<F>) -> Vec<F::Output> {
    stream::iter(calls).buffered(CALLS_AT_ONCE).collect().await
}

/// The error for a record that others keep changing.
fn contended(id: &str) -> StoreError {
    StoreError::unavailable(format_args!("the record of job {id} was changed by others {TRIES} times in a row"))
}

/// The listing's key of a record, if it is listed.
fn listed(update: Update, at: Option<(&keys::ListingKey, keys::Class)>) -> Update {
    match at {
        Some((listing_key, class)) => {
            update.set("lpk", text(listing_key.partition(class))).set("lsk", text(listing_key.as_str()))
        }
        None => update.remove(&["lpk", "lsk"]),
    }
}

/// Seconds since 1970 after which DynamoDB may delete an item.
fn expiry(from: lamplighter::Timestamp, time: Duration) -> aws_sdk_dynamodb::types::AttributeValue {
    let at = from.saturating_add(time).unwrap_or(lamplighter::Timestamp::MAX);
    // Rounded up, so that it is not deleted early.
    item::number(at.as_second().saturating_add(1))
}

impl fmt::Debug for Dynamo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dynamo").field("table", &self.0.table).finish_non_exhaustive()
    }
}
