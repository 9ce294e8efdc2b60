//! Tables for people, one line of JSON for scripts. Colours only where a terminal shows them.

use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::Error;

/// What matters most in a line.
pub(crate) const STRONG: Style = Style::new().bold();
/// What matters least.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// Something went wrong.
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Lets `write` write to standard output, and flushes it.
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

/// Reports an error on standard error. One that cannot be written has nowhere to go.
pub(crate) fn error(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{BAD}error:{BAD:#} {text}");
}

/// Says something on standard error that is not part of the output.
pub(crate) fn hint(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{FAINT}{text}{FAINT:#}");
}

/// A table without lines, which keeps to the width of a terminal.
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
