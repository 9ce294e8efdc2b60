//! Inserting new jobs: many with one statement where that is possible, which takes a third less than one statement for each.

use std::sync::LazyLock;

use rusqlite::{CachedStatement, params};

use crate::db::transaction::Transaction;

/// The rows of one statement. Divides the number of submissions in a request.
pub(super) const ROWS: usize = 50;

const INSERT: &str = "INSERT INTO jobs (seq, id, queue, kind, state, attempt, owner, lease_until, host, visible_at, \
    receives, created_at, due_at, since, noted, grp, place) \
    VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?6, ?11, ?7, 0, ?6, ?8, ?6, 0, ?9, ?10) ON CONFLICT (id) DO NOTHING";

const INSERT_BODY: &str = "INSERT INTO bodies (seq, body) VALUES (?1, ?2)";

const WERE_INSERTED: &str = "SELECT seq FROM jobs WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";

/// The parameters that the jobs of a statement share: the queue, the kind, and the moment.
const SHARED: usize = 3;
/// The parameters of each job.
const OWN: usize = 7;

/// [`INSERT`] and [`INSERT_BODY`] with [`ROWS`] rows.
static MANY: LazyLock<[String; 2]> = LazyLock::new(|| {
    let rows = |row: fn(usize) -> String| (0..ROWS).map(row).collect::<Vec<_>>().join(", ");
    let jobs = rows(|row| {
        let of = |own: usize| SHARED + row * OWN + own;
        let [seq, id, state, host, visible_at, due_at, group] = [of(1), of(2), of(3), of(4), of(5), of(6), of(7)];
        let times = format!("?{visible_at}, 0, ?3, ?{due_at}, ?3");
        format!("(?{seq}, ?{id}, ?1, ?2, ?{state}, 0, ?3, ?3, ?{host}, {times}, 0, ?{group}, NULL)")
    });
    let bodies = rows(|row| format!("(?{}, ?{})", row * 2 + 1, row * 2 + 2));
    let with = |one: &str, rows: &str| {
        let (before, row) = one.split_once("VALUES").unwrap_or((one, ""));
        let after = row.split_once("ON CONFLICT").map(|(_, after)| format!(" ON CONFLICT{after}")).unwrap_or_default();
        format!("{before}VALUES {rows}{after}")
    };
    [with(INSERT, &jobs), with(INSERT_BODY, &bodies)]
});

/// A new row of `jobs`, with its body.
pub(super) struct NewRow<'a> {
    pub(super) seq: i64,
    pub(super) id: &'a str,
    pub(super) queue: i64,
    pub(super) kind: i64,
    pub(super) state: i64,
    pub(super) visible_at: Option<i64>,
    pub(super) due_at: i64,
    pub(super) group: Option<&'a str>,
    pub(super) place: Option<i64>,
    pub(super) body: &'a str,
}

/// The statements that insert jobs.
pub(super) struct Insert<'a> {
    job: CachedStatement<'a>,
    body: CachedStatement<'a>,
    /// With [`ROWS`] rows, once they are needed.
    many: Option<[CachedStatement<'a>; 2]>,
}

impl<'a> Insert<'a> {
    pub(super) fn new(tx: &Transaction<'a>) -> rusqlite::Result<Self> {
        Ok(Self { job: tx.prepare(INSERT)?, body: tx.prepare(INSERT_BODY)?, many: None })
    }

    /// Inserts a job. Returns `false` if there is one with its id.
    pub(super) fn one(&mut self, tx: &mut Transaction<'_>, row: &NewRow<'_>) -> rusqlite::Result<bool> {
        let NewRow { seq, id, queue, kind, state, visible_at, due_at, group, place, body } = row;
        let (now, host) = (tx.now, tx.no_host(*state)?);
        let row = params![seq, id, queue, kind, state, now, visible_at, due_at, group, place, host];
        let inserted = self.job.execute(row)?;
        if inserted == 0 {
            return Ok(false);
        }
        self.body.execute(params![seq, body])?;
        Ok(true)
    }

    /// Inserts [`ROWS`] jobs of the same kind that have no place in a group. Returns the numbers of those that were inserted if
    /// there are others with the ids of some, and `None` if all were.
    pub(super) fn many(&mut self, tx: &mut Transaction<'a>, rows: &[NewRow<'_>]) -> rusqlite::Result<Option<Vec<i64>>> {
        let [Some(first), Some(last)] = [rows.first(), rows.last()] else { return Ok(None) };
        let [jobs, bodies] = match &mut self.many {
            Some(many) => many,
            none => none.insert([tx.prepare(&MANY[0])?, tx.prepare(&MANY[1])?]),
        };
        for (index, shared) in [first.queue, first.kind, tx.now].into_iter().enumerate() {
            jobs.raw_bind_parameter(index + 1, shared)?;
        }
        for (index, row) in rows.iter().enumerate() {
            let before = SHARED + index * OWN;
            jobs.raw_bind_parameter(before + 1, row.seq)?;
            jobs.raw_bind_parameter(before + 2, row.id)?;
            jobs.raw_bind_parameter(before + 3, row.state)?;
            jobs.raw_bind_parameter(before + 4, tx.no_host(row.state)?)?;
            jobs.raw_bind_parameter(before + 5, row.visible_at)?;
            jobs.raw_bind_parameter(before + 6, row.due_at)?;
            jobs.raw_bind_parameter(before + 7, row.group)?;
        }
        if jobs.raw_execute()? < rows.len() {
            let mut statement = tx.prepare(WERE_INSERTED)?;
            let inserted = statement.query_map([first.seq, last.seq], |row| row.get(0))?;
            let inserted: Vec<i64> = inserted.collect::<Result<_, _>>()?;
            for row in rows.iter().filter(|row| inserted.binary_search(&row.seq).is_ok()) {
                self.body.execute(params![row.seq, row.body])?;
            }
            return Ok(Some(inserted));
        }
        for (index, row) in rows.iter().enumerate() {
            bodies.raw_bind_parameter(index * 2 + 1, row.seq)?;
            bodies.raw_bind_parameter(index * 2 + 2, row.body)?;
        }
        bodies.raw_execute()?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use lamplighter::{
        Enqueued, JobId, JobState, NewJob, RawValue, Timestamp, Tracking,
        backend::{Claim, ClaimRequest},
        env::Env,
        secs,
    };
    use rusqlite::Connection;
    use tokio::time::Instant;

    use super::*;
    use crate::{backend::SqliteBackend, settings::Settings};

    fn job(name: &'static str, number: usize) -> NewJob {
        let args = RawValue::from_string(format!(r#"{{"number":{number}}}"#)).unwrap();
        let tracking = if number % 7 == 3 { Tracking::Untracked } else { Tracking::Full };
        let job = NewJob::raw(name, "work", tracking, args).id(format!("{name}-{number}"));
        let job = if number % 5 == 1 { job.delay(secs(60)) } else { job };
        if number % 9 == 2 { job.group("tenant") } else { job }
    }

    type Row = (String, String, i64, bool, i64, i64, i64, Option<String>);

    /// All rows in order, with what does not depend on their number.
    async fn rows(embedded: &SqliteBackend) -> Vec<Row> {
        let read = |connection: &Connection| {
            let all = "SELECT id, body, state, visible_at = due_at, due_at, created_at, since, grp FROM jobs \
                JOIN bodies USING (seq) ORDER BY seq";
            connection
                .prepare(all)?
                .query_map([], |row| {
                    let [id, body] = [row.get(0)?, row.get(1)?];
                    Ok((id, body, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
                })?
                .collect()
        };
        embedded.0.writer.read(read).await.unwrap()
    }

    fn in_memory() -> SqliteBackend {
        SqliteBackend::memory(Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_are_the_same_whether_one_statement_inserts_them_or_many_do() {
        let (together, singly) = (in_memory(), in_memory());
        let all = || (0..ROWS * 3 + 7).map(|number| job("act", number));
        let answers = together.client().enqueue_all(all()).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), Enqueued::New(JobId::new(format!("act-{number}")).unwrap()));
        }
        for job in all() {
            singly.client().enqueue_all([job]).await.remove(0).unwrap();
        }
        assert_eq!(rows(&together).await, rows(&singly).await);
        let counts = |embedded: &SqliteBackend| embedded.client().store().unwrap().clone();
        let (left, right) = (counts(&together).counts().await.unwrap(), counts(&singly).counts().await.unwrap());
        assert_eq!(format!("{left:?}"), format!("{right:?}"));
    }

    #[tokio::test(start_paused = true)]
    async fn known_ids_among_many_are_duplicates() {
        let embedded = in_memory();
        let client = embedded.client();
        for known in [0, ROWS / 2, ROWS - 1] {
            client.enqueue_all([job("act", known)]).await.remove(0).unwrap();
        }
        let before = rows(&embedded).await;
        // One that is known twice in the same call, and one whose id belongs to another job.
        let numbers = (0..ROWS + 20).map(|number| if number == 7 { 6 } else { number });
        let mut jobs: Vec<_> = numbers.clone().map(|number| job("act", number)).collect();
        jobs[12] = job("other", 12).id(format!("act-{}", ROWS / 2));
        let answers = client.enqueue_all(jobs).await;
        for (place, (number, answer)) in numbers.enumerate().map(|(place, number)| (place, (number, &answers[place]))) {
            let is_known = [0, ROWS / 2, ROWS - 1].contains(&number) || place == 7;
            match answer {
                Err(error) => assert!(place == 12, "{place}: {error}"),
                Ok(Enqueued::Duplicate(id, state)) => {
                    assert!(is_known, "{place}");
                    assert_eq!((id.as_str(), *state != JobState::Succeeded), (&*format!("act-{number}"), true));
                }
                Ok(answer) => assert!(matches!(answer, Enqueued::New(_)) && !is_known, "{place}: {answer:?}"),
            }
        }
        let after = rows(&embedded).await;
        assert_eq!(after[..before.len()], before[..], "what was there is unchanged");
        let ids: HashSet<_> = after.iter().map(|row| &row.0).collect();
        assert_eq!((ids.len(), after.len()), (ROWS + 20 - 2, ROWS + 20 - 2));
        let bodies = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM bodies", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(embedded.0.writer.read(bodies).await.unwrap(), i64::try_from(after.len()).unwrap());
        let counts = client.store().unwrap().counts().await.unwrap();
        let untracked = after.iter().filter(|row| row.2 == crate::state::UNTRACKED).count();
        let counted: u64 = counts.iter().map(|count| count.jobs).sum();
        assert_eq!(counted, u64::try_from(after.len() - untracked).unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn jobs_of_many_portions_keep_their_order_and_know_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let embedded = SqliteBackend::open(folder.path().join("jobs.db"), Settings::new()).unwrap();
        // Every seventh is a job of long before, of another portion.
        let number = |place: usize| if place % 7 == 3 && place > 2500 { place - 2400 } else { place };
        let answers = embedded.client().enqueue_all((0..5200).map(|place| job("act", number(place)))).await;
        for (place, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!(answer.id().as_str(), format!("act-{}", number(place)));
            assert_eq!(matches!(answer, Enqueued::New(_)), number(place) == place, "{place}: {answer:?}");
        }
        let expected = (0..5200).filter(|place| number(*place) == *place).map(|place| format!("act-{place}"));
        assert!(rows(&embedded).await.into_iter().map(|row| row.0).eq(expected), "in the order of the call");
    }

    /// The bytes of all rows of `jobs`.
    async fn bytes(embedded: &SqliteBackend) -> i64 {
        let sum = |connection: &Connection| {
            let sum = "SELECT sum(payload) FROM dbstat WHERE name = 'jobs'";
            connection.query_row(sum, [], |row| row.get(0))
        };
        embedded.0.writer.read(sum).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_by_the_last_host_leaves_the_length_of_the_row() {
        for hosts in [0, 1, 125, 126, 127, 300, 40_000] {
            let embedded = in_memory();
            let add = move |tx: &mut Transaction<'_>| {
                let hosts = format!(
                    "INSERT INTO hosts (name) WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
                     WHERE n < {hosts}) SELECT 'host-' || n FROM numbers WHERE n <= {hosts}"
                );
                tx.connection.execute_batch(&hosts)?;
                tx.host("lamp")
            };
            assert_eq!(embedded.0.writer.run(1, add).await.unwrap(), hosts + 1);
            let (client, env) = (embedded.client(), embedded.env());
            let numbers = [0, 2, 4, 6];
            client.enqueue_all(numbers.map(|number| job("act", number).delay(secs(0)))).await;
            tokio::time::sleep(secs(1)).await;
            let before = bytes(&embedded).await;
            for number in numbers {
                let id = JobId::new(format!("act-{number}")).unwrap();
                let message = client.get(&id).await.unwrap().unwrap().message;
                let mut claim = ClaimRequest::new(id, "work", message, u64::MAX / 3, env.now() + secs(60));
                claim.host = "lamp".into();
                let answer = client.store().unwrap().claim(vec![claim], Instant::now()).await.remove(0).unwrap();
                assert!(matches!(answer, Claim::Run { attempt: 1, .. }), "{answer:?}");
            }
            assert_eq!(bytes(&embedded).await, before, "{hosts} hosts");
        }
    }
}
