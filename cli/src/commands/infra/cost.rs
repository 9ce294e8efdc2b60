//! `lamp infra cost`.

use clap::Args;
use comfy_table::{Cell, CellAlignment};
use lamplighter_infra::cost::{Estimate, Mode, Standing, Workload, prices};
use serde::Serialize;

use crate::{catalog::Catalog, error::Error, output};

/// Show what a month's jobs cost on AWS, by service, for each amount of records per job.
///
/// Assumes that all jobs succeed at their first attempt, and arrive in batches of ten. Free tiers are left out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp infra cost --jobs-per-month 1000000 --duration-ms 200 --memory-mb 256")]
pub(crate) struct Cost {
    /// Jobs a month.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    jobs_per_month: u64,
    /// How long a job runs, in milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=900_000))]
    duration_ms: u64,
    /// The function's memory, in MB.
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(128..=10_240))]
    memory_mb: u64,
    /// Jobs are sent one by one, instead of ten at a time.
    #[arg(long)]
    single: bool,
    /// Print one mode per line as JSON.
    #[arg(long)]
    json: bool,
}

/// A mode as `--json` shows it: dollars a month.
#[derive(Serialize)]
struct View {
    mode: String,
    sqs: f64,
    lambda: f64,
    dynamodb: f64,
    logs: f64,
    xray: f64,
    /// The fixed costs of the deployment: Lambda's polling of idle queues, the maintenance function, alarms and the
    /// dashboard.
    polling: f64,
    maintenance: f64,
    watching: f64,
    total: f64,
    region: &'static str,
    prices_of: &'static str,
}

impl Cost {
    pub(super) fn run(&self, catalog: &Catalog) -> Result<(), Error> {
        let standing = Standing::of(&lamplighter_infra::deployment(catalog.app()).map_err(Error::failed)?);
        let workload = Workload {
            jobs: self.jobs_per_month,
            duration_ms: self.duration_ms,
            memory_mb: self.memory_mb,
            sent_singly: self.single,
        };
        let estimates = Mode::ALL.map(|mode| (mode, Estimate::new(&workload, mode)));
        if self.json {
            return output::json_lines(estimates.map(|(mode, estimate)| view(mode, &estimate, standing)));
        }
        list(&estimates, standing)
    }
}

fn view(mode: Mode, estimate: &Estimate, standing: Standing) -> View {
    let Estimate { sqs, lambda, dynamodb, logs, xray } = *estimate;
    let total = estimate.total() + standing.total();
    let Standing { polling, maintenance, watching } = standing;
    let (region, prices_of) = (prices::REGION, prices::DATE);
    View {
        mode: mode.to_string(),
        sqs,
        lambda,
        dynamodb,
        logs,
        xray,
        polling,
        maintenance,
        watching,
        total,
        region,
        prices_of,
    }
}

fn list(estimates: &[(Mode, Estimate)], standing: Standing) -> Result<(), Error> {
    let modes: Vec<String> = estimates.iter().map(|(mode, _)| mode.to_string()).collect();
    let headers: Vec<&str> = ["$ a month"].into_iter().chain(modes.iter().map(String::as_str)).collect();
    let mut table = output::table(&headers);
    let mut row = |name: &str, of: &dyn Fn(&Estimate) -> f64| {
        let amounts = estimates.iter().map(|(_, estimate)| dollars(of(estimate)));
        table.add_row([Cell::new(name)].into_iter().chain(amounts));
    };
    row("SQS", &|estimate| estimate.sqs);
    row("Lambda", &|estimate| estimate.lambda);
    row("DynamoDB", &|estimate| estimate.dynamodb);
    row("Logs", &|estimate| estimate.logs);
    row("X-Ray, unless Tracing is PassThrough", &|estimate| estimate.xray);
    row("Looks into idle queues", &|_| standing.polling);
    row("Maintenance", &|_| standing.maintenance);
    row("Alarms and dashboard", &|_| standing.watching);
    row("Together", &|estimate| estimate.total() + standing.total());
    output::print_table(&table)?;
    output::hint(&format!("prices of {} in {}, arm64, free tiers left out", prices::DATE, prices::REGION));
    Ok(())
}

fn dollars(amount: f64) -> Cell {
    Cell::new(format!("{amount:.2}")).set_alignment(CellAlignment::Right)
}
