//! Logs, as configured by the function's settings.

use lamplighter::host::JOB_SPAN;
use tracing::Subscriber;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::log_lines::{JsonLines, TextLines};
use crate::sdk::variable;

/// Crates that log whole requests, and with them the jobs' arguments, at debug and trace level.
const TALKATIVE: [&str; 7] = ["lambda_runtime", "aws_", "hyper", "rustls", "h2", "tower", "object_store"];

/// Writes logs as [`log_layer`] does, unless the program has set up its own.
pub(super) fn init() {
    // Fails if the program has set up a subscriber, which then stays.
    let _ = tracing_subscriber::registry().with(log_layer()).try_init();
    if let (Some((variable, text)), Some(None)) = asked() {
        tracing::warn!(
            variable,
            text,
            "not a log level, so the level is info; use trace, debug, info, warn, error, fatal or off"
        );
    }
}

/// The logs that [`run`](super::run) writes where the program has not set up any: to standard output, in the format and
/// at the level of `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` (AWS Lambda Developer Guide, "Configuring
/// advanced logging controls"). Without a level from Lambda, `RUST_LOG` sets it. For programs that set up a subscriber
/// with more layers.
///
/// Lines that are written in a job's task have the job's name, id, attempt and queue among their spans, as if its span was
/// there: see [`RunningJob`](lamplighter::host::RunningJob).
#[must_use]
pub fn log_layer<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let level = asked().1.flatten().unwrap_or(LevelFilter::INFO);
    let quiet = TALKATIVE.map(|target| (target, level.min(LevelFilter::INFO)));
    // The lines have a job's fields without its span.
    let filter = Targets::new().with_default(level).with_targets(quiet).with_target(JOB_SPAN, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer();
    let json = variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    if json {
        lines.json().event_format(JsonLines::new()).with_filter(filter).boxed()
    } else {
        lines.with_ansi(false).event_format(TextLines).with_filter(filter).boxed()
    }
}

/// The variable that sets the level, with its text; and the level, if that is one.
fn asked() -> (Option<(&'static str, String)>, Option<Option<LevelFilter>>) {
    let asked = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"].into_iter().find_map(|name| Some((name, variable(name)?)));
    let level = asked.as_ref().map(|(_, text)| level_named(text));
    (asked, level)
}

fn level_named(name: &str) -> Option<LevelFilter> {
    match name.trim().to_ascii_uppercase().as_str() {
        // Lambda has one level above ERROR.
        "FATAL" => Some(LevelFilter::ERROR),
        // The library accepts an empty text as a level.
        "" => None,
        name => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_levels_are_parsed() {
        for (name, level) in [
            ("TRACE", Some(LevelFilter::TRACE)),
            ("debug", Some(LevelFilter::DEBUG)),
            ("Warn", Some(LevelFilter::WARN)),
            ("FATAL", Some(LevelFilter::ERROR)),
            ("off", Some(LevelFilter::OFF)),
        ] {
            assert_eq!(level_named(name), level, "{name}");
        }
    }

    #[test]
    fn unknown_levels_are_none() {
        for name in ["warning", "lamplighter=debug,info", "verbose", " "] {
            assert_eq!(level_named(name), None, "{name}");
        }
    }
}
