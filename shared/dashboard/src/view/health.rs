//! Health: findings, facts, hosts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema;

/// How much a finding matters. The greatest harm comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Jobs are lost, do not run, or run wrongly, now or soon.
    Error,
    /// Something that deserves attention.
    Warning,
    /// Something to know.
    Note,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that somebody should know or do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FindingView {
    /// How much it matters.
    pub severity: Severity,
    /// What is the case, in a line.
    pub title: String,
    /// What that means.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<super::Link>,
}

/// Something that is known about the place, for people: `file`, `/var/lib/jobs.db`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// A program that runs jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HostView {
    /// Its name.
    pub host: String,
    /// What it is: `engine`, `lambda`, `worker`.
    pub kind: String,
    /// Its version, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub seen_at: Option<Timestamp>,
    /// The queues that it takes from.
    pub queues: Vec<String>,
}

/// How the place stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HealthView {
    /// Whether nothing was found that is an error or a warning.
    pub is_well: bool,
    /// What was found, by harm.
    pub findings: Vec<FindingView>,
    /// What is known.
    pub facts: Vec<Fact>,
    /// What runs jobs.
    pub hosts: Vec<HostView>,
    /// Why a part of it is missing, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}
