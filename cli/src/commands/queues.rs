//! `lamp queues`.

use clap::Args;
use comfy_table::Color;
use lamplighter_aws::{DeployedQueue, MappingState};
use lamplighter_embedded::QueueStatus;
use serde::Serialize;

use super::block_on;
use crate::{
    error::Error,
    output,
    place::{Place, Target},
};

/// List the queues: what waits, runs, is delayed, and has failed, and which are paused.
///
/// On a stack, the numbers are SQS's own approximations, and a failed job that waits for its next attempt counts as in
/// flight.
#[derive(Debug, Args)]
pub(crate) struct Queues {
    #[command(flatten)]
    place: Place,
    /// One queue a line as JSON.
    #[arg(long)]
    json: bool,
}

/// A queue as `--json` shows it.
#[derive(Serialize)]
struct View {
    queue: String,
    fifo: bool,
    paused: bool,
    waiting: u64,
    in_flight: u64,
    delayed: u64,
    /// Not there when the queue has no dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<u64>,
    /// On a stack: how its event source mapping stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<&'static str>,
}

impl From<QueueStatus> for View {
    fn from(status: QueueStatus) -> Self {
        let QueueStatus { queue, fifo, paused, waiting, running, delayed, dead_letters, .. } = status;
        let (in_flight, dead_letters) = (running, Some(dead_letters));
        Self { queue, fifo, paused, waiting, in_flight, delayed, dead_letters, mapping: None }
    }
}

impl From<DeployedQueue> for View {
    fn from(status: DeployedQueue) -> Self {
        let DeployedQueue { queue, fifo, mapping, waiting, in_flight, delayed, dead_letters, .. } = status;
        let paused = mapping == MappingState::Disabled;
        Self { queue, fifo, paused, waiting, in_flight, delayed, dead_letters, mapping: Some(mapping.as_str()) }
    }
}

impl View {
    /// What there is to say of it, and whether it is worth a look.
    fn note(&self) -> (&'static str, Option<Color>) {
        match (self.paused, self.mapping) {
            (true, _) => ("paused", Some(Color::Yellow)),
            (_, Some("changing")) => ("being switched", Some(Color::Yellow)),
            (_, Some("missing")) => ("no function takes from it", Some(Color::Red)),
            _ => ("", None),
        }
    }
}

impl Queues {
    pub(super) fn run(self) -> Result<(), Error> {
        let views: Vec<View> = block_on(async {
            Ok(match self.place.look().await? {
                Target::File(file) => file.embedded.queues().await?.into_iter().map(View::from).collect(),
                Target::Stack(deployed) => deployed.operator.queues().await?.into_iter().map(View::from).collect(),
            })
        })?;
        if self.json {
            return output::json_lines(views);
        }
        if views.is_empty() {
            output::hint("no queues yet");
            return Ok(());
        }
        let mut table = output::table(&["QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "DEAD LETTERS", ""]);
        for view in views {
            let (note, color) = view.note();
            let note = output::cell(note);
            table.add_row([
                output::cell(&view.queue),
                output::cell(view.waiting),
                output::cell(view.in_flight),
                output::cell(view.delayed),
                output::cell(view.dead_letters.map_or_else(|| "none kept".into(), |letters| letters.to_string())),
                match color {
                    Some(color) => note.fg(color),
                    None => note,
                },
            ]);
        }
        output::print_table(&table)
    }
}
