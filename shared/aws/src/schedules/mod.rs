//! What starts jobs at their times: schedules of EventBridge Scheduler.

mod one_time;
mod scheduler;
mod settings;
mod target;

pub use self::{
    one_time::{OneTime, OneTimeError, Sending},
    settings::{ScheduleSettings, ScheduleSettingsError},
};
