//! Logs on standard output, which the Functions host passes on.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Crates that log each failed call, even if it is repeated, and whole requests, which contain the jobs' arguments.
const TALKATIVE: [&str; 5] = ["azure_", "typespec", "hyper", "reqwest", "rustls"];

/// Writes lines of text, at the level of `RUST_LOG`, unless the program has set up its own logs.
pub(super) fn init() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.trim().parse().ok()).unwrap_or(LevelFilter::INFO);
    let quiet = TALKATIVE.map(|target| (target, level.min(LevelFilter::WARN)));
    let filter = Targets::new().with_default(level).with_targets(quiet);
    // The host adds the time.
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_ansi(false).without_time();
    // Fails if the program has set up a subscriber, which then stays.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
}
