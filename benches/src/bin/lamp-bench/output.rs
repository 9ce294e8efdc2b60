//! Tables for people, one line of JSON for scripts. Colours appear only where a terminal shows them.

use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::Error;

/// The most important part of a line.
pub(crate) const STRONG: Style = Style::new().bold();
/// The least important part of a line.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Failure.
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Passes standard output to `write`, and flushes it.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Writes a value as a line of JSON.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), Error> {
    print(|out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Writes a table to standard output.
pub(crate) fn print_table(table: &Table) -> Result<(), Error> {
    print(|out| table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end())))
}

/// Prints an error on standard error. If that fails, there is nowhere else to report it.
pub(crate) fn error(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{BAD}error:{BAD:#} {text}");
}

/// Prints a remark that is not part of the output on standard error.
pub(crate) fn hint(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{FAINT}{text}{FAINT:#}");
}

/// Creates a table without lines, which keeps to the width of a terminal.
pub(crate) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers.iter().map(|text| Cell::new(text).add_attribute(Attribute::Dim)));
    table.enforce_styling();
    match console::Term::stdout().size_checked() {
        Some((_, columns)) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}
