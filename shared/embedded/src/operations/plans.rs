//! SQLite's plan of every statement of this crate: its indexes, with statistics and without.
//!
//! The statements are collected from the source code, so none can be left out: each needs its plan in `plans.txt`. A
//! plan there that reads a whole large table, or sorts, has its justification in a line that begins with `#`.

use std::{collections::BTreeMap, fs, path::Path};

use lamplighter::env::Env;
use rusqlite::Connection;

use self::source::statements;
use crate::{
    backend::SqliteBackend,
    db::connection,
    settings::{Durability, Settings},
};

mod source;

/// Statement, reason and plan, each on lines of its own, followed by an empty line.
const PLANS: &str = include_str!("plans.txt");

/// Tables that grow with the number of jobs.
const LARGE: &[&str] = &[
    "jobs",
    "bodies",
    "notes",
    "attempts",
    "dead_letters",
    "blocks",
    "waits",
    "unique_keys",
    "logs",
    "batches",
    "members",
    "limit_waits",
    "limit_rates",
    "rollups",
    "operations",
];

/// A file in which most jobs wait, and one in which nearly all have ended, each with the statistics from `ANALYZE`, and
/// a new file without statistics.
const FILES: &[(&str, Option<&str>)] = &[
    ("new", None),
    ("waiting", Some("CASE WHEN n % 50 = 0 THEN 5 WHEN n % 20 = 0 THEN 2 WHEN n % 90 = 1 THEN 7 ELSE 1 END")),
    ("ended", Some("CASE WHEN n % 4000 = 0 THEN 1 WHEN n % 4000 = 1 THEN 5 WHEN n % 40 = 0 THEN 7 ELSE 2 END")),
];

fn open(name: &str, states: Option<&str>) -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let embedded = SqliteBackend::open(folder.path().join("jobs.db"), Settings::new().env(Env::system())).unwrap();
    let (connection, _) = connection::writer(embedded.location(), Durability::Normal).unwrap();
    // Elsewhere, it is in a database of the caller's own.
    crate::outbox::create(&connection).unwrap();
    let Some(states) = states else { return (folder, connection) };
    connection
        .execute_batch(&format!(
            "BEGIN;
             INSERT INTO queues VALUES (1, 'work', 0, 0), (2, 'ordered', 1, 0), (3, 'rare', 0, 0);
             INSERT INTO kinds VALUES (1, 1, 'act'), (2, 1, 'tidy'), (3, 2, 'step'), (4, 3, 'seldom');
             INSERT INTO hosts VALUES (1, 'one'), (2, 'two');
             CREATE TEMP TABLE made AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 20000)
               SELECT n, CASE WHEN n % 5000 = 3 THEN 4 WHEN n % 7 = 0 THEN 3 WHEN n % 3 = 0 THEN 2 ELSE 1 END AS kind,
               {states} AS state FROM numbers;
             INSERT INTO jobs SELECT n, 'job-' || n, kinds.queue, kind, state, state > 1, n, n, 1 + n % 2,
               CASE WHEN state IN (2, 7) THEN NULL ELSE n END, 0, n, n, n, CASE WHEN state IN (2, 7) THEN n + 1000000 END,
               n % 100 = 0, CASE WHEN kind = 3 THEN 'group-' || n % 500 END, CASE WHEN kind = 3 AND state NOT IN (2, 7) THEN n END
               FROM made JOIN kinds ON kinds.id = kind;
             INSERT INTO bodies SELECT n, '{{\"job\":\"act\"}}' FROM made;
             INSERT INTO notes SELECT n, NULL, '1', NULL, NULL, NULL FROM made WHERE n % 10 = 0;
             INSERT INTO attempts SELECT n, place, place, n, n, 1, 1, NULL, CASE WHEN n % 9 = 0 THEN n % 40 END
               FROM made, (SELECT 1 AS place UNION ALL SELECT 2) WHERE state != 1 AND (place = 1 OR n % 9 = 0);
             INSERT INTO counts SELECT kind, state, count(*) FROM made GROUP BY kind, state;
             INSERT INTO blocks SELECT DISTINCT kind, n >> 8 FROM made;
             INSERT INTO dead_letters SELECT n + 20000, 1 + n % 2, 'job-' || n, 'act', 'failed', n, 1, NULL, 'no', '{{}}'
               FROM made WHERE state = 7;
             INSERT INTO error_groups SELECT n, 1, 2, 'no', n, n, 3, 2, 'job-' || n, 'no' FROM made WHERE n < 500;
             INSERT INTO rollups SELECT CASE WHEN n % 9 = 0 THEN 60 ELSE 1 END, n / 5, n % 5, 'act', 9, 1, 1, x'', x'' FROM made;
             INSERT INTO waits SELECT 'job-' || n, n + 1, 1 FROM made WHERE n % 10 = 0;
             INSERT INTO unique_keys SELECT 1, 'key-' || n, 'job-' || n, 2, n FROM made WHERE n % 10 = 0;
             INSERT INTO batches SELECT n, 5, 2, 0, 0 FROM made WHERE n % 50 = 0;
             INSERT INTO members SELECT n, n - n % 50, n % 20 = 0 FROM made WHERE n % 10 = 1;
             INSERT INTO limit_holders SELECT 'key-' || n, n, n, n FROM made WHERE state = 5;
             INSERT INTO limit_waits SELECT n, 'key-' || n % 100, n, CASE WHEN n % 3 = 0 THEN n END FROM made WHERE n % 10 = 2;
             INSERT INTO limit_rates SELECT 'key-' || n, n, n, 1, n FROM made WHERE n % 10 = 3;
             INSERT INTO schedules SELECT 'every-' || n, '{{}}', 'act', 'work', 1, '{{}}', 1, n, 0, NULL FROM made LIMIT 20;
             INSERT INTO operations SELECT 'op-' || n, n, n % 100 != 0, 3, '{{}}' FROM made;
             DROP TABLE made;
             COMMIT;
             ANALYZE"
        ))
        .unwrap_or_else(|error| panic!("the file {name} cannot be filled: {error}"));
    drop(connection);
    // A connection reads the statistics when it is opened.
    let (connection, _) = connection::writer(embedded.location(), Durability::Normal).unwrap();
    (folder, connection)
}

/// Returns SQLite's plan of a statement, one line per table.
fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let (mut rows, mut lines) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        lines.push(row.get(3)?);
    }
    Ok(lines)
}

/// Returns the plan of a statement on each of the files: one plan where they agree.
fn plans(files: &[(&str, Connection)], sql: &str) -> String {
    let all: Vec<_> = files.iter().map(|(name, file)| (*name, plan(file, sql).map_err(|e| e.to_string()))).collect();
    let text = |name: Option<&str>, plan: &Result<Vec<String>, String>| {
        let lines = match plan {
            Ok(lines) if lines.is_empty() => vec!["-".to_owned()],
            Ok(lines) => lines.clone(),
            Err(error) => vec![format!("ERROR {error}")],
        };
        let on = name.map_or_else(String::new, |name| format!("[{name}] "));
        lines.iter().map(|line| format!("  {on}{line}\n")).collect::<String>()
    };
    if all.iter().all(|(_, plan)| *plan == all[0].1) {
        return text(None, &all[0].1);
    }
    all.iter().map(|(name, plan)| text(Some(name), plan)).collect()
}

/// The recorded plan of a statement, and the justification of a costly one.
#[derive(Default)]
struct Entry {
    reason: Option<String>,
    plan: String,
}

fn written() -> BTreeMap<String, Entry> {
    let entries = PLANS.split("\n\n").map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (sql, rest) = entry.split_once('\n').unwrap_or((entry, ""));
            let mut found = Entry::default();
            for line in rest.lines() {
                match line.strip_prefix("# ") {
                    Some(reason) => found.reason = Some(reason.to_owned()),
                    None => found.plan += &format!("{line}\n"),
                }
            }
            (sql.to_owned(), found)
        })
        .collect()
}

/// Returns whether a plan reads more than it returns: a whole large table, or rows to be sorted.
fn is_costly(plan: &str) -> bool {
    let whole = |line: &str| {
        let mut words = line.trim_start_matches([' ', '[']).split_whitespace().skip_while(|word| word.ends_with(']'));
        match (words.next(), words.next()) {
            (Some("SCAN"), Some(table)) => LARGE.contains(&table),
            // Without any index: for the largest value.
            (Some("SEARCH"), Some(table)) => LARGE.contains(&table) && words.next().is_none(),
            _ => false,
        }
    };
    plan.lines().any(whole) || plan.contains("TEMP B-TREE") || plan.contains("AUTOMATIC")
}

fn files() -> (Vec<tempfile::TempDir>, Vec<(&'static str, Connection)>) {
    FILES
        .iter()
        .map(|(name, states)| {
            let (folder, connection) = open(name, *states);
            (folder, (*name, connection))
        })
        .unzip()
}

#[test]
fn every_statement_has_its_recorded_plan() {
    let (_folders, files) = files();
    let (mut written, mut wrong) = (written(), Vec::new());
    for sql in statements(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"))) {
        let plan = plans(&files, &sql);
        match written.remove(&sql) {
            None => wrong.push(format!("plans.txt lacks\n\n{sql}\n{plan}")),
            Some(entry) if entry.plan != plan => {
                wrong.push(format!("{sql}\n  should do\n{}  and does\n{plan}", entry.plan));
            }
            Some(entry) if is_costly(&plan) != entry.reason.is_some() => {
                wrong.push(format!(
                    "{sql}\n{plan}  reads a whole table or sorts, and no `#` line says why, or the reverse"
                ));
            }
            Some(_) => {}
        }
    }
    wrong.extend(written.into_keys().map(|sql| format!("no code has this statement of plans.txt any more:\n{sql}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_any_one_index_some_plan_changes() {
    let (_folders, files) = files();
    let statements = statements(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")));
    let all = |files: &[(&str, Connection)]| statements.iter().map(|sql| plans(files, sql)).collect::<Vec<_>>();
    let before = all(&files);
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
    let mut indexes = files[0].1.prepare(sql).unwrap();
    let indexes: Vec<String> = indexes.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(indexes.len() > 5, "{indexes:?}");
    for index in indexes {
        for (_, file) in &files {
            file.execute_batch(&format!("BEGIN; DROP INDEX {index}")).unwrap();
        }
        assert_ne!(all(&files), before, "no statement needs the index {index}");
        files.iter().for_each(|(_, file)| file.execute_batch("ROLLBACK").unwrap());
    }
    assert_eq!(all(&files), before);
}

/// The search must find every statement.
#[test]
fn statements_are_found_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "lib.rs",
        "/// SELECT of a comment\nmod a;\n#[cfg(test)]\nmod tests;\nmod b { const X: &str = \"update t set x = 1\"; }",
    );
    write(
        "a.rs",
        "mod c;\nfn f() { run(\"DELETE FROM t\n  WHERE x\"); }\n#[cfg(test)]\nmod tests { const Y: &str = \"SELECT 2\"; }",
    );
    write(
        "a/c.rs",
        "fn f() { format!(\"SELECT {x} FROM t\", x = \"with one as (select 1) select * from one\"); say(\"update it\"); }",
    );
    write("tests.rs", "const Z: &str = \"SELECT 3\";");
    let found: Vec<_> = statements(&folder.path().join("lib.rs")).into_iter().collect();
    let all = [
        "DELETE FROM t WHERE x",
        "SELECT {x} FROM t",
        "update t set x = 1",
        "with one as (select 1) select * from one",
    ];
    assert_eq!(found, all);
}
