//! Outboxes: tables in databases of others.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{Context, Function, Job, JobError, JobId, JobState, NewJob, Queue, State, secs};
use lamplighter_embedded::{
    Engine, Settings, SqliteBackend,
    outbox::{self, Outbox},
};
use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longer than anything takes here, on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Mail {
    order: i64,
}

impl Job for Mail {
    const NAME: &'static str = "order.mail";
    const QUEUE: Queue = Queue::standard("mails");
}

async fn mail(_: Mail, _: Context, State(sent): State<Arc<AtomicUsize>>) -> Result<(), JobError> {
    sent.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// A folder with a job file, and a database of the caller's own.
struct Place {
    folder: tempfile::TempDir,
    jobs: SqliteBackend,
    sent: Arc<AtomicUsize>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jobs = SqliteBackend::open(folder.path().join("jobs.db"), Settings::default()).unwrap();
        Self { folder, jobs, sent: Arc::default() }
    }

    fn shop(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    fn function(&self) -> Function {
        Function::new("mails").job(mail).with_state(self.sent.clone())
    }

    async fn ended(&self, id: &JobId) -> JobState {
        let client = self.jobs.client();
        let waiting = async {
            while client.get(id).await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
        client.wait(id, PATIENCE).await.unwrap().state
    }
}

fn shop(path: &Path) -> Connection {
    let shop = Connection::open(path).unwrap();
    shop.busy_timeout(PATIENCE).unwrap();
    shop.execute_batch("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)").unwrap();
    outbox::create(&shop).unwrap();
    shop
}

fn order(shop: &mut Connection, number: i64) -> JobId {
    let tx = shop.transaction().unwrap();
    tx.execute("INSERT INTO orders VALUES (?1)", [number]).unwrap();
    let id = outbox::enqueue(&tx, Mail { order: number }).unwrap();
    tx.commit().unwrap();
    id
}

/// The file and its table come later than the engine; in either journal mode.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_enqueues_what_is_committed() {
    for mode in ["DELETE", "WAL"] {
        let place = Place::new();
        let engine =
            Engine::builder(&place.jobs).function(place.function()).outbox(place.shop()).start().await.unwrap();
        let mut shop = shop(&place.shop());
        shop.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(())).unwrap();
        let first = order(&mut shop, 1);
        assert_eq!(place.ended(&first).await, JobState::Succeeded);
        let rolled_back = {
            let tx = shop.transaction().unwrap();
            let id = outbox::enqueue(&tx, Mail { order: 2 }).unwrap();
            tx.rollback().unwrap();
            id
        };
        let last = order(&mut shop, 3);
        assert_eq!(place.ended(&last).await, JobState::Succeeded);
        assert!(place.jobs.client().get(&rolled_back).await.unwrap().is_none());
        engine.drain(secs(10)).await;
        assert_eq!(place.sent.load(Ordering::SeqCst), 2);
        let left: i64 = shop.query_row("SELECT count(*) FROM lamplighter_outbox", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}

/// The database is restored from a copy while the engine runs.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_replaced_is_swept_too() {
    let place = Place::new();
    let engine = Engine::builder(&place.jobs).function(place.function()).outbox(place.shop()).start().await.unwrap();
    let first = order(&mut shop(&place.shop()), 1);
    place.ended(&first).await;
    let other = place.folder.path().join("other.db");
    let second = order(&mut shop(&other), 2);
    std::fs::rename(&other, place.shop()).unwrap();
    assert_eq!(place.ended(&second).await, JobState::Succeeded);
    engine.drain(secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweepers_make_one_job_of_each_entry() {
    let place = Place::new();
    let mut shop = shop(&place.shop());
    let ids: Vec<_> = (0..2000).map(|_| JobId::new(format!("job-{}", next())).unwrap()).collect();
    let tx = shop.transaction().unwrap();
    for (number, id) in (0..).zip(&ids) {
        outbox::enqueue(&tx, NewJob::from(Mail { order: number }).id(id)).unwrap();
    }
    tx.commit().unwrap();
    let client = place.jobs.client();
    // Each with a connection of its own, as in two processes.
    let (one, two) = (Outbox::new(place.shop()), Outbox::new(place.shop()));
    let (one, two) = tokio::join!(one.sweep(&client), two.sweep(&client));
    assert!(one.unwrap().enqueued + two.unwrap().enqueued >= 2000);
    let engine = Engine::builder(&place.jobs).function(place.function()).start().await.unwrap();
    for id in &ids {
        assert_eq!(place.ended(id).await, JobState::Succeeded);
    }
    engine.drain(secs(10)).await;
    assert_eq!(place.sent.load(Ordering::SeqCst), 2000);
}

/// A number that no other call of this process returns.
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// With `OUTBOX_ENTRIES`, of another number than the usual one.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_entries_are_enqueued_in_order() {
    let entries: i64 = std::env::var("OUTBOX_ENTRIES").map_or(10_000, |entries| entries.parse().unwrap());
    let place = Place::new();
    let mut shop = shop(&place.shop());
    let tx = shop.transaction().unwrap();
    for number in 0..entries {
        outbox::enqueue(&tx, NewJob::from(Mail { order: number }).id(format!("order-{number}"))).unwrap();
    }
    tx.commit().unwrap();
    let outbox = Outbox::new(place.shop());
    assert_eq!(outbox.status().await.unwrap().waiting, entries.unsigned_abs());
    let began = std::time::Instant::now();
    let swept = outbox.sweep(&place.jobs.client()).await.unwrap();
    println!("{entries} entries in {:?}", began.elapsed());
    assert_eq!(swept.enqueued, entries.unsigned_abs());
    let status = outbox.status().await.unwrap();
    assert_eq!((status.waiting, status.failed, status.oldest), (0, 0, None));
    place.jobs.close().await.unwrap();
    let jobs = Connection::open(place.folder.path().join("jobs.db")).unwrap();
    let mut ids = jobs.prepare("SELECT id FROM jobs ORDER BY seq").unwrap();
    let ids: Vec<String> = ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(
        ids.iter().enumerate().all(|(number, id)| *id == format!("order-{number}")) && ids.len() == entries as usize
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_rows_fail_by_themselves() {
    let place = Place::new();
    let shop = shop(&place.shop());
    let good = r#"{"queue":"mails","message":{"job":"order.mail","args":{"order":1}}}"#;
    let insert = |id: &dyn rusqlite::ToSql, entry: &dyn rusqlite::ToSql| {
        shop.execute("INSERT INTO lamplighter_outbox (id, entry) VALUES (?1, ?2)", params![id, entry]).unwrap();
    };
    let deep = format!(r#"{{"queue":"mails","message":{}"#, "[".repeat(100_000));
    let large = format!(
        r#"{{"queue":"mails","message":{{"job":"a","args":{{"x":"{}"}}}}}}"#,
        "x".repeat(outbox::MAX_ENTRY_BYTES)
    );
    let too_large = format!(r#"{{"queue":"mails","message":{{"job":"a","args":{{"x":"{}"}}}}}}"#, "x".repeat(2 << 20));
    let hops = r#"{"queue":"mails","message":{"job":"order.mail","hops":4294967295}}"#;
    let batch = r#"{"queue":"mails","message":{"job":"order.mail","batch":{"id":"b"}}}"#;
    insert(&"a b", &good);
    insert(&"", &good);
    insert(&vec![1_u8, 2], &good);
    insert(&"blob", &vec![0_u8, 255]);
    insert(&"number", &7);
    insert(&"not-json", &"S3CRET");
    insert(&"deep", &deep);
    insert(&"large", &large);
    insert(&"too-large", &too_large);
    insert(&"queue", &r#"{"queue":"../etc","message":{"job":"a"}}"#);
    insert(&"hops", &hops);
    insert(&"batch", &batch);
    insert(&"good", &good);
    // As an SQL user writes it.
    shop.execute("INSERT INTO lamplighter_outbox (entry) VALUES (?1)", [good]).unwrap();
    let outbox = Outbox::new(place.shop());
    let swept = outbox.sweep(&place.jobs.client()).await.unwrap();
    assert_eq!((swept.enqueued, swept.failed), (2, 12));
    let failed = outbox.failed(0, 100).await.unwrap();
    assert_eq!(failed.len(), 12);
    for entry in &failed {
        println!("{}: {}", entry.id, entry.error);
        assert!(!entry.error.is_empty() && !entry.error.contains("S3CRET") && entry.failed_at.is_some(), "{entry:?}");
    }
    // One is repaired by hand, one forgotten.
    let number = |id: &str| failed.iter().find(|entry| entry.id == id).unwrap().seq;
    shop.execute("UPDATE lamplighter_outbox SET entry = ?2 WHERE seq = ?1", params![number("hops"), good]).unwrap();
    assert_eq!(outbox.retry(Some(number("hops"))).await.unwrap(), 1);
    assert!(outbox.forget(number("deep")).await.unwrap() && !outbox.forget(number("deep")).await.unwrap());
    assert_eq!(outbox.sweep(&place.jobs.client()).await.unwrap().enqueued, 1);
    assert_eq!(outbox.failed(0, 100).await.unwrap().len(), 10);
    assert_eq!(outbox.retry(None).await.unwrap(), 10);
    assert_eq!(outbox.sweep(&place.jobs.client()).await.unwrap().failed, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_file_that_is_away_delays_the_entries() {
    let place = Place::new();
    let mut shop = shop(&place.shop());
    let id = order(&mut shop, 1);
    let outbox = Outbox::new(place.shop());
    let closed = SqliteBackend::open(place.folder.path().join("closed.db"), Settings::default()).unwrap();
    let away = closed.client();
    closed.close().await.unwrap();
    outbox.sweep(&away).await.unwrap_err();
    let status = outbox.status().await.unwrap();
    assert_eq!((status.waiting, status.failed), (1, 0), "it is not the entry's fault");
    assert_eq!(outbox.sweep(&place.jobs.client()).await.unwrap().enqueued, 1);
    assert!(place.jobs.client().get(&id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_is_not_there_is_named() {
    let place = Place::new();
    let client = place.jobs.client();
    let missing = Outbox::new(place.shop());
    let error = missing.sweep(&client).await.unwrap_err().to_string();
    assert!(error.contains("shop.db cannot be opened"), "{error}");
    assert!(!place.shop().exists(), "nothing is created");
    Connection::open(place.shop()).unwrap().execute_batch("CREATE TABLE orders (id)").unwrap();
    assert_eq!(missing.sweep(&client).await.unwrap().enqueued, 0, "its table may come later");
    let error = missing.status().await.unwrap_err().to_string();
    assert!(error.contains("has no table lamplighter_outbox"), "{error}");
    let other = place.folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE lamplighter_outbox (x)").unwrap();
    let error = Outbox::new(&other).sweep(&client).await.unwrap_err().to_string();
    assert!(error.contains("no such column"), "{error}");
    let text = place.folder.path().join("text");
    std::fs::write(&text, "This is a text, and by no means a database. ".repeat(20)).unwrap();
    Outbox::new(&text).sweep(&client).await.unwrap_err();
}
