//! The benchmark of the embedded engine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use comfy_table::{Cell, CellAlignment};
use lamplighter_benches::embedded::{self, Options, Report};
use lamplighter_embedded::Durability;

use crate::{
    Error,
    output::{self, FAINT, STRONG},
};

/// The options of the benchmark.
#[derive(Debug, Args)]
pub(crate) struct EngineFigures {
    /// The sizes of the backlogs to drain: a list such as 10k,100k,1M.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = count, default_value = "10k,100k,1M")]
    jobs: Vec<usize>,
    /// The durability of a commit: normal survives the process's death, full a power cut too.
    #[arg(long, value_name = "LEVEL", default_value = "normal")]
    durability: Level,
    /// The number of measurements; the median counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
    /// The folder of the files; the system's folder for temporary files by default.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Print the whole report as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Normal,
    Full,
}

impl EngineFigures {
    /// Measures, and prints the results.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let options = Options {
            backlogs: self.jobs,
            durability: match self.durability {
                Level::Normal => Durability::Normal,
                Level::Full => Durability::Full,
            },
            repetitions: self.rounds,
            folder: self.folder,
        };
        let report = embedded::run(&options, &output::hint).await?;
        if self.json {
            return output::json_line(&report);
        }
        show(&report)
    }
}

/// Parses `10000`, `10k`, `1M`.
fn count(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'm' | 'M')) => (&text[..at], 1_000_000),
        _ => (text, 1),
    };
    let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    match number {
        Some(number @ 1..=100_000_000) => Ok(number),
        _ => Err("write a number from 1 to 100M, such as 10k".into()),
    }
}

fn show(report: &Report) -> Result<(), Error> {
    let Report { yardstick, pick_up, loaded_pick_up: loaded, idle, .. } = report;
    let pragma = |name| {
        let value = report.pragmas.get(name).map_or("?", String::as_str);
        let value = match (name, value) {
            ("synchronous", "0") => "OFF",
            ("synchronous", "1") => "NORMAL",
            ("synchronous", "2") => "FULL",
            _ => value,
        };
        format!("{name}={value}")
    };
    output::print(|out| {
        writeln!(out, "{STRONG}embedded engine{STRONG:#}  {} processors, files in {}", report.cpus, report.folder)?;
        writeln!(
            out,
            "  {FAINT}durability{FAINT:#} {}, {}: {}",
            pragma("journal_mode"),
            pragma("synchronous"),
            report.durability
        )?;
        writeln!(
            out,
            "  {FAINT}yardstick{FAINT:#}  {} rows/s: bare SQLite, one row a transaction ({} to {} in {} runs)\n",
            thousands(yardstick.rows_per_second),
            thousands(yardstick.lowest),
            thousands(yardstick.highest),
            yardstick.runs
        )
    })?;
    let mut table = output::table(&["FIGURE", "JOBS", "PER SECOND", "× YARDSTICK", "EACH ROUND"]);
    for figure in &report.figures {
        let rounds: Vec<_> = figure.samples.iter().map(|sample| format!("{:.2}", sample.ratio)).collect();
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(figure.name),
            right(thousands(figure.jobs as f64)),
            right(thousands(figure.per_second)),
            right(format!("{:.2}", figure.ratio)),
            Cell::new(rounds.join("  ")),
        ]);
    }
    output::print_table(&table)?;
    output::print(|out| {
        writeln!(
            out,
            "\n  {FAINT}pick-up{FAINT:#}    p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms, from enqueue on an idle engine to \
             the handler ({} jobs)",
            pick_up.p50_ms, pick_up.p99_ms, pick_up.max_ms, pick_up.samples
        )?;
        writeln!(
            out,
            "  {FAINT}loaded{FAINT:#}     p50 {:.2} ms, p99 {:.2} ms, slowest {:.2} ms, while 20,000 jobs a second are enqueued \
             ({} jobs)",
            loaded.p50_ms, loaded.p99_ms, loaded.max_ms, loaded.samples
        )?;
        writeln!(
            out,
            "  {FAINT}idle{FAINT:#}       {:.1} wake-ups a second, {:.2} % of a processor",
            idle.wake_ups_per_second, idle.cpu_percent
        )?;
        if let Some(ratio) = report.drain_largest_to_smallest {
            writeln!(
                out,
                "  {FAINT}flatness{FAINT:#}   {ratio:.2}: drain of the largest backlog by that of the smallest"
            )?;
        }
        Ok(())
    })
}

/// Formats a number: `1,234,567`.
fn thousands(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_short_and_long() {
        assert_eq!((count("10k"), count("1M"), count("250")), (Ok(10_000), Ok(1_000_000), Ok(250)));
        for bad in ["", "k", "0", "-1", "1.5k", "99999999999999999999", "200M"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(thousands(0.0), "0");
        assert_eq!(thousands(999.6), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }
}
