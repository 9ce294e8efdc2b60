//! `lamp bench startup`.

use clap::Args;
use comfy_table::{Cell, CellAlignment};
use lamplighter_benches::startup::{self, Options, Report};

use crate::{
    commands::block_on,
    error::Error,
    output::{self, FAINT, STRONG},
};

/// Measure how soon Lambda bootstraps are ready, beside a bare hello world.
///
/// Each is built as it is deployed and started in turns with the hello world, from exec to its first call of `/next`.
/// Fails when one is beyond the limits that the project sets itself.
#[derive(Debug, Args)]
pub(super) struct Startup {
    /// Names of bootstraps; by default all of this deployment, and the least one there is.
    #[arg(value_name = "NAME")]
    bootstraps: Vec<String>,
    /// Turns that count, for each bootstrap.
    #[arg(long, value_name = "NUMBER", default_value_t = Options::default().turns)]
    turns: usize,
    /// The whole report as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Startup {
    /// Measures, and shows what came out.
    pub(super) fn run(self) -> Result<(), Error> {
        let mut options = Options { turns: self.turns, ..Options::default() };
        if !self.bootstraps.is_empty() {
            options.bootstraps = self.bootstraps;
        }
        let report = block_on(async { startup::run(&options, &output::hint).await.map_err(Error::failed) })?;
        if self.json {
            output::json_lines([&report])?;
        } else {
            show(&report)?;
        }
        let beyond: Vec<_> = report.bootstraps.iter().filter(|one| !one.within_limits).map(|one| &*one.name).collect();
        match beyond[..] {
            [] => Ok(()),
            _ => Err(Error::failed(format_args!(
                "beyond the limits ({} bytes, {} × wall, {} × CPU): {}",
                startup::MAX_BYTES,
                startup::MAX_WALL_RATIO,
                startup::MAX_CPU_RATIO,
                beyond.join(", ")
            ))),
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
    let mut table =
        output::table(&["BOOTSTRAP", "BYTES", "WALL MS", "HELLO", "RATIO", "CPU MS", "HELLO", "RATIO", "PEAK KIB"]);
    for one in &report.bootstraps {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
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
        ]);
    }
    output::print_table(&table)
}
