//! The start-up of Lambda bootstraps.

use clap::Args;
use comfy_table::{Cell, CellAlignment};
use lamplighter_benches::startup::{self, Compared, Cost, Options, Report};

use crate::{
    Error,
    output::{self, FAINT, STRONG},
};

/// Measure how soon Lambda bootstraps are ready, relative to a bare hello world, and the cost of first AWS calls.
///
/// Each is built as it is deployed and started in turns with the hello world, from exec to its first call of `/next`.
/// Fails when `stateless` or `tracked`, the smallest functions without and with records, exceed the project's limits. A
/// deployment's functions are shown with them and have no limits: their dependencies, such as codecs, templates and an
/// HTTP client, are their own choice.
#[derive(Debug, Args)]
pub(crate) struct Startup {
    /// The names of bootstraps; by default the smallest ones and all of this deployment.
    #[arg(value_name = "NAME")]
    bootstraps: Vec<String>,
    /// The number of turns that count, for each bootstrap.
    #[arg(long, value_name = "NUMBER", default_value_t = Options::default().turns)]
    turns: usize,
    /// Print the whole report as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Startup {
    /// Measures, and prints the results.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let mut options = Options { turns: self.turns, ..Options::default() };
        match self.bootstraps.is_empty() {
            true => options.bootstraps.extend(startup::deployed_functions()?),
            false => options.bootstraps = self.bootstraps,
        }
        let report = startup::run(&options, &output::hint).await?;
        if self.json {
            output::json_line(&report)?;
        } else {
            show(&report)?;
            show_first_calls(&report)?;
        }
        let beyond =
            |one: &Compared| (!one.beyond.is_empty()).then(|| format!("{} ({})", one.name, one.beyond.join("; ")));
        let beyond: Vec<_> = report.bootstraps.iter().filter_map(beyond).collect();
        match beyond[..] {
            [] => Ok(()),
            _ => Err(format!("beyond the limits: {}", beyond.join(", ")).into()),
        }
    }
}

fn show(report: &Report) -> Result<(), Error> {
    output::print(|out| {
        writeln!(
            out,
            "{STRONG}startup{STRONG:#}  exec to first /next, {} processors, {} turns",
            report.cpus, report.turns
        )?;
        writeln!(out, "{FAINT}ratios are to the hello world that ran in turns with each{FAINT:#}\n")
    })?;
    let columns = ["BOOTSTRAP", "BYTES", "WALL MS", "HELLO", "RATIO", "CPU MS", "HELLO", "RATIO", "PEAK KIB", "LIMITS"];
    let mut table = output::table(&columns);
    for one in &report.bootstraps {
        table.add_row([
            Cell::new(&one.name),
            right(one.own.bytes.to_string()),
            right(format!("{:.2}", one.own.wall_ms)),
            right(format!("{:.2}", one.hello.wall_ms)),
            right(format!("{:.2}", one.wall_ratio)),
            right(format!("{:.2}", one.own.cpu_ms)),
            right(format!("{:.2}", one.hello.cpu_ms)),
            right(format!("{:.2}", one.cpu_ratio)),
            right(one.own.peak_kib.to_string()),
            Cell::new(match (&one.limits, one.beyond.is_empty()) {
                (None, _) => "none",
                (Some(_), true) => "within",
                (Some(_), false) => "beyond",
            }),
        ]);
    }
    output::print_table(&table)
}

fn show_first_calls(report: &Report) -> Result<(), Error> {
    if report.first_calls.is_empty() {
        return Ok(());
    }
    output::print(|out| {
        writeln!(
            out,
            "\n{STRONG}first calls{STRONG:#}  batches of one job, DynamoDB and SQS on this machine behind TLS"
        )?;
        writeln!(
            out,
            "{FAINT}at 128 MB: what the CPU time takes at the least within an invocation, with 128/1769 of a \
             processor{FAINT:#}\n"
        )
    })?;
    let columns = ["BOOTSTRAP", "CONNECTED", "STEP", "WALL MS", "CPU MS", "AT 128 MB"];
    let mut table = output::table(&columns);
    for calls in &report.first_calls {
        let connected = if calls.warmed { "ahead" } else { "when needed" };
        let steps: [(&str, Cost); 5] = [
            ("exec to first /next", calls.ready),
            ("first success", calls.success),
            ("second success", calls.next_success),
            ("first failure", calls.failure),
            ("second failure", calls.next_failure),
        ];
        for (index, (step, cost)) in steps.into_iter().enumerate() {
            // The work before the first invocation has a whole processor.
            let throttled = if index == 0 { String::new() } else { format!("{:.0}", cost.at_128_mb()) };
            table.add_row([
                Cell::new(if index == 0 { &calls.bootstrap } else { "" }),
                Cell::new(if index == 0 { connected } else { "" }),
                Cell::new(step),
                right(format!("{:.2}", cost.wall_ms)),
                right(format!("{:.2}", cost.cpu_ms)),
                right(throttled),
            ]);
        }
    }
    output::print_table(&table)
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
