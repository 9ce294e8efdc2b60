//! How SQLite carries out the statements that run over many rows: by which index, with statistics and without.

use lamplighter::env::Env;
use rusqlite::Connection;

use super::{
    attempts, claim, clock, dead_letters, groups, list, locks, pause, receive, records, redrive, retention, row, settle,
};
use crate::{
    backend::SqliteBackend,
    db::{catalog, connection},
    engine,
    settings::{Durability, Settings},
};

/// Statements, and what their plans must say.
const PLANS: &[(&str, &[&str])] = &[
    (list::BY_STATE, &["SEARCH jobs USING INDEX jobs_listed (kind=? AND state=? AND rowid>? AND rowid<?)"]),
    (list::MESSAGES, &["SEARCH jobs USING INDEX jobs_ready (queue=? AND visible_at>? AND visible_at<?)"]),
    (list::ENDED, &["SEARCH jobs USING INDEX jobs_purge (purge_at>?)"]),
    (list::BLOCK, &["SEARCH blocks USING PRIMARY KEY (kind=? AND block<?)"]),
    (list::BACKWARDS, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]),
    (list::FROM, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid>?)"]),
    (list::NEWEST, &["SEARCH jobs"]),
    (list::COUNTS, &["SCAN counts"]),
    (records::BY_ID, &["SEARCH jobs USING INDEX jobs_id (id=?)", "SEARCH bodies USING INTEGER PRIMARY KEY"]),
    (records::BY_SEQ, &["SEARCH jobs USING INTEGER PRIMARY KEY", "SEARCH bodies USING INTEGER PRIMARY KEY"]),
    (records::ATTEMPTS, &["SEARCH attempts USING PRIMARY KEY (seq=?)"]),
    (dead_letters::LIST, &["SEARCH dead_letters USING INDEX dead_letters_queue (queue=? AND rowid>?)"]),
    (redrive::OLDEST, &["SEARCH dead_letters USING INDEX dead_letters_queue (queue=? AND rowid<?)"]),
    (redrive::COUNTS, &["SEARCH dead_letters USING INDEX dead_letters_queue (queue=?)"]),
    (pause::VISIBLE, &["SEARCH jobs USING COVERING INDEX jobs_ready (queue=? AND visible_at>? AND visible_at<?)"]),
    (pause::LETTERS, &["SEARCH dead_letters USING COVERING INDEX dead_letters_queue (queue=?)"]),
    (receive::VISIBLE, &["SEARCH jobs USING INDEX jobs_ready (queue=? AND"]),
    (receive::NEXT, &["SEARCH jobs USING COVERING INDEX jobs_ready (queue=? AND visible_at>?)"]),
    (receive::FOLLOWERS, &["SEARCH jobs USING INDEX jobs_groups (queue=? AND grp=?"]),
    (groups::FIRST, &["SEARCH jobs USING INDEX jobs_groups (queue=? AND grp=?"]),
    (retention::DUE_RECORDS, &["SEARCH jobs USING INDEX jobs_purge (purge_at>? AND purge_at<?)"]),
    (retention::DUE_LETTERS, &["SEARCH dead_letters USING COVERING INDEX dead_letters_age (buried_at<?)"]),
    (retention::NEXT_RECORD, &["jobs USING COVERING INDEX jobs_purge"]),
    (retention::NEXT_LETTER, &["dead_letters USING COVERING INDEX dead_letters_age"]),
    (
        catalog::EMPTY_BLOCK,
        &["SEARCH blocks USING PRIMARY KEY (kind=? AND block=?)", "SEARCH jobs USING INTEGER PRIMARY KEY"],
    ),
    (clock::MOVE_LEASES, &["SEARCH jobs USING COVERING INDEX jobs_listed (kind=? AND state=?)"]),
    (clock::LETTERS, &["SEARCH dead_letters USING INDEX dead_letters_age (buried_at>?)"]),
    (engine::RUNNING, &["SEARCH jobs USING INDEX jobs_listed (kind=? AND state=?)"]),
    (claim::FIRST, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"]),
    (claim::AGAIN, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"]),
    (settle::SUCCEED, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"]),
    (row::BY_SEQ, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"]),
    (row::BY_ID, &["SEARCH jobs USING INDEX jobs_id (id=?)"]),
    (row::OWNER, &["SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH bodies USING INTEGER PRIMARY KEY"]),
    (attempts::KNOWN, &["SEARCH attempts USING PRIMARY KEY (seq=?"]),
    (attempts::TRIM, &["SEARCH attempts USING PRIMARY KEY (seq=?"]),
    (locks::HELD_UNTIL, &["SEARCH locks USING PRIMARY KEY (key=?)"]),
    (locks::FREE, &["SEARCH locks USING INDEX locks_seq (seq=?)"]),
];

/// Tables that grow with the number of jobs: never to be read as a whole.
const LARGE: &[&str] = &["jobs", "bodies", "notes", "attempts", "dead_letters", "blocks"];

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let (mut rows, mut lines) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next().unwrap() {
        lines.push(row.get::<_, String>(3).unwrap());
    }
    lines.join("; ")
}

fn check(connection: &Connection) {
    let mut wrong = Vec::new();
    for (sql, wanted) in PLANS {
        let plan = plan(connection, sql);
        for part in wanted.iter().filter(|part| !plan.contains(**part)) {
            wrong.push(format!("{sql}\n  is to {part},\n  and does: {plan}"));
        }
        for whole in LARGE.iter().map(|table| format!("SCAN {table}")) {
            if plan.split("; ").any(|line| line == whole) {
                wrong.push(format!("{sql}\n  reads a whole table: {plan}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_statement_over_many_rows_goes_by_an_index_with_statistics_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = SqliteBackend::open(&path, Settings::new().env(Env::system())).unwrap();
    for n in 0..300 {
        embedded.send_raw(&format!("queue-{}", n % 3), r#"{"job":"a"}"#).await.unwrap();
    }
    let (connection, _) = connection::writer(embedded.location(), Durability::Normal).unwrap();
    check(&connection);
    connection.execute_batch("ANALYZE").unwrap();
    // Statistics of a file in which nearly everything has ended.
    connection
        .execute_batch(
            "DELETE FROM sqlite_stat1;
             INSERT INTO sqlite_stat1 VALUES ('jobs', 'jobs_id', '1000000 1'), ('jobs', 'jobs_ready', '20 20 1'),
               ('jobs', 'jobs_listed', '20 10 5'), ('jobs', 'jobs_purge', '999980 1'), ('jobs', 'jobs_groups', '5 5 1 1'),
               ('blocks', 'blocks', '4000 4000 1'), ('attempts', 'attempts', '1000000 1 1'),
               ('dead_letters', 'dead_letters_queue', '10 10'), ('dead_letters', 'dead_letters_age', '10 1');
             ANALYZE sqlite_schema",
        )
        .unwrap();
    drop(connection);
    check(&connection::writer(embedded.location(), Durability::Normal).unwrap().0);
}
