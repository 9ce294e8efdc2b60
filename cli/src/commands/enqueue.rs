//! `lamp enqueue`.

use std::{sync::Arc, time::Duration};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{Backend, Client, Definition, Enqueued, Env, JobId, RawValue};
use lamplighter_aws::Sqs;
use serde::Serialize;

use super::block_on;
use crate::{
    arguments, catalog,
    error::Error,
    output::{self, FAINT, GOOD, NAME, WARN},
    ping,
    place::{Place, Target},
    when,
};

/// Enqueue a job, once its arguments have been checked against its JSON Schema.
///
/// It goes to the embedded file, where a running `lamp dev` finds it, to its queue in a deployed stack with --stack, or to
/// an SQS queue with --queue-url. With --id, the same job is never enqueued twice, where there are records to tell: the
/// second time says that it is there already.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp enqueue lamp.ping
  lamp enqueue lamp.ping '{\"sleep_ms\": 500}' --delay 90s
  lamp enqueue webhook.deliver @order.json --id order-42
  jq -c .job orders.json | lamp enqueue webhook.deliver - --json")]
pub(crate) struct Enqueue {
    /// The job's name; `lamp definitions` lists them.
    job: String,
    /// Its arguments: a JSON object, @FILE, or - for standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
    args: String,
    /// Run it after this time: 90s, 2h, 1h30m, 3 days.
    #[arg(long, value_name = "TIME", value_parser = when::delay, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run it at this moment, written like 2026-12-24T18:00:00+01:00, up to 9999-12-30T22:00:00Z (the embedded file
    /// reaches to April 2262); one that has passed means now.
    #[arg(long, value_name = "MOMENT", value_parser = when::moment)]
    at: Option<Timestamp>,
    /// The job's id and idempotency key; by default a new one.
    #[arg(long)]
    id: Option<JobId>,
    /// The message group: keeps order on FIFO queues, spreads fairly between tenants on others.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Send to this SQS queue instead of the embedded file.
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "stack"])]
    queue_url: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Answer with a line of JSON: id, job, queue, duplicate, and the state of a duplicate.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a JobId,
    job: &'a str,
    queue: &'a str,
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl Enqueue {
    pub(super) fn run(self) -> Result<(), Error> {
        let definition = catalog::definition(&self.job)?;
        let args = arguments::take(&definition, &self.args)?;
        let (answer, paused) = block_on(self.send(&definition, args))?;
        self.tell(&definition, &answer)?;
        if paused {
            let queue = definition.queue.name();
            output::hint(&format!("queue {queue} is paused: nothing of it runs until `lamp resume {queue}`"));
        }
        Ok(())
    }

    /// Sends it, and says whether its queue is known to be paused.
    async fn send(&self, definition: &Definition, args: Box<RawValue>) -> Result<(Enqueued, bool), Error> {
        let queue = definition.queue.name();
        let Some(url) = &self.queue_url else {
            let target = self.place.open_or_make().await?;
            if let Target::Stack(deployed) = &target {
                not_deployed(definition, "--stack")?;
                deployed.check_queue(queue)?;
            }
            let client = target.client();
            let (answer, paused) = tokio::join!(self.enqueue(&client, definition, args), target.is_paused(queue));
            return Ok((answer?, paused));
        };
        not_deployed(definition, "--queue-url")?;
        let sqs = Sqs::for_url(queue, url).map_err(|error| Error::Usage(error.to_string()))?;
        let backend = Backend::new(Arc::new(sqs));
        Ok((self.enqueue(&Client::new(backend, Env::system()), definition, args).await?, false))
    }

    async fn enqueue(&self, client: &Client, definition: &Definition, args: Box<RawValue>) -> Result<Enqueued, Error> {
        let tracking = definition.options.tracking();
        let mut enqueue = client.enqueue_raw(definition.name, definition.queue.name(), tracking, args);
        if let Some(id) = &self.id {
            enqueue = enqueue.id(id);
        }
        if let Some(delay) = self.delay {
            enqueue = enqueue.delay(delay);
        }
        if let Some(moment) = self.at {
            enqueue = enqueue.at(moment);
        }
        if let Some(group) = &self.group {
            enqueue = enqueue.group(group);
        }
        Ok(enqueue.await?)
    }

    fn tell(&self, definition: &Definition, answer: &Enqueued) -> Result<(), Error> {
        let state = match answer {
            Enqueued::Duplicate(_, state) => Some(state.as_str()),
            Enqueued::New(_) => None,
        };
        let (id, job, queue) = (answer.id(), definition.name, definition.queue.name());
        if self.json {
            return output::json_lines([Answer { id, job, queue, duplicate: state.is_some(), state }]);
        }
        output::print(|out| match state {
            Some(state) => writeln!(out, "{WARN}there already{WARN:#} {NAME}{id}{NAME:#} {FAINT}{state}{FAINT:#}"),
            None => writeln!(out, "{GOOD}enqueued{GOOD:#} {NAME}{id}{NAME:#} {FAINT}{job} on {queue}{FAINT:#}"),
        })
    }
}

/// Some jobs exist on this machine only.
pub(super) fn not_deployed(definition: &Definition, option: &str) -> Result<(), Error> {
    let name = definition.name;
    if name == ping::definition().name {
        return Err(Error::Usage(format!("{name} is not deployed anywhere: use it without {option}")));
    }
    Ok(())
}
