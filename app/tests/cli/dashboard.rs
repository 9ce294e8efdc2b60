//! `lamp dashboard`, and the dashboards of `lamp dev` and `lamp demo`.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{Dev, Place, lines};

/// Kills the child when the test ends, in any way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a command, and returns it with the URL that it prints.
    fn start(mut command: Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let running = Self(child);
        let mut lines = out.lines().map(Result::unwrap);
        let mut said = lines.by_ref().filter(|line| line.to_lowercase().contains("dashboard"));
        let url = said.find_map(|line| Some(line[line.find("http://")?..].split(' ').next()?.to_owned()));
        // It must not end because nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        (running, url.expect("a URL"))
    }

    #[cfg(unix)]
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn cookie(&self) -> String {
        let cookie = self.headers.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_else(|| panic!("no cookie: {self:?}")).to_owned()
    }
}

/// Where a URL leads: the address, and the path.
fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

pub(crate) fn request(address: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !has_host {
        text.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if headers.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Answer { status, headers: headers.to_owned(), body }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap();
    }
    whole
}

pub(crate) fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(address, &format!("GET {path}"), headers, "")
}

/// Signs in by the link, and returns the address and the cookie.
fn signed_in(url: &str) -> (String, String) {
    let (address, path) = parts(url);
    let answer = get(address, path, &[]);
    assert_eq!(answer.status, 303, "{answer:?}");
    (address.to_owned(), answer.cookie())
}

fn dashboard(place: &Place, args: &[&str]) -> (Running, String) {
    let mut command = place.command(&[&["dashboard"], args].concat());
    command.env("USER", "ada");
    Running::start(command)
}

#[test]
fn the_link_signs_the_user_of_the_terminal_in_once() {
    let place = Place::new();
    place.lamp(&["dashboard"]).fails(1, &["no jobs file"]);
    place.lamp(&["enqueue", "lamp.ping", "--id", "ping"]).ok();
    let (_running, url) = dashboard(&place, &[]);
    let (address, cookie) = signed_in(&url);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let (_, path) = parts(&url);
    assert_eq!(get(&address, path, &[]).status, 401, "a link is good once");
    for path in ["/", "/jobs", "/api/v1/jobs"] {
        assert!(matches!(get(&address, path, &[]).status, 401 | 303), "{path} without a session");
    }

    let me = get(&address, "/api/v1/me", &[("cookie", &cookie)]).json();
    assert_eq!((&me["name"], me["actions"].as_array().map(|all| all.is_empty())), (&json!("ada"), Some(false)));
    let jobs = get(&address, "/api/v1/jobs", &[("cookie", &cookie)]).json();
    assert_eq!(jobs["items"][0]["id"], "ping");
    let page = get(&address, "/jobs", &[("cookie", &cookie)]);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("lamp.ping"), "{page:?}");
    // A page of another site that gave a name to this address.
    assert_eq!(get(&address, "/jobs", &[("cookie", &cookie), ("host", "evil.example")]).status, 421);
}

#[test]
fn an_action_is_an_operation_by_the_user() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "ping"]).ok();
    let (_running, url) = dashboard(&place, &[]);
    let (address, cookie) = signed_in(&url);
    let origin = format!("http://{address}");
    let body = json!({"action": {"kind": "cancel"}, "target": {"kind": "job", "id": "ping"}, "reason": "a test"});
    let headers =
        [("cookie", &*cookie), ("origin", &*origin), ("content-type", "application/json"), ("idempotency-key", "one")];
    let answer = request(&address, "POST /api/v1/operations", &headers, &body.to_string());
    assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    assert_eq!(answer.json()["by"], "ada");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let watched = lines(&place.lamp(&["watch", &id, "--json"]).ok());
    let last = watched.last().unwrap();
    assert_eq!((&last["kind"], &last["state"], &last["changed"]), (&json!("operation"), &json!("done"), &json!(1)));
    assert_eq!(lines(&place.lamp(&["job", "ping", "--json"]).ok())[0]["state"], "cancelled");
    let log = place.lamp(&["job", "ping", "--log"]).ok();
    assert!(log.contains("cancelled by ada: a test"), "{log}");
    // From another site, nothing is taken.
    let foreign = [headers[0], ("origin", "http://evil.example"), headers[2]];
    assert_eq!(request(&address, "POST /api/v1/operations", &foreign, &body.to_string()).status, 403);
}

#[test]
fn a_reader_changes_nothing() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "ping"]).ok();
    let token = "deploy:operator:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let (_running, url) = dashboard(&place, &["--read-only", "--token", token]);
    let (address, cookie) = signed_in(&url);
    let me = get(&address, "/api/v1/me", &[("cookie", &cookie)]).json();
    assert_eq!(me["actions"], json!([]));
    let origin = format!("http://{address}");
    let headers = [("cookie", &*cookie), ("origin", &*origin), ("content-type", "application/json")];
    let body = json!({"action": {"kind": "cancel"}, "target": {"kind": "job", "id": "ping"}}).to_string();
    assert_eq!(request(&address, "POST /api/v1/operations", &headers, &body).status, 403);
    let bearer = [("authorization", "Bearer test"), headers[2]];
    assert_eq!(get(&address, "/api/v1/me", &bearer[..1]).json()["actions"], json!([]));
    assert_eq!(request(&address, "POST /api/v1/operations", &bearer, &body).status, 403);
    assert_eq!(lines(&place.lamp(&["job", "ping", "--json"]).ok())[0]["state"], "queued");
    assert!(lines(&place.lamp(&["ops", "--json"]).ok()).is_empty());
}

#[test]
fn beyond_this_machine_it_needs_tokens_and_its_url() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping", "--id", "ping"]).ok();
    let token = "deploy:reader:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    place.lamp(&["dashboard", "--bind", "0.0.0.0"]).fails(2, &["other machines", "127.0.0.1"]);
    place.lamp(&["dashboard", "--bind", "0.0.0.0", "--token", token]).fails(2, &["by which URL"]);
    place.lamp(&["dashboard", "--token", "deploy:admin:00"]).fails_at_once();
    place.lamp(&["dashboard", "--url", "jobs.example.com"]).fails(2, &["is not the URL of a dashboard"]);
    let (_running, url) = dashboard(&place, &["--bind", "0.0.0.0", "--token", token, "--url", "http://jobs.example"]);
    let address = parts(&url).0.replace("0.0.0.0", "127.0.0.1");
    assert!(!url.contains("token="), "{url}");
    let bearer = [("authorization", "Bearer test"), ("host", "jobs.example")];
    assert_eq!(get(&address, "/api/v1/me", &bearer).json()["name"], "deploy");
    let wrong = [("authorization", "Bearer tset"), ("host", "jobs.example")];
    assert_eq!(get(&address, "/api/v1/me", &wrong).status, 401);
    assert_eq!(get(&address, "/api/v1/me", &bearer[1..]).status, 401);
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping"]).ok();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    place.lamp(&["dashboard", "--port", &port]).fails(1, &["cannot listen at 127.0.0.1", "--port"]);
    let dev = place.lamp(&["dev", "--dashboard-port", &port]);
    assert_eq!(dev.code, 1, "{dev:?}");
    assert!(dev.err.contains("cannot listen at"), "{dev:?}");
}

#[cfg(unix)]
#[test]
fn it_ends_when_it_is_asked_to() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping"]).ok();
    let (running, url) = dashboard(&place, &[]);
    signed_in(&url);
    assert_eq!(running.interrupt(), Some(0));
}

#[test]
fn dev_shows_it_unless_told_not_to() {
    let place = Place::new();
    for (args, shows) in [(&["dev"][..], true), (&["dev", "--no-dashboard"], false)] {
        let mut child = place.command(args).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let running = Running(child);
        let welcome: Vec<_> = log.by_ref().take_while(|line| !line.contains("lamp jobs")).collect();
        let url = welcome.iter().find_map(|line| Some(line[line.find("http://127.0.0.1")?..].to_owned()));
        assert_eq!(url.is_some(), shows, "{welcome:?}");
        if let Some(url) = url {
            let (address, cookie) = signed_in(&url);
            let health = get(&address, "/api/v1/health", &[("cookie", &cookie)]).json();
            let facts = health["facts"].to_string();
            assert!(facts.contains("in this process"), "{health}");
        }
        drop(running);
    }
}

#[cfg(unix)]
#[test]
fn the_demo_keeps_it_when_asked_to() {
    let place = Place::new();
    let (running, url) = Running::start(place.command(&["demo", "--dashboard"]));
    let (address, cookie) = signed_in(&url);
    let jobs = get(&address, "/api/v1/jobs?q=state:succeeded", &[("cookie", &cookie)]).json();
    assert!(jobs["items"].as_array().unwrap().len() > 3, "{jobs}");
    assert_eq!(running.interrupt(), Some(0));
}

/// The names of a value's fields, as they are nested.
fn fields(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{path}.{name}");
                // What a job's author put there has names of its own.
                if !matches!(&**name, "args" | "output" | "schema" | "body") {
                    fields(value, &path, found);
                }
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, path, found)),
        _ => {}
    }
}

fn fields_of(values: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    values.iter().for_each(|value| fields(value, "", &mut found));
    found
}

/// The same questions over the API and on the command line are answered with the same fields.
#[test]
fn api_and_commands_have_the_same_fields() {
    let place = Place::new();
    {
        let _dev = Dev::start(&place);
        place.write("images.jsonl", "{\"key\":\"a.png\"}\n{\"key\":\"b.png\"}\n");
        place.lamp(&["enqueue", "image.thumbnail", "--from", "images.jsonl", "--batch=images"]).ok();
        place.lamp(&["enqueue", "lamp.ping", r#"{"failures":1}"#, "--id", "ping"]).ok();
        place.lamp(&["watch", "images"]).ends_with(1);
        place.lamp(&["watch", "ping"]).ok();
        place.lamp(&["schedule", "trigger", "report-daily"]).ok();
    }
    place.lamp(&["enqueue", "image.thumbnail", r#"{"key":"c.png"}"#, "--id", "waits"]).ok();
    place.lamp(&["cancel", "waits", "--reason", "a test"]).ok();
    let (_running, url) = dashboard(&place, &[]);
    let (address, cookie) = signed_in(&url);
    let cookie = [("cookie", &*cookie)];
    let api = |path: &str| get(&address, &format!("/api/v1{path}"), &cookie).json();
    let listed = |path: &str| {
        let items = api(path)["items"].as_array().unwrap_or_else(|| panic!("no items at {path}")).clone();
        assert!(!items.is_empty(), "nothing at {path}");
        items
    };
    let lamp = |args: &[&str]| lines(&place.lamp(&[args, &["--json"]].concat()).ok());
    for (path, args) in [
        ("/jobs?q=state:failed", &["jobs", "--state", "failed"][..]),
        ("/errors", &["errors"]),
        ("/queues", &["queues"]),
        ("/schedules", &["schedules"]),
        ("/stats?since=1h", &["stats"]),
        ("/dead-letters/images", &["dead-letters", "images"]),
        ("/operations", &["ops"]),
        ("/jobs/ping/log", &["job", "ping", "--log"]),
    ] {
        if path == "/jobs/ping/log" && lamp(args).is_empty() {
            continue;
        }
        assert_eq!(fields_of(&listed(path)), fields_of(&lamp(args)), "{path} and lamp {args:?}");
    }
    assert_eq!(fields_of(&listed("/batches")), fields_of(&lamp(&["batch", "images"])));
    let batch = api("/batches/images");
    assert_eq!(fields_of(batch["jobs"]["items"].as_array().unwrap()), fields_of(&lamp(&["batch", "images", "--jobs"])));
    let counts = api("/dead-letters/images/counts");
    assert_eq!(fields_of(counts["counts"].as_array().unwrap()), fields_of(&lamp(&["redrive", "images", "--dry-run"])));
    let definition = api("/types/lamp.ping")["definition"].clone();
    assert_eq!(fields_of(&[definition]), fields_of(&lamp(&["definitions", "lamp.ping"])));
    // One thing has the fields of its row, and more.
    let job = fields_of(&[api("/jobs/ping")]);
    let command = fields_of(&lamp(&["job", "ping"]));
    assert!(command.is_subset(&job), "{:?}", command.difference(&job));
}
