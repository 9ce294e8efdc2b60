//! The hour that is repeated.

use std::{path::Path, time::Duration};

use lamplighter::{NewJob, RawValue, Tracking, env::Env, operation::OperationQuery};
use lamplighter_dashboard::{Desk, Rights, Site, Viewer, desk::Shared};
use lamplighter_embedded::{Settings, SqliteBackend};
use rusqlite::Connection;

use crate::{Done, repeat::DAYS};

/// Plays an hour into a new file, and lets operators do something there.
pub(crate) fn play(path: &Path) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let start = jiff::Timestamp::now().checked_sub(Duration::from_secs(DAYS.unsigned_abs() * 86_400))?;
        let env = Env::driven(start, 20_261_128);
        let backend = SqliteBackend::open(path, Settings::new().env(env.clone()))?;
        let engine = crate::history::play(&backend).await?;
        tokio::time::resume();
        engine.drain(Duration::from_millis(1)).await;
        let site = Site::new(&crate::shop::app()?, backend.backend(), env, backend.operator());
        crate::history::operate(&Desk::new(Shared::new(site), Viewer::new("grace", Rights::operator()))).await?;
        let (client, latest) = (backend.client(), OperationQuery::new(10));
        while client.operations(&latest).await?.operations.iter().any(|operation| !operation.state.is_final()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        backend.close().await.map_err(Into::into)
    })
}

/// So many queues more, each with a job of its own name, a dead letter and a schedule.
pub(crate) fn many_names(path: &Path, count: i64) -> Done<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let enqueued: Done<()> = runtime.block_on(async {
        let backend = SqliteBackend::open(path, Settings::new())?;
        let args = RawValue::from_string("{}".into())?;
        let jobs = (0..count).map(|number| {
            let (job, queue) = (format!("department-{number}.tidy"), format!("department-{number:05}"));
            NewJob::raw(job, queue, Tracking::Full, args.clone())
        });
        for answer in backend.client().enqueue_all(jobs).await {
            answer?;
        }
        backend.close().await.map_err(Into::into)
    });
    enqueued?;
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {count})");
    Connection::open(path)?.execute_batch(&format!(
        "INSERT INTO schedules SELECT name || '-of-' || i, replace(definition, name, name || '-of-' || i), job, queue, tracked, args, 0,
           last_tick, i % 9 = 0, last_run FROM (SELECT * FROM schedules ORDER BY name LIMIT 1), ({numbers} SELECT i FROM n);
         INSERT INTO dead_letters SELECT (SELECT max(seq) FROM jobs) + queues.id, queues.id, d.id || '-' || queues.id, d.job, d.reason,
           d.buried_at, d.receives, d.grp, d.error, d.body
           FROM queues, (SELECT * FROM dead_letters ORDER BY seq LIMIT 1) AS d WHERE queues.name LIKE 'department-%';
         UPDATE sequence SET next = 1 + max((SELECT max(seq) FROM jobs), (SELECT max(seq) FROM dead_letters));"
    ))?;
    Ok(())
}

/// Some ids, fingerprints and names of the file, for addresses.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) jobs: Vec<String>,
    pub(crate) batches: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) operations: Vec<String>,
}

pub(crate) fn names(path: &Path) -> Done<Names> {
    let file = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let texts = |sql: &str| -> Done<Vec<String>> {
        let mut statement = file.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    Ok(Names {
        jobs: texts(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 300)
             SELECT id FROM n JOIN jobs ON seq = 1 + i * ((SELECT max(seq) FROM jobs) / 300) WHERE state != 0",
        )?,
        batches: texts("SELECT id FROM batches JOIN jobs USING (seq) ORDER BY seq DESC LIMIT 200")?,
        groups: Vec::new(),
        operations: texts("SELECT id FROM operations ORDER BY created_at DESC LIMIT 200")?,
    })
}
