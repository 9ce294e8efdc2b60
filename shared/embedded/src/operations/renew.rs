//! Extends the leases of running attempts, with the places that they have in limits.

use lamplighter::backend::{LeaseStatus, RenewRequest};
use rusqlite::params;

use crate::{db::transaction::Transaction, time};

const RENEW: &str = "UPDATE jobs SET lease_until = ?4 WHERE id = ?1 AND state = 5 AND attempt = ?2 AND owner = ?3";
const RENEW_PLACE: &str = "UPDATE limit_holders SET until = ?4 WHERE key = ?1 AND seq = (SELECT seq FROM jobs WHERE id = ?2) \
    AND owner = ?3";

/// Extends each lease. The answers are in the order of the requests.
pub(crate) fn renew(tx: &mut Transaction<'_>, requests: &[RenewRequest]) -> rusqlite::Result<Vec<LeaseStatus>> {
    requests.iter().map(|request| one(tx, request)).collect()
}

fn one(tx: &mut Transaction<'_>, request: &RenewRequest) -> rusqlite::Result<LeaseStatus> {
    let (owner, until) = (request.token.owner.cast_signed(), time::nearest(request.lease_until));
    let held = tx.prepare(RENEW)?.execute(params![request.id.as_str(), request.token.attempt, owner, until])? == 1;
    if !held {
        return Ok(LeaseStatus::Lost);
    }
    for key in &request.limits {
        tx.prepare(RENEW_PLACE)?.execute(params![key, request.id.as_str(), owner, until])?;
    }
    Ok(LeaseStatus::Held)
}
