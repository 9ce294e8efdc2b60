//! Error groups: failed attempts of one cause, counted in items of their own. They are written after settlements of
//! attempts that failed, and with nothing else.
//!
//! A group has an item `ERR#fingerprint#shard` in each shard, and a process writes to one shard: one item takes at most
//! a thousand writes a second (Amazon DynamoDB Developer Guide, "Best practices for designing and using partition keys
//! effectively"), and many processes may fail at once. What fails together is one write. No settlement waits for long,
//! or fails, because of a group: a write that fails, or is not answered within [`PATIENCE`], is not tried again at
//! once. Its count is kept in memory and goes with the next one, [`PAUSE`] later or more; what is left in memory when a
//! process ends is not counted.
//!
//! | attribute | meaning |
//! | --- | --- |
//! | `j`, `q`, `v` | job, queue, how the attempts ended |
//! | `t` | title |
//! | `b`, `f` | when the first and the latest attempt ended |
//! | `n` | failed attempts |
//! | `i`, `e` | the latest job, and its error |
//! | `lpk`, `lsk` | the key in the listing, by the hour of the latest failure: the index is written once in an hour |
//! | `ttl` | as of records |
//!
//! What a person has written about a group is the item `ERR#fingerprint#note`, with the note as JSON in `nt`. It belongs to
//! the group in which it was written: one that begins anew, after the former one has expired, does not show it.

use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use lamplighter::{
    JobId, Timestamp,
    backend::{Failure, StoreError},
    record::{ErrorGroup, ErrorNote, ErrorPage, ErrorQuery, ErrorSample, Fingerprint},
};
use tokio::time::Instant;

use super::{
    Dynamo, Written, answered, each, expiry,
    expression::Update,
    item::{Item, json, number, text, time},
    keys::{self, ListingKey, Month, SHARDS},
    list::{AHEAD, LOOKED_AT, Merge, Shard, page_length},
    read::key,
};
use crate::sdk::explain;

/// How long a settlement waits for a group.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after a write that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// The most groups that a process counts in memory.
const MOST: usize = 100;
/// How long a note is kept after it was written, or after its mute has ended: as long as its group may go on.
const NOTE_KEPT: Duration = Duration::from_secs(365 * 86_400);
/// The nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// What this process has counted and not written.
#[derive(Default)]
pub(super) struct Errors {
    /// The shard that it writes to.
    shard: OnceLock<u8>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    groups: BTreeMap<Fingerprint, Failures>,
    /// After a write that failed.
    not_before: Option<Instant>,
}

/// Failures of one group.
struct Failures {
    count: u64,
    first_at: Timestamp,
    latest: Failure,
}

impl Open {
    fn add(&mut self, new: Failures) {
        let is_full = self.groups.len() >= MOST;
        match self.groups.entry(new.latest.fingerprint) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.count += new.count;
                known.first_at = known.first_at.min(new.first_at);
                if new.latest.at >= known.latest.at {
                    known.latest = new.latest;
                }
            }
            Entry::Vacant(_) if is_full => {
                tracing::debug!(fingerprint = %new.latest.fingerprint, "a failure is not counted: too many groups");
            }
            Entry::Vacant(place) => {
                place.insert(new);
            }
        }
    }
}

fn group_key(fingerprint: Fingerprint, shard: u8) -> String {
    format!("ERR#{fingerprint}#{shard}")
}

fn note_key(fingerprint: Fingerprint) -> String {
    format!("ERR#{fingerprint}#note")
}

fn fingerprint_of(item: &Item) -> Option<Fingerprint> {
    item.text("pk")?.strip_prefix("ERR#")?.split('#').next()?.parse().ok()
}

/// The place of a group in the listing.
fn place(failure: &Failure) -> Option<ListingKey> {
    let nanos = keys::nanos(failure.at);
    let id = JobId::new(failure.fingerprint.to_string()).ok()?;
    Some(ListingKey::new(keys::moment(nanos - nanos.rem_euclid(HOUR)), &id, &failure.queue, &failure.job))
}

impl Dynamo {
    /// Counts a failed attempt, to be written by [`write_errors`](Self::write_errors).
    pub(super) fn count_failure(&self, failure: Option<Failure>) {
        if let Some(latest) = failure {
            let failures = Failures { count: 1, first_at: latest.at, latest };
            self.0.errors.open.lock().unwrap_or_else(PoisonError::into_inner).add(failures);
        }
    }

    /// Writes what was counted, if there is anything. Returns by then at the latest.
    pub(crate) async fn write_errors(&self, by: Instant) {
        let taken = {
            let mut open = self.0.errors.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.groups.is_empty() || open.not_before.is_some_and(|at| Instant::now() < at) {
                return;
            }
            std::mem::take(&mut open.groups)
        };
        let by = by.min(Instant::now() + PATIENCE);
        let table = self.table();
        let answers =
            each(taken.values().map(|failures| answered(by, table, self.write_group(failures))).collect()).await;
        let mut open = self.0.errors.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.not_before = None;
        for (failures, answer) in taken.into_values().zip(answers) {
            if let Err(error) = answer {
                let (fingerprint, count) = (failures.latest.fingerprint, failures.count);
                tracing::warn!(%fingerprint, count, %error, "failures could not be counted in their group yet");
                open.add(failures);
                open.not_before = Some(Instant::now() + PAUSE);
            }
        }
    }

    async fn write_group(&self, failures: &Failures) -> Result<(), StoreError> {
        let Failures { count, first_at, latest } = failures;
        let shard = self.0.errors.shard.get_or_init(|| (self.env().random.next_u64() % u64::from(SHARDS)) as u8);
        let listed = place(latest).map(|place| (keys::error_partition(Month::of(latest.at), *shard), place));
        let update = || {
            let update = Update::new()
                .set("j", text(&latest.job))
                .set("q", text(&latest.queue))
                .set_some("v", json(&latest.outcome))
                .set("t", text(&latest.title))
                .set("f", time(latest.at))
                .set("i", text(latest.sample.id.as_str()))
                .set("e", text(&latest.sample.message))
                .set("ttl", expiry(latest.at, ErrorGroup::KEPT));
            match &listed {
                Some((partition, place)) => update.set("lpk", text(partition)).set("lsk", text(place.as_str())),
                None => update,
            }
        };
        let (pk, doing) = (group_key(latest.fingerprint, *shard), || self.counting(latest.fingerprint));
        let known = update()
            .set_if_absent("b", time(*first_at))
            .add("n", number(count))
            .when("attribute_not_exists(#pk) OR #ttl > :now")
            .name("pk")
            .value("now", number(self.env().now().as_second()));
        if let Written::Applied(_) = self.update_once(&pk, known, doing).await? {
            return Ok(());
        }
        // It has expired, and is still there.
        let new = update().set("b", time(*first_at)).set("n", number(count));
        self.update_once(&pk, new, doing).await.map(|_| ())
    }

    fn counting(&self, fingerprint: Fingerprint) -> String {
        format!("write error group {fingerprint} to table {}", self.table())
    }

    /// One group.
    pub(crate) async fn read_error(&self, fingerprint: Fingerprint) -> Result<Option<ErrorGroup>, StoreError> {
        let mut groups = self.read_errors(&[fingerprint]).await?;
        Ok(groups.remove(&fingerprint).and_then(|items| merged(fingerprint, &items)))
    }

    /// Replaces the note of a group. Returns whether there is such a group.
    pub(crate) async fn annotate(&self, fingerprint: Fingerprint, note: &ErrorNote) -> Result<bool, StoreError> {
        if self.read_error(fingerprint).await?.is_none() {
            return Ok(false);
        }
        let pk = note_key(fingerprint);
        let doing = || format!("write the note on error group {fingerprint} to table {}", self.table());
        if note.is_empty() {
            let delete = self.client().await?.delete_item().table_name(self.table());
            let deleted = delete.key("pk", text(pk)).key("sk", text(keys::RECORD)).send().await;
            return deleted.map(|_| true).map_err(|error| explain(&error, &doing()));
        }
        let until = note.muted_until.unwrap_or(note.at).max(note.at);
        let update = Update::new().set_some("nt", json(note)).set("ttl", expiry(until, NOTE_KEPT));
        self.update_at(&pk, update, doing).await.map(|_| true)
    }

    /// The items of these groups, as far as they have not expired.
    async fn read_errors(&self, all: &[Fingerprint]) -> Result<HashMap<Fingerprint, Vec<Item>>, StoreError> {
        let of_group = |fingerprint: &Fingerprint| {
            let fingerprint = *fingerprint;
            let shards = (0..SHARDS).map(move |shard| key(&group_key(fingerprint, shard)));
            shards.chain([key(&note_key(fingerprint))])
        };
        let keys: Vec<_> = all.iter().flat_map(of_group).collect();
        let now = self.env().now();
        let mut groups: HashMap<Fingerprint, Vec<Item>> = HashMap::new();
        for item in self.read_all(&keys, None).await?.into_iter().filter(|item| !item.has_expired(now)) {
            if let Some(fingerprint) = fingerprint_of(&item) {
                groups.entry(fingerprint).or_default().push(item);
            }
        }
        Ok(groups)
    }

    /// A page of groups, by the hours of their latest failures, newest first.
    pub(crate) async fn read_error_page(&self, query: &ErrorQuery) -> Result<ErrorPage, StoreError> {
        let after = self.after(query.cursor.as_deref())?;
        let limit = page_length(query.limit);
        let end = self.env().now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let end = after.as_ref().map_or(end, |after| after.created_at().min(end));
        let since = query.since.map_or(Timestamp::UNIX_EPOCH, |since| {
            let nanos = keys::nanos(since);
            keys::moment(nanos.saturating_sub(nanos.rem_euclid(HOUR)))
        });
        let (mut groups, mut met, mut looked_at): (Vec<ErrorGroup>, _, _) = (Vec::new(), HashSet::new(), 0);
        let next = 'pages: {
            for month in Month::back(since..=end) {
                let mut merge = Merge { shards: shards(month, since, after.as_ref()) };
                loop {
                    let (mut wanted, mut seen) = (Vec::new(), None);
                    while wanted.len() < limit - groups.len() && looked_at < LOOKED_AT {
                        let Some(place) = merge.next(self).await? else { break };
                        looked_at += 1;
                        seen = Some(place.as_str().to_owned());
                        let is_new = after.as_ref().is_none_or(|after| place < *after);
                        let is_wanted = query.job.as_ref().is_none_or(|job| job == place.job())
                            && query.queue.as_ref().is_none_or(|queue| queue == place.queue());
                        if let Ok(fingerprint) = place.id().parse::<Fingerprint>()
                            && is_new
                            && is_wanted
                            && met.insert(fingerprint)
                        {
                            wanted.push(fingerprint);
                        }
                    }
                    let Some(seen) = seen else { break };
                    let mut read = self.read_errors(&wanted).await?;
                    for fingerprint in wanted {
                        let items = read.remove(&fingerprint).unwrap_or_default();
                        // Another shard of it is listed on an earlier page.
                        let is_listed = after.as_ref().is_some_and(|after| {
                            items.iter().any(|item| item.text("lsk").is_some_and(|place| place >= after.as_str()))
                        });
                        let group = merged(fingerprint, &items).filter(|group| {
                            !is_listed
                                && query.since.is_none_or(|since| group.last_seen >= since)
                                && query.queue.as_ref().is_none_or(|queue| *queue == group.queue)
                        });
                        groups.extend(group);
                    }
                    if groups.len() >= limit || looked_at >= LOOKED_AT {
                        break 'pages Some(seen);
                    }
                }
            }
            None
        };
        groups.sort_by_key(|group| std::cmp::Reverse(group.last_seen));
        Ok(ErrorPage::new(groups, next))
    }
}

fn shards(month: Month, since: Timestamp, after: Option<&ListingKey>) -> Vec<Shard> {
    let high = after.map_or_else(|| "9".repeat(20), |after| after.as_str().to_owned());
    let low = ListingKey::start_of(since);
    (0..SHARDS).map(|shard| Shard::new(keys::error_partition(month, shard), &low, &high)).collect()
}

/// The group of which these are the items.
fn merged(fingerprint: Fingerprint, items: &[Item]) -> Option<ErrorGroup> {
    let latest = items.iter().max_by_key(|item| item.time("f"))?;
    let first_at = items.iter().filter_map(|item| item.time("b")).min()?;
    let mut group = ErrorGroup::of(Failure {
        fingerprint,
        job: latest.text("j")?.to_owned(),
        queue: latest.text("q")?.to_owned(),
        outcome: serde_json::from_str(latest.text("v")?).ok()?,
        title: latest.text("t")?.to_owned(),
        at: first_at,
        sample: ErrorSample { id: JobId::new(latest.text("i")?).ok()?, message: latest.text("e")?.to_owned() },
    });
    group.last_seen = latest.time("f")?;
    group.failures = items.iter().filter_map(|item| item.number::<u64>("n")).sum();
    let note = items.iter().find_map(|item| serde_json::from_str::<ErrorNote>(item.text("nt")?).ok());
    group.note = note.filter(|note| note.at >= group.first_seen);
    Some(group)
}

#[cfg(test)]
mod tests {
    use lamplighter::record::{AttemptOutcome, ErrorText};

    use super::*;

    fn failure(text: &str, second: i64) -> Failures {
        let (id, error) = (JobId::new(format!("job-{second}")).unwrap(), ErrorText::new(text));
        let at = Timestamp::from_second(second).unwrap();
        let latest = Failure::new(&id, ("act", "work"), (AttemptOutcome::Error, at), &error);
        Failures { count: 1, first_at: at, latest }
    }

    #[test]
    fn what_waits_is_counted_by_group_and_bounded() {
        let mut open = Open::default();
        for second in [5, 9, 7] {
            open.add(failure("no", second));
        }
        let failures = open.groups.values().next().unwrap();
        assert_eq!((failures.count, failures.first_at.as_second(), failures.latest.at.as_second()), (3, 5, 9));
        let word = |n: u32| n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
        for n in 0..1000 {
            open.add(failure(&word(n), 1));
        }
        assert_eq!(open.groups.len(), MOST);
        open.add(failure("no", 10));
        assert_eq!(open.groups.values().map(|failures| failures.count).max(), Some(4), "those that are known go on");
    }

    #[test]
    fn a_group_is_listed_by_the_hour_of_its_latest_failure() {
        let place_of = |second| place(&failure("no", second).latest).unwrap();
        let (first, again, later) = (place_of(1_800_000_000), place_of(1_800_000_001), place_of(1_800_003_600));
        assert_eq!(first, again, "the index is not written");
        assert!(first < later && first.created_at().as_second() % 3600 == 0, "{first:?}");
        assert_eq!((first.queue(), first.job()), ("work", "act"));
    }
}
