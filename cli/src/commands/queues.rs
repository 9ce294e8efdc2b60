//! `lamp queues`.

use clap::Args;
use comfy_table::Color;
use jiff::Timestamp;
use lamplighter::backend::{ConsumerKind, ConsumerState, QueueStatus};
use serde::Serialize;

use super::block_on;
use crate::{error::Error, output, place::Place};

/// List the queues: how many jobs wait, run, are delayed and have failed, and which queues are paused.
///
/// On a stack, the numbers are SQS's own approximations, and a failed job that waits for its next attempt counts as in
/// flight.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp queues
  lamp queues --stack shop --json")]
pub(crate) struct Queues {
    #[command(flatten)]
    place: Place,
    /// Print one queue per line as JSON.
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
    /// Since when the oldest of the waiting messages waits. Omitted when none does, or where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<Timestamp>,
    /// Omitted for a queue without a dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letters: Option<u64>,
    /// On a stack: the state of its event source mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<&'static str>,
}

impl View {
    fn of(status: QueueStatus) -> (Self, ConsumerState) {
        let QueueStatus { queue, fifo, consumer, waiting, in_flight, delayed, oldest, dead_letters, .. } = status;
        let paused = consumer.state == ConsumerState::Paused;
        let mapping = match (consumer.kind, consumer.state) {
            (ConsumerKind::EventSourceMapping, ConsumerState::Active) => Some("enabled"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Paused) => Some("disabled"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Changing) => Some("changing"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Missing) => Some("missing"),
            _ => None,
        };
        (Self { queue, fifo, paused, waiting, in_flight, delayed, oldest, dead_letters, mapping }, consumer.state)
    }
}

/// Returns the remark about a queue, in a colour if it needs attention.
fn note(state: ConsumerState) -> (&'static str, Option<Color>) {
    match state {
        ConsumerState::Active => ("", None),
        ConsumerState::Paused => ("paused", Some(Color::Yellow)),
        ConsumerState::Changing => ("being switched", Some(Color::Yellow)),
        ConsumerState::Missing => ("no function takes from it", Some(Color::Red)),
    }
}

impl Queues {
    pub(super) fn run(self) -> Result<(), Error> {
        let all = block_on(async { Ok(self.place.look().await?.operator.queues().await?) })?;
        let views: Vec<_> = all.into_iter().map(View::of).collect();
        if self.json {
            return output::json_lines(views.into_iter().map(|(view, _)| view));
        }
        if views.is_empty() {
            output::hint("no queues yet");
            return Ok(());
        }
        let mut table = output::table(&["QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "DEAD LETTERS", ""]);
        for (view, state) in views {
            let (note, color) = note(state);
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
