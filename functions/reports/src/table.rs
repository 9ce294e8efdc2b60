//! The report as CSV: one line per job name.

use lamplighter::JobState;

use crate::{error::Error, summary::Summary};

/// Writes the table. Every cell is in quotes: in some locales a semicolon or a tab would otherwise begin a new cell.
pub(crate) fn render(summary: &Summary) -> Result<Vec<u8>, Error> {
    let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
    let mut header = vec!["day", "job", "total"];
    header.extend(JobState::ALL.map(JobState::as_str));
    header.extend(["attempts", "failed_attempts", "p50_ms", "p95_ms", "max_ms", "most_frequent_error"]);
    writer.write_record(&header)?;
    for (name, job) in &summary.jobs {
        let mut row = vec![summary.day.to_string(), harmless(name), job.total().to_string()];
        row.extend(job.states.iter().map(u64::to_string));
        row.extend([job.attempts.to_string(), job.failed_attempts.to_string()]);
        match job.durations() {
            Some(durations) => row.extend([durations.p50, durations.p95, durations.max].map(|ms| ms.to_string())),
            None => row.extend([const { String::new() }; 3]),
        }
        row.push(job.top_error().map(|error| harmless(&error.text)).unwrap_or_default());
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| Error::Csv(error.into_error().into()))
}

/// Text that a spreadsheet does not run. A spreadsheet runs a cell that begins like a formula when the file is opened
/// (OWASP, "CSV Injection"): an apostrophe before it prevents that.
///
/// A cell begins at the start of the text, and after each character that separates cells or lines in some program:
/// programs that ignore quotes, or that treat a quote in the text as the end, begin a cell there. Blanks, quotes and
/// invisible characters do not hide what follows them, since programs trim them.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 1);
    let mut cell_begins = true;
    // The start of the current cell, since an apostrophe protects only as its first character.
    let mut start = 0;
    for c in text.chars() {
        if separates(c) {
            safe.push(c);
            (cell_begins, start) = (true, safe.len());
            continue;
        }
        if cell_begins && !invisible(c) {
            if is_formula(c) {
                safe.insert(start, '\'');
            }
            cell_begins = false;
        }
        safe.push(c);
    }
    // Some programs treat a control character itself as the beginning of a formula.
    if text.starts_with(['\t', '\r', '\n']) && !safe.starts_with('\'') {
        safe.insert(0, '\'');
    }
    safe
}

/// The characters that begin a formula: the ASCII signs, their full-width forms, and others that programs treat as
/// them.
fn is_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫' | '−')
}

fn separates(c: char) -> bool {
    matches!(
        c,
        ',' | ';' | '\t' | '\r' | '\n' | '|' | '\u{b}' | '\u{c}' | '\u{1c}'
            ..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '"' | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_become_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "−1"] {
            let safe = harmless(formula);
            assert!(safe.starts_with('\'') || safe[1..].starts_with('\''), "{formula:?}: {safe:?}");
        }
        for text in ["webhook.deliver", "answered 503", "a-b=c+d@e", "", "it's"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn formulas_after_any_separator_become_text() {
        for (text, safe) in [
            ("a;=1", "a;'=1"),
            ("a\t=1", "a\t'=1"),
            ("a,=1", "a,'=1"),
            ("a\n=1", "a\n'=1"),
            ("a\r\n=1", "a\r\n'=1"),
            ("a; =1", "a;' =1"),
            ("a\";=1", "a\";'=1"),
            ("a;\"=1\"", "a;'\"=1\""),
            ("a;b;-1", "a;b;'-1"),
            ("\u{feff}=1", "'\u{feff}=1"),
            ("\"=1", "'\"=1"),
            ("a;'=1", "a;'=1"),
            ("a;=1;+2", "a;'=1;'+2"),
        ] {
            assert_eq!(harmless(text), safe, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_with_a_formula(text in "[a=+@;,\t\n\"' -]{0,20}") {
            let safe = harmless(&text);
            for cell in safe.split([';', ',', '\t', '\n']) {
                prop_assert!(!cell.trim_start_matches([' ', '"']).starts_with(['=', '+', '-', '@']), "{text:?}: {safe:?}");
            }
            // Only apostrophes are added.
            prop_assert_eq!(safe.replace('\'', ""), text.replace('\'', ""));
        }
    }
}
