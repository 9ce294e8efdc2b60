//! `lamp dead-letters`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    backend::{DeadLetter, DeadLetterQuery},
    host::Stop,
};
use lamplighter_dashboard::view::DeadLetterView;

use super::block_on;
use crate::{catalog::Catalog, error::Error, output, place::Place, reveal::Reveal, when};

/// List the dead letters: messages whose jobs have failed for good, or that are not jobs.
///
/// Without a queue: their number in each queue. `lamp redrive QUEUE` moves them back.
///
/// On a stack, they are received and put back at once, so for a moment no other consumer sees them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp dead-letters
  lamp dead-letters invoices --limit 200
  lamp dead-letters invoices --stack shop --json")]
pub(crate) struct DeadLetters {
    /// List the dead letters of this queue.
    queue: Option<String>,
    /// The maximum number, oldest first; on a stack, in any order.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "queue")]
    limit: usize,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Print one dead letter, or one queue, per line as JSON.
    #[arg(long)]
    json: bool,
}

impl DeadLetters {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match &self.queue {
            Some(queue) => self.list(catalog, queue),
            None => self.counts(),
        }
    }

    fn list(&self, catalog: &Catalog, queue: &str) -> Result<(), Error> {
        let mut dead_letters: Vec<DeadLetter> = block_on(async {
            let target = self.place.look().await?;
            target.check_queue(catalog, queue).await?;
            // No job has been enqueued on it there yet.
            if !target.has_queue(queue).await? {
                return Ok(Vec::new());
            }
            let query = DeadLetterQuery::new(self.limit);
            Ok(target.operator.dead_letters(queue, &query, &Stop::new()).await?.dead_letters)
        })?;
        let shown = self.reveal.of(catalog);
        for one in &mut dead_letters {
            shown.dead_letter(&mut one.error, &mut one.body);
        }
        if self.json {
            return output::json_lines(dead_letters.into_iter().map(DeadLetterView::from));
        }
        if dead_letters.is_empty() {
            output::hint(&format!("no dead letters on {queue}"));
            return Ok(());
        }
        let now = Timestamp::now();
        let mut table = output::table(&["ID", "JOB", "REASON", "SINCE", "RECEIVED", "ERROR"]);
        for one in &dead_letters {
            table.add_row([
                output::cell(&one.id),
                output::cell(&one.job),
                output::cell(&one.reason),
                output::cell(when::relative(one.dead_since, now)),
                output::cell(one.receive_count),
                output::cell(output::one_line(&one.error, 80)),
            ]);
        }
        output::keep_whole(&mut table, 0);
        output::print_table(&table)
    }

    fn counts(&self) -> Result<(), Error> {
        let queues = block_on(async { Ok(self.place.look().await?.operator.queues().await?) })?;
        let counts: Vec<_> = queues.into_iter().map(|queue| (queue.queue, queue.dead_letters.unwrap_or(0))).collect();
        if self.json {
            let line = |(queue, number)| serde_json::json!({ "queue": queue, "dead_letters": number });
            return output::json_lines(counts.into_iter().map(line));
        }
        if counts.is_empty() {
            output::hint("no dead letters");
            return Ok(());
        }
        let mut table = output::table(&["QUEUE", "DEAD LETTERS"]);
        for (queue, dead_letters) in counts {
            table.add_row([output::cell(queue), output::cell(dead_letters)]);
        }
        output::print_table(&table)
    }
}
