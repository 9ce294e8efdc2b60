//! `lamp compact`.

use clap::Args;

use super::block_on;
use crate::{
    database::Database,
    error::Error,
    output::{self, GOOD},
};

/// Rewrite the embedded file without the space that deleted records have left.
///
/// New jobs reuse that space, so this is for a file that will not grow as large again. It takes about a second for each
/// 100 MB that remain, and twice that size in free disk space; other processes cannot write meanwhile, and those that
/// wait for more than some seconds fail because the file is locked. `lamp dev` does it by itself when it starts and
/// most of the file is free.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp compact --db jobs.db")]
pub(crate) struct Compact {
    #[command(flatten)]
    database: Database,
    /// Print a line of JSON: the sizes before and after, in bytes.
    #[arg(long)]
    json: bool,
}

impl Compact {
    pub(super) fn run(self) -> Result<(), Error> {
        let embedded = self.database.existing()?;
        let compacted = block_on(async {
            let compacted = embedded.compact().await?;
            embedded.close().await?;
            Ok(compacted)
        })?;
        let (before, after) = (compacted.before, compacted.after);
        if self.json {
            return output::json_lines([serde_json::json!({ "before": before, "after": after })]);
        }
        let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        output::print(|out| {
            writeln!(out, "{GOOD}compacted{GOOD:#}: {:.1} MB before, {:.1} MB now", megabytes(before), megabytes(after))
        })
    }
}
