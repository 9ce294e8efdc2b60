//! The overview.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ErrorView, FindingView, Part, PointView, QueueView, ScheduleView, schema};

/// What the first page shows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    /// Which environment this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether all is well.
    pub verdict: Verdict,
    /// The last sixty minutes.
    pub activity: Part<Activity>,
    /// At most five error groups of the last day, the latest first.
    pub errors: Part<Vec<ErrorView>>,
    /// All queues, the ones with most to do first.
    pub queues: Part<Vec<QueueView>>,
    /// The schedules that fire next, and those that were missed.
    pub schedules: Part<UpcomingView>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

/// Whether all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verdict {
    /// Whether nothing needs anybody.
    pub is_well: bool,
    /// At most five findings, by harm.
    pub findings: Vec<FindingView>,
    /// Findings beyond these.
    pub more: u64,
}

/// Where to go for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// The path below the dashboard's own, which begins with a slash: `/queues/webhooks`.
    pub path: String,
}

impl Link {
    /// A link.
    pub fn new(label: impl Into<String>, path: impl Into<String>) -> Self {
        Self { label: label.into(), path: path.into() }
    }
}

/// What ended in some time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Activity {
    /// The first moment.
    #[schema(schema_with = schema::moment)]
    pub since: Timestamp,
    /// The last one.
    #[schema(schema_with = schema::moment)]
    pub until: Timestamp,
    /// The length of a point.
    pub step_secs: u64,
    /// All points, the oldest first; also those in which nothing ended.
    pub points: Vec<ActivityPoint>,
    /// The whole time as one point, with percentiles where these are of one job.
    pub total: PointView,
    /// What operators did in that time.
    pub marks: Vec<Mark>,
}

/// What ended in some minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ActivityPoint {
    /// Its first minute.
    #[schema(schema_with = schema::moment)]
    pub start: Timestamp,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Attempts that failed, and whose job is tried again.
    pub retried: u64,
    /// Jobs that failed.
    pub failed: u64,
}

/// Something that happened, on a line of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mark {
    /// When.
    #[schema(schema_with = schema::moment)]
    pub at: Timestamp,
    /// What: `operation`, `pause`, `resume`.
    pub kind: String,
    /// In a few words.
    pub title: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

/// Schedules that matter now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UpcomingView {
    /// Those that fire next, at most five.
    pub next: Vec<ScheduleView>,
    /// Those whose last time has passed without a run.
    pub missed: Vec<ScheduleView>,
    /// How many are paused.
    pub paused: u64,
    /// How many there are.
    pub total: u64,
}
