//! Lists, and how far an answer can be relied on.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// How far an answer can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Coverage {
    /// It is exact.
    Exact,
    /// Numbers are approximate, as the queues count them.
    Approximate,
    /// Some of what there is, where nobody can list all of it.
    Sample,
    /// The newest records were searched, back to a moment: the next page goes on from there.
    Searched {
        /// How many.
        records: u64,
        /// The moment.
        #[schema(schema_with = super::schema::moment)]
        back_to: Timestamp,
    },
}

impl From<lamplighter::query::Coverage> for Coverage {
    fn from(coverage: lamplighter::query::Coverage) -> Self {
        match coverage {
            lamplighter::query::Coverage::Exact => Self::Exact,
            lamplighter::query::Coverage::Searched { records, back_to } => Self::Searched { records, back_to },
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// What is listed.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one. A page may have one and no items, when the search has a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How far this can be relied on.
    pub coverage: Coverage,
    /// When it was read.
    #[schema(schema_with = super::schema::moment)]
    pub as_of: Timestamp,
}

/// A list without pages.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct List<T: ToSchema> {
    /// What is listed.
    pub items: Vec<T>,
    /// How far this can be relied on.
    pub coverage: Coverage,
    /// When it was read.
    #[schema(schema_with = super::schema::moment)]
    pub as_of: Timestamp,
}

/// A part of an answer that is read by itself: one that fails or takes too long leaves the others as they are.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part<T: ToSchema> {
    /// What was read.
    Ready(T),
    /// Why it is not available.
    Unavailable(String),
}

impl<T: ToSchema> Part<T> {
    /// What was read, if it was.
    pub const fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Unavailable(_) => None,
        }
    }

    /// Why it is not available, unless it is.
    pub fn unavailable(&self) -> Option<&str> {
        match self {
            Self::Ready(_) => None,
            Self::Unavailable(why) => Some(why),
        }
    }
}

impl<T: ToSchema> From<Result<T, Problem>> for Part<T> {
    fn from(answer: Result<T, Problem>) -> Self {
        match answer {
            Ok(value) => Self::Ready(value),
            Err(problem) => Self::Unavailable(problem.detail),
        }
    }
}
