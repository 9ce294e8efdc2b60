//! Finds records that a crash may have left without a message, by a walk through the listing that continues where it
//! last stopped.

use lamplighter::{
    JobState, Timestamp, Tracking,
    backend::{EnqueueRequest, StoreError},
    record::ErrorText,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Counted, Dynamo, Written,
    claim::held_to,
    expiry,
    expression::Update,
    item::{Item, number, text, time},
    keys::{Class, ListingKey, Month, SHARDS},
    listed,
};
use crate::sdk::explain;

/// Classes in which a job waits for something.
const CLASSES: [Class; 5] = [Class::Open, Class::Long, Class::Retrying, Class::Scheduled, Class::Waiting];
/// The largest number of partitions in a round: there are more every month, but the cost of a round is limited.
const A_ROUND: usize = 32;
/// How long a round waits for an error group.
const COUNT: std::time::Duration = std::time::Duration::from_secs(1);
/// The key of the items of maintenance.
pub(super) const META: &str = "META";
/// The sort key of the one that stores the walk's position.
const WALK: &str = "walk";

/// The position of a walk: the partition, and the last place in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walk {
    /// The partition's number, in the order of months, classes and shards.
    partition: usize,
    after: String,
    /// Partitions that this round has completed.
    #[serde(skip)]
    begun: usize,
}

/// A record whose job waits.
#[derive(Debug, Clone)]
pub(crate) struct Orphan {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) job: String,
    /// The end of its lease, if it runs.
    pub(crate) lease_until: Option<Timestamp>,
    /// Whether it waits for other jobs.
    pub(crate) is_waiting: bool,
    /// Whether it is a batch.
    pub(crate) is_batch: bool,
    /// Since when it could have run, or has last got a message.
    pub(crate) untouched_since: Timestamp,
    item: Item,
}

/// The result of repairing a record.
#[derive(Debug)]
pub(crate) enum Repaired {
    /// It has changed meanwhile.
    Changed,
    /// It is queued, and this message has to be sent; its last attempt may have been lost.
    Send { submission: Box<EnqueueRequest>, lost: bool },
    /// Its last attempt was lost, and it has no more.
    Failed { attempts: u32, error: ErrorText, counted: Option<Counted> },
}

impl Dynamo {
    /// Returns the walk, where it last stopped.
    pub(crate) async fn walk(&self) -> Result<Walk, StoreError> {
        let get = self.client().await?.get_item().table_name(self.table());
        let got = get.key("pk", text(META)).key("sk", text(WALK)).send().await;
        let got = got.map_err(|error| explain(&error, &format!("read table {}", self.table())))?;
        let kept = got.item.map(Item).and_then(|item| serde_json::from_str(item.text("at")?).ok());
        Ok(kept.unwrap_or_default())
    }

    /// Stores where the walk stopped. Two concurrent walks only do the same work twice.
    pub(crate) async fn keep_walk(&self, walk: &Walk) -> Result<(), StoreError> {
        let at = serde_json::to_string(walk).unwrap_or_default();
        let put = self.client().await?.put_item().table_name(self.table());
        let put = put.item("pk", text(META)).item("sk", text(WALK)).item("at", text(at));
        put.send().await.map(|_| ()).map_err(|error| explain(&error, &format!("write to table {}", self.table())))
    }

    /// Returns the next records on the walk that were added before that moment. `None`: the walk is complete, or long
    /// enough for a round.
    pub(crate) async fn next_left(
        &self,
        walk: &mut Walk,
        before: Timestamp,
        most: usize,
    ) -> Result<Option<Vec<Orphan>>, StoreError> {
        let mut months: Vec<_> = Month::back(Timestamp::UNIX_EPOCH..=self.env().now()).collect();
        months.reverse();
        let partitions: Vec<String> = months
            .iter()
            .flat_map(|month| CLASSES.iter().map(move |class| (month, class)))
            .flat_map(|(month, class)| (0..SHARDS).map(move |shard| class.partition(*month, shard)))
            .collect();
        while walk.begun <= partitions.len().min(A_ROUND - 1) && !partitions.is_empty() {
            if walk.partition >= partitions.len() {
                *walk = Walk { begun: walk.begun, ..Walk::default() };
            }
            let places = self.places(&partitions[walk.partition], &walk.after, before, most).await?;
            match places.last() {
                Some(last) => walk.after = last.as_str().to_owned(),
                None => {
                    *walk = Walk { partition: walk.partition + 1, after: String::new(), begun: walk.begun + 1 };
                    continue;
                }
            }
            let ids: Vec<_> = places.iter().map(ListingKey::id).collect();
            let items = self.read_items(&ids, None).await?;
            return Ok(Some(items.into_iter().filter_map(Orphan::of).collect()));
        }
        Ok(None)
    }

    async fn places(
        &self,
        partition: &str,
        after: &str,
        before: Timestamp,
        most: usize,
    ) -> Result<Vec<ListingKey>, StoreError> {
        // One character after the last place: `BETWEEN` includes both bounds.
        let low = if after.is_empty() { "0".to_owned() } else { format!("{after}!") };
        let high = ListingKey::start_of(before);
        if low > high {
            return Ok(Vec::new());
        }
        let query = self.client().await?.query().table_name(self.table()).index_name(Self::LISTING);
        let query = query
            .key_condition_expression("lpk = :partition AND lsk BETWEEN :low AND :high")
            .expression_attribute_values(":partition", text(partition))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(high))
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        let page = query.send().await;
        let page = page.map_err(|error| explain(&error, &format!("list records of table {}", self.table())))?;
        let items = page.items.unwrap_or_default().into_iter().map(Item);
        Ok(items.filter_map(|item| ListingKey::parse(item.text("lsk")?)).collect())
    }

    /// Prepares a record for a new message, or ends it, if it has not changed since it was read.
    pub(crate) async fn repair(&self, left: &Orphan, now: Timestamp) -> Result<Repaired, StoreError> {
        let item = &left.item;
        let lost = item.state() == JobState::Running;
        let nonce = self.env().random.next_u64();
        let mut update = Update::new().set("z", number(nonce));
        let listing_key = item.listing_key();
        if lost {
            update = update.set("x", item.history_and(item.lost_attempt()));
            let most = item.number::<u32>("mx").unwrap_or(u32::MAX);
            if item.attempt() >= most {
                let keep = std::time::Duration::from_secs(item.number("rf").unwrap_or(30 * 86_400));
                let update =
                    update.set("st", text(JobState::Failed.as_str())).set("f", time(now)).set("ttl", expiry(now, keep));
                let update = listed(update, listing_key.as_ref().map(|listing_key| (listing_key, Class::Failed)));
                let attempts = item.attempt();
                let error =
                    ErrorText::new(format!("attempt {attempts} of {attempts} was lost: its host ended without a word"));
                let (update, batch) = (held_to(update, item), item.uncounted());
                return Ok(match self.write_end(&left.id, update, batch.as_ref(), JobState::Failed).await? {
                    Written::Applied(now) => {
                        self.count_lost(item).await;
                        Repaired::Failed { attempts, error, counted: now.counted() }
                    }
                    Written::Refused(_) => Repaired::Changed,
                });
            }
            update = update.set("st", text(JobState::Queued.as_str())).set("d", time(now));
            let class = listing_key.as_ref().map(|listing_key| (listing_key, Class::Open)).filter(|_| !item.is_lean());
            update = listed(update, class);
        }
        // When it last got a message.
        let update = update.set("r", time(now));
        if let Written::Refused(_) = self.update(&left.id, held_to(update, item)).await? {
            return Ok(Repaired::Changed);
        }
        if lost {
            self.count_lost(item).await;
        }
        let id = lamplighter::JobId::new(&left.id)
            .map_err(|error| StoreError::new(lamplighter::backend::StoreErrorKind::Invalid, error))?;
        let Some(record) = self.read_record(&id).await? else { return Ok(Repaired::Changed) };
        let tracking = if item.is_lean() { Tracking::Lean } else { Tracking::Full };
        let submission = self.submission(&id, record.queue, record.message, item.text("g"), tracking);
        Ok(Repaired::Send { submission: Box::new(submission), lost })
    }
}

impl Dynamo {
    /// Counts a lost attempt in its error group.
    async fn count_lost(&self, item: &Item) {
        self.count_failure(item.lost_failure());
        self.write_errors(Instant::now() + COUNT).await;
    }
}

impl Orphan {
    fn of(item: Item) -> Option<Self> {
        let state = item.state();
        let waits = !state.is_final();
        let sent_at = item.time("r").unwrap_or(Timestamp::UNIX_EPOCH);
        waits.then(|| Self {
            id: item.id().to_owned(),
            queue: item.queue().to_owned(),
            job: item.job().to_owned(),
            is_waiting: state == JobState::Waiting,
            is_batch: item.is_batch(),
            lease_until: (state == JobState::Running).then(|| item.lease_until()),
            // While it waits for a limit, its message is hidden.
            untouched_since: item
                .time("d")
                .into_iter()
                .chain(item.wait().map(|wait| wait.until))
                .fold(sent_at, Timestamp::max),
            item,
        })
    }
}
