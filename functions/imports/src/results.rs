//! The objects in which the jobs of an import leave their results.

use std::collections::BTreeMap;

use bytes::Bytes;
use lamplighter_objects::{Key, ObjectError, ObjectWriter, Objects};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    problem::{BadRow, Problem},
};

/// The largest results of a range that are read, in bytes.
const MAX_RESULTS: u64 = 8 << 20;

/// How often a column has which problem.
pub(crate) type ColumnProblems = BTreeMap<String, BTreeMap<Problem, u64>>;

/// What came of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RangeResult {
    /// Rows that were converted.
    pub(crate) good: u64,
    /// Rows that were not.
    pub(crate) bad: u64,
    /// The first of these.
    pub(crate) bad_rows: Vec<BadRow>,
    pub(crate) columns: ColumnProblems,
    /// The object with its rows, and that object's size in bytes.
    pub(crate) output: String,
    pub(crate) output_bytes: u64,
}

/// What is known when a CSV is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitResult {
    pub(crate) ranges: u64,
}

/// The folder of an import's results.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    folder: Key,
    objects: Objects,
}

impl Folder {
    pub(crate) fn new(folder: &str, objects: &Objects) -> Result<Self, Error> {
        Ok(Self { folder: Key::new(folder)?, objects: objects.clone() })
    }

    /// The key of the rows of a range.
    pub(crate) fn rows(&self, number: u64) -> Result<Key, Error> {
        Ok(self.folder.join(format!("rows/{number:06}.ndjson"))?)
    }

    /// A writer of the rows of a range.
    pub(crate) fn rows_writer(&self, key: &Key) -> ObjectWriter {
        self.objects.writer(key, "application/x-ndjson")
    }

    pub(crate) async fn put_range(&self, number: u64, result: &RangeResult) -> Result<(), Error> {
        self.put(&format!("ranges/{number:06}.json"), result).await.map(drop)
    }

    /// What came of a range; `None` when its job has not succeeded.
    pub(crate) async fn range(&self, number: u64) -> Result<Option<RangeResult>, Error> {
        let bytes = self.get(&format!("ranges/{number:06}.json")).await?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| Error::Results(number, error))).transpose()
    }

    /// The numbers of ranges that have results, at most `limit` of them.
    pub(crate) async fn ranges(&self, limit: usize) -> Result<Vec<u64>, Error> {
        let found = self.objects.list(Some(&self.folder.join("ranges")?), limit).await?;
        let number = |key: &Key| key.as_str().rsplit_once('/')?.1.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = found.iter().filter_map(|found| number(&found.key)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) async fn put_split(&self, result: &SplitResult) -> Result<(), Error> {
        self.put("split.json", result).await.map(drop)
    }

    /// What is known of the split; `None` when it has not succeeded.
    pub(crate) async fn split(&self) -> Result<Option<SplitResult>, Error> {
        Ok(self.get("split.json").await?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// Writes the report, and returns its key.
    pub(crate) async fn put_report(&self, report: &impl Serialize) -> Result<Key, Error> {
        self.put("report.json", report).await
    }

    async fn put(&self, name: &str, value: &impl Serialize) -> Result<Key, Error> {
        let key = self.folder.join(name)?;
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        self.objects.put(&key, bytes, "application/json").await?;
        Ok(key)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        match self.objects.get(&self.folder.join(name)?, MAX_RESULTS).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ObjectError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
