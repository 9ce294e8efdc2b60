//! `lamp redrive`.

use clap::Args;

use super::block_on;
use crate::{
    catalog,
    database::Database,
    error::Error,
    output::{self, GOOD},
};

/// Move all dead letters of a queue back to it.
///
/// Jobs keep their ids and their histories, and count their attempts anew.
#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// The queue.
    queue: String,
    #[command(flatten)]
    database: Database,
    /// Answer with a line of JSON: queue and moved.
    #[arg(long)]
    json: bool,
}

impl Redrive {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { queue, database, json } = self;
        catalog::check_queue(&queue)?;
        let moved = block_on(async { Ok(database.existing()?.redrive(&queue).await?) })?;
        if json {
            return output::json_lines([serde_json::json!({ "queue": queue, "moved": moved })]);
        }
        match moved {
            0 => {
                output::hint(&format!("no dead letters on {queue}"));
                Ok(())
            }
            1 => output::print(|out| writeln!(out, "{GOOD}moved{GOOD:#} one dead letter back to {queue}")),
            _ => output::print(|out| writeln!(out, "{GOOD}moved{GOOD:#} {moved} dead letters back to {queue}")),
        }
    }
}
