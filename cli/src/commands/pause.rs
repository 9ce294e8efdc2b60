//! `lamp pause` and `lamp resume`.

use clap::Args;
use lamplighter::operation::{self, Action};

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, GOOD, NAME, WARN},
    place::Place,
};

/// Pause a queue: no more jobs are taken from it, and running jobs continue to their end.
///
/// Jobs can be enqueued as before; delays and schedules continue. On a stack, the queue's event source mapping is
/// disabled, which takes Lambda some seconds. Messages that stay in an SQS queue for longer than its retention (at
/// least four days) are lost.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp pause invoices
  lamp pause invoices --stack shop")]
pub(crate) struct Pause {
    #[command(flatten)]
    switch: Switch,
}

/// Resume a paused queue.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp resume invoices
  lamp resume invoices --stack shop")]
pub(crate) struct Resume {
    #[command(flatten)]
    switch: Switch,
}

#[derive(Debug, Args)]
struct Switch {
    /// The queue.
    queue: String,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON: queue and paused.
    #[arg(long)]
    json: bool,
}

impl Pause {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        self.switch.run(catalog, true)
    }
}

impl Resume {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        self.switch.run(catalog, false)
    }
}

impl Switch {
    fn run(self, catalog: &Catalog, paused: bool) -> Result<(), Error> {
        let Self { queue, asking, place, json } = self;
        block_on(async {
            let target = place.open_with_queue(catalog, &queue).await?;
            match (Operating::on(&target, catalog, &asking), paused) {
                (Some(operating), _) => {
                    let action = if paused { Action::PauseQueue } else { Action::ResumeQueue };
                    operating.once(action, operation::Target::Queue { queue: queue.clone() }).await.map(drop)
                }
                (None, true) => Ok(target.operator.pause(&queue).await?),
                (None, false) => Ok(target.operator.resume(&queue).await?),
            }
        })?;
        switched(("queue", &queue), paused, json)
            .map_err(|error| error.after(format_args!("queue {queue} was {}", done(paused))))
    }
}

pub(super) const fn done(paused: bool) -> &'static str {
    if paused { "paused" } else { "resumed" }
}

/// Says that something of this kind and name was paused or resumed.
pub(super) fn switched((kind, name): (&str, &str), paused: bool, json: bool) -> Result<(), Error> {
    if json {
        return output::json_lines([serde_json::json!({ (kind): name, "paused": paused })]);
    }
    let (colour, done) = (if paused { WARN } else { GOOD }, done(paused));
    output::print(|out| writeln!(out, "{colour}{done}{colour:#} {NAME}{}{NAME:#}", safe(name)))
}
