//! The command's output: text and tables for people, JSON lines for scripts. Colours appear only where a terminal shows
//! them and `NO_COLOR` does not forbid them: all output goes through `anstream`, which removes them elsewhere.

use std::{
    fmt::Display,
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use lamplighter::JobState;
use serde::Serialize;

use crate::{
    error::Error,
    foreign::{SafeJson, safe},
};

/// The most important part of a line.
pub(crate) const STRONG: Style = Style::new().bold();
/// The least important part of a line.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Success.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Failure.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// A warning.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Names and addresses to copy.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();

/// Passes standard output to `write`, and flushes it.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Writes each value as a line of JSON.
pub(crate) fn json_lines<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), Error> {
    print(|out| {
        for value in values {
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, SafeJson))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Writes a table to standard output.
pub(crate) fn print_table(table: &Table) -> Result<(), Error> {
    print(|out| table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end())))
}

/// Reports why a command failed, and returns the process's exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    if error.is_news() {
        self::error(&error.to_string());
    }
    error.exit_code()
}

/// Prints an error on standard error. If that fails, there is nowhere else to report it.
pub(crate) fn error(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{BAD}error:{BAD:#} {}", safe(text));
}

/// Writes one line of a longer error to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", safe(line));
}

/// Prints a remark that is not part of the output on standard error.
pub(crate) fn hint(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{FAINT}{}{FAINT:#}", safe(text));
}

/// Creates a table in the style of all commands. On a terminal it keeps to its width.
pub(crate) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    // Without lines, a row is easy to copy, grep and cut.
    table.load_style(presets::NOTHING);
    if !headers.is_empty() {
        table.set_header(headers.iter().map(|text| Cell::new(text).add_attribute(Attribute::Dim)));
    }
    table.enforce_styling();
    match console::Term::stdout().size_checked() {
        Some((_, columns)) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

/// Creates a table's cell, of one line.
pub(crate) fn cell(content: impl Display) -> Cell {
    Cell::new(safe(&content.to_string()))
}

/// Keeps a column as wide as its content: for ids, which must not be broken.
pub(crate) fn keep_whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// Creates a cell with a state in its colour.
pub(crate) fn state_cell(state: JobState) -> Cell {
    Cell::new(state).fg(match state {
        JobState::Succeeded => Color::Green,
        JobState::Failed => Color::Red,
        JobState::Retrying | JobState::Cancelled => Color::Yellow,
        JobState::Running => Color::Cyan,
        JobState::Waiting | JobState::Scheduled | JobState::Queued => Color::Reset,
    })
}

/// Returns a state's colour in running text.
pub(crate) fn state_style(state: JobState) -> Style {
    match state {
        JobState::Succeeded => GOOD,
        JobState::Failed => BAD,
        JobState::Retrying | JobState::Cancelled => WARN,
        JobState::Running => NAME,
        JobState::Waiting | JobState::Scheduled | JobState::Queued => Style::new(),
    }
}

/// Returns how this command is called here: through cargo in the repository, or by its name.
pub(crate) fn invocation() -> &'static str {
    if std::env::var_os("CARGO").is_some() { "cargo lamp" } else { "lamp" }
}

/// Returns text in one line of at most `max` characters.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat = safe(&flat);
    if flat.chars().count() <= max {
        flat.into_owned()
    } else {
        flat.chars().take(max.saturating_sub(1)).chain(['…']).collect()
    }
}
