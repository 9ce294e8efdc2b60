//! `lamp dashboard` and `lamp top` over a deployed stack, started as an operator starts them. A proxy records what they ask AWS.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use aws_sdk_sqs::config::Credentials;
use hyper::{Method, Request, StatusCode, header};
use lamplighter_fakes::Fault;
use lamplighter_tests::{
    ministack::{MiniStack, Stack, eventually, package, send},
    wire::{Proxy, proxy, reads_a_record},
};
use ring::digest;
use serde_json::{Value, json};

use crate::{answer::Answer, cloud::SOON, deployed::stack};

/// What a program sends to get in.
const TOKEN: &str = "4f3c1d0b-only-for-this-test";

/// The stack, and a way to it on which calls are seen.
struct Road {
    aws: &'static Arc<MiniStack>,
    stack: &'static Stack,
    proxy: Proxy,
    lamp: PathBuf,
}

impl Road {
    async fn new() -> Self {
        let lamp = tokio::task::spawn_blocking(|| package::binary("lamp").unwrap()).await.unwrap();
        let (cloud, stack) = stack().await;
        Self { aws: &cloud.aws, stack, proxy: proxy(cloud.aws.clone()).await.unwrap(), lamp }
    }

    /// `lamp`, without settings from this machine, through the proxy.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.lamp);
        self.settle(&mut command);
        command.args(args);
        command
    }

    fn settle(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("LAMPLIGHTER_") || text.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command.envs(self.aws.environment()).env("AWS_ENDPOINT_URL", self.proxy.endpoint()).env("USER", "ada");
    }

    /// `lamp` in a terminal of 120 columns and 40 lines: a program needs one to draw on.
    fn in_terminal(&self, args: &[&str]) -> Command {
        let mut command = Command::new("python3");
        self.settle(&mut command);
        command.args(["-c", TERMINAL]).arg(&self.lamp).args(args).env("TERM", "xterm-256color");
        command
    }

    /// Lets a job fail. Its picture does not exist.
    async fn fails(&self, id: &str) {
        let body = json!({ "job": "image.thumbnail", "id": id, "args": { "key": format!("photos/{id}.png") } });
        self.aws.send(self.stack.output("ImagesQueueUrl").unwrap(), body.to_string()).await.unwrap();
    }
}

/// Starts a program in a pseudo-terminal, passes on what it draws and what is typed, and ends as it does.
const TERMINAL: &str = r#"
import fcntl, os, pty, select, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
sources = [terminal, 0]
while True:
    ready, _, _ = select.select(sources, [], [])
    if 0 in ready:
        typed = os.read(0, 1024)
        if typed:
            os.write(terminal, typed)
        else:
            sources.remove(0)
    if terminal in ready:
        try:
            drawn = os.read(terminal, 65536)
        except OSError:
            break
        if not drawn:
            break
        os.write(1, drawn)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a command that ends by itself.
async fn ended(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap()).await.unwrap()
}

/// `lamp dashboard`, and somebody with a browser.
struct Dashboard {
    port: u16,
    /// The path of the link that signs in.
    link: String,
    _process: Process,
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who<'a> {
    Nobody,
    Session(&'a str),
    Token(&'a str),
}

impl Dashboard {
    async fn start(road: &Road, args: &[&str]) -> Self {
        let mut command = road.command(&["dashboard", "--stack", &road.stack.name]);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let out = child.stdout.take().unwrap();
            let process = Process(child);
            let mut first = String::new();
            BufReader::new(out).read_line(&mut first).unwrap();
            (process, first)
        });
        let (process, first) = started.await.unwrap();
        let address = first.split("http://127.0.0.1:").nth(1).unwrap_or_else(|| panic!("{first:?}")).trim();
        let (port, link) = address.split_once('/').unwrap();
        Self { port: port.parse().unwrap(), link: format!("/{link}"), _process: process }
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn send(&self, who: Who<'_>, request: hyper::http::request::Builder, body: String) -> Answer {
        let request = match who {
            Who::Nobody => request,
            Who::Session(cookie) => request.header(header::COOKIE, cookie),
            Who::Token(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        };
        send(self.port, request.body(body.into_bytes()).unwrap()).await.unwrap().into()
    }

    async fn get(&self, who: Who<'_>, path: &str) -> Answer {
        let accept = if path.starts_with("/api") { "application/json" } else { "text/html" };
        self.send(who, Request::get(path).header(header::ACCEPT, accept), String::new()).await
    }

    async fn post(&self, who: Who<'_>, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(who, request, body.to_string()).await
    }

    /// Sends a form of a page, as a browser does.
    async fn form(&self, who: Who<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path)
            .header(header::ORIGIN, self.origin())
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let fields = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(who, request, fields).await
    }

    /// Signs in by the link, and returns the session's cookie.
    async fn sign_in(&self) -> String {
        let entered = self.get(Who::Nobody, &self.link).await;
        assert_eq!(entered.status, StatusCode::SEE_OTHER, "{entered:?}");
        entered.header(header::SET_COOKIE).split(';').next().unwrap().to_owned()
    }

    async fn job(&self, who: Who<'_>, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/jobs/{id}");
        let job = eventually(format!("job {id} {what}"), SOON, async || {
            let answer = self.get(who, &path).await;
            match answer.status == StatusCode::OK && is_so(&answer.json()) {
                true => Ok(answer.json()),
                false => Err(answer.body),
            }
        });
        job.await.unwrap()
    }

    async fn done(&self, who: Who<'_>, operation: &str) -> Value {
        let path = format!("/api/v1/operations/{operation}");
        let done = eventually(format!("{operation} has ended"), SOON, async || {
            let operation = self.get(who, &path).await.json();
            if operation["state"] == "done" { Ok(operation) } else { Err(operation.to_string()) }
        });
        done.await.unwrap()
    }
}

fn token_option(rights: &str) -> String {
    let digest = digest::digest(&digest::SHA256, TOKEN.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ci:{rights}:{hex}")
}

fn has_run_twice(job: &Value) -> bool {
    job["attempts"].as_array().is_some_and(|attempts| attempts.len() >= 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn lamp_dashboard_shows_a_stack_and_acts_on_it() {
    let road = Road::new().await;
    for id in ["by-the-page", "by-the-api"] {
        road.fails(id).await;
    }
    let dashboard = Dashboard::start(&road, &["--token", &token_option("operator,!delete")]).await;
    for path in ["/", "/api/v1/overview"] {
        assert_eq!(dashboard.get(Who::Nobody, path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let cookie = dashboard.sign_in().await;
    let (ada, ci) = (Who::Session(&cookie), Who::Token(TOKEN));
    assert_eq!(dashboard.get(ada, "/api/v1/me").await.json()["name"], "ada");
    assert_eq!(dashboard.get(Who::Token("another"), "/api/v1/me").await.status, StatusCode::UNAUTHORIZED);

    // What it shows.
    let overview = dashboard.get(ada, "/api/v1/overview").await.json();
    let queues = overview["queues"]["ready"].as_array().unwrap_or_else(|| panic!("{overview}"));
    assert!(queues.iter().any(|queue| queue["queue"] == "images"), "{overview}");
    let page = dashboard.get(ada, "/").await;
    assert!(page.status == StatusCode::OK && page.body.contains("images"), "{page:?}");
    for id in ["by-the-page", "by-the-api"] {
        dashboard.job(ada, id, "has failed", |job| job["state"] == "failed").await;
    }
    let page = dashboard.get(ada, "/jobs/by-the-page").await;
    assert!(page.status == StatusCode::OK && page.body.contains("image.thumbnail"), "{page:?}");

    // An action through its page: preview, and the form with the session's mark against other sites.
    let preview = dashboard.get(ada, "/act/retry?job=by-the-page").await;
    let csrf = preview.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let target = json!({ "kind": "job", "id": "by-the-page" }).to_string();
    let form = |csrf: &str| {
        let fields = [("action", r#"{"kind":"retry"}"#), ("target", &*target), ("reason", "the picture is there")];
        fields
            .into_iter()
            .chain([("csrf", csrf)])
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect::<Vec<_>>()
    };
    let post = async |csrf: &str| {
        let fields = form(csrf);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        dashboard.form(ada, "/act", &fields).await
    };
    for wrong in ["", "x", &csrf[1..]] {
        assert_eq!(post(wrong).await.status, StatusCode::FORBIDDEN, "{wrong:?}");
    }
    let begun = post(csrf).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun:?}");
    let operation = begun.header(header::LOCATION).rsplit('/').next().unwrap().to_owned();
    let done = dashboard.done(ada, &operation).await;
    assert_eq!((&done["by"], &done["progress"]["changed"]), (&json!("ada"), &json!(1)), "{done}");
    dashboard.job(ada, "by-the-page", "has run again", has_run_twice).await;

    // The same by a program with its token.
    let request = |kind: &str| json!({ "action": { "kind": kind }, "target": { "kind": "job", "id": "by-the-api" } });
    let nobody = dashboard.post(Who::Nobody, "/api/v1/operations", &request("retry")).await;
    assert!(nobody.status.is_client_error(), "{nobody:?}");
    let denied = dashboard.post(ci, "/api/v1/operations", &request("delete")).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN, "{denied:?}");
    let begun = dashboard.post(ci, "/api/v1/operations", &request("retry")).await;
    assert!(begun.status.is_success(), "{begun:?}");
    let done = dashboard.done(ci, begun.json()["id"].as_str().unwrap()).await;
    assert_eq!(done["by"], "ci", "{done}");
    dashboard.job(ci, "by-the-api", "has run again", has_run_twice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lamp_dashboard_reads_no_record_while_nothing_is_asked_for() {
    let road = Road::new().await;
    let dashboard = Dashboard::start(&road, &["--read-only"]).await;
    let cookie = dashboard.sign_in().await;
    drop(road.proxy.take_calls());
    for path in ["/", "/api/v1/overview", "/queues", "/errors", "/schedules", "/operations"] {
        assert_eq!(dashboard.get(Who::Session(&cookie), path).await.status, StatusCode::OK, "{path}");
    }
    let calls = road.proxy.take_calls();
    assert!(!calls.is_empty());
    let records: Vec<_> = calls.iter().filter(|call| reads_a_record(call)).collect();
    assert!(records.is_empty(), "{records:?}");
    let pause = json!({ "action": { "kind": "pause-queue" }, "target": { "kind": "queue", "queue": "images" } });
    let request = Request::builder().method(Method::POST).uri("/api/v1/operations");
    let request = request.header(header::ORIGIN, dashboard.origin()).header(header::CONTENT_TYPE, "application/json");
    let refused = dashboard.send(Who::Session(&cookie), request, pause.to_string()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
}

/// A session of AWS ends while the dashboard is open: its pages say so, and it stays.
#[tokio::test(flavor = "multi_thread")]
async fn lamp_dashboard_says_that_the_credentials_have_expired() {
    let road = Road::new().await;
    let dashboard = Dashboard::start(&road, &[]).await;
    let cookie = dashboard.sign_in().await;
    road.proxy.fail_when(|_| Some(Fault::EXPIRED));
    let overview = dashboard.get(Who::Session(&cookie), "/api/v1/overview").await;
    assert_eq!(overview.status, StatusCode::OK, "{overview:?}");
    assert!(overview.body.contains("the credentials have expired: sign in again"), "{overview:?}");
    let jobs = dashboard.get(Who::Session(&cookie), "/jobs").await;
    assert!(jobs.body.contains("the credentials have expired: sign in again"), "{jobs:?}");
    road.proxy.stop_failing();
    let jobs = dashboard.get(Who::Session(&cookie), "/api/v1/jobs").await;
    assert_eq!(jobs.status, StatusCode::OK, "{jobs:?}");
}

/// `lamp top` in a terminal: what it has drawn so far, and its keys.
struct Top {
    process: Process,
    keys: ChildStdin,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Top {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let kept = drawn.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self { process: Process(child), keys, drawn }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
    }

    /// What it has drawn, without what moves the cursor.
    fn text(&self) -> String {
        text(&String::from_utf8_lossy(&self.drawn.lock().unwrap()))
    }

    async fn shows(&self, what: &str) {
        let shown = eventually(format!("{what:?} is on the screen"), SOON, async || {
            let text = self.text();
            if text.contains(what) { Ok(()) } else { Err(text) }
        });
        shown.await.unwrap();
    }

    async fn ended(mut self) -> Option<i32> {
        tokio::task::spawn_blocking(move || self.process.0.wait().unwrap().code()).await.unwrap()
    }
}

/// A text without the sequences that terminals interpret.
fn text(drawn: &str) -> String {
    let mut parts = drawn.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        text + &part[end..]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn lamp_top_shows_a_stack_and_reads_no_record() {
    let road = Road::new().await;
    let mut top = Top::start(road.in_terminal(&["top", "--stack", &road.stack.name]));
    for queue in ["images", "webhooks"] {
        top.shows(queue).await;
    }
    // It looks again by itself, at the same price.
    let depths = || road.proxy.calls().iter().filter(|call| call.action == "GetQueueAttributes").count();
    let first = depths();
    assert!(first > 0);
    let again = eventually("it has looked twice more", SOON, async || {
        let now = depths();
        if now >= 3 * first { Ok(()) } else { Err(format!("{now} calls after {first}")) }
    });
    again.await.unwrap();
    let calls = road.proxy.calls();
    let records: Vec<_> = calls.iter().filter(|call| reads_a_record(call)).collect();
    assert!(records.is_empty(), "{records:?}");
    top.press("q");
    let text = top.text();
    assert_eq!(top.ended().await, Some(0), "{text}");
}

/// What is wrong is said in a sentence, by a command that then ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_cannot_be_read_is_an_error_of_one_sentence() {
    let road = Road::new().await;
    let name = road.stack.name.clone();
    // Somebody whom IAM allows nothing: signed for the emulator itself, so not through the proxy.
    let stranger = stranger(road.aws).await;
    let with_role = |mut command: Command| {
        command.env("AWS_ENDPOINT_URL", road.aws.endpoint());
        command.env("AWS_ACCESS_KEY_ID", stranger.access_key_id());
        command.env("AWS_SECRET_ACCESS_KEY", stranger.secret_access_key());
        command.env("AWS_SESSION_TOKEN", stranger.session_token().unwrap());
        command
    };
    let without = |mut command: Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command
    };
    let plain = |command: Command| command;
    type Change<'a> = &'a dyn Fn(Command) -> Command;
    let cases: [(&str, &str, Option<Fault>, Change<'_>, &str); 6] = [
        ("wrong name", "shpo", None, &plain, "there is no stack \"shpo\" in us-east-1; check the name"),
        ("no rights", &name, None, &with_role, "the role or user needs the permission"),
        ("expired", &name, Some(Fault::EXPIRED), &plain, "the credentials have expired: sign in again"),
        ("no credentials", &name, None, &without, "there are no usable AWS credentials here"),
        ("throttled", &name, Some(Fault::THROTTLED), &plain, "try again"),
        ("no network", &name, Some(Fault::Dropped), &plain, "check the address and the network"),
    ];
    for (what, stack, fault, change, sentence) in cases {
        match fault {
            Some(fault) => road.proxy.fail_when(move |_| Some(fault.clone())),
            None => road.proxy.stop_failing(),
        }
        let output = ended(change(road.command(&["dashboard", "--stack", stack]))).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(sentence) && said.lines().count() == 1 && output.stdout.is_empty(), "{what}: {said}");

        let output = ended(change(road.in_terminal(&["top", "--stack", stack]))).await;
        let said = text(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(sentence) && !said.contains("panicked"), "{what}: {said}");
    }
    road.proxy.stop_failing();
    let output = ended(road.command(&["top", "--stack", &name])).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("draws on a terminal, and this is none"), "{said}");
}

async fn stranger(aws: &MiniStack) -> Credentials {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let iam = aws_sdk_iam::Client::new(&aws.sdk_config());
    iam.create_role().role_name("terminal-strangers").assume_role_policy_document(trust).send().await.unwrap();
    aws.assume("terminal-strangers").await.unwrap()
}
