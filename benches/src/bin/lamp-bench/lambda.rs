//! The instructions of an invocation.

use clap::Args;
use comfy_table::{Cell, CellAlignment};
use lamplighter_benches::lambda::{self, Counted, Options};

use crate::{
    Error,
    output::{self, FAINT, STRONG},
};

/// Count the instructions of a Lambda invocation, relative to a handler written by hand.
///
/// Needs Valgrind. Jobs that do nothing, without records, in batches as SQS delivers them; the same batches for a handler with
/// `lambda_runtime` and `aws_lambda_events` that parses each record.
#[derive(Debug, Args)]
pub(crate) struct Lambda {
    /// The numbers of jobs in a batch.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = Options::default().batches)]
    jobs: Vec<usize>,
    /// Print the whole report as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Lambda {
    /// Counts, and prints the results.
    pub(crate) async fn run(self) -> Result<(), Error> {
        if let Some(jobs) = self.jobs.iter().find(|jobs| !(1..=10_000).contains(*jobs)) {
            return Err(format!("a batch has 1 to 10,000 jobs, and {jobs} is not").into());
        }
        let options = Options { batches: self.jobs, ..Options::default() };
        let all = lambda::run(&options, &output::hint).await?;
        if self.json {
            output::json_line(&all)?;
        } else {
            show(&all)?;
        }
        let beyond = |one: &Counted| one.is_beyond().then(|| format!("{} jobs ({:.2})", one.jobs, one.ratio()));
        let beyond: Vec<_> = all.iter().filter_map(beyond).collect();
        match beyond[..] {
            [] => Ok(()),
            _ => Err(format!("beyond the limit of {}: {}", Counted::MOST, beyond.join(", ")).into()),
        }
    }
}

fn show(all: &[Counted]) -> Result<(), Error> {
    output::print(|out| {
        writeln!(out, "{STRONG}lambda{STRONG:#}  instructions of one invocation, counted by callgrind")?;
        writeln!(out, "{FAINT}ratios are to the handler written by hand, with the same batch{FAINT:#}\n")
    })?;
    let mut table = output::table(&["JOBS", "BOOTSTRAP", "LOG LEVEL", "SUMMARY", "INSTRUCTIONS", "BY HAND", "RATIO"]);
    for one in all {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            right(one.jobs.to_string()),
            Cell::new(&one.bootstrap),
            Cell::new(one.level),
            Cell::new(if one.level == "WARN" && one.metrics == "log" { "none" } else { one.metrics }),
            right(one.own.to_string()),
            right(one.hand_written.to_string()),
            right(format!("{:.2}", one.ratio())),
        ]);
    }
    output::print(|out| writeln!(out, "{table}"))
}
