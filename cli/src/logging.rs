//! The log: one line per event, on standard error or in files.

use std::{env, fmt};

use jiff::Timestamp;
use tracing::field::Field;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    fmt::{
        MakeWriter,
        format::{self, Writer},
        time::FormatTime,
    },
};

use crate::{
    error::{Error, nearest},
    foreign::safe,
};

/// The variable that sets the log level.
const VARIABLE: &str = "LAMPLIGHTER_LOG";
/// The default filter of a worker, which says what goes wrong.
pub(crate) const WORKER: &str = "info";
/// The default filter where somebody watches: each success is shown too.
pub(crate) const WATCHED: &str = "info,lamplighter::success=debug";
/// The default filter beside an answer: only what goes wrong.
pub(crate) const QUIET: &str = "warn";
/// All levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging, on standard error, with this filter unless the variable sets another.
///
/// Fails when the variable names an unknown level: nothing would be logged then.
pub(crate) fn start(usual: &str) -> Result<(), Error> {
    let coloured = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    begin(std::io::stderr, coloured, usual)
}

/// Starts logging to one file per day in this folder, for a process without standard error. Fourteen files are kept.
///
/// Fails as [`start`] does, and when no file can be created there.
#[cfg(windows)]
pub(crate) fn start_in(folder: &std::path::Path) -> Result<(), Error> {
    use tracing_appender::rolling::{RollingFileAppender, Rotation};
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("lamp")
        .filename_suffix("log")
        .max_log_files(14)
        .build(folder)
        .map_err(|error| Error::failed(format_args!("cannot write the log in {}: {error}", folder.display())))?;
    begin(files, false, WORKER)
}

fn begin<W>(writer: W, coloured: bool, usual: &str) -> Result<(), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked = env::var(VARIABLE).unwrap_or_default();
    let filter = filter(if asked.trim().is_empty() { usual } else { &asked })?;
    // Fails only if a logger is set already.
    let _ = tracing_subscriber::fmt()
        .fmt_fields(format::debug_fn(field).delimited(" "))
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_ansi(coloured)
        .with_timer(ToTheMillisecond)
        // A closed terminal is no reason to panic, and there is nowhere else to report it.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// Parses a level, or `TARGET=LEVEL` for parts of the program, separated by commas. The library would take a word that
/// is no level for a target, which matches nothing.
fn filter(text: &str) -> Result<EnvFilter, Error> {
    let wrong = |part: &str| {
        let near = nearest(&part.to_ascii_lowercase(), LEVELS).map(|near| format!(", did you mean {near}?"));
        Error::Usage(format!(
            "{VARIABLE} says {part:?}, which is no level{}; there are {}, and TARGET=LEVEL for a part of the program, with \
             commas between several",
            near.unwrap_or_default(),
            LEVELS.join(", ")
        ))
    };
    for part in text.split(',').map(str::trim).filter(|part| !part.contains('[') && !part.contains(']')) {
        let level = part.rsplit('=').next().unwrap_or_default();
        let is_level = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
            || matches!(level, "0" | "1" | "2" | "3" | "4" | "5");
        if !is_level {
            return Err(wrong(part));
        }
    }
    EnvFilter::builder().parse(text).map_err(|_| wrong(text))
}

/// Values come from jobs and from remote services.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => writer.write_str(&safe(&text)),
        name => write!(writer, "{name}={}", safe(&text)),
    }
}

struct ToTheMillisecond;

impl FormatTime for ToTheMillisecond {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", Timestamp::now().strftime("%H:%M:%S%.3fZ"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn an_unknown_level_is_refused_with_the_known_ones() {
        for good in [
            WORKER,
            WATCHED,
            "warn",
            "DEBUG",
            "off",
            "3",
            "lamplighter=debug,info",
            "info,hyper=off",
            "[job{id=a}]=trace,info",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for (bad, says) in [
            ("warning", "did you mean warn?"),
            ("inf", "did you mean info?"),
            ("lamplighter", "TARGET=LEVEL"),
            ("lamplighter=verbose", "\"lamplighter=verbose\""),
            ("info,loud", "off, error, warn, info, debug, trace"),
        ] {
            let error = filter(bad).unwrap_err().to_string();
            assert!(error.contains("LAMPLIGHTER_LOG") && error.contains(says), "{bad}: {error}");
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn logged_values_contain_no_terminal_commands() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(format::debug_fn(field).delimited(" "))
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let hostile = "\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}2J\u{202e}\u{7f}\n";
        tracing::subscriber::with_default(subscriber, || {
            let _inside = tracing::info_span!("job", id = %hostile, text = hostile).entered();
            tracing::warn!(error = %hostile, host = hostile, debug = ?hostile, "{hostile}");
        });
        let line = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let line = line.strip_suffix('\n').unwrap();
        assert!(!line.chars().any(crate::foreign::is_unsafe), "{line:?}");
        assert!(line.contains("error=\\u{1b}]52") && line.contains("id=\\u{1b}]52"), "{line}");
    }
}
