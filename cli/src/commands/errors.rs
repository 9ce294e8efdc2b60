//! `lamp errors`.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, ListQuery, Record,
    record::{ErrorGroup, ErrorQuery, Fingerprint},
};

use super::{block_on, job::moment, jobs};
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, NAME, STRONG},
    place::Place,
    reveal::{Reveal, Shown},
    view::ErrorView,
    when,
};

/// Show what fails: failed attempts in groups of one cause, the group with the latest failure first.
///
/// Failures of one job belong together when their errors differ in nothing but numbers, ids, quoted values, paths and
/// times. With a fingerprint, show that group, and its latest jobs. If there are more groups than --limit, the cursor
/// of the next page goes to standard error as `next: CURSOR`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp errors --since 2h
  lamp errors 3f9a5c0d7be21846
  lamp jobs --error 3f9a5c0d7be21846
  lamp retry --error 3f9a5c0d7be21846")]
pub(crate) struct Errors {
    /// The fingerprint of one group.
    #[arg(conflicts_with_all = ["job", "queue", "since", "limit", "cursor"])]
    fingerprint: Option<Fingerprint>,
    /// Only failures of jobs of this name.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only groups whose latest failure was on this queue.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only groups with a failure since this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::since)]
    since: Option<Timestamp>,
    /// The maximum number of groups; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Continue where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Print one group per line as JSON.
    #[arg(long)]
    json: bool,
}

/// The number of groups per request.
const PAGE: usize = 200;
/// The number of jobs that are shown of one group.
const RECENT: usize = 10;
/// The number of requests for them.
const REQUESTS: usize = 5;

impl Errors {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(async {
            match self.fingerprint {
                Some(fingerprint) => self.show(fingerprint, catalog).await,
                None => self.list(catalog).await,
            }
        })
    }

    async fn list(self, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.look().await?;
        let client = target.records()?;
        target.check_names(catalog, self.queue.as_deref(), self.job.as_deref()).await?;
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut query =
            ErrorQuery { job: self.job, queue: self.queue, since: self.since, cursor: self.cursor, limit: 0 };
        let mut groups = Vec::new();
        loop {
            query.limit = left.min(PAGE);
            let page = client.error_groups(&query).await?;
            left = left.saturating_sub(page.groups.len());
            groups.extend(page.groups);
            query.cursor = page.next;
            if query.cursor.is_none() || left == 0 {
                break;
            }
        }
        if self.json {
            output::json_lines(groups.iter().map(|group| ErrorView::of(group, &[])))?;
        } else if groups.is_empty() {
            output::hint("no errors");
        } else {
            table(&groups)?;
        }
        if let Some(cursor) = query.cursor {
            output::hint(&format!("next: {cursor}"));
        }
        Ok(())
    }

    async fn show(self, fingerprint: Fingerprint, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.look().await?;
        let client = target.records()?;
        let Some(group) = client.error_group(fingerprint).await? else {
            return Err(target.no_error(fingerprint));
        };
        let recent = recent(&client, &group, &self.reveal.of(catalog)).await?;
        if self.json {
            return output::json_lines([ErrorView::of(&group, &recent)]);
        }
        output::print(|out| describe(out, &group, Timestamp::now()))?;
        if recent.is_empty() {
            return output::print(|out| writeln!(out, "  {FAINT}none any more{FAINT:#}"));
        }
        jobs::table(&recent, None)?;
        Ok(())
    }
}

/// The latest jobs whose last attempt was such a failure.
async fn recent(client: &Client, group: &ErrorGroup, shown: &Shown) -> Result<Vec<Record>, Error> {
    let (jobs, error) = (vec![group.job.clone()], Some(group.fingerprint));
    let mut query = ListQuery { jobs, error, ..ListQuery::default() };
    let mut recent = Vec::new();
    for _ in 0..REQUESTS {
        query.limit = RECENT - recent.len();
        let page = client.list(&query).await?;
        recent.extend(page.records.into_iter().map(|record| shown.record(record)));
        query.cursor = page.next;
        if query.cursor.is_none() || recent.len() == RECENT {
            break;
        }
    }
    Ok(recent)
}

fn table(groups: &[ErrorGroup]) -> Result<(), Error> {
    let now = Timestamp::now();
    let mut table = output::table(&["FINGERPRINT", "JOB", "FAILURES", "JOBS", "FIRST", "LATEST", "ERROR"]);
    for group in groups {
        table.add_row([
            output::cell(group.fingerprint),
            output::cell(&group.job),
            output::cell(group.failures),
            output::cell(group.jobs.map_or_else(|| "-".to_owned(), |jobs| jobs.to_string())),
            output::cell(when::relative(group.first_seen, now)),
            output::cell(when::relative(group.last_seen, now)),
            output::cell(output::one_line(&group.title, 100)),
        ]);
    }
    output::keep_whole(&mut table, 0);
    output::print_table(&table)
}

fn describe(out: &mut dyn Write, group: &ErrorGroup, now: Timestamp) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}  {BAD}{}{BAD:#}", safe(&group.job), group.outcome.as_str())?;
    writeln!(out, "  {}", safe(&group.title))?;
    let mut line = |name: &str, value: &str| writeln!(out, "  {FAINT}{name:<12}{FAINT:#} {value}");
    line("fingerprint", &format!("{NAME}{}{NAME:#}", group.fingerprint))?;
    line("queue", &safe(&group.queue))?;
    line("failures", &group.failures.to_string())?;
    if let Some(jobs) = group.jobs {
        line("jobs", &jobs.to_string())?;
    }
    line("first", &moment(group.first_seen, now))?;
    line("latest", &moment(group.last_seen, now))?;
    line("sample", &format!("{NAME}{}{NAME:#}", group.sample.id))?;
    line("", &safe(&group.sample.message))?;
    writeln!(out, "\n{STRONG}latest jobs{STRONG:#}")
}
