//! Schedules on AWS: rules of EventBridge, and schedules of EventBridge Scheduler.

mod entry;
mod one_time;
mod port;
mod rules;
mod scheduler;
mod settings;
mod target;
mod template;

#[cfg(feature = "doctor")]
pub(crate) use self::entry::RUN_TIME;
pub use self::{
    one_time::{OneTime, OneTimeError, Sending},
    port::AwsSchedules,
    settings::{ScheduleSettings, ScheduleSettingsError},
};

/// Concurrent calls when many schedules are read.
const CALLS_AT_ONCE: usize = 8;
