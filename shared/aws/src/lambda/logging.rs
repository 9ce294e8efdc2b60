//! Logs as the function's settings ask for them.

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::sdk::variable;

/// Crates that write whole requests to their debug and trace logs, and with them the jobs' arguments.
const TALKATIVE: [&str; 7] = ["lambda_runtime", "aws_", "hyper", "rustls", "h2", "tower", "object_store"];

/// Writes logs to the standard output, in the format and at the level that `AWS_LAMBDA_LOG_FORMAT` and
/// `AWS_LAMBDA_LOG_LEVEL` name (AWS Lambda Developer Guide, "Configuring advanced logging controls"), unless the
/// program has set up its own. `RUST_LOG` may name a level where Lambda names none.
pub(super) fn init() {
    let level = variable("AWS_LAMBDA_LOG_LEVEL").or_else(|| variable("RUST_LOG"));
    let level = level.as_deref().map_or(LevelFilter::INFO, level_named);
    let quiet = TALKATIVE.map(|target| (target, level.min(LevelFilter::INFO)));
    let filter = Targets::new().with_default(level).with_targets(quiet);
    let lines = tracing_subscriber::fmt::layer().with_target(false);
    let json = variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json"));
    // Lambda stamps lines of text with the time itself, but expects it in those of JSON.
    let lines: Box<dyn Layer<_> + Send + Sync> = if json {
        lines.json().flatten_event(true).with_current_span(false).boxed()
    } else {
        lines.with_ansi(false).without_time().boxed()
    };
    // Refused where there is a subscriber already, and that one shall stay.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}

fn level_named(name: &str) -> LevelFilter {
    match name.to_ascii_uppercase().as_str() {
        // Lambda knows one level above ERROR.
        "FATAL" => LevelFilter::ERROR,
        name => name.parse().unwrap_or(LevelFilter::INFO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_levels_are_known() {
        for (name, level) in [
            ("TRACE", LevelFilter::TRACE),
            ("debug", LevelFilter::DEBUG),
            ("Warn", LevelFilter::WARN),
            ("FATAL", LevelFilter::ERROR),
            ("lamplighter=debug,info", LevelFilter::INFO),
        ] {
            assert_eq!(level_named(name), level, "{name}");
        }
    }
}
