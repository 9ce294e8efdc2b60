//! The number of records in each state, from a walk through the listing that is made some of the time, not on request.
//!
//! Maintenance walks on by at most [`A_ROUND`] pages at a time, and stores what the last complete walk has counted in one
//! item. Reading it is one call. Records that move while it walks may be counted twice or not at all, and those that are
//! queued or running are not counted: SQS knows them.

use std::{collections::BTreeMap, time::Duration};

use lamplighter::{JobState, Timestamp, backend::StoreError};
use serde::{Deserialize, Serialize};

use super::{
    Dynamo,
    item::{Item, text},
    keys::{Class, Month, SHARDS},
    list::{AHEAD, Shard},
    orphans::META,
};
use crate::sdk::explain;

/// The key of the item, in the partition of maintenance.
const TALLY: &str = "tally";
/// The pause between two walks.
const PAUSE: Duration = Duration::from_secs(600);
/// The pages of a round: a query each, which reads some 150 KB at most.
const A_ROUND: usize = 64;
/// The keys of a page.
const PAGE: i32 = 1000;
/// The classes whose records are in one state, other than running.
const CLASSES: [Class; 6] =
    [Class::Waiting, Class::Scheduled, Class::Retrying, Class::Succeeded, Class::Failed, Class::Cancelled];

/// What the walks have counted, and how far the present one has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// The last complete walk.
    last: Option<Walked>,
    /// The present one.
    now: Option<Walking>,
}

/// A complete walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walked {
    /// When it began.
    pub(crate) began: Timestamp,
    ended: Timestamp,
    /// The oldest month that has records: none comes to one that is past.
    oldest: Month,
    /// By queue and state.
    pub(crate) counts: Counts,
}

type Counts = BTreeMap<String, BTreeMap<JobState, u64>>;

/// A walk under way, from the newest partition to the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Walking {
    began: Timestamp,
    /// The month, class and shard that it is in.
    month: Month,
    class: usize,
    shard: u8,
    /// The last key that it has counted there.
    after: Option<String>,
    /// The last month to look at.
    end: Month,
    oldest: Option<Month>,
    counts: Counts,
}

impl Walking {
    fn begin(now: Timestamp, last: Option<&Walked>) -> Option<Self> {
        let ahead = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut months = Month::back(Timestamp::UNIX_EPOCH..=ahead);
        let (month, first) = (months.next()?, Month::back(Timestamp::UNIX_EPOCH..=ahead).last()?);
        let end = last.map_or(first, |last| last.oldest.max(first).min(month));
        Some(Self { began: now, month, class: 0, shard: 0, after: None, end, oldest: None, counts: Counts::new() })
    }

    /// Goes to the next partition; `false` after the last one.
    fn next(&mut self) -> bool {
        self.after = None;
        self.shard += 1;
        if self.shard == SHARDS {
            (self.shard, self.class) = (0, self.class + 1);
        }
        if self.class >= CLASSES.len() {
            if self.month <= self.end {
                return false;
            }
            (self.class, self.month) = (0, self.month.before());
        }
        true
    }
}

impl Dynamo {
    /// What was counted last; `None` before the first walk is complete.
    pub(crate) async fn last_tally(&self) -> Result<Option<Walked>, StoreError> {
        Ok(self.tally().await?.last)
    }

    async fn tally(&self) -> Result<Tally, StoreError> {
        let get = self.client().await?.get_item().table_name(self.table());
        let got = get.key("pk", text(META)).key("sk", text(TALLY)).send().await;
        let got = got.map_err(|error| explain(&error, &format!("read table {}", self.table())))?;
        // What cannot be read was written by another version: it is counted anew.
        Ok(got.item.map(Item).and_then(|item| serde_json::from_str(item.text("at")?).ok()).unwrap_or_default())
    }

    /// Walks on, until it `is_over`. Two concurrent walks only do the same work twice.
    pub(crate) async fn walk_tally(&self, is_over: impl Fn() -> bool) -> Result<(), StoreError> {
        let mut tally = self.tally().await?;
        let now = self.env().now();
        let mut walking = match tally.now.take() {
            // A clock that was set back must not end all walks.
            Some(walking) if walking.began <= now => walking,
            _ if tally.last.as_ref().is_some_and(|last| last.ended <= now && now < last.ended + PAUSE) => return Ok(()),
            _ => match Walking::begin(now, tally.last.as_ref()) {
                Some(walking) => walking,
                None => return Ok(()),
            },
        };
        let mut is_complete = false;
        for _ in 0..A_ROUND {
            if is_over() || is_complete {
                break;
            }
            let is_partition_done = self.count_page(&mut walking).await?;
            is_complete = is_partition_done && !walking.next();
        }
        if is_complete {
            let Walking { began, oldest, counts, .. } = walking;
            let (ended, oldest) = (self.env().now(), oldest.unwrap_or(Month::of(now)));
            tally.last = Some(Walked { began, ended, oldest, counts });
        } else {
            tally.now = Some(walking);
        }
        let at = serde_json::to_string(&tally).unwrap_or_default();
        let put = self.client().await?.put_item().table_name(self.table());
        let put = put.item("pk", text(META)).item("sk", text(TALLY)).item("at", text(at));
        put.send().await.map(|_| ()).map_err(|error| explain(&error, &format!("write to table {}", self.table())))
    }

    /// Counts the next page of a partition; returns whether it was the last one.
    async fn count_page(&self, walking: &mut Walking) -> Result<bool, StoreError> {
        let Some((class, state)) = CLASSES.get(walking.class).and_then(|class| Some((*class, class.state()?))) else {
            return Ok(true);
        };
        // From the newest key backwards, below the last one that was counted.
        let high = walking.after.clone().unwrap_or_else(|| "9".repeat(20));
        let mut shard = Shard::new(class.partition(walking.month, walking.shard), "0", &high);
        self.read_shard(&mut shard, PAGE).await?;
        let before = walking.after.clone();
        for listing_key in shard.found.drain(..).filter(|key| before.as_deref() != Some(key.as_str())) {
            *walking.counts.entry(listing_key.queue().to_owned()).or_default().entry(state).or_default() += 1;
            walking.oldest = Some(walking.month);
            walking.after = Some(listing_key.as_str().to_owned());
        }
        Ok(shard.next.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_goes_through_each_partition_once() {
        let now = "2027-01-15T00:00:00Z".parse().unwrap();
        let mut walking = Walking::begin(now, None).unwrap();
        let mut seen = vec![];
        loop {
            seen.push((walking.month, walking.class, walking.shard));
            if !walking.next() {
                break;
            }
        }
        assert_eq!(seen.len(), 3 * CLASSES.len() * usize::from(SHARDS), "November, December and January");
        assert!(seen.windows(2).all(|two| two[0] != two[1]));
        let oldest = Month::of("2026-12-01T00:00:00Z".parse().unwrap());
        let last = Walked { began: now, ended: now, oldest, counts: Counts::new() };
        assert_eq!(Walking::begin(now, Some(&last)).unwrap().end, oldest);
        assert_eq!(Walking::begin(Timestamp::UNIX_EPOCH, None), None, "no table is that old");
    }

    #[test]
    fn a_tally_is_read_as_it_was_written() {
        let now: Timestamp = "2027-01-15T00:00:00Z".parse().unwrap();
        let counts = Counts::from([("work".into(), BTreeMap::from([(JobState::Failed, 3)]))]);
        let last = Walked { began: now, ended: now, oldest: Month::of(now), counts };
        let tally = Tally { now: Walking::begin(now, Some(&last)), last: Some(last) };
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
    }
}
