//! Listing records, by the sparse index.
//!
//! A page is merged from the shards of the classes in question, a month at a time, newest first. Keys hold id, job, queue
//! and time, so that only records on the page are read; whether one is queued or running is read from the record.

use std::collections::{HashMap, HashSet, VecDeque};

use lamplighter::{
    ListQuery, Record, Timestamp,
    backend::{StoreError, StoreErrorKind},
    record::Page,
};

use super::{
    Dynamo, each,
    item::{Attributes, Item, text},
    keys::{Class, ListingKey, Month, SHARDS},
};
use crate::sdk::explain;

/// The largest page.
const LONGEST: usize = 1000;
/// The page size without a limit.
const USUAL: usize = 50;
/// The largest number of keys that one page reads. The page may then be short, and the next one continues after it.
pub(super) const LOOKED_AT: usize = 5000;
/// The same for a page of jobs with one error, which is known from their records alone.
const LOOKED_INTO: usize = 1000;
/// Entries read by one query of the index.
const PORTION: i32 = 200;

/// No clock is ahead by more than this.
pub(super) const AHEAD: std::time::Duration = std::time::Duration::from_secs(86_400);

/// One partition of the index, read from its newest entry backwards.
pub(super) struct Shard {
    partition: String,
    low: String,
    high: String,
    pub(super) found: VecDeque<ListingKey>,
    /// The place where the next query continues; `None` at the end.
    pub(super) next: Option<Option<Attributes>>,
}

impl Shard {
    /// The entries of a partition between these keys, both included.
    pub(super) fn new(partition: String, low: &str, high: &str) -> Self {
        let next = (low <= high).then_some(None);
        Self { partition, low: low.to_owned(), high: high.to_owned(), found: VecDeque::new(), next }
    }
}

/// The classes of jobs whose latest attempt may have failed.
const FAILING: &[Class] = &[Class::Open, Class::Long, Class::Retrying, Class::Failed, Class::Cancelled];

/// The length of a page, by the limit that is asked for; 0 for none.
pub(super) fn page_length(limit: usize) -> usize {
    if limit == 0 { USUAL } else { limit.min(LONGEST) }
}

impl Dynamo {
    /// Parses a page's cursor.
    pub(super) fn after(&self, cursor: Option<&str>) -> Result<Option<ListingKey>, StoreError> {
        let parse = |cursor: &str| {
            ListingKey::parse(cursor).ok_or_else(|| {
                let text = format!("{cursor:?} is not a cursor of table {}; list again without one", self.table());
                StoreError::new(StoreErrorKind::Invalid, text)
            })
        };
        cursor.map(parse).transpose()
    }

    pub(crate) async fn read_page(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let after = self.after(query.cursor.as_deref())?;
        let limit = page_length(query.limit);
        let ahead = self.env().now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let end = query.before.unwrap_or(ahead).min(ahead);
        let end = after.as_ref().map_or(end, |after| after.created_at().min(end));
        let since = query.since.unwrap_or(Timestamp::UNIX_EPOCH);
        let classes = classes(query);
        // The records of its one job are all that need be read.
        let job = match query.error {
            Some(fingerprint) if query.jobs.is_empty() => self.read_error(fingerprint).await?.map(|group| group.job),
            _ => None,
        };
        let most = if query.error.is_some() { LOOKED_INTO } else { LOOKED_AT };
        let mut records: Vec<Record> = Vec::with_capacity(limit);
        // A record that changes its class meanwhile may be found in both.
        let mut met = HashSet::new();
        let mut looked_at = 0;
        for month in Month::back(since..=end) {
            let mut merge = Merge { shards: shards(&classes, month, since, query.before, after.as_ref()) };
            loop {
                let mut places = Vec::new();
                let mut seen = None;
                while places.len() < limit - records.len() && looked_at < most {
                    let Some(listing_key) = merge.next(self).await? else { break };
                    looked_at += 1;
                    seen = Some(listing_key.as_str().to_owned());
                    let is_new = after.as_ref().is_none_or(|after| listing_key < *after);
                    if fits(&listing_key, job.as_deref(), query) && is_new && met.insert(listing_key.id().to_owned()) {
                        places.push(listing_key);
                    }
                }
                let Some(seen) = seen else { break };
                let mut read = self.read_places(&places, query).await?;
                records.append(&mut read);
                if records.len() >= limit || looked_at >= most {
                    return Ok(Page { records, next: Some(seen) });
                }
            }
        }
        Ok(Page { records, next: None })
    }

    /// Returns the records at these places that are in the state, and have the error, that is asked for, in order.
    async fn read_places(&self, places: &[ListingKey], query: &ListQuery) -> Result<Vec<Record>, StoreError> {
        let ids: Vec<_> = places.iter().map(ListingKey::id).collect();
        let items = self.read_items(&ids, None).await?;
        let mut items: HashMap<String, Item> = items.into_iter().map(|item| (item.id().to_owned(), item)).collect();
        let mut records = Vec::with_capacity(items.len());
        for listing_key in places {
            let Some(item) = items.remove(listing_key.id()) else { continue };
            // The index lags behind the table.
            if !query.takes_state(item.state()) {
                continue;
            }
            let fails_with = |error| item.history().last().and_then(|last| last.fingerprint) == Some(error);
            if query.error.is_some_and(|error| !fails_with(error)) {
                continue;
            }
            let record = match (item.pieces(), lamplighter::JobId::new(listing_key.id())) {
                (0, _) => item.record(None).map(Some),
                (_, Ok(id)) => self.read_record(&id).await,
                (_, Err(_)) => Ok(None),
            };
            records.extend(match record {
                // A newer version may have written it. It keeps no other record from being listed.
                Err(error) if error.kind() == StoreErrorKind::Invalid => {
                    tracing::warn!(%error, "a record is listed without its message");
                    item.without_message().ok()
                }
                record => record?,
            });
        }
        Ok(records)
    }

    /// Reads more of a shard, until an entry is found or it ends: a page of the index may be empty without being the
    /// last.
    async fn fill(&self, shard: &mut Shard) -> Result<(), StoreError> {
        while shard.found.is_empty() && shard.next.is_some() {
            self.read_shard(shard, PORTION).await?;
        }
        Ok(())
    }

    /// Reads the next page of a shard.
    pub(super) async fn read_shard(&self, shard: &mut Shard, portion: i32) -> Result<(), StoreError> {
        let Some(from) = shard.next.take() else { return Ok(()) };
        let query = self.client().await?.query().table_name(self.table()).index_name(Self::LISTING);
        let query = query
            .key_condition_expression("lpk = :partition AND lsk BETWEEN :low AND :high")
            .expression_attribute_values(":partition", text(&shard.partition))
            .expression_attribute_values(":low", text(&shard.low))
            .expression_attribute_values(":high", text(&shard.high))
            .scan_index_forward(false)
            .limit(portion)
            .set_exclusive_start_key(from);
        let page = query.send().await;
        let page = page.map_err(|error| explain(&error, &format!("list records of table {}", self.table())))?;
        let places = page.items.unwrap_or_default().into_iter().map(Item);
        shard.found.extend(places.filter_map(|item| ListingKey::parse(item.text("lsk")?)));
        shard.next = page.last_evaluated_key.map(Some);
        Ok(())
    }
}

fn shards(
    classes: &[Class],
    month: Month,
    since: Timestamp,
    before: Option<Timestamp>,
    after: Option<&ListingKey>,
) -> Vec<Shard> {
    let low = ListingKey::start_of(since);
    let before = before.map_or_else(|| "9".repeat(20), ListingKey::start_of);
    let high = after.map_or(before.clone(), |after| before.min(after.as_str().to_owned()));
    let all = classes.iter().flat_map(|class| (0..SHARDS).map(|shard| class.partition(month, shard)));
    all.map(|partition| Shard::new(partition, &low, &high)).collect()
}

/// The classes where records of these states may be listed.
fn classes(query: &ListQuery) -> Vec<Class> {
    let of_state = |class: &Class| query.states.iter().any(|state| Class::all_of(*state).contains(class));
    let all = Class::ALL.into_iter().filter(|class| query.states.is_empty() || of_state(class));
    all.filter(|class| query.error.is_none() || FAILING.contains(class)).collect()
}

fn fits(listing_key: &ListingKey, job: Option<&str>, query: &ListQuery) -> bool {
    job.is_none_or(|job| job == listing_key.job())
        && query.takes_names(listing_key.queue(), listing_key.job())
        && query.takes_id(listing_key.id(), listing_key.job())
}

/// Merged shards: the newest of their first entries is next.
pub(super) struct Merge {
    pub(super) shards: Vec<Shard>,
}

impl Merge {
    pub(super) async fn next(&mut self, dynamo: &Dynamo) -> Result<Option<ListingKey>, StoreError> {
        let mut fills = Vec::new();
        for shard in &mut self.shards {
            if shard.found.is_empty() && shard.next.is_some() {
                fills.push(dynamo.fill(shard));
            }
        }
        for filled in each(fills).await {
            filled?;
        }
        let newest = self.shards.iter_mut().max_by(|a, b| a.found.front().cmp(&b.found.front()));
        Ok(newest.and_then(|shard| shard.found.pop_front()))
    }
}
