//! A progress bar for long commands, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// Creates a bar for a number of items; `verb` says what is done to them.
pub(crate) fn bar(verb: &str, of: u64) -> ProgressBar {
    // On standard error; hidden if that is not a terminal.
    let bar = ProgressBar::new(of);
    let template = "{msg} {bar:24.cyan/dim} {human_pos} of {human_len}  {per_sec}  {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(verb.to_owned());
    bar
}

/// Creates a bar for the bytes of a file, or a counter of bytes where the total is unknown.
pub(crate) fn bytes(verb: &str, of: Option<u64>) -> ProgressBar {
    let (bar, template) = match of {
        Some(of) => (ProgressBar::new(of), "{msg} {bar:24.cyan/dim} {bytes} of {total_bytes}  {eta}"),
        None => (ProgressBar::no_length(), "{msg} {spinner:.cyan} {bytes}  {elapsed}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(verb.to_owned());
    bar
}
