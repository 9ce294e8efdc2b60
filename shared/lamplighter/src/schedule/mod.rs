//! Schedules: cron expressions, rates and single moments, in a time zone.
//!
//! A [`Schedule`] is plain data and its arithmetic is pure: every method takes the time as a parameter, reads no
//! clock and keeps no state, so two processes that ask the same question get the same answer. The embedded engine
//! asks [`Schedule::due`]; the AWS backend asks [`Schedule::eventbridge`] which platform feature runs the schedule and
//! under which expression.
//!
//! Cron is accepted in two dialects, Unix (five fields) and AWS (six fields with `?`), and translated *exactly* in
//! both directions. What the other dialect cannot express is an error that says how to repair it, never an
//! approximation.
//!
//! ```
//! use std::time::Duration;
//! use lamplighter::schedule::{EventBridge, Schedule};
//!
//! let report = Schedule::cron("report-daily", "0 6 * * MON-FRI")?.description("Sums up yesterday's jobs");
//! assert_eq!(report.eventbridge()?, EventBridge::Rule { expression: "cron(0 6 ? * MON-FRI *)".into() });
//!
//! let sweep = Schedule::rate("sweep", Duration::from_secs(300))?;
//! let next = sweep.next_after("2026-05-01T10:02:30Z".parse()?)?;
//! assert_eq!(next, Some("2026-05-01T10:05:00Z".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Daylight saving time
//!
//! A cron expression is read as local time in the schedule's zone:
//!
//! - A local time that a change of the clock leaves out (spring) **is skipped**. `30 2 * * *` does not run on that
//!   day and runs again on the next.
//! - A local time that happens twice (autumn) **runs once, at its first occurrence**.
//!
//! Amazon EventBridge Scheduler documents the first rule, and of the second that a schedule "runs only once" when time
//! shifts backwards (User Guide, "Schedule types", section "Daylight savings time on EventBridge Scheduler"). Two
//! things are our interpretation and not stated there: that the first occurrence runs, and that the rule holds for each
//! local time of every expression, `*/5 * * * *` too, which then pauses for the repeated hour. The embedded engine
//! works this way, and next runs are computed this way. A job that must run at a steady pace belongs in UTC (the
//! default) or in a [`Rate`], which counts elapsed time and knows no zone.

mod cron;
mod definition;
mod due;
mod error;
mod eventbridge;
mod ncrontab;
mod rate;
mod when;
mod zone;

pub use cron::{Cron, CronError, CronField, Dialect};
pub use definition::{Schedule, is_schedule_name};
pub use due::{Due, MISFIRE_GRACE, Misfire, RUN_ALL_LIMIT};
pub use error::{ScheduleError, ScheduleProblem};
pub use eventbridge::EventBridge;
pub use rate::{Rate, RateError};
pub use when::{When, WhenError};
pub use zone::ZoneError;
