//! Keys of the table and of its listing.
//!
//! A job's record is the item `JOB#id`, `#`. Its other items are beside it under other sort keys, so that one query
//! finds them all: the pieces of a large message (`M#0`, `M#1`, …), the entry of a job that is due later (`DUE`), and entries of the outbox
//! (`OUT#…`).
//!
//! The index `listing` is sparse: it holds the keys of records that are listed. Its partitions are a class of states in
//! a month, spread over shards, since an index keyed by a bare state would throttle the whole table (Amazon DynamoDB
//! Developer Guide, "Using write sharding to distribute workloads evenly"). Within a partition, entries are sorted by
//! the moment at which the job was added, and their keys hold its id, queue and name, so that listings by those read no
//! records that they do not show. Error groups (`ERR#…`) and operations (`OP#…`) are in partitions of their own there.

use std::ops::RangeInclusive;

use jiff::{Timestamp, tz::Offset};
use lamplighter::{JobId, JobState, message::Message};
use serde::{Deserialize, Serialize};

/// The prefix of the partition keys of everything that belongs to a job.
const JOB: &str = "JOB#";
/// The sort key of the record itself.
pub(super) const RECORD: &str = "#";
/// The prefix of the sort keys of a large message's pieces.
pub(super) const PIECE: &str = "M#";
/// The sort key of the entry of a job that is due later.
pub(super) const DUE: &str = "DUE";

/// The prefix of the sort keys of entries of the outbox.
pub(super) const OUTBOX: &str = "OUT#";

/// Shards of a class in a month.
pub(super) const SHARDS: u8 = crate::layout::LISTING_SHARDS;

/// The month in which this layout was introduced: no table has anything older.
const FIRST_MONTH: Month = Month { year: 2026, month: 11 };

pub(super) fn job_key(id: &str) -> String {
    format!("{JOB}{id}")
}

/// The job's id in a partition key.
pub(super) fn id_of(key: &str) -> Option<&str> {
    key.strip_prefix(JOB)
}

/// States that are listed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Class {
    /// Queued, or running for a short time: a change between the two does not touch the index.
    Open,
    /// Running for a while, or reporting progress.
    Long,
    Waiting,
    Scheduled,
    Retrying,
    Succeeded,
    Failed,
    Cancelled,
}

impl Class {
    pub(super) const ALL: [Self; 8] = [
        Self::Open,
        Self::Long,
        Self::Waiting,
        Self::Scheduled,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    const fn prefix(self) -> char {
        match self {
            Self::Open => 'o',
            Self::Long => 'l',
            Self::Waiting => 'w',
            Self::Scheduled => 's',
            Self::Retrying => 'r',
            Self::Succeeded => 'u',
            Self::Failed => 'f',
            Self::Cancelled => 'c',
        }
    }

    /// The class where records of a state are listed.
    pub(super) const fn of(state: JobState) -> Self {
        match state {
            JobState::Queued | JobState::Running => Self::Open,
            JobState::Waiting => Self::Waiting,
            JobState::Scheduled => Self::Scheduled,
            JobState::Retrying => Self::Retrying,
            JobState::Succeeded => Self::Succeeded,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
        }
    }

    /// The classes where records of a state may be listed.
    pub(super) const fn all_of(state: JobState) -> &'static [Self] {
        match state {
            JobState::Running => &[Self::Open, Self::Long],
            JobState::Queued => &[Self::Open],
            JobState::Waiting => &[Self::Waiting],
            JobState::Scheduled => &[Self::Scheduled],
            JobState::Retrying => &[Self::Retrying],
            JobState::Succeeded => &[Self::Succeeded],
            JobState::Failed => &[Self::Failed],
            JobState::Cancelled => &[Self::Cancelled],
        }
    }

    /// The one state of all its records; `None` if it has several.
    pub(super) const fn state(self) -> Option<JobState> {
        match self {
            Self::Open => None,
            Self::Long => Some(JobState::Running),
            Self::Waiting => Some(JobState::Waiting),
            Self::Scheduled => Some(JobState::Scheduled),
            Self::Retrying => Some(JobState::Retrying),
            Self::Succeeded => Some(JobState::Succeeded),
            Self::Failed => Some(JobState::Failed),
            Self::Cancelled => Some(JobState::Cancelled),
        }
    }

    /// The partition of a class in a month.
    pub(super) fn partition(self, month: Month, shard: u8) -> String {
        format!("{}#{:04}-{:02}#{shard}", self.prefix(), month.year, month.month)
    }
}

/// The partition of error groups whose latest failure was in a month. No class of states has its prefix.
pub(super) fn error_partition(month: Month, shard: u8) -> String {
    format!("e#{:04}-{:02}#{shard}", month.year, month.month)
}

/// The partition of operations that were asked for in a month.
pub(super) fn operation_partition(month: Month, shard: u8) -> String {
    format!("a#{:04}-{:02}#{shard}", month.year, month.month)
}

/// A month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Month {
    year: i16,
    month: i8,
}

impl Month {
    pub(super) fn of(moment: Timestamp) -> Self {
        let date = Offset::UTC.to_datetime(moment).date();
        Self { year: date.year(), month: date.month() }
    }

    pub(super) fn before(self) -> Self {
        match self.month {
            1 => Self { year: self.year - 1, month: 12 },
            month => Self { year: self.year, month: month - 1 },
        }
    }

    /// The months that may hold records of these moments, newest first.
    pub(super) fn back(moments: RangeInclusive<Timestamp>) -> impl Iterator<Item = Self> {
        let (last, first) = (Self::of(*moments.end()), Self::of(*moments.start()).max(FIRST_MONTH));
        std::iter::successors(Some(last), |month| Some(month.before())).take_while(move |month| *month >= first)
    }
}

/// Returns when a job counts as created: the producer's moment, if it is in the past.
pub(super) fn known_since(message: &Message, now: Timestamp) -> Timestamp {
    message.enqueued_at.filter(|at| *at <= now && *at > Timestamp::UNIX_EPOCH).unwrap_or(now)
}

/// A moment as stored in the table: nanoseconds since 1970, which reach to 2262.
pub(super) fn nanos(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_nanosecond()).unwrap_or(if moment < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

/// The moment of a number in the table.
pub(super) fn moment(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

/// The sort key of a record in the listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListingKey(String);

impl ListingKey {
    pub(super) fn new(created_at: Timestamp, id: &JobId, queue: &str, job: &str) -> Self {
        // Nothing in a table is older than its layout, and a moment in the future would not be listed.
        let nanos = nanos(created_at).max(0);
        Self(format!("{nanos:019}#{id}#{queue}#{job}"))
    }

    /// Parses a listing key; `None` if it is not valid.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let listing_key = Self(text.to_owned());
        (listing_key.parts().all(|part| !part.is_empty())
            && listing_key.parts().count() == 4
            && listing_key.created().is_some())
        .then_some(listing_key)
    }

    /// The first key of a moment: older records are before it.
    pub(super) fn start_of(moment: Timestamp) -> String {
        format!("{:019}", nanos(moment).max(0))
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('#')
    }

    fn created(&self) -> Option<i64> {
        self.parts().next().filter(|text| text.len() == 19).and_then(|text| text.parse().ok())
    }

    pub(super) fn created_at(&self) -> Timestamp {
        moment(self.created().unwrap_or_default())
    }

    pub(super) fn id(&self) -> &str {
        self.parts().nth(1).unwrap_or_default()
    }

    pub(super) fn queue(&self) -> &str {
        self.parts().nth(2).unwrap_or_default()
    }

    pub(super) fn job(&self) -> &str {
        self.parts().nth(3).unwrap_or_default()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition of the listing that it is in.
    pub(super) fn partition(&self, class: Class) -> String {
        class.partition(Month::of(self.created_at()), shard(self.id()))
    }
}

/// The shard of an id: FNV-1a, which any language can compute.
pub(super) fn shard(id: &str) -> u8 {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash % u32::from(SHARDS)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn listing_keys_round_trip_and_sort_by_time() {
        let id = JobId::new("order:42@blue").unwrap();
        let listing_key = ListingKey::new(at("2026-12-31T23:59:59.123456789Z"), &id, "web-hooks", "invoice.send");
        let again = ListingKey::parse(listing_key.as_str()).unwrap();
        assert_eq!(again, listing_key);
        assert_eq!((again.id(), again.queue(), again.job()), ("order:42@blue", "web-hooks", "invoice.send"));
        assert_eq!(again.created_at(), at("2026-12-31T23:59:59.123456789Z"));
        assert!(again.partition(Class::Failed).starts_with("f#2026-12#"), "{}", again.partition(Class::Failed));
        let delayed_sender = ListingKey::new(at("2027-01-01T00:00:00Z"), &id, "a", "a");
        assert!(
            listing_key < delayed_sender
                && ListingKey::start_of(at("2027-01-01T00:00:00Z")).as_str() > listing_key.as_str()
        );
        for bad in ["", "nonsense", "1#a#b#c", "0000000000000000001#a#b", "0000000000000000001##b#c"] {
            assert_eq!(ListingKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn months_go_back_to_the_first() {
        let months =
            |from: &str, to: &str| Month::back(at(from)..=at(to)).map(|m| (m.year, m.month)).collect::<Vec<_>>();
        assert_eq!(
            months("1970-01-01T00:00:00Z", "2027-02-01T00:00:00Z"),
            [(2027, 2), (2027, 1), (2026, 12), (2026, 11)]
        );
        assert_eq!(months("2027-01-31T23:59:59Z", "2027-02-01T00:00:00Z"), [(2027, 2), (2027, 1)]);
        assert_eq!(months("1970-01-01T00:00:00Z", "2026-10-31T00:00:00Z"), []);
    }

    #[test]
    fn every_state_is_found_in_its_classes() {
        for state in JobState::ALL {
            assert!(Class::all_of(state).contains(&Class::of(state)));
            assert!(Class::all_of(state).iter().all(|class| class.state().is_none_or(|own| own == state)));
        }
        let shards: std::collections::BTreeSet<_> = (0..100).map(|n| shard(&n.to_string())).collect();
        assert_eq!(shards.len(), usize::from(SHARDS));
    }
}
