//! The example of a dashboard in a service of one's own, served as a service is: everything is below its path.

use std::{
    collections::{BTreeSet, VecDeque},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use lamplighter::{JobId, JobState, RawValue, Tracking};
use lamplighter_embedded::{Settings, SqliteBackend};
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::dashboard::{Answer, get, request};

#[path = "../../examples/mounted.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod example;

const ADA: (&str, &str) = ("cookie", "theme=dark; session=ada-s-session");
const GRACE: (&str, &str) = ("cookie", "session=grace-s-session");
const JOAN: (&str, &str) = ("cookie", "session=joan-s-session");

/// The service over a file with two jobs, which wait.
struct Service {
    runtime: Runtime,
    backend: SqliteBackend,
    address: String,
    webhook: JobId,
    ping: JobId,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start(url: impl Fn(SocketAddr) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let backend = SqliteBackend::open(folder.path().join("jobs.db"), Settings::default()).unwrap();
        let enqueue = async |job: &str, queue: &str| {
            let args =
                RawValue::from_string(json!({ "url": "https://example.com", "event": "a" }).to_string()).unwrap();
            backend.client().enqueue_raw(job, queue, Tracking::Full, args).await.unwrap().id().clone()
        };
        let (webhook, ping, address) = runtime.block_on(async {
            // As an engine does when it starts.
            let queues: Vec<_> = lamplighter_app::app().definitions.iter().map(|definition| definition.queue).collect();
            backend.declare(&queues).await.unwrap();
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let service = example::service(&backend, &url(address)).unwrap();
            tokio::spawn(async { axum::serve(listener, service).await });
            (enqueue("webhook.deliver", "webhooks").await, enqueue("lamp.ping", "lamp").await, address.to_string())
        });
        Self { runtime, backend, address, webhook, ping, _folder: folder }
    }

    fn get(&self, path: &str, who: (&str, &str)) -> Answer {
        get(&self.address, path, &[who, ("accept", "text/html")])
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [headers, &[form, ("accept", "text/html")]].concat();
        request(&self.address, &format!("POST {path}"), &headers, &body.join("&"))
    }

    fn state(&self, id: &JobId) -> Option<JobState> {
        let record = self.runtime.block_on(self.backend.client().get(id)).unwrap();
        record.map(|record| record.state)
    }
}

/// The values of an attribute on a page.
fn values<'p>(page: &'p str, attribute: &str) -> impl Iterator<Item = &'p str> {
    let start = format!(" {attribute}=\"");
    let parts: Vec<_> = page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    parts.into_iter()
}

/// The value of a hidden field of a form.
fn field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let value = page.split(&start).nth(1).and_then(|rest| rest.split('"').next());
    let value = value.unwrap_or_else(|| panic!("no field {name}: {page}"));
    value.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#38;", "&").replace("&amp;", "&")
}

#[test]
fn every_link_form_and_file_is_below_its_path() {
    let service = Service::start(|address| format!("http://{address}"));
    assert_eq!(service.get("/", ADA).body, "the service itself");
    let (mut open, mut seen) = (VecDeque::from(["/jobs".to_owned()]), BTreeSet::new());
    let mut files = BTreeSet::new();
    while let Some(path) = open.pop_front() {
        if !seen.insert(path.clone()) || seen.len() > 150 {
            continue;
        }
        let answer = service.get(&path, ADA);
        assert!(matches!(answer.status, 200 | 303), "{path}: {answer:?}");
        assert!(!answer.headers.contains("set-cookie"), "the service has a session of its own: {path}");
        let page = &answer.body;
        for attribute in ["href", "src", "action", "data-base", "data-events"] {
            for value in values(page, attribute) {
                let value = value.replace("&#38;", "&").replace("&amp;", "&");
                let is_here = value.starts_with('#') || value == "/jobs" || value.starts_with("/jobs/");
                assert!(is_here, "{path} leads to {value}");
                match attribute {
                    "href" | "src" if value.starts_with("/jobs/assets/") => drop(files.insert(value)),
                    "href" if !value.starts_with('#') => open.push_back(value),
                    _ => {}
                }
            }
        }
    }
    for page in
        ["/jobs/jobs", "/jobs/errors", "/jobs/queues", "/jobs/queues/webhooks", "/jobs/schedules", "/jobs/types"]
    {
        assert!(seen.contains(page), "{page} is found by links: {seen:?}");
    }
    assert!(seen.iter().any(|path| path.starts_with("/jobs/act/")), "{seen:?}");
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_eq!(service.get(&file, ADA).status, 200, "{file}");
    }
    assert_eq!(service.get("/jobs/nowhere", ADA).status, 404);
    assert_eq!(service.get("/api/v1/jobs", ADA).status, 404, "nothing is beside it");

    let document = service.get("/jobs/api/v1/openapi.json", ADA).json();
    assert_eq!(document["servers"], json!([{ "url": "/jobs/api/v1" }]));
    let jobs = service.get("/jobs/api/v1/jobs", ADA).json();
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_service_says_who_may_do_what() {
    let service = Service::start(|address| format!("http://{address}"));
    let (webhook, ping) = (&service.webhook, &service.ping);
    let cancel = |id: &JobId| format!("/jobs/act/cancel?job={id}");
    assert_eq!(get(&service.address, "/jobs", &[]).status, 401, "nobody without a session of the service");
    assert_eq!(service.get(&cancel(ping), GRACE).status, 404, "a job of another team");
    assert_eq!(service.get(&cancel(ping), JOAN).status, 403, "a reader");

    let page = service.get(&cancel(webhook), GRACE).body;
    let own = format!("http://{}", service.address);
    let names = ["csrf", "action", "target", "expected", "key"];
    let fields: Vec<_> = names.iter().map(|name| (*name, field(&page, name))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let begun = service.post("/jobs/act", &[GRACE, ("origin", "https://evil.example")], &fields);
    assert_eq!((begun.status, service.state(webhook)), (403, Some(JobState::Queued)), "from another site");
    let begun = service.post("/jobs/act", &[JOAN, ("origin", &own)], &fields);
    assert_eq!((begun.status, service.state(webhook)), (403, Some(JobState::Queued)), "a reader with her form");
    let begun = service.post("/jobs/act", &[GRACE, ("origin", &own)], &fields);
    assert_eq!(begun.status, 303, "{begun:?}");
    let to = begun.headers.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
    assert!(to.starts_with("/jobs/operations/op-"), "{to}");
    let operation = service.get(to, GRACE);
    assert!(operation.status == 200 && operation.body.contains("grace"), "{operation:?}");
    while service.state(webhook) != Some(JobState::Cancelled) {
        std::thread::yield_now();
    }
    // She may not delete, by any road.
    assert_eq!(service.get(&format!("/jobs/act/delete?job={webhook}"), GRACE).status, 403);
}

#[test]
fn an_open_page_is_told_of_changes() {
    let service = Service::start(|address| format!("http://{address}"));
    let mut stream = TcpStream::connect(&service.address).unwrap();
    let head = format!("GET /jobs/live HTTP/1.1\r\nhost: {}\r\n{}: {}\r\n\r\n", service.address, ADA.0, ADA.1);
    stream.write_all(head.as_bytes()).unwrap();
    let mut heard = String::new();
    let mut until = |text: &str| {
        let mut some = [0; 1024];
        while !heard.contains(text) {
            let length = stream.read(&mut some).unwrap();
            assert!(length > 0, "it ends after {heard}");
            heard.push_str(&String::from_utf8_lossy(&some[..length]));
        }
    };
    until("content-type: text/event-stream");
    let cancelled = async { service.backend.client().cancel(&service.ping).await };
    service.runtime.block_on(cancelled).unwrap();
    until("event: changed");
}

#[test]
fn behind_a_proxy_its_public_url_counts_and_no_header_does() {
    let service = Service::start(|_| "https://shop.example.com".to_owned());
    let host = ("host", "shop.example.com");
    let forwarded =
        [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http"), ("forwarded", "host=evil.example")];
    let cancel = format!("/jobs/act/cancel?job={}", service.ping);
    let page = get(&service.address, &cancel, &[&[ADA, host, ("accept", "text/html")][..], &forwarded].concat());
    assert_eq!(page.status, 200, "{page:?}");
    assert!(!page.body.contains("evil.example") && !page.body.contains("shop.example.com"), "{page:?}");
    assert!(page.headers.contains("strict-transport-security: "), "{page:?}");
    let evil = [ADA, ("host", "evil.example"), ("x-forwarded-host", "shop.example.com")];
    assert_eq!(get(&service.address, "/jobs", &evil).status, 421, "a name that is not its own");

    let names = ["csrf", "action", "target", "expected", "key"];
    let fields: Vec<_> = names.iter().map(|name| (*name, field(&page.body, name))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    for origin in ["http://shop.example.com", "https://evil.example", "null"] {
        let begun = service.post("/jobs/act", &[ADA, host, ("origin", origin), forwarded[0]], &fields);
        assert_eq!(begun.status, 403, "{origin}");
    }
    assert_eq!(service.state(&service.ping), Some(JobState::Queued));
    let begun = service.post(
        "/jobs/act",
        &[&[ADA, host, ("origin", "https://shop.example.com")][..], &forwarded].concat(),
        &fields,
    );
    let to = begun.headers.lines().find_map(|line| line.strip_prefix("location: "));
    assert!(begun.status == 303 && to.is_some_and(|to| to.starts_with("/jobs/operations/")), "{begun:?}");
    while service.state(&service.ping) != Some(JobState::Cancelled) {
        std::thread::yield_now();
    }
}
