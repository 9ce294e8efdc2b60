//! What an engine does when its file is away, full, locked, replaced or somebody else's, and what it leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may")]
#![cfg(unix)]

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

/// Much longer than anything here takes, on a machine that is busy with something else.
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

/// Blocks its thread until it is told to end.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Block {}

impl Job for Block {
    const NAME: &'static str = "block";
    const QUEUE: Queue = Queue::standard("blocks");

    fn options() -> Options {
        Options::new().timeout(secs(300))
    }
}

/// What the handlers share with a test.
#[derive(Clone)]
struct Stage {
    permits: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    gate: Arc<std::sync::Mutex<()>>,
}

impl Stage {
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

async fn act(_: Act, _: Context, State(stage): State<Stage>) -> Result<(), JobError> {
    stage.begun.fetch_add(1, Ordering::SeqCst);
    stage.permits.acquire().await?.forget();
    Ok(())
}

async fn block(_: Block, _: Context, State(stage): State<Stage>) -> Result<(), JobError> {
    stage.begun.fetch_add(1, Ordering::SeqCst);
    drop(stage.gate.lock());
    Ok(())
}

fn open(path: &Path) -> SqliteBackend {
    SqliteBackend::open(path, Settings::default()).unwrap()
}

async fn try_start(embedded: &SqliteBackend, stage: &Stage) -> Result<Running, StartError> {
    let acts = Function::new("acts").job(act).with_state(stage.clone());
    let blocks = Function::new("blocks").job(block).with_state(stage.clone());
    Engine::builder(embedded).function(acts).function(blocks).start().await
}

async fn start(embedded: &SqliteBackend, stage: &Stage) -> Running {
    try_start(embedded, stage).await.unwrap()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Holds the file as another process would that writes for a long time.
fn hold(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.busy_timeout(LIMIT).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_could_not_be_settled_or_claimed_go_on_by_themselves_once_the_file_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let stage = Stage::new(0);
    let running = start(&embedded, &stage).await;
    let client = embedded.client();
    let ran = client.enqueue(Act {}).await.unwrap();
    stage.begun(1).await;
    let due = client.enqueue(Act {}).delay(millis(200)).await.unwrap();
    let other = hold(&path);
    // One ends, and the other becomes due, while nothing can be written for longer than the busy time-out, and than all
    // that the worker tries.
    stage.permits.add_permits(2);
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
    assert!(well.elapsed() < secs(30), "it goes on within seconds: {:?}", well.elapsed());
    assert_eq!(stage.begun.load(Ordering::SeqCst), 2);
    running.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_to_a_locked_file_fail_together_and_in_time() {
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
    // A call at a time would take four minutes.
    assert!(began.elapsed() < secs(20), "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    client.enqueue(Act {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_future_is_dropped_before_its_commit_does_nothing() {
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
async fn an_engine_ends_when_its_file_is_removed_and_nothing_is_acknowledged_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let running = start(&embedded, &Stage::new(0)).await;
    let client = embedded.client();
    client.enqueue(Act {}).await.unwrap();
    fs::remove_file(&path).unwrap();
    let refused = loop {
        // What comes within a moment of the last look may still be taken.
        if let Err(error) = client.enqueue(Act {}).await {
            break error.to_string();
        }
    };
    assert!(refused.contains("was removed or renamed while it was in use"), "{refused}");
    assert!(client.enqueue(Act {}).await.is_err(), "and nothing is from then on");
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(matches!(error, EngineError::File(FileLost::Removed { .. })), "{error:?}");
    assert!(matches!(embedded.check(), Err(FileLost::Removed { .. })));
    running.stop(LIMIT).await;
    assert!(!path.exists(), "nothing makes it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_another_file_takes_the_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("jobs.db"), folder.path().join("copy.db"));
    let other = open(&copy);
    other.close().await.unwrap();
    let embedded = open(&path);
    let stage = Stage::new(0);
    let running = start(&embedded, &stage).await;
    let client = embedded.client();
    let job = client.enqueue(Act {}).await.unwrap();
    stage.begun(1).await;
    fs::rename(&copy, &path).unwrap();
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(matches!(error, EngineError::File(FileLost::Replaced { .. })), "{error:?}");
    let asked = client.store().unwrap().get(job.id()).await.unwrap_err();
    assert_eq!(asked.kind(), StoreErrorKind::Invalid, "neither the old file is read nor the new one: {asked}");
    // What runs is cut off: its budget is not waited for.
    tokio::time::timeout(LIMIT, running.stop(secs(600))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_ends_when_its_log_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = open(&path);
    let stage = Stage::new(1);
    let running = start(&embedded, &stage).await;
    let client = embedded.client();
    let job = client.enqueue(Act {}).await.unwrap();
    client.wait(job.id(), LIMIT).await.unwrap();
    // Its watch has looked at the log once it tells of what another process has written.
    let other = open(&path);
    let second = other.client().enqueue(Act {}).await.unwrap();
    stage.permits.add_permits(1);
    client.wait(second.id(), LIMIT).await.unwrap();
    fs::remove_file(beside(&path, "-wal")).unwrap();
    let error = tokio::time::timeout(LIMIT, running.failed()).await.unwrap();
    assert!(error.to_string().contains("jobs.db-wal was removed"), "{error}");
    running.stop(Duration::ZERO).await;
}

#[test]
fn a_clean_stop_leaves_nothing_but_the_one_file_ten_times_of_ten() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.db"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let id = runtime.block_on(async {
            let embedded = open(&path);
            let running = start(&embedded, &Stage::new(8)).await;
            let client = embedded.client();
            let jobs = client.enqueue_all((0..8).map(|_| Act {})).await;
            for job in &jobs {
                client.wait(job.as_ref().unwrap().id(), LIMIT).await.unwrap();
            }
            running.stop(secs(20)).await;
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
fn dropping_everything_after_a_stop_leaves_nothing_but_the_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let embedded = open(&path);
        let running = start(&embedded, &Stage::new(8)).await;
        let job = embedded.client().enqueue(Act {}).await.unwrap();
        embedded.client().wait(job.id(), LIMIT).await.unwrap();
        running.stop(secs(20)).await;
    });
    drop(runtime);
    assert!(!beside(&path, "-wal").exists());
}

/// As many as the runtime has threads, so that neither its timers nor its tasks go on.
#[test]
fn handlers_that_block_every_thread_delay_the_stop_by_the_grace_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stage = Stage::new(0);
    let gate = stage.gate.clone();
    let closed = gate.lock().unwrap();
    let grace = millis(300);
    runtime.block_on(async {
        let embedded = open(&path);
        let running = start(&embedded, &stage).await;
        let client = embedded.client();
        client.enqueue(Block {}).await.unwrap();
        client.enqueue(Block {}).await.unwrap();
        stage.begun(2).await;
        let began = Instant::now();
        running.stop(grace).await;
        let took = began.elapsed();
        // The rest of the ten seconds is for a machine that is busy with something else.
        assert!(took >= grace && took < secs(10), "{took:?}");
        embedded.close().await.unwrap();
        assert!(!beside(&path, "-wal").exists(), "also while handlers hold a client");
    });
    drop(closed);
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_refused_under_every_name_of_a_file_that_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link, hard) =
        (folder.path().join("jobs.db"), folder.path().join("link.db"), folder.path().join("hard.db"));
    let first = open(&path);
    let running = start(&first, &Stage::new(0)).await;
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for name in [&path, &link] {
        let refused = try_start(&open(name), &Stage::new(0)).await.unwrap_err();
        let number = format!("process {}", std::process::id());
        assert!(matches!(&refused, StartError::Running { by, .. } if *by == number), "{name:?}: {refused}");
    }
    fs::remove_file(beside(&path, ".engine")).unwrap();
    let refused = try_start(&open(&path), &Stage::new(0)).await.unwrap_err();
    assert!(matches!(refused, StartError::Running { .. }), "{refused}");
    // The first one makes it again.
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
        other.args(["--exact", "another_process_starts_an_engine", "--nocapture"]).env(OTHER, &hard);
        let told = String::from_utf8(other.output().unwrap().stdout).unwrap();
        assert!(told.contains("an engine runs on") && told.contains("another process"), "{told}");
        fs::remove_file(&hard).unwrap();
    }
    running.stop(Duration::ZERO).await;
    start(&open(&link), &Stage::new(0)).await.stop(Duration::ZERO).await;
}

/// The file on which another process starts an engine.
const OTHER: &str = "LAMPLIGHTER_TEST_OTHER";

/// Does nothing but what the test above asks for.
#[tokio::test(flavor = "multi_thread")]
async fn another_process_starts_an_engine() {
    let Some(path) = std::env::var_os(OTHER) else { return };
    match try_start(&open(Path::new(&path)), &Stage::new(0)).await {
        Ok(_) => println!("it runs"),
        Err(error) => println!("{error}"),
    }
}

/// Everything that can be told of a folder without opening its files.
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
fn a_file_that_is_not_ours_is_refused_and_stays_as_it_is_with_nothing_beside_it() {
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
        ("text", |path| fs::write(path, "This is a letter, and by no means a database. ".repeat(20)).unwrap()),
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

    // All that another program has written may still be in its log.
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
fn a_file_whose_tables_are_only_in_its_log_is_ours_after_a_crash() {
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
async fn everything_that_is_made_is_its_owners_alone_and_what_is_open_to_all_is_closed() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/folder");
    let path = folder.join("jobs.db");
    let all = ["", "-wal", "-shm", ".engine"].map(|suffix| beside(&path, suffix));
    let embedded = open(&path);
    let running = start(&embedded, &Stage::new(0)).await;
    for file in &all {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    for made in [&root.path().join("new"), &folder] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    running.stop(Duration::ZERO).await;
    embedded.close().await.unwrap();

    // As earlier versions have made it, and as somebody has shared it with a group.
    for (before, after) in [(0o644, 0o600), (0o666, 0o600), (0o660, 0o660), (0o640, 0o640)] {
        for file in [&all[0], &all[3]] {
            fs::set_permissions(file, fs::Permissions::from_mode(before)).unwrap();
        }
        let embedded = open(&path);
        let running = start(&embedded, &Stage::new(0)).await;
        for file in &all {
            assert_eq!(mode(file), after, "{} was {before:o}", file.display());
        }
        running.stop(Duration::ZERO).await;
        embedded.close().await.unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&path));
    assert_eq!(mode(&folder), 0o755, "a folder that is there stays as it is");
}
