//! What every lifecycle of a worker must show, on the poller: success, failure, deadline, poison, a stop in the middle, a
//! handler that blocks its thread, and a hard kill.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use e2e_function::{Act, Behaviour, Patient};
use lamplighter::{JobId, JobState, Record, record::AttemptOutcome};
use lamplighter_tests::ministack::{MiniStack, PATIENCE, eventually, package};

use crate::fleet::Fleet;

/// Time for running jobs after a stop. An exit takes little longer, on any machine.
const DRAIN: Duration = Duration::from_secs(3);
const LATEST_EXIT: Duration = Duration::from_secs(30);

/// What starts and ends the worker's process.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Platform {
    Signals,
    Systemd,
    Container,
    WebJob,
}

/// A worker's process, with what its platform has prepared for it. It ends with the test, however that ends.
struct Worker {
    child: Child,
    platform: Platform,
    notify: Option<UnixDatagram>,
    health: Option<SocketAddr>,
    shutdown: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    fn start(platform: Platform, program: &PathBuf, environment: &[(&'static str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut notify, mut health) = (None, None);
        let shutdown = folder.path().join("shutdown");
        let mut command = Command::new(program);
        command.envs(environment.iter().cloned()).env("E2E_DRAIN", DRAIN.as_secs().to_string());
        match platform {
            Platform::Signals => {}
            Platform::Systemd => {
                let path = folder.path().join("notify");
                let socket = UnixDatagram::bind(&path).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env_remove("WATCHDOG_PID");
                notify = Some(socket);
            }
            Platform::Container => {
                // Free when it was asked for; a worker that cannot have it says so and ends.
                let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
                command.env("E2E_HEALTH", address.to_string());
                health = Some(address);
            }
            Platform::WebJob => {
                command.env("WEBJOBS_NAME", "jobs").env("WEBJOBS_SHUTDOWN_FILE", &shutdown);
            }
        }
        Self { child: command.spawn().unwrap(), platform, notify, health, shutdown, _folder: folder }
    }

    /// Waits until the platform sees that it is ready, if it can.
    async fn is_ready(&self) {
        self.hears("READY=1");
        if self.health.is_some() {
            eventually("it is ready", PATIENCE, async || match self.get("/ready") {
                Some(200) => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await
            .unwrap();
        }
    }

    /// Reads notifications up to one that begins with this text, where the platform is systemd.
    fn hears(&self, text: &str) {
        let Some(socket) = &self.notify else { return };
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{text}: {error}"));
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line.starts_with(text)) {
                return;
            }
        }
    }

    /// The status of the answer to a health check.
    fn get(&self, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.health?).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: worker\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Asks it to end as the platform does, and returns its exit code.
    async fn stop(mut self) -> Option<i32> {
        let began = Instant::now();
        match self.platform {
            Platform::WebJob => std::fs::write(&self.shutdown, "").unwrap(),
            _ => self.signal("TERM"),
        }
        self.hears("STOPPING=1");
        if self.health.is_some() {
            eventually("it is not ready, and live or gone", PATIENCE, async || {
                match (self.get("/ready"), self.get("/live")) {
                    (Some(503), Some(200)) | (None, _) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await
            .unwrap();
        }
        let code = tokio::task::spawn_blocking(move || self.child.wait().unwrap().code()).await.unwrap();
        assert!(began.elapsed() < DRAIN + LATEST_EXIT, "{:?}", began.elapsed());
        code
    }
}

struct Stage {
    fleet: Fleet,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Stage {
    fn start(&self, platform: Platform) -> Worker {
        Worker::start(platform, &self.program, &self.environment)
    }

    async fn ended(&self, id: &str) -> Record {
        self.fleet.client.wait(&JobId::new(id).unwrap(), PATIENCE).await.unwrap_or_else(|error| panic!("{id}: {error}"))
    }

    async fn enqueue(&self, id: &str, behaviour: Behaviour) {
        let job = Act { label: id.into(), behaviour };
        self.fleet.client.enqueue(job).id(id).await.unwrap();
    }

    /// Enqueues a job that takes its time, and waits until it runs.
    async fn begin(&self, id: &str, behaviour: Behaviour) {
        let job = Patient { label: id.into(), behaviour };
        self.fleet.client.enqueue(job).id(id).await.unwrap();
        eventually(format!("{id} runs"), PATIENCE, async || match self.fleet.runs().iter().any(|run| run.id == id) {
            true => Ok(()),
            false => Err("it does not"),
        })
        .await
        .unwrap();
    }

    /// How its attempts ended, and its state.
    async fn outcome(&self, id: &str) -> (Vec<AttemptOutcome>, JobState) {
        let record = self.ended(id).await;
        (record.attempts.iter().map(|attempt| attempt.outcome).collect(), record.state)
    }

    async fn prove(&self, platform: Platform) {
        use AttemptOutcome::{Error, Lost, Succeeded, TimedOut};
        let named = |what: &str| format!("{what}-{platform:?}").to_lowercase();
        let [good, bad, late, stopped, blocking, killed] =
            ["good", "bad", "late", "stopped", "blocking", "killed"].map(named);
        let worker = self.start(platform);
        worker.is_ready().await;

        // Success, failure, deadline.
        self.enqueue(&good, Behaviour::Succeed).await;
        self.enqueue(&bad, Behaviour::GiveUp).await;
        self.enqueue(&late, Behaviour::SleepAtFirst).await;
        assert_eq!(self.outcome(&good).await, (vec![Succeeded], JobState::Succeeded));
        assert_eq!(self.outcome(&bad).await, (vec![Error], JobState::Failed));
        assert_eq!(self.outcome(&late).await, (vec![TimedOut, Succeeded], JobState::Succeeded));
        // Poison.
        let poison = format!("{{\"{}", named("poison"));
        self.fleet.send("ActsQueue", &poison).await;
        self.fleet.holds("ActsDeadLetters", &poison).await;
        self.fleet.holds("ActsDeadLetters", &bad).await;

        // A stop in the middle: what heeds it goes back at once, and what blocks its thread is left behind.
        self.begin(&stopped, Behaviour::SleepAtFirst).await;
        self.begin(&blocking, Behaviour::BlockAtFirst).await;
        assert_eq!(worker.stop().await, Some(0), "{platform:?}");
        let mut worker = self.start(platform);
        assert_eq!(self.outcome(&stopped).await, (vec![Succeeded], JobState::Succeeded), "the first does not count");
        let (outcomes, state) = self.outcome(&blocking).await;
        assert!(matches!(outcomes[..], [Succeeded] | [Lost, Succeeded]), "{platform:?}: {outcomes:?}");
        assert_eq!(state, JobState::Succeeded);

        // A hard kill.
        self.begin(&killed, Behaviour::SleepAtFirst).await;
        worker.child.kill().unwrap();
        let worker = self.start(platform);
        assert_eq!(self.outcome(&killed).await, (vec![Lost, Succeeded], JobState::Succeeded));
        assert_eq!(worker.stop().await, Some(0), "{platform:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lifecycle_of_a_worker_shows_the_same() {
    let aws = Arc::new(MiniStack::start().await.unwrap());
    let fleet = Fleet::start(aws, &[], e2e_function::function().timeout()).await;
    let environment = fleet.for_workers().await;
    let program = tokio::task::spawn_blocking(|| package::binary("e2e-worker").unwrap()).await.unwrap();
    let stage = Stage { fleet, program, environment };
    for platform in [Platform::Signals, Platform::Systemd, Platform::Container, Platform::WebJob] {
        stage.prove(platform).await;
    }
}
