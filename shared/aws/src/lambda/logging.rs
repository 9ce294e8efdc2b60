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
    let asked = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"].iter().find_map(|name| Some((name, variable(name)?)));
    let named = asked.as_ref().map(|(_, text)| level_named(text));
    let level = named.flatten().unwrap_or(LevelFilter::INFO);
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
    if let (Some((variable, text)), Some(None)) = (&asked, named) {
        tracing::warn!(
            variable,
            text,
            "not a level, so info is logged; there are trace, debug, info, warn, error, fatal and off"
        );
    }
}

fn level_named(name: &str) -> Option<LevelFilter> {
    match name.trim().to_ascii_uppercase().as_str() {
        // Lambda knows one level above ERROR.
        "FATAL" => Some(LevelFilter::ERROR),
        // To the library, no text at all is a level.
        "" => None,
        name => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambdas_levels_are_known() {
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
    fn a_word_that_is_no_level_is_none_and_not_silence() {
        for name in ["warning", "lamplighter=debug,info", "verbose", " "] {
            assert_eq!(level_named(name), None, "{name}");
        }
    }
}
