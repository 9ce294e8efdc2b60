//! An engine whose file is gone, full, locked, replaced or foreign, and what it leaves behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, Retry, State, backend::StoreErrorKind, secs,
};
use lamplighter_embedded::{Engine, EngineError, FileLost, OpenError, Running, Settings, SqliteBackend, StartError};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// Much longer than anything here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Ends as soon as there is a permit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = Queue::standard("work");

    fn options() -> Options {
        Options::new().timeout(secs(300)).retry(Retry::never())
    }
}

/// Blocks its thread until the gate opens.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Block {}

impl Job for Block {
    const NAME: &'static str = "block";
    const QUEUE: Queue = Queue::standard("blocks");

    fn options() -> Options {
        Options::new().timeout(secs(300))
    }
}

/// Shared by the handlers and a test.
#[derive(Clone)]
struct Shared {
    permits: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    gate: Arc<std::sync::Mutex<()>>,
}

impl Shared {
    fn new(permits: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), begun: Arc::default(), gate: Arc::default() }
    }

    async fn begun(&self, count: usize) {
        let all = async {
            while self.begun.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, all).await.expect("handlers begin");
    }
}

async fn act(_: Act, _: Context, State(shared): State<Shared>) -> Result<(), JobError> {
    shared.begun.fetch_add(1, Ordering::SeqCst);
    shared.permits.acquire().await?.forget();
    Ok(())
}

async fn block(_: Block, _: Context, State(shared): State<Shared>) -> Result<(), JobError> {
    shared.begun.fetch_add(1, Ordering::SeqCst);
    drop(shared.gate.lock());
    Ok(())
}

fn open(path: &Path) -> SqliteBackend {
    SqliteBackend::open(path, Settings::default()).unwrap()
}

async fn try_start(embedded: &SqliteBackend, shared: &Shared) -> Result<Running, StartError> {
    let acts = Function::new("acts").job(act).with_state(shared.clone());
    let blocks = Function::new("blocks").job(block).with_state(shared.clone());
    Engine::builder(embedded).function(acts).function(blocks).start().await
}

async fn start(embedded: &SqliteBackend, shared: &Shared) -> Running {
    try_start(embedded, shared).await.unwrap()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Holds the file, as another process does that writes for a long time.
fn hold(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.busy_timeout(LIMIT).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_continue_once_the_file_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let shared = Shared::new(0);
    let running = start(&embedded, &shared).await;
    let client = embedded.client();
    let ran = client.enqueue(Act {}).await.unwrap();
    shared.begun(1).await;
    let due = client.enqueue(Act {}).delay(millis(200)).await.unwrap();
    let other = hold(&path);
    // One ends, and the other becomes due, while nothing can be written for longer than the busy time-out and all tries
    // of the worker.
    shared.permits.add_permits(2);
    for _ in 0..6 {
        let refused = client.enqueue(Act {}).await.unwrap_err();
        assert!(refused.to_string().contains("another process holds the file"), "{refused}");
    }
    other.execute_batch("ROLLBACK").unwrap();

    let well = Instant::now();
    for job in [&ran, &due] {
        let record = client.wait(job.id(), LIMIT).await.unwrap();
        assert_eq!(record.state, JobState::Succeeded);
        assert_eq!(record.attempts.len(), 1, "no handler ran twice: {record:?}");
    }
    assert!(well.elapsed() < secs(30), "it continues within seconds: {:?}", well.elapsed());
    assert_eq!(shared.begun.load(Ordering::SeqCst), 2);
    running.drain(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_a_locked_file_fail_together_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let client = embedded.client();
    client.enqueue(Act {}).await.unwrap();
    let other = hold(&path);
    let began = Instant::now();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.enqueue(Act {}).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    // One call at a time would take four minutes.
    assert!(began.elapsed() < secs(20), "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    client.enqueue(Act {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_future_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let client = embedded.client();
    client.enqueue(Act {}).id("before").await.unwrap();
    let other = hold(&path);
    let call = client.enqueue(Act {}).id("dropped").into_future();
    assert!(tokio::time::timeout(millis(100), call).await.is_err());
    other.execute_batch("ROLLBACK").unwrap();
    client.enqueue(Act {}).id("after").await.unwrap();
    assert!(client.get(&"dropped".parse().unwrap()).await.unwrap().is_none());
    assert!(client.get(&"after".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_its_file_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let running = start(&embedded, &Shared::new(0)).await;
    let client = embedded.client();
    client.enqueue(Act {}).await.unwrap();
    fs::remove_file(&path).unwrap();
    let refused = loop {
        // A call within a moment of the last check may still succeed.
        if let Err(error) = client.enqueue(Act {}).await {
            break error.to_string();
        }
    };
    assert!(refused.contains("was removed or renamed while it was in use"), "{refused}");
    assert!(client.enqueue(Act {}).await.is_err(), "later calls fail");
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(matches!(error, EngineError::File(FileLost::Removed { .. })), "{error:?}");
    assert!(matches!(embedded.check(), Err(FileLost::Removed { .. })));
    running.drain(LIMIT).await;
    assert!(!path.exists(), "nothing creates it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_its_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("jobs.db"), folder.path().join("copy.db"));
    let other = open(&copy);
    other.close().await.unwrap();
    let embedded = open(&path);
    let shared = Shared::new(0);
    let running = start(&embedded, &shared).await;
    let client = embedded.client();
    let job = client.enqueue(Act {}).await.unwrap();
    shared.begun(1).await;
    fs::rename(&copy, &path).unwrap();
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(matches!(error, EngineError::File(FileLost::Replaced { .. })), "{error:?}");
    let refused = client.store().unwrap().get(job.id()).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Broken, "neither the old file is read nor the new one: {refused}");
    // Running attempts are cut off: the stop does not wait for the budget.
    tokio::time::timeout(LIMIT, running.drain(secs(600))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_its_log_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let shared = Shared::new(1);
    let running = start(&embedded, &shared).await;
    let client = embedded.client();
    let job = client.enqueue(Act {}).await.unwrap();
    client.wait(job.id(), LIMIT).await.unwrap();
    // Its watch has seen the log once it reports another process's commit.
    let other = open(&path);
    let second = other.client().enqueue(Act {}).await.unwrap();
    shared.permits.add_permits(1);
    client.wait(second.id(), LIMIT).await.unwrap();
    fs::remove_file(beside(&path, "-wal")).unwrap();
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(error.to_string().contains("jobs.db-wal was removed"), "{error}");
    running.drain(Duration::ZERO).await;
}

#[test]
fn ten_clean_stops_leave_only_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.db"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let id = runtime.block_on(async {
            let embedded = open(&path);
            let running = start(&embedded, &Shared::new(8)).await;
            let client = embedded.client();
            let jobs = client.enqueue_all((0..8).map(|_| Act {})).await;
            for job in &jobs {
                client.wait(job.as_ref().unwrap().id(), LIMIT).await.unwrap();
            }
            running.drain(secs(20)).await;
            let last = client.enqueue(Act {}).await.unwrap();
            embedded.close().await.unwrap();
            for suffix in ["-wal", "-shm"] {
                assert!(!beside(&path, suffix).exists(), "round {round}: {suffix}");
            }
            let closed = client.enqueue(Act {}).await.unwrap_err().to_string();
            assert!(closed.contains("was closed by this process"), "{closed}");
            last.id().to_string()
        });
        let copy = folder.path().join(format!("copy-{round}.db"));
        fs::copy(&path, &copy).unwrap();
        let found: i64 = Connection::open(&copy)
            .unwrap()
            .query_row("SELECT count(*) FROM jobs WHERE id = ?1", [id], |row| row.get(0))
            .unwrap();
        assert_eq!(found, 1);
    }
}

#[test]
fn dropping_everything_leaves_only_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let embedded = open(&path);
        let running = start(&embedded, &Shared::new(8)).await;
        let job = embedded.client().enqueue(Act {}).await.unwrap();
        embedded.client().wait(job.id(), LIMIT).await.unwrap();
        running.drain(secs(20)).await;
    });
    drop(runtime);
    assert!(!beside(&path, "-wal").exists());
}

/// As many as the runtime has threads, so that neither its timers nor its tasks run.
#[test]
fn blocked_threads_delay_a_stop_only_by_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let shared = Shared::new(0);
    let gate = shared.gate.clone();
    let closed = gate.lock().unwrap();
    let grace = millis(300);
    runtime.block_on(async {
        let embedded = open(&path);
        let running = start(&embedded, &shared).await;
        let client = embedded.client();
        client.enqueue(Block {}).await.unwrap();
        client.enqueue(Block {}).await.unwrap();
        shared.begun(2).await;
        let began = Instant::now();
        running.drain(grace).await;
        let took = began.elapsed();
        // The rest of the ten seconds is for a busy machine.
        assert!(took >= grace && took < secs(10), "{took:?}");
        embedded.close().await.unwrap();
        assert!(!beside(&path, "-wal").exists(), "also while handlers hold a client");
    });
    drop(closed);
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_engine_is_refused_under_every_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link, hard) =
        (folder.path().join("jobs.db"), folder.path().join("link.db"), folder.path().join("hard.db"));
    let first = open(&path);
    let running = start(&first, &Shared::new(0)).await;
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let refused = try_start(&open(name), &Shared::new(0)).await.unwrap_err();
        let number = format!("process {}", std::process::id());
        assert!(matches!(&refused, StartError::Running { by, .. } if *by == number), "{name:?}: {refused}");
    }
    fs::remove_file(beside(&path, ".engine")).unwrap();
    let refused = try_start(&open(&path), &Shared::new(0)).await.unwrap_err();
    assert!(matches!(refused, StartError::Running { .. }), "{refused}");
    // The first engine creates it again.
    let made = async {
        while !beside(&path, ".engine").exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, made).await.unwrap();
    // In another process: within one, SQLite itself refuses a second name.
    if cfg!(target_os = "linux") {
        fs::hard_link(&path, &hard).unwrap();
        let mut other = std::process::Command::new(std::env::current_exe().unwrap());
        other.args(["--exact", "file::another_process_starts_an_engine", "--nocapture"]).env(OTHER, &hard);
        let output = String::from_utf8(other.output().unwrap().stdout).unwrap();
        assert!(output.contains("an engine already runs on") && output.contains("another process"), "{output}");
        fs::remove_file(&hard).unwrap();
    }
    running.drain(Duration::ZERO).await;
    start(&open(&link), &Shared::new(0)).await.drain(Duration::ZERO).await;
}

/// The file on which another process starts an engine.
const OTHER: &str = "LAMPLIGHTER_TEST_OTHER";

/// Does nothing unless the test above starts it.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_starts_an_engine() {
    let Some(path) = std::env::var_os(OTHER) else { return };
    match try_start(&open(Path::new(&path)), &Shared::new(0)).await {
        Ok(_) => println!("it runs"),
        Err(error) => println!("{error}"),
    }
}

/// Everything about a folder's files that can be read without opening them.
fn picture(folder: &Path) -> Vec<(PathBuf, Vec<u8>, u32, SystemTime)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let metadata = fs::metadata(&path).unwrap();
            (path.clone(), fs::read(&path).unwrap(), metadata.permissions().mode(), metadata.modified().unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn foreign_files_are_refused_and_unchanged() {
    type Make = fn(&Path);
    let sql = |path: &Path, text: &str| Connection::open(path).unwrap().execute_batch(text).unwrap();
    let cases: [(&str, Make); 6] = [
        ("a journal", |path| {
            Connection::open(path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
        }),
        ("a log", |path| {
            let text = "PRAGMA journal_mode=WAL; CREATE TABLE songs (title TEXT)";
            Connection::open(path).unwrap().execute_batch(text).unwrap();
        }),
        ("a version and nothing else", |path| {
            Connection::open(path).unwrap().execute_batch("PRAGMA user_version=7").unwrap();
        }),
        ("an application's name", |path| {
            Connection::open(path).unwrap().execute_batch("PRAGMA application_id=7").unwrap();
        }),
        ("text", |path| fs::write(path, "This is a text, and by no means a database. ".repeat(20)).unwrap()),
        ("a version of ours to come", |path| {
            drop(open(path));
            Connection::open(path).unwrap().execute_batch("PRAGMA user_version=99").unwrap();
        }),
    ];
    for (what, make) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50% of my? songs#1.db");
        make(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let before = picture(folder.path());
        assert_eq!(before.len(), 1, "{what}");
        let error = SqliteBackend::open(&path, Settings::default()).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. } | OpenError::Newer { .. }), "{what}: {error}");
        assert_eq!(picture(folder.path()), before, "{what}");
    }

    // Everything that another program has written may still be in its log.
    let folder = tempfile::tempdir().unwrap();
    let (origin, path) = (folder.path().join("origin.db"), folder.path().join("songs.db"));
    let other = Connection::open(&origin).unwrap();
    other.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE songs (title TEXT)").unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(beside(&origin, suffix), beside(&path, suffix)).unwrap();
    }
    let before = ["", "-wal"].map(|suffix| fs::read(beside(&path, suffix)).unwrap());
    let error = SqliteBackend::open(&path, Settings::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert_eq!(["", "-wal"].map(|suffix| fs::read(beside(&path, suffix)).unwrap()), before);
    sql(&path, "INSERT INTO songs VALUES ('x')");
}

#[test]
fn a_file_with_its_tables_only_in_the_log_opens_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, path) = (folder.path().join("origin.db"), folder.path().join("jobs.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let embedded = open(&origin);
        let job = embedded.client().enqueue(Act {}).await.unwrap();
        for suffix in ["", "-wal"] {
            fs::copy(beside(&origin, suffix), beside(&path, suffix)).unwrap();
        }
        assert!(open(&path).client().get(job.id()).await.unwrap().is_some());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_readable_by_their_owner_only() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/folder");
    let path = folder.join("jobs.db");
    let all = ["", "-wal", "-shm", ".engine"].map(|suffix| beside(&path, suffix));
    let embedded = open(&path);
    let running = start(&embedded, &Shared::new(0)).await;
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    for made in [&root.path().join("new"), &folder] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    running.drain(Duration::ZERO).await;
    embedded.close().await.unwrap();

    // Made by earlier versions, and shared with a group on purpose.
    for (before, after) in [(0o644, 0o600), (0o666, 0o600), (0o660, 0o660), (0o640, 0o640)] {
        for file in [&all[0], &all[3]] {
            fs::set_permissions(file, fs::Permissions::from_mode(before)).unwrap();
        }
        let embedded = open(&path);
        let running = start(&embedded, &Shared::new(0)).await;
        for file in &all {
            assert_eq!(mode(file), after, "{} was {before:o}", file.display());
        }
        running.drain(Duration::ZERO).await;
        embedded.close().await.unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&path));
    assert_eq!(mode(&folder), 0o755, "an existing folder is unchanged");
}
