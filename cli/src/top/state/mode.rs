//! What keys are for, and what is to be done outside of the state.

use super::Palette;
use crate::top::intent::Intent;

/// What keys are for at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::top) enum Mode {
    Normal,
    /// After `g`: the next letter chooses a page.
    Go,
    /// A query is being typed.
    Search(String),
    /// The name of a place to go to is being typed.
    Palette(Palette),
    /// An action waits for its preview, or for consent. The preview says how many things it changes.
    Confirm(Intent, Option<Preview>),
    /// Arguments that were edited do not fit, for this reason.
    Misfit(Intent, String),
    Help,
}

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Preview {
    /// A sentence each, the first says how much.
    pub(crate) lines: Vec<String>,
    /// The number that was shown.
    pub(crate) expected: Option<u64>,
    /// The target as it was counted, as JSON: what the action then changes is what was shown.
    pub(crate) target: Option<String>,
}

/// What is to be done outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Read the present spot again.
    Load,
    /// Read the names of what can be gone to.
    Names,
    /// Read the arguments of a job.
    Arguments(String),
    /// Open the arguments of a job in the editor.
    Edit {
        /// The job.
        id: String,
        /// Its arguments, as they are edited.
        args: String,
    },
    /// Count what an action would change.
    Preview(Intent),
    /// Carry the action out.
    Start(Intent, Preview),
    /// Put a command into the clipboard.
    Copy(String),
    Quit,
}
