//! `lamp queues`.

use clap::Args;
use comfy_table::Color;
use lamplighter::backend::QueueStatus;
use lamplighter_dashboard::view::QueueView;

use super::block_on;
use crate::{
    error::Error,
    output,
    place::{Place, TargetKind},
};

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

/// Returns the remark about a queue, in a colour if it needs attention.
fn note(consumer: &str) -> (&'static str, Option<Color>) {
    match consumer {
        "paused" => ("paused", Some(Color::Yellow)),
        "changing" => ("being switched", Some(Color::Yellow)),
        "missing" => ("nothing takes from it", Some(Color::Red)),
        _ => ("", None),
    }
}

impl Queues {
    pub(super) fn run(self) -> Result<(), Error> {
        let views = block_on(async {
            let target = self.place.look().await?;
            let queues = target.operator.queues().await?;
            // CloudWatch is paid for each such question.
            let flow = match target.kind() {
                TargetKind::File(..) => target.operator.flow().await?,
                TargetKind::Stack(..) => Vec::new(),
            };
            let view = |status: QueueStatus| {
                let view = QueueView::from(status.clone());
                match flow.iter().find(|one| one.queue == status.queue) {
                    Some(flow) => view.with_flow(&status, flow),
                    None => view,
                }
            };
            Ok(queues.into_iter().map(view).collect::<Vec<_>>())
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
            let (note, color) = note(&view.consumer);
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
