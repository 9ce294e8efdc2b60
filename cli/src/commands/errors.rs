//! `lamp errors`.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, ListQuery, Record,
    operation::{self, Action},
    record::{ErrorGroup, ErrorQuery, Fingerprint},
};
use lamplighter_dashboard::view::ErrorView;

use super::{block_on, job::moment, jobs};
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, BAD, FAINT, GOOD, NAME, STRONG},
    place::Place,
    reveal::{Reveal, Shown},
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
  lamp errors 3f9a5c0d7be21846 --note 'the printer is being replaced' --mute 2h --reason 'ordered on Monday'
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
    /// Write this down about the group, in place of what is there; an empty text takes it away.
    #[arg(long, value_name = "TEXT", requires = "fingerprint")]
    note: Option<String>,
    /// Mute the group for this time: it is listed as before, and marked.
    #[arg(long, value_name = "TIME", requires = "fingerprint", value_parser = when::delay)]
    mute: Option<Duration>,
    /// End the mute.
    #[arg(long, requires = "fingerprint", conflicts_with = "mute")]
    unmute: bool,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Print one group per line as JSON; after --note, --mute and --unmute, the group as it is then.
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
        if self.actions()?.is_empty() && (self.asking.reason.is_some() || self.asking.by.is_some()) {
            return Err(Error::Usage("--reason and --by go with --note, --mute or --unmute".into()));
        }
        block_on(async {
            match (self.fingerprint, self.actions()?) {
                (Some(fingerprint), actions) if !actions.is_empty() => self.write(fingerprint, actions, catalog).await,
                (Some(fingerprint), _) => self.show(fingerprint, catalog).await,
                (None, _) => self.list(catalog).await,
            }
        })
    }

    /// What is to be written about the group.
    fn actions(&self) -> Result<Vec<Action>, Error> {
        let mut actions = Vec::new();
        if let Some(text) = &self.note {
            actions.push(Action::NoteError { note: Some(text.clone()).filter(|text| !text.trim().is_empty()) });
        }
        if let Some(time) = self.mute {
            let until = Timestamp::now().checked_add(time);
            let until = until.map_err(|_| Error::Usage("--mute is too long".into()))?;
            actions.push(Action::MuteError { until: Some(until) });
        }
        if self.unmute {
            actions.push(Action::MuteError { until: None });
        }
        Ok(actions)
    }

    /// Changes the group's note: what is not named stays.
    async fn write(self, fingerprint: Fingerprint, actions: Vec<Action>, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.open().await?;
        let client = target.records()?;
        let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
        let group = async || client.error_group(fingerprint).await?.ok_or_else(|| target.no_error(fingerprint));
        group().await?;
        for action in actions {
            operating.once(action, operation::Target::ErrorGroup { fingerprint }).await?;
        }
        let printed = match self.json {
            true => output::json_lines([ErrorView::of(&group().await?, &[])]),
            false => output::print(|out| writeln!(out, "{GOOD}noted{GOOD:#} {NAME}{fingerprint}{NAME:#}")),
        };
        printed.map_err(|error| error.after(format_args!("the note on {fingerprint} was written")))
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
    let mut table = output::table(&["FINGERPRINT", "JOB", "FAILURES", "JOBS", "FIRST", "LATEST", "ERROR", ""]);
    for group in groups {
        table.add_row([
            output::cell(group.fingerprint),
            output::cell(&group.job),
            output::cell(group.failures),
            output::cell(group.jobs.map_or_else(|| "-".to_owned(), |jobs| jobs.to_string())),
            output::cell(when::relative(group.first_seen, now)),
            output::cell(when::relative(group.last_seen, now)),
            output::cell(output::one_line(&group.title, 100)),
            output::cell(remark(group, now)),
        ]);
    }
    output::keep_whole(&mut table, 0);
    output::print_table(&table)
}

/// What a person has said about a group, in a few words.
fn remark(group: &ErrorGroup, now: Timestamp) -> String {
    let Some(note) = &group.note else { return String::new() };
    let muted = note.muted_until.filter(|_| note.is_muted(now));
    let muted = muted.map(|until| format!("muted until {}", when::relative(until, now)));
    let text = note.note.as_deref().map(|text| output::one_line(text, 60));
    muted.into_iter().chain(text).collect::<Vec<_>>().join(": ")
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
    if let Some(note) = &group.note {
        if let Some(text) = &note.note {
            line("note", &safe(text))?;
        }
        if let Some(until) = note.muted_until.filter(|_| note.is_muted(now)) {
            line("muted until", &moment(until, now))?;
        }
        line("by", &format!("{}, {}", safe(&note.by), when::relative(note.at, now)))?;
    }
    line("first", &moment(group.first_seen, now))?;
    line("latest", &moment(group.last_seen, now))?;
    line("sample", &format!("{NAME}{}{NAME:#}", group.sample.id))?;
    line("", &safe(&group.sample.message))?;
    writeln!(out, "\n{STRONG}latest jobs{STRONG:#}")
}
