//! `lamp work` under each of the hosts that stop a process: the real program, in an environment like the host's.
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
};

use crate::support::{PATIENCE, Place};

/// A worker, and the lines of its log. It is killed when the test ends, in any way.
struct Work {
    child: Child,
    log: Receiver<String>,
}

impl Work {
    fn start(command: Command) -> Self {
        let work = Self::spawn(command);
        work.says("running all functions and schedules");
        work
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (tell, log) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // It must not end because its log is not read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        Self { child, log }
    }

    /// Waits for a line with this text.
    fn says(&self, text: &str) -> String {
        let mut said = Vec::new();
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => said.push(line),
                Err(error) => panic!("{text:?} is not said ({error}), but {said:#?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &*pid]).status().unwrap().success());
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A receiver of webhooks that answers when the test says so: its job runs until then.
struct Slow(TcpListener);

impl Slow {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn lets(command: &mut Command) {
        command.env("LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE", "127.0.0.1");
        command.env("LAMPLIGHTER_WEBHOOK_SECRET", "whsec_bGFtcGxpZ2h0ZXItZGVtby1zZWNyZXQtMDEyMzQ=");
    }

    /// Starts a job that runs until the answer.
    fn job(&self, place: &Place, id: &str) -> TcpStream {
        let url = format!("http://{}/", self.0.local_addr().unwrap());
        let args = serde_json::json!({"url": url, "event": "e", "payload": 1}).to_string();
        place.lamp(&["enqueue", "webhook.deliver", &args, "--id", id]).ok();
        self.next()
    }

    /// Returns the next delivery, once its request has begun.
    fn next(&self) -> TcpStream {
        let (mut delivery, _) = self.0.accept().unwrap();
        delivery.read_exact(&mut [0]).unwrap();
        delivery
    }
}

/// Lets the job end.
fn answer(mut delivery: TcpStream) {
    delivery.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
    // If the connection closed before everything was read, the answer could be lost.
    let _ = delivery.shutdown(std::net::Shutdown::Write);
    let _ = delivery.read_to_end(&mut Vec::new());
}

fn state(place: &Place, id: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(&place.lamp(&["job", id, "--json"]).ok()).unwrap();
    record["state"].as_str().unwrap().to_owned()
}

fn get(address: &str, path: &str) -> (u16, serde_json::Value) {
    let (code, body) = get_text(address, path);
    (code, serde_json::from_str(&body).unwrap())
}

fn get_text(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A worker that answers health checks, and their address.
fn checked(mut command: Command) -> (Work, String) {
    command.args(["--health", "127.0.0.1:0"]);
    Slow::lets(&mut command);
    let work = Work::spawn(command);
    let line = work.says("health checks are answered");
    let at = line.find("127.0.0.1:").unwrap();
    let address = line[at..].chars().take_while(|one| one.is_ascii_digit() || ".:".contains(*one)).collect();
    (work, address)
}

#[test]
fn a_job_that_runs_at_sigterm_ends_and_the_exit_is_clean() {
    let (place, slow) = (Place::new(), Slow::new());
    let mut command = place.command(&["work", "--drain", "10m"]);
    Slow::lets(&mut command);
    let work = Work::start(command);
    let delivery = slow.job(&place, "running");
    work.signal("TERM");
    work.says("stopping: running jobs have 10 min");
    answer(delivery);
    work.says("stopped; 1 job ended");
    assert_eq!(work.code(), Some(0));
    assert_eq!(state(&place, "running"), "succeeded");
}

#[test]
fn a_job_that_does_not_end_in_time_goes_back_to_its_queue_uncounted() {
    let (place, slow) = (Place::new(), Slow::new());
    let mut command = place.command(&["work", "--drain", "0s"]);
    Slow::lets(&mut command);
    let work = Work::start(command);
    let _delivery = slow.job(&place, "cut-off");
    work.signal("TERM");
    work.says("stopped; 1 job went back to the queue");
    assert_eq!(work.code(), Some(0));
    assert_eq!(state(&place, "cut-off"), "queued");
}

#[test]
fn a_killed_worker_loses_nothing() {
    let (place, slow) = (Place::new(), Slow::new());
    let start = || {
        let mut command = place.command(&["work"]);
        Slow::lets(&mut command);
        command.env("LAMPLIGHTER_LOG", "info,lamplighter::success=debug");
        Work::start(command)
    };
    let first = start();
    let _delivery = slow.job(&place, "killed");
    first.signal("KILL");
    assert_eq!(first.code(), None);
    let second = start();
    // It is delivered again.
    answer(slow.next());
    second.says("job succeeded");
    assert_eq!(state(&place, "killed"), "succeeded");
}

#[test]
fn health_checks_tell_ready_from_live() {
    let (place, slow) = (Place::new(), Slow::new());
    let (work, address) = checked(place.command(&["work", "--drain", "10m"]));
    work.says("running all functions");
    let until = |path: &str, code: u16, fits: &dyn Fn(&serde_json::Value) -> bool| {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let (found, body) = get(&address, path);
            if found == code && fits(&body) {
                return;
            }
            assert!(std::time::Instant::now() < end, "{path}: {found} {body}");
            std::thread::yield_now();
        }
    };
    until("/ready", 200, &|body| body["phase"] == "running" && body["jobs"] == 0);
    let delivery = slow.job(&place, "checked");
    until("/live", 200, &|body| body["jobs"] == 1);
    work.signal("TERM");
    until("/ready", 503, &|body| body["phase"] == "draining");
    until("/live", 200, &|body| body["phase"] == "draining");
    answer(delivery);
    assert_eq!(work.code(), Some(0));
}

#[test]
fn a_worker_has_metrics_for_prometheus() {
    let place = Place::new();
    let (work, address) = checked(place.command(&["work"]));
    work.says("running all functions");
    place.lamp(&["enqueue", "lamp.ping", r#"{"failures":1}"#]).ok();
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let (code, text) = get_text(&address, "/metrics");
        assert_eq!(code, 200);
        let counts = |name: &str| {
            text.lines().any(|line| line.starts_with(&format!("{name}{{job=\"lamp.ping\",")) && line.ends_with(" 1"))
        };
        if counts("lamplighter_retried_total") && counts("lamplighter_succeeded_total") {
            assert!(counts("lamplighter_attempts_per_success_count"), "{text}");
            break;
        }
        assert!(std::time::Instant::now() < end, "{text}");
        std::thread::yield_now();
    }
    work.signal("TERM");
    assert_eq!(work.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_is_notified_of_ready_alive_and_stopping() {
    use std::os::unix::net::UnixDatagram;

    let (place, slow) = (Place::new(), Slow::new());
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = place.command(&["work", "--drain", "10m"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env_remove("WATCHDOG_PID");
    Slow::lets(&mut command);
    let work = Work::start(command);
    let hears = |text: &str| {
        let mut buffer = [0; 4096];
        let mut heard = Vec::new();
        while !heard.iter().any(|one: &String| one == text || one.starts_with(text)) {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{text}: {error}, after {heard:?}"));
            heard.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
        heard
    };
    hears("READY=1");
    hears("WATCHDOG=1");
    hears("WATCHDOG=1");
    let delivery = slow.job(&place, "served");
    hears("STATUS=running, 1 jobs");
    work.signal("TERM");
    hears("STOPPING=1");
    hears("EXTEND_TIMEOUT_USEC=");
    hears("WATCHDOG=1");
    answer(delivery);
    hears("STATUS=stopped");
    assert_eq!(work.code(), Some(0));
}

#[test]
fn a_webjob_ends_when_its_shutdown_file_appears() {
    let (place, slow) = (Place::new(), Slow::new());
    let shutdown = place.path().join("shutdown");
    let mut command = place.command(&["work"]);
    command.env("WEBJOBS_NAME", "jobs").env("WEBJOBS_SHUTDOWN_FILE", &shutdown);
    Slow::lets(&mut command);
    let work = Work::start(command);
    let delivery = slow.job(&place, "webjob");
    std::fs::write(&shutdown, "").unwrap();
    work.says("the WebJob's shutdown file");
    answer(delivery);
    assert_eq!(work.code(), Some(0));
    assert_eq!(state(&place, "webjob"), "succeeded");
}

#[test]
fn a_triggered_webjob_ends_when_it_is_idle() {
    let place = Place::new();
    for id in ["one", "two"] {
        place.lamp(&["enqueue", "lamp.ping", "--id", id]).ok();
    }
    let mut command = place.command(&["work", "--idle-end", "2s"]);
    command.env("WEBJOBS_NAME", "jobs").env("WEBJOBS_RUN_ID", "202611260300");
    let work = Work::start(command);
    work.says("at work");
    work.says("nothing to do");
    assert_eq!(work.code(), Some(0));
    assert_eq!((state(&place, "one"), state(&place, "two")), ("succeeded".into(), "succeeded".into()));
}

#[test]
fn an_ecs_task_is_protected_while_a_job_runs() {
    let (place, slow) = (Place::new(), Slow::new());
    // The container's agent: it handles requests one after the other.
    let agent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = place.command(&["work"]);
    command.env("ECS_AGENT_URI", format!("http://{}/api/0ab", agent.local_addr().unwrap()));
    Slow::lets(&mut command);
    let (tell, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in agent.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let (mut length, mut line, mut first) = (0, String::new(), None);
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                first.get_or_insert_with(|| line.trim().to_owned());
                let (name, value) = line.split_once(':').unwrap_or_default();
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            if tell.send((first.unwrap_or_default(), body)).is_err() {
                return;
            }
        }
    });
    let work = Work::start(command);
    let delivery = slow.job(&place, "protected");
    let (request, body) = bodies.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request, "PUT /api/0ab/task-protection/v1/state HTTP/1.1");
    assert_eq!(body, serde_json::json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 10 }));
    answer(delivery);
    let (_, body) = bodies.recv_timeout(PATIENCE).unwrap();
    assert_eq!(body, serde_json::json!({ "ProtectionEnabled": false }));
    work.signal("INT");
    assert_eq!(work.code(), Some(0));
}

#[test]
fn unusable_options_are_refused() {
    let place = Place::new();
    place.lamp(&["work", "--queue", "images"]).fails(2, &["--queue images needs a deployed stack"]);
    place.lamp(&["work", "--health", "nowhere"]).fails_at_once();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.lamp(&["work", "--health", &address]).fails(1, &["cannot answer health checks on", "name another address"]);
}
