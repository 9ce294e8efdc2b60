//! The file's layout.
//!
//! **A tracked job and its message are one row of `jobs`**, so they cannot get out of step: the job is on its queue
//! while `visible_at` is not null, and has a record until it is purged unless `state` is 0. A message without a record
//! is a row with the state 0, deleted when it is acknowledged.
//!
//! Rows of `jobs` are small and keep their size from enqueued to succeeded, so that SQLite overwrites them in place:
//! the columns that change are filled from the start with numbers of their final length, also the host's. Long data, and
//! data that only some jobs have, is in other tables: `bodies` (written once, read once), `notes` (output, progress,
//! checkpoint) and `attempts`.
//!
//! An index over all states would double the cost of a job, since each job goes through three. So the two states that
//! most jobs are in, queued and succeeded, are not in the index, and `counts` tells a listing when it has found all.
//! For the same reason there is no index over kinds, but `blocks`, with the blocks of rows that hold records of a kind.
//!
//! **`created_at` never decreases from one `seq` to the next.** The moments of transactions never go back while the
//! clock is at most [`SLACK`](crate::operations::clock::SLACK) behind; moments from a clock that ran ahead are
//! corrected when the clock is. So a listing finds a moment by bisection.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use rusqlite::Connection;

use super::connection::{Location, unusable};
use crate::error::OpenError;

/// "LAMP": identifies our files in SQLite's header.
pub(super) const APPLICATION: i64 = 0x4C41_4D50;

/// The layout that this version writes.
pub(crate) const LAYOUT: i64 = 6;

/// For each layout, the statements that create it from the one before.
const STEPS: [&str; 6] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// The identification in a file's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    application: i64,
    layout: i64,
    /// Tables, indexes and other objects; not counted in a file of ours.
    tables: i64,
}

impl Head {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (application, layout) = (number("application_id")?, number("user_version")?);
        let tables = match application {
            APPLICATION => 0,
            _ => connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
        };
        Ok(Self { application, layout, tables })
    }

    /// Returns whether nothing has been written in it yet.
    pub(super) fn is_blank(self) -> bool {
        self.application == 0 && self.layout == 0 && self.tables == 0
    }

    /// Refuses files of other programs and of later versions.
    pub(super) fn check(self, path: &Path) -> Result<(), OpenError> {
        if self.application != APPLICATION && !self.is_blank() {
            return Err(OpenError::Foreign { path: path.to_owned() });
        }
        if self.layout > LAYOUT {
            return Err(OpenError::Newer { path: path.to_owned(), found: self.layout, known: LAYOUT });
        }
        Ok(())
    }
}

/// Creates the tables of a new file, and those that an older version's file lacks; refuses files of other programs and
/// of later versions.
pub(crate) fn bring_up_to_date(connection: &Connection, location: &Location) -> Result<(), OpenError> {
    let path = location.path();
    let mut no_engine = None;
    let mut step = || -> rusqlite::Result<Option<OpenError>> {
        let head = Head::of(connection)?;
        if (head.application, head.layout) == (APPLICATION, LAYOUT) {
            return Ok(None);
        }
        // The first check took no lock: another process may be creating the tables right now.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let head = Head::of(connection)?;
        if let Err(error) = head.check(path) {
            return Ok(Some(error));
        }
        if head.layout > 0 && matches!(location, Location::File { .. }) {
            match without_engine(path) {
                Some(lock) => no_engine = lock,
                None => {
                    let reason = "an engine of an older version runs on it; stop that one first: this version keeps the file \
                                  in another layout";
                    return Ok(Some(OpenError::Unusable { path: path.to_owned(), reason: reason.into() }));
                }
            }
        }
        for (number, step) in (1..).zip(STEPS) {
            if number > head.layout {
                connection.execute_batch(step)?;
            }
        }
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
        connection.execute_batch("COMMIT")?;
        Ok(None)
    };
    let outcome = step();
    drop(no_engine);
    if !connection.is_autocommit() {
        // No data has been written.
        let _ = connection.execute_batch("ROLLBACK");
    }
    match outcome {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Takes the lock file beside this file, which engines of layout 1 lock, since they would keep writing that layout.
/// `None`: such an engine runs. `Some(None)`: there is no lock file.
fn without_engine(path: &Path) -> Option<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".engine");
    let Ok(file) = OpenOptions::new().read(true).write(true).open(name) else { return Some(None) };
    match file.try_lock() {
        Ok(()) => Some(Some(file)),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(_)) => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use lamplighter::{
        Job, JobId, JobState, ListQuery, Queue,
        backend::{Claim, ClaimRequest, Completion, CompletionResult, DeadLetterReason, Decision, Token},
        env::Env,
        record::{AttemptOutcome, ErrorQuery, ErrorText},
        secs,
    };
    use tokio::time::Instant;

    use super::*;
    use crate::{backend::SqliteBackend, engine::Engine, settings::Settings};

    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Act {}

    impl Job for Act {
        const NAME: &'static str = "act";
        const QUEUE: Queue = Queue::standard("work");
    }

    async fn act(_: Act) -> Result<(), lamplighter::JobError> {
        Ok(())
    }

    /// Creates a file of an earlier layout with these rows.
    fn of_layout(layout: usize, folder: &Path, rows: &str) -> PathBuf {
        let path = folder.join("jobs.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL").unwrap();
        STEPS[..layout].iter().for_each(|step| connection.execute_batch(step).unwrap());
        connection.execute_batch(rows).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION).unwrap();
        connection.pragma_update(None, "user_version", i64::try_from(layout).unwrap()).unwrap();
        path
    }

    /// Creates a file of layout 1 with `rows` queued jobs; the tenth to the twentieth were enqueued under a clock in
    /// 2099.
    fn of_layout_1(folder: &Path, rows: i64) -> PathBuf {
        let ahead = 72_i64 * 365 * 86_400 * 1_000_000_000;
        let rows = format!(
            "INSERT INTO queues VALUES (1, 'work', 0, 0);
             INSERT INTO kinds VALUES (1, 1, 'act');
             INSERT INTO jobs WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows}),
               made AS (SELECT n, 1700000000000000000 + n * 1000000000 + iif(n BETWEEN 10 AND 20, {ahead}, 0) AS at FROM numbers)
               SELECT n, 'job-' || n, 1, 1, 1, 0, 0, 0, 0, at, 0, at, at, at, NULL, 0, NULL, NULL FROM made;
             INSERT INTO bodies SELECT seq, '{{\"job\":\"act\"}}' FROM jobs;
             INSERT INTO counts VALUES (1, 1, {rows});
             UPDATE sequence SET next = {rows} + 1;"
        );
        of_layout(1, folder, &rows)
    }

    fn settings() -> Settings {
        Settings::new().env(Env::seeded("2026-11-26T00:00:00Z".parse().unwrap(), 1))
    }

    #[tokio::test]
    async fn a_layout_1_file_is_migrated_with_its_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_layout_1(folder.path(), 600);
        let embedded = SqliteBackend::open(&path, settings()).unwrap();
        let client = embedded.client();
        client.enqueue(Act {}).id("new").await.unwrap();
        let query = ListQuery { jobs: vec!["act".into()], limit: 1000, ..ListQuery::default() };
        let page = client.list(&query).await.unwrap();
        assert_eq!(page.records.len(), 601);
        assert!(page.records.is_sorted_by_key(|record| std::cmp::Reverse(record.created_at)), "newest first");
        let now = embedded.env().now();
        assert!(page.records.iter().all(|record| record.created_at <= now && record.due_at <= now));

        let function = lamplighter::Function::new("actors").job(act).with_state(());
        let running = Engine::builder(&embedded).function(function).start().await.unwrap();
        for id in ["job-1", "job-15", "job-600", "new"] {
            let ended = client.wait(&id.parse().unwrap(), secs(60)).await.unwrap();
            assert_eq!(ended.state, JobState::Succeeded, "{id}");
        }
        running.drain(secs(10)).await;
        let connection = Connection::open(&path).unwrap();
        let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(layout, LAYOUT);
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }

    #[tokio::test]
    async fn failures_in_a_layout_3_file_have_no_fingerprint_and_later_ones_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = 1_700_000_000_000_000_000_i64;
        let rows = format!(
            "INSERT INTO queues VALUES (1, 'work', 0, 0);
             INSERT INTO kinds VALUES (1, 1, 'act');
             INSERT INTO hosts VALUES (1, 'old');
             INSERT INTO jobs VALUES
               (1, 'job', 1, 1, 7, 1, 0, 0, 1, NULL, 1, {at}, {at}, {at}, {at} + {at}, 0, NULL, NULL);
             INSERT INTO bodies VALUES (1, '{{\"job\":\"act\"}}');
             INSERT INTO attempts VALUES (1, 1, 1, {at}, {at}, 1, 2, '{{\"message\":\"row 1\"}}');
             INSERT INTO counts VALUES (1, 7, 1);
             INSERT INTO blocks VALUES (1, 0);
             UPDATE sequence SET next = 2;"
        );
        let path = of_layout(3, folder.path(), &rows);
        let embedded = SqliteBackend::open(&path, settings()).unwrap();
        let (client, id) = (embedded.client(), JobId::new("job").unwrap());
        let record = client.get(&id).await.unwrap().unwrap();
        assert_eq!(record.attempts[0].error, Some(ErrorText::new("row 1")));
        assert_eq!(record.attempts[0].fingerprint, None);
        assert!(client.error_groups(&ErrorQuery::default()).await.unwrap().groups.is_empty());

        assert_eq!(client.retry(&id).await.unwrap(), Some(JobState::Queued));
        let (store, now) = (client.store().unwrap(), embedded.env().now());
        let request = ClaimRequest::new(id.clone(), "work", record.message, 7, now + secs(60));
        let claim = store.claim(vec![request], Instant::now()).await.remove(0).unwrap();
        assert!(matches!(claim, Claim::Run { attempt: 1, .. }), "{claim:?}");
        let (outcome, reason, error) = (AttemptOutcome::Error, DeadLetterReason::Failed, ErrorText::new("row 2"));
        let decision = Decision::Failed { outcome, reason, error, retention: secs(60) };
        let end = Completion::new(id.clone(), "work", Token { attempt: 1, owner: 7 }, (now, now), decision);
        let settled = store.settle(vec![end], Instant::now()).await.remove(0).unwrap();
        assert!(matches!(settled, CompletionResult::Applied { .. }), "{settled:?}");
        let groups = client.error_groups(&ErrorQuery::default()).await.unwrap().groups;
        assert_eq!((groups.len(), groups[0].failures, groups[0].jobs), (1, 1, Some(1)));
        let record = client.get(&id).await.unwrap().unwrap();
        assert_eq!(record.last_fingerprint(), Some(groups[0].fingerprint));
    }

    #[tokio::test]
    async fn a_success_in_a_layout_4_file_keeps_its_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let at = 1_700_000_000_000_000_000_i64;
        let rows = format!(
            "INSERT INTO queues VALUES (1, 'work', 0, 0);
             INSERT INTO kinds VALUES (1, 1, 'act');
             INSERT INTO hosts VALUES (1, 'old');
             INSERT INTO jobs VALUES
               (1, 'job', 1, 1, 2, 1, 7, {at} + 9, 1, NULL, 1, {at}, {at}, {at} + 2, {at} + {at}, 0, NULL, NULL);
             INSERT INTO bodies VALUES (1, '{{\"job\":\"act\"}}');
             INSERT INTO attempts VALUES (1, 1, 1, {at} + 1, {at} + 2, 1, 1, NULL, NULL);
             INSERT INTO counts VALUES (1, 2, 1);
             INSERT INTO blocks VALUES (1, 0);
             UPDATE sequence SET next = 2;"
        );
        let path = of_layout(4, folder.path(), &rows);
        let embedded = SqliteBackend::open(&path, settings()).unwrap();
        let record = embedded.client().get(&JobId::new("job").unwrap()).await.unwrap().unwrap();
        let [attempt] = &record.attempts[..] else { panic!("{:?}", record.attempts) };
        assert_eq!((&*attempt.host, attempt.outcome), ("old", AttemptOutcome::Succeeded));
    }

    #[test]
    fn a_layout_1_file_with_a_running_engine_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = of_layout_1(folder.path(), 1);
        let lock = File::create(folder.path().join("jobs.db.engine")).unwrap();
        lock.lock().unwrap();
        let refused = SqliteBackend::open(&path, settings()).unwrap_err().to_string();
        assert!(refused.contains("an engine of an older version runs on it; stop that one first"), "{refused}");
        let head = Head::of(&Connection::open(&path).unwrap()).unwrap();
        assert_eq!((head.application, head.layout), (APPLICATION, 1));
        drop(lock);
        SqliteBackend::open(&path, settings()).unwrap();
    }
}
