//! The server process: its port, its log, its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;

use super::error::{Error, Result, io};
use super::run_folder::RunFolder;
use super::{Options, PATIENCE, REGION, ROOT_KEY, eventually, http, install};

const KILL_LIMIT: Duration = Duration::from_secs(5);

/// One running emulator. Dropping it kills it and all processes that it started.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    folder: RunFolder,
    python: PathBuf,
    child: Child,
    /// The server lives as long as this pipe is open, so it cannot outlive this process either.
    control: Option<ChildStdin>,
    /// The lines of the server's standard output; disconnected once the server is dead. Locked so that tests on several
    /// threads can share an emulator; the lock is never contended.
    answers: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts a server on `port`, or on any free one for 0, and waits until it is ready.
    pub(crate) async fn start(
        target_dir: &Path,
        options: &Options,
        port: u16,
        folder: Option<RunFolder>,
    ) -> Result<Self> {
        let environment = {
            let target_dir = target_dir.to_owned();
            tokio::task::spawn_blocking(move || install::environment(&target_dir)).await.map_err(|error| {
                Error::Request { what: "making the emulator's environment".into(), reason: error.to_string() }
            })??
        };
        let folder = match folder {
            Some(folder) => folder,
            None => RunFolder::make(target_dir)?,
        };
        let script = folder.path.join("server.py");
        fs::write(&script, include_str!("server.py")).map_err(io("writing", &script))?;
        let log_path = folder.log();
        let log = File::options().create(true).append(true).open(&log_path).map_err(io("opening", &log_path))?;

        let python = install::python(&environment);
        let mut command = Command::new(&python);
        command.arg("-I").arg(&script).arg(port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).current_dir(&folder.path);
        command.env_clear().envs(environment_of(&folder, options));
        let mut child = command.spawn().map_err(io("starting the emulator with", &script))?;

        let control = child.stdin.take();
        let answers = Mutex::new(lines_of(&mut child));
        let mut server = Self { port, folder, python, child, control, answers };
        // The server listens before it writes its port to a pipe that only it holds, so the server answers on that
        // port.
        let answer = server.answer().await?;
        server.port = answer.and_then(|line| line.parse().ok()).ok_or_else(|| server.folder.failed("told no port"))?;
        server.ready().await?;
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.log()
    }

    async fn ready(&mut self) -> Result<()> {
        let port = self.port;
        let ready = eventually("the emulator is ready", PATIENCE, async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                // Return at once, without waiting for the time limit.
                return Ok(Err(status));
            }
            let request = Request::get("/_ministack/ready").body(Vec::new()).map_err(|error| error.to_string())?;
            match http::send(port, request).await {
                Ok(answer) if answer.status().is_success() => Ok(Ok(())),
                Ok(answer) => Err(format!("HTTP {}", answer.status())),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        match ready {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => Err(self.folder.failed(&format!("ended while starting, with {status}"))),
            Err(error) => Err(self.folder.failed(&format!("did not get ready ({error})"))),
        }
    }

    /// Ends the server cleanly, so that it saves its state, and returns its folder.
    pub(crate) async fn stop(mut self) -> Result<RunFolder> {
        if let Some(control) = &mut self.control {
            control
                .write_all(b"stop\n")
                .and_then(|()| control.flush())
                .map_err(|source| Error::Io { what: "telling the emulator to stop".into(), source })?;
        }
        match self.answer().await?.as_deref() {
            Some("stopped") => Ok(self.folder.hand_over()),
            _ => Err(self.folder.failed("ended without saving its state")),
        }
    }

    /// Returns the next line from the server; `None` if it has died.
    async fn answer(&mut self) -> Result<Option<String>> {
        let (_, unconnected) = channel();
        let answers = std::mem::replace(self.answers.get_mut().unwrap_or_else(PoisonError::into_inner), unconnected);
        let waiting = tokio::task::spawn_blocking(move || (answers.recv_timeout(PATIENCE), answers));
        let (answer, answers) = waiting
            .await
            .map_err(|error| Error::Request { what: "hearing from the emulator".into(), reason: error.to_string() })?;
        self.answers = Mutex::new(answers);
        match answer {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(self.folder.failed(&format!("said nothing for {PATIENCE:?}"))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closing the pipe makes the server kill its process group, bootstraps included.
        drop(self.control.take());
        let end = Instant::now() + KILL_LIMIT;
        let answers = self.answers.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut last = Ok(String::new());
        while last.is_ok() {
            last = answers.recv_timeout(end.saturating_duration_since(Instant::now()));
        }
        if last == Err(RecvTimeoutError::Timeout) {
            // It hangs, or was stopped by a signal. Its group has its process id, which is not reused before `wait`.
            let kill = format!("import os, signal; os.killpg({}, signal.SIGKILL)", self.child.id());
            let _ = Command::new(&self.python).args(["-I", "-c", &kill]).stderr(Stdio::null()).status();
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Returns the server's complete environment: MiniStack passes its own on to the functions.
fn environment_of(folder: &RunFolder, options: &Options) -> Vec<(String, std::ffi::OsString)> {
    let mut all: Vec<(String, std::ffi::OsString)> = vec![
        ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
        ("HOME".into(), folder.path.join("home").into()),
        ("TMPDIR".into(), folder.path.join("tmp").into()),
        ("LANG".into(), "C.UTF-8".into()),
        ("PYTHONUTF8".into(), "1".into()),
        ("AWS_ACCESS_KEY_ID".into(), ROOT_KEY.into()),
        ("AWS_SECRET_ACCESS_KEY".into(), ROOT_KEY.into()),
        ("AWS_DEFAULT_REGION".into(), REGION.into()),
        ("AWS_EC2_METADATA_DISABLED".into(), "true".into()),
        ("IOT_MTLS_ENABLED".into(), "0".into()),
        ("SFTP_ENABLED".into(), "0".into()),
        // MiniStack removes containers that it takes for its own; it must not remove the developer's.
        ("DOCKER_HOST".into(), format!("unix://{}", folder.path.join("no-docker.sock").display()).into()),
    ];
    if options.auth {
        all.push(("AUTH".into(), "true".into()));
    }
    if options.persist_state {
        all.push(("PERSIST_STATE".into(), "1".into()));
        all.push(("S3_PERSIST".into(), "1".into()));
        let state = options.state_dir.clone().unwrap_or_else(|| folder.path.join("state"));
        all.push(("S3_DATA_DIR".into(), state.join("s3").into()));
        all.push(("STATE_DIR".into(), state.into()));
    }
    all.extend(options.environment.iter().map(|(name, value)| (name.clone(), value.into())));
    all
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        // Ends by itself with the server, which alone holds the other end.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}
