//! `lamp dead-letters`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::host::Stop;
use serde::Serialize;

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    output,
    place::{Place, Target},
    reveal::Reveal,
    when,
};

/// List the dead letters: messages whose jobs have failed for good, or that are no jobs.
///
/// Without a queue: how many each queue has. `lamp redrive QUEUE` lets them try again.
///
/// On a stack, letters are received to be looked at and put back at once, so for a moment nobody else sees them.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    /// List the letters of this queue.
    queue: Option<String>,
    /// How many letters at most, oldest first; on a stack, any.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, requires = "queue")]
    limit: usize,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// One letter, or one queue, a line as JSON.
    #[arg(long)]
    json: bool,
}

/// A letter as `--json` shows it.
#[derive(Debug, Serialize)]
struct Letter {
    /// In a file: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    /// On a stack: its message id in the dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    queue: String,
    id: String,
    job: String,
    reason: String,
    error: String,
    dead_since: Timestamp,
    receive_count: u32,
    group: Option<String>,
    body: String,
}

impl From<lamplighter_embedded::DeadLetter> for Letter {
    fn from(letter: lamplighter_embedded::DeadLetter) -> Self {
        Self {
            number: Some(letter.number),
            message_id: None,
            queue: letter.queue,
            id: letter.id,
            job: letter.job,
            reason: letter.reason,
            error: letter.error,
            dead_since: letter.dead_since,
            receive_count: letter.receive_count,
            group: letter.group,
            body: letter.body,
        }
    }
}

impl Letter {
    fn of_stack(queue: &str, letter: lamplighter_aws::DeadLetter) -> Self {
        Self {
            number: None,
            message_id: Some(letter.message_id),
            queue: queue.into(),
            id: letter.id,
            job: letter.job,
            reason: letter.reason,
            error: letter.error,
            dead_since: letter.dead_since,
            receive_count: letter.receive_count,
            group: letter.group,
            body: letter.body,
        }
    }
}

impl DeadLetters {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match &self.queue {
            Some(queue) => self.list(catalog, queue),
            None => self.counts(),
        }
    }

    fn list(&self, catalog: &Catalog, queue: &str) -> Result<(), Error> {
        let mut letters: Vec<Letter> = block_on(async {
            let target = self.place.look().await?;
            target.check_queue(catalog, queue).await?;
            Ok(match target {
                // No job of it has been enqueued there yet.
                Target::File(file) if !file.has_queue(queue).await? => Vec::new(),
                Target::File(file) => {
                    let letters = file.embedded.dead_letters(queue, 0, self.limit).await?;
                    letters.into_iter().map(Letter::from).collect()
                }
                Target::Stack(deployed) => {
                    let letters = deployed.operator.dead_letters(queue, self.limit as u64, &Stop::new()).await?;
                    letters.into_iter().map(|letter| Letter::of_stack(queue, letter)).collect()
                }
            })
        })?;
        let shown = self.reveal.of(catalog);
        for letter in &mut letters {
            shown.dead_letter(&mut letter.error, &mut letter.body);
        }
        if self.json {
            return output::json_lines(letters);
        }
        if letters.is_empty() {
            output::hint(&format!("no dead letters on {queue}"));
            return Ok(());
        }
        let now = Timestamp::now();
        let mut table = output::table(&["ID", "JOB", "REASON", "SINCE", "RECEIVED", "ERROR"]);
        for letter in &letters {
            table.add_row([
                output::cell(&letter.id),
                output::cell(&letter.job),
                output::cell(&letter.reason),
                output::cell(when::relative(letter.dead_since, now)),
                output::cell(letter.receive_count),
                output::cell(output::one_line(&letter.error, 80)),
            ]);
        }
        output::keep_whole(&mut table, 0);
        output::print_table(&table)
    }

    fn counts(&self) -> Result<(), Error> {
        let counts: Vec<(String, u64)> = block_on(async {
            Ok(match self.place.look().await? {
                Target::File(file) => file.embedded.dead_letter_counts().await?,
                Target::Stack(deployed) => {
                    let queues = deployed.operator.queues().await?;
                    queues.into_iter().map(|queue| (queue.queue, queue.dead_letters.unwrap_or(0))).collect()
                }
            })
        })?;
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
            table.add_row([output::cell(queue), output::cell(letters)]);
        }
        output::print_table(&table)
    }
}
