//! `lamp ops`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    JobId,
    operation::{Operation, OperationQuery, OperationState},
};

use super::{block_on, job::moment};
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, BAD, FAINT, GOOD, NAME, WARN},
    place::Place,
    site, when,
};

/// Show what operators have done and do: who, when, why, to what, and how it went. The latest is first.
///
/// Whatever a command or the dashboard does to jobs, queues, schedules and error groups that exist is an operation. This list
/// cannot be edited; an operation is kept for a year.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp ops
  lamp ops op-019ac5c2-7d3f-7b0e-8f57-2f1f0f0b8f11
  lamp ops op-019ac5c2-7d3f-7b0e-8f57-2f1f0f0b8f11 --stop
  lamp ops --limit 0 --json")]
pub(crate) struct Ops {
    /// The id of one operation.
    #[arg(conflicts_with_all = ["limit", "cursor"])]
    id: Option<JobId>,
    /// Stop it: no further job is changed.
    #[arg(long, requires = "id", conflicts_with = "resume")]
    stop: bool,
    /// Go on with it here, if nobody does. Ctrl-C stops it.
    #[arg(long, requires = "id")]
    resume: bool,
    /// Who stops it; by default the user of this terminal.
    #[arg(long, value_name = "NAME", requires = "stop")]
    by: Option<String>,
    /// The maximum number of operations; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Continue where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print one operation per line as JSON.
    #[arg(long)]
    json: bool,
}

/// The number of operations per request.
const PAGE: usize = 200;

impl Ops {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(async {
            match &self.id {
                Some(id) => self.one(catalog, id).await,
                None if self.json => self.lines(catalog).await,
                None => self.list().await,
            }
        })
    }

    async fn list(&self) -> Result<(), Error> {
        let client = self.place.look().await?.records()?;
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let (mut operations, mut query) = (Vec::new(), OperationQuery::new(0));
        query.cursor.clone_from(&self.cursor);
        loop {
            query.limit = left.min(PAGE);
            let page = client.operations(&query).await?;
            left = left.saturating_sub(page.operations.len());
            operations.extend(page.operations);
            query.cursor = page.next;
            if query.cursor.is_none() || left == 0 {
                break;
            }
        }
        if operations.is_empty() {
            output::hint("no operations");
        } else {
            table(&operations)?;
        }
        if let Some(cursor) = query.cursor {
            output::hint(&format!("next: {cursor}"));
        }
        Ok(())
    }

    /// The list as JSON, page by page.
    async fn lines(&self, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.look().await?;
        target.records()?;
        let desk = site::desk(catalog, &target, true)?;
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut cursor = self.cursor.clone();
        loop {
            let page = desk.operations(cursor.as_deref(), left.min(PAGE)).await.map_err(Error::problem)?;
            left = left.saturating_sub(page.items.len());
            output::json_lines(page.items)?;
            cursor = page.next;
            if cursor.is_none() || left == 0 {
                break;
            }
        }
        if let Some(cursor) = cursor {
            output::hint(&format!("next: {cursor}"));
        }
        Ok(())
    }

    async fn one(&self, catalog: &Catalog, id: &JobId) -> Result<(), Error> {
        let is_change = self.stop || self.resume;
        let target = if is_change { self.place.open().await? } else { self.place.look().await? };
        let client = target.records()?;
        let unknown = || Error::failed(format_args!("there is no operation {id} here; `lamp ops` lists them"));
        let mut operation = client.operation(id).await?.ok_or_else(unknown)?;
        let asking = Asking { reason: None, by: self.by.clone() };
        if self.stop {
            let by = asking.name().unwrap_or_else(|| "somebody at a terminal".into());
            operation = client.stop_operation(id, &by).await?.ok_or_else(unknown)?;
        } else if self.resume && operation.state.is_final() {
            return Err(Error::failed(format_args!(
                "operation {id} has ended: it is {}, and nothing is left to go on with",
                operation.state
            )));
        } else if self.resume
            && let Some(operating) = Operating::on(&target, catalog, &asking)
        {
            operation = operating.run(operation, "going on").await?;
        }
        let desk = site::desk(catalog, &target, true)?;
        let view = desk.operation(id.as_str()).await.map_err(Error::problem)?;
        if self.json {
            return output::json_lines([view]);
        }
        show(&operation, next(&operation, view.command, Timestamp::now()))
    }
}

fn table(operations: &[Operation]) -> Result<(), Error> {
    let now = Timestamp::now();
    let mut table = output::table(&["WHEN", "STATE", "ACTION", "ON", "DONE", "BY", "ID"]);
    for operation in operations {
        table.add_row([
            output::cell(when::relative(operation.created_at, now)),
            output::cell(if operation.interrupted_at(now).is_some() {
                "interrupted"
            } else {
                operation.state.as_str()
            }),
            output::cell(&operation.action),
            output::cell(safe(&operation.target.to_string())),
            output::cell(operation.progress.done),
            output::cell(safe(&operation.by)),
            output::cell(&operation.id),
        ]);
    }
    output::keep_whole(&mut table, 6);
    output::print_table(&table)
}

/// What to do about an operation that has not come to its end; `command` is the same once more.
fn next(operation: &Operation, command: Option<String>, now: Timestamp) -> Option<String> {
    let id = &operation.id;
    match operation.state {
        OperationState::Running if operation.is_held(now) => {
            Some(format!("a process carries it out; `lamp ops {id} --stop` stops it"))
        }
        OperationState::Stopping if operation.is_held(now) => Some("it ends when what is under way has ended".into()),
        OperationState::Stopping => Some(format!("the process has ended: `lamp ops {id} --stop` ends it")),
        OperationState::Stopped | OperationState::Failed => {
            let command = command.map(|command| format!("; once more: {command}"));
            Some(format!("what is done stays done{}", command.unwrap_or_default()))
        }
        _ => None,
    }
}

fn show(operation: &Operation, next: Option<String>) -> Result<(), Error> {
    let colour = match operation.state {
        OperationState::Done => GOOD,
        OperationState::Failed => BAD,
        _ => WARN,
    };
    let (progress, now) = (operation.progress, Timestamp::now());
    output::print(|out| {
        let (state, id) = (operation.state, &operation.id);
        writeln!(out, "{NAME}{id}{NAME:#} {colour}{state}{colour:#}")?;
        writeln!(out, "  {} {}", operation.action, safe(&operation.target.to_string()))?;
        writeln!(out, "  {FAINT}by{FAINT:#} {}, {}", safe(&operation.by), moment(operation.created_at, now))?;
        if let Some(reason) = &operation.reason {
            writeln!(out, "  {FAINT}why{FAINT:#} {}", safe(reason))?;
        }
        write!(out, "  {} changed, {} left alone, {} failed", progress.changed, progress.unchanged, progress.failed)?;
        match operation.expected {
            Some(expected) => writeln!(out, "; {expected} expected")?,
            None => writeln!(out)?,
        }
        if let Some(rate) = operation.per_second {
            writeln!(out, "  at most {rate} a second")?;
        }
        if let Some(ended) = operation.finished_at {
            writeln!(out, "  {FAINT}ended{FAINT:#} {}", moment(ended, now))?;
        }
        if let Some(since) = operation.interrupted_at(now) {
            let since = moment(since, now);
            writeln!(out, "  {WARN}interrupted{WARN:#} {since}; `lamp ops {id} --resume` goes on with it")?;
        }
        if let Some(by) = &operation.stopped_by {
            writeln!(out, "  {FAINT}stopped by{FAINT:#} {}", safe(by))?;
        }
        if let Some(error) = &operation.error {
            writeln!(out, "  {BAD}error{BAD:#} {}", safe(error))?;
        }
        for job in &operation.results {
            writeln!(out, "  {FAINT}enqueued{FAINT:#} {job}")?;
        }
        if let Some(next) = next {
            writeln!(out, "  {FAINT}next{FAINT:#} {}", safe(&next))?;
        }
        Ok(())
    })
}
