//! Servers that peers need: found, started with an empty folder on a Unix socket of their own, and ended by their id. They
//! stay in this process's group, so that Ctrl-C ends them too.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixStream,
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use tempfile::TempDir;

use super::{find, run};
use crate::{
    error::{Error, Result, at},
    place,
    subjects::Server,
};

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server that runs, if any: one at a time, so that none disturbs another's runs.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    running: Option<(Server, Running)>,
}

impl Servers {
    /// Starts the server unless it runs, and returns the place that its drivers are told. A file needs no server.
    pub(crate) fn place(&mut self, server: Server) -> Result<Option<String>> {
        if let Some((_, running)) = self.running.as_ref().filter(|(which, _)| *which == server) {
            return Ok(Some(running.place.clone()));
        }
        self.stop();
        let running = match server {
            Server::File => return Ok(None),
            Server::Postgres => postgres()?,
            Server::Redis => redis(&[])?,
            Server::DurableRedis => redis(&["--appendonly", "yes", "--appendfsync", "always"])?,
        };
        let place = running.place.clone();
        self.running = Some((server, running));
        Ok(Some(place))
    }

    /// Ends the server that runs.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }
}

#[derive(Debug)]
struct Running {
    process: Child,
    place: String,
    data: PathBuf,
    /// Holds the socket: a path in it is short, as the system demands.
    _socket: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // PostgreSQL ends its own processes at this signal; Redis ends too.
        end(i32::try_from(self.process.id()).unwrap_or_default(), Signal::SIGINT);
        let began = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        // Nothing is left to do for a process that cannot be ended or a folder that cannot be removed.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

fn end(process: i32, signal: Signal) {
    if process > 1 {
        // It may have ended already.
        let _ = kill(Pid::from_raw(process), signal);
    }
}

/// Makes an empty folder for a server's data. A server that an interrupted measurement left there is ended first: the
/// one whose id is in the folder, and that works in it.
fn empty(name: &str) -> Result<PathBuf> {
    let folder = place::target("data")?.join(name);
    let noted = |file: &str| fs::read_to_string(folder.join(file)).ok()?.lines().next()?.trim().parse::<i32>().ok();
    if let Some(process) = noted("postmaster.pid").or_else(|| noted("redis.pid"))
        && fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|there| there == folder)
    {
        end(process, Signal::SIGINT);
        let began = Instant::now();
        while Path::new(&format!("/proc/{process}")).exists() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(50));
        }
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(at("removing", &folder))?;
    }
    fs::create_dir_all(&folder).map_err(at("making", &folder))?;
    Ok(folder)
}

fn socket() -> Result<TempDir> {
    let made = tempfile::Builder::new().prefix("peers-").tempdir();
    made.map_err(|source| Error::Io { what: "making a folder for a socket".into(), source })
}

fn log(name: &str) -> Result<(Stdio, Stdio)> {
    let path = place::target("logs")?.join(name);
    let file = fs::File::create(&path).map_err(at("making", &path))?;
    let other = file.try_clone().map_err(at("opening", &path))?;
    Ok((file.into(), other.into()))
}

fn postgres() -> Result<Running> {
    // Debian keeps each major version's programs in a folder of its own; the newest first.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort_by_key(|folder| {
        let version =
            folder.parent().and_then(Path::file_name).and_then(|name| name.to_string_lossy().parse::<u32>().ok());
        std::cmp::Reverse(version)
    });
    let missing = || Error::Tool("there is no PostgreSQL: install Debian's package postgresql".into());
    let initdb = find("initdb", &folders).ok_or_else(missing)?;
    let server = find("postgres", &folders).ok_or_else(missing)?;
    let (data, socket) = (empty("postgres")?, socket()?);
    let user = account(&[&data, socket.path()])?;
    let as_user = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir("/");
        if let Some(user) = &user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    };
    let mut make = as_user(&initdb);
    make.args(["--username", "peers", "--auth", "trust", "--no-instructions", "--encoding", "UTF8", "--pgdata"]);
    run("making a database with `initdb`", make.arg(&data))?;
    let (out, err) = log("postgres.log")?;
    let mut command = as_user(&server);
    command.arg("-D").arg(&data).arg("-k").arg(socket.path()).args(["-c", "listen_addresses="]);
    let process = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let process = process.map_err(at("starting", &server))?;
    let place = format!("{}:peers", socket.path().display());
    let running = Running { process, place, data: data.clone(), _socket: socket };
    // It writes its state into this file, in the eighth line.
    until(running, "PostgreSQL", || {
        let noted = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        noted.lines().nth(7).is_some_and(|state| state.trim() == "ready")
    })
}

/// PostgreSQL does not run as root: then these folders are given to an account of its own, or to nobody.
fn account(folders: &[&Path]) -> Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let known = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
    let user =
        known.ok_or_else(|| Error::Tool("PostgreSQL does not run as root, and there is no other account".into()))?;
    for folder in folders {
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(at("giving away", folder))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(at("closing", folder))?;
    }
    Ok(Some(user))
}

fn redis(settings: &[&str]) -> Result<Running> {
    let server = find("redis-server", &["/usr/bin".into(), "/usr/sbin".into()])
        .ok_or_else(|| Error::Tool("there is no Redis: install Debian's package redis-server".into()))?;
    let (data, socket) = (empty("redis")?, socket()?);
    let path = socket.path().join("redis.sock");
    let (out, err) = log("redis.log")?;
    let mut command = Command::new(&server);
    command.args(["--port", "0", "--unixsocket"]).arg(&path).arg("--dir").arg(&data);
    command.arg("--pidfile").arg(data.join("redis.pid")).args(settings);
    let process = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    let process = process.map_err(at("starting", &server))?;
    let running = Running { process, place: path.display().to_string(), data, _socket: socket };
    until(running, "Redis", || UnixStream::connect(&path).is_ok())
}

fn until(mut running: Running, name: &str, is_ready: impl Fn() -> bool) -> Result<Running> {
    let began = Instant::now();
    while !is_ready() {
        let ended = matches!(running.process.try_wait(), Ok(Some(_)));
        if ended || began.elapsed() > PATIENCE {
            let log = format!("{}.log", if name == "Redis" { "redis" } else { "postgres" });
            let text = fs::read_to_string(place::target("logs")?.join(log)).unwrap_or_default();
            return Err(Error::Tool(format!("{name} does not start: {}", text.lines().last().unwrap_or_default())));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(running)
}
