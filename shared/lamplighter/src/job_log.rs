//! Events of `tracing` as lines of a job's log.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer};

use crate::{context::Context, log::LogLevel};

tokio::task_local! {
    /// The job whose handler this task runs.
    static RUNNING: Context;
}

/// Runs a handler, whose events belong to its job.
pub(crate) async fn within<F: Future>(context: Context, handler: F) -> F::Output {
    RUNNING.scope(context, handler).await
}

/// A layer for a `tracing` subscriber, which writes the events of handlers into their jobs' [logs](Context::log) too: the
/// message, and the fields as `name=value`.
///
/// ```
/// use lamplighter::{LogLevel, layer::JobLog};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let subscriber = tracing_subscriber::registry().with(JobLog::at(LogLevel::Warn));
/// # tracing::subscriber::with_default(subscriber, || tracing::warn!("outside of any handler"));
/// ```
///
/// It sees what a handler says in its own task. A task that the handler spawns belongs to no job: let it return what is to
/// be said, or call [`Context::log`] there. Events of this library are left out; so are those that another filter of the
/// subscriber does not let through.
#[derive(Debug, Clone, Copy)]
pub struct JobLog {
    least: LogLevel,
}

impl JobLog {
    /// Events of this level and above.
    #[must_use]
    pub const fn at(least: LogLevel) -> Self {
        Self { least }
    }
}

impl Default for JobLog {
    /// From [`LogLevel::Info`] on.
    fn default() -> Self {
        Self::at(LogLevel::Info)
    }
}

impl<S: Subscriber> Layer<S> for JobLog {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        let metadata = event.metadata();
        let Some(level) = level(*metadata.level()).filter(|level| *level >= self.least) else { return };
        if is_own(metadata.target()) {
            return;
        }
        // Outside of a handler there is nothing to write to.
        let _ = RUNNING.try_with(|context| {
            let mut text = Text::default();
            event.record(&mut text);
            context.log(level, text.into_line());
        });
    }
}

fn level(level: Level) -> Option<LogLevel> {
    match level {
        Level::ERROR => Some(LogLevel::Error),
        Level::WARN => Some(LogLevel::Warn),
        Level::INFO => Some(LogLevel::Info),
        Level::DEBUG => Some(LogLevel::Debug),
        _ => None,
    }
}

/// Whether a crate of this library speaks, not the handler.
fn is_own(target: &str) -> bool {
    const OTHERS: [&str; 7] = ["aws", "azure", "embedded", "hosts", "objects", "otel", "tls"];
    match target.split("::").next().and_then(|name| name.strip_prefix("lamplighter")) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('_').is_some_and(|name| OTHERS.contains(&name)),
        None => false,
    }
}

/// An event as a line.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn into_line(self) -> String {
        let Self { mut message, fields } = self;
        message.push_str(if message.is_empty() { fields.trim_start() } else { &fields });
        message
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing into a `String` does not fail.
        let _ = match field.name() {
            "message" => self.message.write_fmt(value),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_own_events_are_told_apart() {
        for own in ["lamplighter", "lamplighter::worker::batch", "lamplighter_aws::sqs", "lamplighter_otel::flush"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["webhooks", "lamplighter_jobs::webhooks", "lamplighters", "hyper", ""] {
            assert!(!is_own(other), "{other}");
        }
    }
}
