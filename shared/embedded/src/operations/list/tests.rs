use lamplighter::env::Env;
use rusqlite::StatementStatus;

use super::{
    narrow::{BY_ID, NEWEST_ROWS},
    *,
};
use crate::{backend::SqliteBackend, db::transaction::Transaction, settings::Settings};

/// Inserts `rows` rows, whose kind and state are given by two expressions over `n`.
fn fill(tx: &mut Transaction<'_>, rows: i64, kind: &str, code: &str) -> rusqlite::Result<()> {
    for name in ["common", "rare", "other"] {
        let queue = tx.queue(name)?.id;
        tx.kind(queue, name)?;
    }
    tx.connection.execute_batch(&format!(
        "CREATE TEMP TABLE made AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})
           SELECT n, {kind} AS kind, {code} AS state FROM numbers;
         INSERT INTO jobs SELECT n, 'job-' || n, kind, kind, state, 0, 0, 0, 0,
           CASE WHEN state IN (2, 7, 8) THEN NULL WHEN n % 7 = 0 AND state = 1 THEN {HELD} ELSE n END,
           0, n * 1000000000, n, n, CASE WHEN state IN (2, 7, 8) THEN n + 1000000 END, 0, NULL, NULL FROM made;
         INSERT INTO bodies SELECT n, '{{\"job\":\"a\"}}' FROM made;
         INSERT INTO blocks SELECT DISTINCT kind, n >> 8 FROM made WHERE state != 0;
         INSERT INTO counts SELECT kind, state, count(*) FROM made WHERE state != 0 GROUP BY kind, state;
         DROP TABLE made;"
    ))
}

async fn filled(folder: &std::path::Path, rows: i64, kind: &'static str, code: &'static str) -> SqliteBackend {
    let settings = Settings::new().env(Env::seeded("2026-11-26T00:00:00Z".parse().unwrap(), 1));
    let embedded = SqliteBackend::open(folder.join("jobs.db"), settings).unwrap();
    embedded.0.writer.run(1, move |tx| fill(tx, rows, kind, code)).await.unwrap();
    embedded
}

async fn ids(embedded: &SqliteBackend, query: &ListQuery) -> Vec<String> {
    let (mut query, mut ids) = (query.clone(), Vec::new());
    loop {
        let page = embedded.client().list(&query).await.unwrap();
        ids.extend(page.records.iter().map(|record| record.id.to_string()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn every_search_finds_the_same_records_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (kind, code) = ("CASE WHEN n % 97 = 0 THEN 2 WHEN n % 3 = 0 THEN 3 ELSE 1 END", "2 * n * n % 9");
    let embedded = filled(folder.path(), 3000, kind, code).await;
    let of = |n: i64| {
        if n % 97 == 0 {
            "rare"
        } else if n % 3 == 0 {
            "other"
        } else {
            "common"
        }
    };
    let second = |n: i64| Some(jiff::Timestamp::from_second(n).unwrap());
    for state in JobState::ALL.into_iter().map(Some).chain([None]) {
        for queue in [None, Some("rare"), Some("other"), Some("nowhere")] {
            for (since, before) in [(None, None), (Some(1000), None), (None, Some(500)), (Some(700), Some(900))] {
                let wanted: Vec<_> = (1..=3000)
                    .rev()
                    .filter(|n| state.map_or(2 * n * n % 9 != 0, |state| state::code(state) == 2 * n * n % 9))
                    .filter(|n| queue.is_none_or(|queue| of(*n) == queue))
                    .filter(|n| since.is_none_or(|since| *n >= since) && before.is_none_or(|before| *n < before))
                    .map(|n| format!("job-{n}"))
                    .collect();
                for limit in [7, 1000] {
                    let query = ListQuery {
                        states: state.into_iter().collect(),
                        queues: queue.map(Into::into).into_iter().collect(),
                        since: since.and_then(second),
                        before: before.and_then(second),
                        limit,
                        ..ListQuery::default()
                    };
                    assert_eq!(ids(&embedded, &query).await, wanted, "{query:?}");
                }
            }
        }
    }
}

/// Returns SQLite's work for listings on this connection, in steps of its virtual machine: about eight per row.
fn steps(connection: &Connection) -> i32 {
    [BY_STATE, MESSAGES, ENDED, BLOCK, BACKWARDS, BY_ID, NEWEST_ROWS]
        .iter()
        .map(|sql| connection.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep))
        .sum()
}

#[tokio::test]
async fn rare_records_are_found_without_reading_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let kind = "CASE WHEN n IN (5, 30000, 99000) THEN 2 ELSE 1 END";
    let embedded = filled(folder.path(), 100_000, kind, "CASE WHEN n IN (9, 30000) THEN 1 ELSE 2 END").await;
    let query = |state: Option<JobState>, queue: Option<&str>| ListQuery {
        states: state.into_iter().collect(),
        queues: queue.map(Into::into).into_iter().collect(),
        ..ListQuery::default()
    };
    let cases = [
        (query(None, Some("rare")), 3),
        (query(Some(JobState::Succeeded), Some("rare")), 2),
        (query(Some(JobState::Queued), None), 2),
        (query(Some(JobState::Queued), Some("common")), 1),
        (query(Some(JobState::Running), None), 0),
        (query(None, Some("other")), 0),
        (ListQuery { since: Some(jiff::Timestamp::from_second(99_990).unwrap()), ..query(None, None) }, 11),
    ];
    embedded
        .0
        .writer
        .read(move |connection| {
            for (query, wanted) in &cases {
                let found = list(connection, query)?.unwrap().records.len();
                assert_eq!(found, *wanted, "{query:?}");
                let steps = steps(connection);
                assert!(steps < 20_000, "{steps} steps for {query:?}");
            }
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn few_queued_jobs_are_found_among_many_of_their_queue() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = filled(folder.path(), 100_000, "1", "1").await;
    let rare = |tx: &mut Transaction<'_>| {
        let kind = tx.kind(1, "seldom")?;
        tx.connection.execute_batch(&format!(
            "UPDATE jobs SET kind = {kind} WHERE seq IN (5, 30000, 99000);
             INSERT INTO blocks SELECT kind, seq >> 8 FROM jobs WHERE kind = {kind};
             UPDATE counts SET jobs = jobs - 3;
             INSERT INTO counts VALUES ({kind}, 1, 3);"
        ))
    };
    embedded.0.writer.run(1, rare).await.unwrap();
    let query = ListQuery { states: vec![JobState::Queued], jobs: vec!["seldom".into()], ..ListQuery::default() };
    assert_eq!(ids(&embedded, &query).await, ["job-99000", "job-30000", "job-5"]);
    let look = move |connection: &Connection| {
        list(connection, &query)?;
        Ok(steps(connection))
    };
    let steps = embedded.0.writer.read(look).await.unwrap();
    assert!(steps < 10_000, "{steps} steps");
}

#[tokio::test]
async fn few_succeeded_jobs_are_found_among_many_queued() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = filled(folder.path(), 100_000, "1", "CASE WHEN n <= 3 THEN 2 ELSE 1 END").await;
    let query = ListQuery { states: vec![JobState::Succeeded], ..ListQuery::default() };
    let look = move |connection: &Connection| {
        let found = list(connection, &query)?.unwrap().records.len();
        Ok((found, steps(connection)))
    };
    let (found, steps) = embedded.0.writer.read(look).await.unwrap();
    assert_eq!(found, 3);
    assert!(steps < 1000, "{steps} steps");
}
