//! `lamp top`.

use std::{
    env,
    io::{self, IsTerminal},
    sync::Arc,
    time::Duration,
};

use clap::Args;

use super::runtime;
use crate::{
    catalog::Catalog,
    error::Error,
    output,
    place::{Place, TargetKind},
    signals, site,
    top::{self, DeskSource, Looks, Manner, State},
};

/// Watch jobs, errors and queues live in this terminal, and act on them.
///
/// The pages, keys and queries are those of the dashboard: g and a letter opens a page, : goes to a queue or a job by its
/// name, / searches, Enter opens, r retries, E edits the arguments in $EDITOR and runs a copy, c cancels, P pauses, y copies
/// the same as a command, . holds the page, ? shows all keys, q quits. Each action asks first, and is recorded as an
/// operation.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp top
  lamp top --stack shop
  lamp top --db jobs.db --read-only")]
pub(crate) struct Top {
    /// Change nothing: keys that act are refused.
    #[arg(long)]
    read_only: bool,
    #[command(flatten)]
    place: Place,
}

/// The time between an answer and the next question: of a file, and of a stack, whose answers cost something.
const FILE_PACE: Duration = Duration::from_secs(1);
const STACK_PACE: Duration = Duration::from_secs(5);

impl Top {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Error::Usage(
                "`lamp top` draws on a terminal, and this is none; `lamp jobs`, `lamp queues` and `lamp stats` write lines"
                    .into(),
            ));
        }
        let signals = signals::listen_until(|| {
            // The process ends where it stands, and must not leave the terminal as it is.
            let _ = ratatui::try_restore();
            output::hint("ended at once");
        })?;
        let runtime = runtime()?;
        let outcome = runtime.block_on(async {
            let target = match self.read_only {
                true => self.place.read_only().await?,
                false => self.place.open().await?,
            };
            let pace = match target.kind() {
                TargetKind::File(..) => FILE_PACE,
                TargetKind::Stack(..) => STACK_PACE,
            };
            let [option, value] = target.options();
            let mut state = State::new(&value, format!("{option} {}", top::quoted(&value)));
            if self.read_only {
                state = state.read_only("read-only: nothing is changed here");
            }
            let desk = site::desk(catalog, &target, self.read_only)?;
            let colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let manner = Manner { looks: Looks { colours }, pace };
            let source = DeskSource::new(desk, catalog.definitions().into_iter().map(|definition| definition.name));
            top::run(state, Arc::new(source), manner, signals).await
        });
        // A question that is still open is not waited for.
        runtime.shutdown_background();
        outcome
    }
}
