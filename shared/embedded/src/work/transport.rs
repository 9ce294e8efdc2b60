//! What becomes of messages that the store did not settle with their records: untracked jobs, and deliveries that never
//! ran.

use std::time::Duration;

use lamplighter::{Action, Message, Retention, Token};

use super::{burial::Cause, notes::EXPIRED, receipt::Receipt, row::JobRow};
use crate::{file::unit::Unit, state, time};

/// What to do with one message.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(crate) receipt: Receipt,
    pub(crate) action: Action,
    /// The right under which its job ran, where it had one.
    pub(crate) token: Option<Token>,
    /// How long until it comes again if its visibility timeout is left as it is.
    pub(crate) hidden_for: Duration,
}

impl Transport {
    /// Whether the message is still the one that was received: its job has not been cancelled and run once more since.
    fn is_of(&self, row: &JobRow) -> bool {
        let runs = |token: Token| row.owner == token.owner.cast_signed() && row.attempt == token.attempt;
        row.owner == self.receipt.owner || self.token.is_some_and(runs)
    }
}

/// Settles messages. One that is gone, whose job has ended, or that goes on under another right, needs nothing.
pub(crate) fn transport(unit: &mut Unit<'_>, settlements: &[Transport]) -> rusqlite::Result<()> {
    for settlement in settlements {
        let Transport { receipt, action, hidden_for, .. } = settlement;
        let Some(row) = unit.row(receipt.seq)?.filter(|row| row.visible_at.is_some()) else { continue };
        if !settlement.is_of(&row) {
            // Whoever fetches could not receive it while it counted as in flight.
            unit.effects.queue(row.queue);
            continue;
        }
        let untracked = row.state == state::UNTRACKED;
        match action {
            Action::Ack if untracked => unit.remove(&row)?,
            // Its function keeps no record of it, although its sender asked for one.
            Action::Ack if row.state != state::RUNNING => {
                let now = unit.now;
                let code = if expired(unit, row.seq)? { state::CANCELLED } else { state::SUCCEEDED };
                if code == state::CANCELLED {
                    unit.put_reason(row.seq, EXPIRED)?;
                }
                unit.end(&row, code, now, time::after(now, Retention::default().succeeded))?;
            }
            // Another attempt has taken over: the message is its own.
            Action::Ack => {}
            Action::Retry(delay) => unit.comes_again(&row, time::after(unit.now, *delay), row.receives)?,
            // Handed back untouched: as if it had never been received. A job with a record counts its receives when it
            // is claimed, and that has not happened.
            Action::Release(Some(rest)) if rest.is_zero() => {
                let receives = if untracked { row.receives.saturating_sub(1) } else { row.receives };
                unit.comes_again(&row, unit.now, receives)?;
            }
            // Looked at and put aside for a while: the next who receives it shall see how often that has happened.
            Action::Release(Some(rest)) => {
                let receives = if untracked { row.receives } else { row.receives + 1 };
                unit.comes_again(&row, time::after(unit.now, *rest), receives)?;
            }
            Action::Release(None) => unit.comes_again(&row, time::after(unit.now, *hidden_for), row.receives)?,
            Action::Bury(burial) => {
                unit.bury(&row, &Cause::from(burial))?;
                if untracked {
                    unit.remove(&row)?;
                } else {
                    unit.end(&row, state::FAILED, unit.now, time::after(unit.now, Retention::default().failed))?;
                }
            }
        }
    }
    Ok(())
}

fn expired(unit: &Unit<'_>, seq: i64) -> rusqlite::Result<bool> {
    let body: String = unit.prepare("SELECT body FROM bodies WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
    let expires_at = body.parse::<Message>().ok().and_then(|message| message.expires_at);
    Ok(expires_at.is_some_and(|at| time::nearest(at) <= unit.now))
}
