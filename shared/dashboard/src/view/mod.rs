//! What pages and the JSON API show. The field names are an interface: scripts rely on them, and `lamp … --json` prints the
//! same.

mod batch;
mod dead_letter;
mod error;
mod health;
mod job;
mod job_type;
mod operation;
mod overview;
mod page;
mod queue;
mod schedule;
pub(crate) mod schema;
mod stats;
mod who;

pub(crate) use self::job::MOST_LISTED;
pub use self::{
    batch::{BatchDetail, BatchView, MemberView},
    dead_letter::{DeadLetterCountView, DeadLetterCountsView, DeadLetterView},
    error::{ErrorDetail, ErrorView, NoteView},
    health::{Fact, FindingView, HealthView, HostView, Severity},
    job::{AttemptView, ErrorTextView, JobDetail, JobView, LogLineView, ProgressView, RelationView, Relations},
    job_type::{DefinitionView, TypeDetail, TypeView},
    operation::{OperationView, PreviewCount, PreviewView, ProgressCount},
    overview::{Activity, ActivityPoint, Link, Mark, Overview, UpcomingView, Verdict},
    page::{Coverage, List, Page, Part},
    queue::{QueueDetail, QueueView, StateCount},
    schedule::{LastRun, ScheduleDetail, ScheduleRunView, ScheduleView},
    stats::{PercentilesView, PointView, StatsView},
    who::{MeView, QueueRights},
};
