//! The hosts that run jobs, and those that have run some lately.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::db::catalog;

const NAMES: &str = "SELECT id, name FROM hosts";
const RUNNING: &str =
    "SELECT host, count(*), max(since) FROM jobs WHERE kind = ?1 AND state = 5 AND state > 2 GROUP BY host";
/// Attempts that stay in the rows of their jobs are found there. A job that has not begun has no host, so that of many new ones,
/// few hosts are seen.
const OF_JOBS: &str = "SELECT host, since FROM jobs ORDER BY seq DESC LIMIT 500";
const OF_ATTEMPTS: &str = "SELECT host, ended_at FROM attempts ORDER BY seq DESC, place DESC LIMIT 500";

/// A host.
pub(crate) struct Seen {
    pub(crate) host: String,
    pub(crate) running: u64,
    pub(crate) last_seen: i64,
}

/// The hosts of running jobs and of the latest attempts, the latest first.
pub(crate) fn seen(connection: &Connection) -> rusqlite::Result<Vec<Seen>> {
    let mut hosts: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    let mut running = connection.prepare_cached(RUNNING)?;
    for kind in catalog::queue_jobs(connection)? {
        let mut rows = running.query([kind.id])?;
        while let Some(row) = rows.next()? {
            let known = hosts.entry(row.get(0)?).or_default();
            known.0 += u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            known.1 = known.1.max(row.get(2)?);
        }
    }
    for sql in [OF_JOBS, OF_ATTEMPTS] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let known = hosts.entry(row.get(0)?).or_default();
            known.1 = known.1.max(row.get(1)?);
        }
    }
    let mut names = connection.prepare_cached(NAMES)?;
    let mut rows = names.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some((running, last_seen)) = hosts.remove(&row.get(0)?) {
            all.push(Seen { host: row.get(1)?, running, last_seen });
        }
    }
    all.sort_by_key(|seen| std::cmp::Reverse(seen.last_seen));
    Ok(all)
}
