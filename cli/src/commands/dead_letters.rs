//! `lamp dead-letters`.

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;

use super::block_on;
use crate::{catalog, database::Database, error::Error, output, when};

/// List the dead letters: messages whose jobs have failed for good, or that are no jobs.
///
/// Without a queue: how many each queue has. `lamp redrive QUEUE` lets them try again.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    /// List the letters of this queue.
    queue: Option<String>,
    /// How many letters at most, oldest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "queue")]
    limit: usize,
    #[command(flatten)]
    database: Database,
    /// One letter, or one queue, a line as JSON.
    #[arg(long)]
    json: bool,
}

impl DeadLetters {
    pub(super) fn run(self) -> Result<(), Error> {
        let Some(queue) = &self.queue else { return self.counts() };
        catalog::check_queue(queue)?;
        let letters = block_on(async { Ok(self.database.existing()?.dead_letters(queue, 0, self.limit).await?) })?;
        if self.json {
            return output::json_lines(letters);
        }
        if letters.is_empty() {
            output::hint(&format!("no dead letters on {queue}"));
            return Ok(());
        }
        let now = Timestamp::now();
        let mut table = output::table(&["NUMBER", "ID", "REASON", "SINCE", "RECEIVED", "ERROR"]);
        for letter in &letters {
            table.add_row([
                Cell::new(letter.number),
                Cell::new(&letter.id),
                Cell::new(&letter.reason),
                Cell::new(when::relative(letter.buried_at, now)),
                Cell::new(letter.receive_count),
                Cell::new(output::one_line(&letter.error, 80)),
            ]);
        }
        output::keep_whole(&mut table, 1);
        output::print_table(&table)
    }

    fn counts(&self) -> Result<(), Error> {
        let counts = block_on(async { Ok(self.database.existing()?.dead_letter_counts().await?) })?;
        if self.json {
            let line = |(queue, letters)| serde_json::json!({ "queue": queue, "dead_letters": letters });
            return output::json_lines(counts.into_iter().map(line));
        }
        if counts.is_empty() {
            output::hint("no dead letters");
            return Ok(());
        }
        let mut table = output::table(&["QUEUE", "DEAD LETTERS"]);
        for (queue, letters) in counts {
            table.add_row([Cell::new(queue), Cell::new(letters)]);
        }
        output::print_table(&table)
    }
}
