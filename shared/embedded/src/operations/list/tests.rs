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

fn in_states(states: &[JobState]) -> ListQuery {
    ListQuery { states: states.to_vec(), ..ListQuery::default() }
}

#[tokio::test]
async fn every_set_of_states_and_queues_is_found_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (kind, code) = ("CASE WHEN n % 97 = 0 THEN 2 WHEN n % 3 = 0 THEN 3 ELSE 1 END", "2 * n * n % 9");
    let embedded = filled(folder.path(), 2000, kind, code).await;
    let of = |n: i64| {
        let name = if n % 97 == 0 { "rare" } else { "common" };
        if n % 97 != 0 && n % 3 == 0 { "other" } else { name }
    };
    let second = |n: i64| Some(jiff::Timestamp::from_second(n).unwrap());
    for set in 0..1_u32 << JobState::ALL.len() {
        let states: Vec<_> = JobState::ALL
            .into_iter()
            .enumerate()
            .filter(|(n, _)| set & (1 << n) != 0)
            .map(|(_, state)| state)
            .collect();
        let codes: Vec<_> = states.iter().copied().map(state::code).collect();
        let (queues, without) = match set % 4 {
            0 => (vec![], vec![]),
            1 => (vec!["rare", "other"], vec![]),
            2 => (vec!["r*", "nowhere"], vec![]),
            _ => (vec![], vec!["common", "o*"]),
        };
        let (since, before) = if set % 3 == 0 { (Some(700), Some(1500)) } else { (None, None) };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let takes = |name: &str| match set % 4 {
            0 => true,
            1 => name != "common",
            _ => name == "rare",
        };
        let wanted: Vec<_> = (1..=2000)
            .rev()
            .filter(|n| if codes.is_empty() { 2 * n * n % 9 != 0 } else { codes.contains(&(2 * n * n % 9)) })
            .filter(|n| takes(of(*n)))
            .filter(|n| since.is_none_or(|since| *n >= since) && before.is_none_or(|before| *n < before))
            .map(|n| format!("job-{n}"))
            .collect();
        let limit = if wanted.len() < 100 { 7 } else { 300 };
        let query = ListQuery {
            queues: names(&queues),
            without_queues: names(&without),
            since: since.and_then(second),
            before: before.and_then(second),
            limit,
            ..in_states(&states)
        };
        assert_eq!(ids(&embedded, &query).await, wanted, "{query:?}");
    }
}

#[tokio::test]
async fn rare_records_of_several_states_are_found_without_reading_the_others() {
    use JobState::{Cancelled, Failed, Queued, Running, Succeeded};
    let folder = tempfile::tempdir().unwrap();
    let kind = "CASE WHEN n IN (5, 30000, 99000) THEN 2 ELSE 1 END";
    let code = "CASE WHEN n IN (9, 30000) THEN 1 WHEN n IN (10, 50000) THEN 7 WHEN n = 11 THEN 5 ELSE 2 END";
    let embedded = filled(folder.path(), 100_000, kind, code).await;
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let by_id = |start: &str| ListQuery { id_prefix: Some(start.into()), ..ListQuery::default() };
    let text = |text: &str| ListQuery { text: Some(text.into()), ..ListQuery::default() };
    let cases = [
        (in_states(&[Failed, Running, Queued]), 5),
        (in_states(&[Failed, Cancelled]), 2),
        (ListQuery { queues: names(&["rare", "other"]), ..in_states(&[Queued, Succeeded]) }, 3),
        (ListQuery { queues: names(&["r*"]), ..in_states(&[]) }, 3),
        (ListQuery { without_jobs: names(&["common"]), ..in_states(&[]) }, 3),
        (in_states(&[Succeeded, Failed]), 50),
        (by_id("job-99000"), 1),
        (by_id("job-9900"), 11),
        (by_id("nothing"), 0),
        (ListQuery { states: vec![Queued, Failed], ..by_id("job-300") }, 1),
        (by_id("job-"), 50),
        (text("job-99000"), 1),
        (text("rare"), 3),
        (text("nothing"), 0),
    ];
    embedded
        .0
        .writer
        .read(move |connection| {
            for (query, wanted) in &cases {
                let found = list(connection, query)?.unwrap().records.len();
                assert_eq!(found, *wanted, "{query:?}");
                let steps = steps(connection);
                // The 5,000 entries after which ids are looked for among the newest rows.
                let most = if query.id_prefix.as_deref() == Some("job-") { 100_000 } else { 20_000 };
                assert!(steps < most, "{steps} steps for {query:?}");
            }
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn very_many_ids_that_begin_alike_are_found_a_bounded_number_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = filled(folder.path(), 12_000, "1", "CASE WHEN n < 10 THEN 7 ELSE n % 2 * 2 END").await;
    let alike = |states: &[JobState]| ListQuery { id_prefix: Some("job-".into()), limit: 1000, ..in_states(states) };
    let odd: Vec<_> = (10..=12_000).rev().filter(|n| n % 2 == 1).map(|n| format!("job-{n}")).collect();
    assert_eq!(ids(&embedded, &alike(&[JobState::Succeeded])).await, odd);
    let page = embedded.client().list(&alike(&[JobState::Failed])).await.unwrap();
    assert!(page.records.is_empty() && page.next.is_some(), "{page:?}");
    let failed: Vec<_> = (1..10).rev().map(|n| format!("job-{n}")).collect();
    assert_eq!(ids(&embedded, &alike(&[JobState::Failed])).await, failed);
}

#[tokio::test]
async fn a_search_looks_at_a_bounded_number_of_records_and_goes_on() {
    use lamplighter::query::{Coverage, MatchCount, Query, Search};

    let folder = tempfile::tempdir().unwrap();
    let embedded = filled(folder.path(), 5000, "1", "2").await;
    let few = |tx: &mut Transaction<'_>| {
        tx.connection.execute_batch("UPDATE jobs SET attempt = 4 WHERE seq IN (7, 8, 2900, 3500, 4400, 4990, 4991)")
    };
    embedded.0.writer.run(1, few).await.unwrap();
    let client = embedded.client();
    let query: Query = "attempt:>3".parse().unwrap();
    for limit in [1, 2, 3, 50] {
        let (mut search, mut found) = (Search::new(query.clone()).with_limit(limit), Vec::new());
        loop {
            let page = client.search(&search).await.unwrap();
            let full = page.records.len() == limit;
            assert!(page.records.len() <= limit);
            if let Coverage::Searched { records, back_to } = page.coverage {
                assert!(!full && records == 2000 && page.next.is_some(), "{page:?}");
                assert!(page.records.iter().all(|record| record.created_at >= back_to), "{page:?}");
            } else {
                assert!(full || page.next.is_none(), "{page:?}");
            }
            // The cursor stands right behind the last record of a full page.
            if let (true, Some(next), Some(last)) = (full, &page.next, page.records.last()) {
                assert_eq!(format!("job-{next}"), last.id.as_str());
            }
            found.extend(page.records.into_iter().map(|record| record.id.to_string()));
            match page.next {
                Some(next) => search = search.with_cursor(Some(next)),
                None => break,
            }
        }
        assert_eq!(found, ["job-4991", "job-4990", "job-4400", "job-3500", "job-2900", "job-8", "job-7"], "{limit}");
    }
    let count = |text: &str, most| {
        let (client, query) = (&client, text.parse::<Query>().unwrap());
        async move { client.count_matches(&query, most).await.unwrap() }
    };
    assert_eq!(count("attempt:>3", 100).await, MatchCount { jobs: 4, is_complete: false });
    assert_eq!(count("attempt:>3", 10_000).await, MatchCount { jobs: 7, is_complete: true });
    assert_eq!(count("state:succeeded queue:com*", 1).await, MatchCount { jobs: 5000, is_complete: true });
    assert_eq!(count("job:common", 100).await, MatchCount { jobs: 100, is_complete: false });
    assert_eq!(count("-state:succeeded", 100).await, MatchCount { jobs: 0, is_complete: true });
}
