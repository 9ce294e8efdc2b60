//! A bar that shows how far a long command has come, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many of something, which `verb` says is done to them.
pub(crate) fn bar(verb: &str, of: u64) -> ProgressBar {
    // On standard error, and nowhere when that is no terminal.
    let bar = ProgressBar::new(of);
    let template = "{msg} {bar:24.cyan/dim} {human_pos} of {human_len}  {per_sec}  {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(verb.to_owned());
    bar
}

/// A bar over so many bytes of a file, or over those that come, where it is not known how many that will be.
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
