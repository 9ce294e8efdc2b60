//! A file with a million records: what was played into it, repeated until there are enough.

use std::path::Path;

use rusqlite::Connection;

use crate::Done;

/// The days over which the records are spread.
pub(crate) const DAYS: i64 = 6;

/// Repeats what was played. Each copy has new ids, and rows that were added later are of later moments, as in life.
pub(crate) fn repeat(path: &Path, records: i64) -> Done<i64> {
    let file = Connection::open(path)?;
    file.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -400000; BEGIN IMMEDIATE",
    )?;
    let (played, rows): (i64, i64) =
        file.query_row("SELECT count(*) FILTER (WHERE state != 0), max(seq) FROM jobs", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let rows: i64 =
        rows.max(file.query_row("SELECT coalesce(max(seq), 0) FROM dead_letters", [], |row| row.get(0))?) + 1;
    let copies = ((records + played - 1) / played - 1).max(0);
    // In nanoseconds: the time between two rows, so that the last is of now.
    let last: i64 = file.query_row("SELECT max(created_at) FROM jobs", [], |row| row.get(0))?;
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
    let step = (now - last) / (rows * copies.max(1));
    for table in
        ["bodies", "notes", "attempts", "logs", "members", "batches", "dead_letters", "jobs", "operations", "schedules"]
    {
        file.execute_batch(&format!("CREATE TEMP TABLE first_{table} AS SELECT * FROM main.{table}"))?;
    }
    file.execute_batch("CREATE TEMP TABLE shifts (seq INTEGER PRIMARY KEY, old TEXT, new TEXT, shift INTEGER)")?;
    for copy in 1..=copies {
        file.execute_batch(&one_copy(copy, rows, last, step))?;
    }
    file.execute_batch(&the_rest(copies))?;
    file.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(file.query_row("SELECT sum(jobs) FROM counts WHERE state != 0", [], |row| row.get(0))?)
}

fn one_copy(copy: i64, rows: i64, last: i64, step: i64) -> String {
    let offset = copy * rows;
    let before = offset - rows;
    format!(
        "DELETE FROM shifts;
         INSERT INTO shifts SELECT seq, id, id || '-{copy}', {last} + (seq + {before}) * {step} - created_at FROM first_jobs;
         INSERT INTO main.jobs SELECT j.seq + {offset}, s.new, queue, kind, state, attempt, owner,
           CASE WHEN lease_until < 0 THEN lease_until - shift ELSE lease_until + shift END, host, visible_at + shift, receives,
           created_at + shift, due_at + shift, since + shift, purge_at + shift, noted, grp, place + {offset}
           FROM first_jobs AS j JOIN shifts AS s USING (seq);
         INSERT INTO main.bodies SELECT seq + {offset}, replace(body, old, new) FROM first_bodies JOIN shifts USING (seq);
         INSERT INTO main.notes SELECT seq + {offset}, reason, output, done, total, checkpoint FROM first_notes;
         INSERT INTO main.attempts SELECT seq + {offset}, place, number, started_at + shift, ended_at + shift, host, outcome, error,
           fingerprint + {copy} % 60 FROM first_attempts JOIN shifts USING (seq);
         INSERT INTO main.logs SELECT seq + {offset}, place, at + shift, attempt, level, text FROM first_logs JOIN shifts USING (seq);
         INSERT INTO main.members SELECT seq + {offset}, batch + {offset}, counted FROM first_members;
         INSERT INTO main.batches SELECT seq + {offset}, total, succeeded, failed, cancelled FROM first_batches;
         INSERT INTO main.dead_letters SELECT d.seq + {offset}, queue, id || '-{copy}', job, reason,
           {last} + (d.seq + {before}) * {step}, receives, grp, error, body FROM first_dead_letters AS d;"
    )
}

fn the_rest(copies: i64) -> String {
    let numbers = |most: i64| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {most})");
    format!(
        "DELETE FROM main.counts;
         INSERT INTO main.counts SELECT kind, state, count(*) FROM main.jobs WHERE state != 0 GROUP BY kind, state;
         INSERT OR IGNORE INTO main.blocks SELECT DISTINCT kind, seq >> 8 FROM main.jobs WHERE state != 0;
         UPDATE main.sequence SET next = 1 + max((SELECT max(seq) FROM main.jobs), (SELECT coalesce(max(seq), 0) FROM main.dead_letters));
         UPDATE main.clock SET latest = max(latest, (SELECT max(created_at) FROM main.jobs));
         CREATE TEMP TABLE seen AS SELECT a.fingerprint, min(a.ended_at) AS first_at, max(a.ended_at) AS last_at, count(*) AS failures,
           count(DISTINCT a.seq) AS jobs, max(a.seq) AS sample FROM main.attempts AS a WHERE a.fingerprint IS NOT NULL GROUP BY 1;
         INSERT OR REPLACE INTO main.error_groups SELECT s.fingerprint, j.kind, g.outcome, g.title, s.first_at, s.last_at, s.failures,
           s.jobs, j.id, g.message FROM seen AS s JOIN main.jobs AS j ON j.seq = s.sample
           JOIN main.error_groups AS g ON g.fingerprint = (SELECT max(e.fingerprint) FROM main.error_groups AS e WHERE e.fingerprint <= s.fingerprint);
         INSERT OR IGNORE INTO main.operations SELECT id || '-' || i, created_at + i * 60000000000, ended, version, replace(body, id, id || '-' || i)
           FROM first_operations, ({} SELECT i FROM n);
         INSERT OR IGNORE INTO main.schedules SELECT name || '-' || i, replace(definition, name, name || '-' || i), job, queue, tracked, args, 0,
           last_tick + {DAYS} * 86400000000000, i % 9 = 0, last_run FROM first_schedules, ({} SELECT i FROM n);
         CREATE TEMP TABLE measured AS SELECT * FROM main.rollups WHERE minutes = 1;
         INSERT OR IGNORE INTO main.rollups SELECT 1, start + i * 60 + {}, queue, job, succeeded, retried, failed, durations, waits
           FROM measured, ({} SELECT i FROM n);
         INSERT OR IGNORE INTO main.rollups SELECT 60, (start + i * 60) / 60 * 60, queue, job, succeeded, retried, failed, durations, waits
           FROM measured, ({} SELECT i FROM n);",
        numbers(copies * 5),
        numbers(copies.min(60)),
        (DAYS - 2) * 24 * 60,
        numbers(48),
        numbers((DAYS - 2) * 24),
    )
}
