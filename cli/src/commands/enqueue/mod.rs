//! `lamp enqueue`.

mod batch;
mod lines;
mod many;

use std::{sync::Arc, time::Duration};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    After, Client, Definition, Enqueued, JobId, JobState, NewJob, Unique,
    backend::{Backend, StoreError},
    env::Env,
    message::Outcome,
};
use lamplighter_aws::Sqs;
use serde::Serialize;

use self::many::{Many, Sending};
use super::block_on;
use crate::{
    arguments,
    catalog::Catalog,
    error::Error,
    output::{self, FAINT, GOOD, NAME, WARN},
    ping,
    place::{Place, Target},
    when,
};

/// Enqueue a job, after its arguments have been checked as the worker will check them; or many, with --from.
///
/// It goes to the embedded file, where a running `lamp dev` finds it; with --stack, to its queue in a deployed stack;
/// with --queue-url, to an SQS queue. With --id, the same job is never enqueued twice, where jobs have records: the
/// second time, the command reports a duplicate.
///
/// With --from, jobs are sent while the file is read. A line that is refused is reported with its number, and delays no
/// other. The exit code is 1 if there was one, or if the command was interrupted; then the last line that was sent is
/// reported. Ctrl-C stops it after the lines that are being sent. With --batch, all of them are one batch: if a line is
/// refused, nothing is enqueued.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp enqueue lamp.ping
  lamp enqueue lamp.ping '{\"sleep_ms\": 500}' --delay 90s
  lamp enqueue invoices.send @order.json --id order-42
  lamp enqueue shop.reindex '{\"shop\": 7}' --unique shop-7 --replace --delay 1m
  jq -c .job orders.json | lamp enqueue invoices.send - --json
  lamp enqueue invoices.send --from orders.jsonl --id-prefix orders-2026
  lamp enqueue invoices.send --from orders.jsonl --batch=orders-2026
  jq -c '{args: ., id: .number, delay: \"2h\"}' orders.json | lamp enqueue order.ship --from - --with-options")]
pub(crate) struct Enqueue {
    /// The job's name; `lamp definitions` lists them.
    job: String,
    /// Its arguments: a JSON object, @FILE, or - for standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
    args: String,
    #[command(flatten)]
    when: When,
    /// The job's id and idempotency key; a new one by default.
    #[arg(long)]
    id: Option<JobId>,
    /// Send to this SQS queue instead of the embedded file.
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "stack"])]
    queue_url: Option<String>,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON: id, job, queue, duplicate, replaced, and the state of a duplicate. With --from one for each job,
    /// with its line number, or with an error instead of the id.
    #[arg(long)]
    json: bool,
}

/// The time and the group of a job.
#[derive(Debug, Clone, Args)]
struct When {
    /// Run it after this delay: 90s, 2h, 1h30m, 3 days.
    #[arg(long, value_name = "TIME", value_parser = when::delay, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run it at this moment, written like 2026-12-24T18:00:00+01:00, up to 9999-12-30T22:00:00Z (in the embedded file,
    /// up to April 2262); a moment in the past means now.
    #[arg(long, value_name = "MOMENT", value_parser = when::moment)]
    at: Option<Timestamp>,
    /// Run it after this job has succeeded; with `:failure` or `:end` behind the id, after it has failed or ended; may be
    /// given several times.
    #[arg(long, value_name = "ID", value_parser = after)]
    after: Vec<After>,
    /// Enqueue it only if no other job of its type with this key has not ended yet.
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// Give its arguments and its time to the job that has the key, if that one has not begun.
    #[arg(long, requires = "unique")]
    replace: bool,
    /// Give it this tag, by which `lamp jobs --query tag:TAG` finds it; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The message group: keeps order on FIFO queues, and separates tenants on others.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl When {
    fn say(&self, mut job: NewJob) -> NewJob {
        if let Some(delay) = self.delay {
            job = job.delay(delay);
        }
        if let Some(moment) = self.at {
            job = job.at(moment);
        }
        job = self.after.iter().cloned().fold(job, NewJob::after);
        if let Some(key) = &self.unique {
            let unique = Unique::key(key);
            job = job.unique(if self.replace { unique.or_replace() } else { unique });
        }
        job = self.tags.iter().cloned().fold(job, NewJob::tag);
        match &self.group {
            Some(group) => job.group(group),
            None => job,
        }
    }
}

/// Reads `ID`, `ID:success`, `ID:failure` or `ID:end`. An id may hold colons itself.
fn after(text: &str) -> Result<After, String> {
    let named = text.rsplit_once(':').and_then(|(id, outcome)| Some((id, Outcome::named(outcome)?)));
    let (id, on) = named.unwrap_or((text, Outcome::Success));
    let mut after = After::success(id.parse().map_err(|error| format!("{error}"))?);
    after.on = on;
    Ok(after)
}

/// The destination of jobs.
struct Opened {
    client: Client,
    /// `None` for a queue that is given by its URL.
    target: Option<Target>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a JobId,
    job: &'a str,
    queue: &'a str,
    duplicate: bool,
    /// Whether a job that was there already has its arguments and its time.
    #[serde(skip_serializing_if = "is_false")]
    replaced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Opened {
    /// Prints a hint where a queue is known to be paused.
    async fn hint_if_paused(&self, definition: &Definition) {
        let queue = definition.queue.name();
        if let Some(target) = &self.target
            && target.is_paused(queue).await
        {
            output::hint(&format!("queue {queue} is paused: nothing of it runs until `lamp resume {queue}`"));
        }
    }
}

impl Enqueue {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let definition = catalog.definition(&self.job)?;
        if let Some(from) = &self.many.from {
            let sending = Sending { many: &self.many, definition: &definition, when: &self.when, json: self.json };
            if let Some(id) = &self.many.batch {
                return block_on(sending.run_as_batch(from, id, async || self.open(&definition).await));
            }
            return block_on(sending.run(from, async || self.open(&definition).await));
        }
        let args = arguments::take(&definition, &self.args)?;
        let (name, queue) = (definition.name, definition.queue.name());
        let job = NewJob::raw(name, queue, definition.options.tracking, args).limits(definition.options.limits.clone());
        let job = self.when.say(job);
        let job = match &self.id {
            Some(id) => job.id(id),
            None => job,
        };
        block_on(async {
            let opened = self.open(&definition).await?;
            let silent = || Err(StoreError::unavailable("it is not known whether the job was enqueued").into());
            let answer = opened.client.enqueue_all([job]).await.pop().unwrap_or_else(silent)?;
            let done = match answer {
                Enqueued::New(_) => "was enqueued",
                Enqueued::Replaced(_) => "was changed",
                _ => "was there already",
            };
            self.tell(&definition, &answer).map_err(|error| error.after(format_args!("job {} {done}", answer.id())))?;
            opened.hint_if_paused(&definition).await;
            Ok(())
        })
    }

    async fn open(&self, definition: &Definition) -> Result<Opened, Error> {
        let queue = definition.queue.name();
        let Some(url) = &self.queue_url else {
            let target = self.place.open_or_make().await?;
            check_destination(&target, definition).await?;
            return Ok(Opened { client: target.client(), target: Some(target) });
        };
        not_deployed(definition, "--queue-url")?;
        let sqs = Sqs::for_url(queue, url).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Opened { client: Client::new(Backend::new(Arc::new(sqs)), Env::system()), target: None })
    }

    fn tell(&self, definition: &Definition, answer: &Enqueued) -> Result<(), Error> {
        let state = answer.existing_state().map(JobState::as_str);
        let (id, job, queue) = (answer.id(), definition.name, definition.queue.name());
        let replaced = matches!(answer, Enqueued::Replaced(_));
        if self.json {
            return output::json_lines([Answer { id, job, queue, duplicate: answer.is_duplicate(), replaced, state }]);
        }
        output::print(|out| match answer.is_duplicate() {
            _ if replaced => {
                writeln!(
                    out,
                    "{GOOD}replaced{GOOD:#} {NAME}{id}{NAME:#} {FAINT}it has the new arguments and time{FAINT:#}"
                )
            }
            true => {
                let state = state.unwrap_or("ended, and its record has expired");
                writeln!(out, "{WARN}there already{WARN:#} {NAME}{id}{NAME:#} {FAINT}{state}{FAINT:#}")
            }
            false => writeln!(out, "{GOOD}enqueued{GOOD:#} {NAME}{id}{NAME:#} {FAINT}{job} on {queue}{FAINT:#}"),
        })
    }
}

/// Checks that jobs of this definition can be enqueued on the target.
pub(super) async fn check_destination(target: &Target, definition: &Definition) -> Result<(), Error> {
    if target.is_deployed().await? {
        not_deployed(definition, "--stack")?;
    }
    target.check_destination(definition).await
}

/// Fails for jobs that exist on this machine only.
fn not_deployed(definition: &Definition, option: &str) -> Result<(), Error> {
    let name = definition.name;
    if name == ping::definition().name {
        return Err(Error::Usage(format!("{name} is not deployed anywhere: use it without {option}")));
    }
    Ok(())
}
