//! The log: one line an event, on standard error.

use std::fmt;

use jiff::Timestamp;
use tracing_subscriber::{
    EnvFilter,
    fmt::{format::Writer, time::FormatTime},
};

/// The variable that says how much is told.
const VARIABLE: &str = "LAMPLIGHTER_LOG";

/// Begins to log.
pub(crate) fn start() {
    let filter = EnvFilter::builder()
        .with_env_var(VARIABLE)
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
        .from_env_lossy();
    let coloured = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    // Refused only where somebody logs already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(coloured)
        .with_timer(ToTheMillisecond)
        .try_init();
}

struct ToTheMillisecond;

impl FormatTime for ToTheMillisecond {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", Timestamp::now().strftime("%H:%M:%S%.3fZ"))
    }
}
