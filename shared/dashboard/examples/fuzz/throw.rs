//! Requests that nobody would send on purpose: paths, queries, headers and bodies from pieces that fit, and from garbage.

use axum::body::Body;
use fastrand::Rng;
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde_json::{Value, json};

use super::words::{FIELDS, HOSTILE, KINDS, PLACES, TARGETS, TERMS};

/// What a request is made of beside garbage: things that are there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seeds {
    /// Ids of jobs, batches and operations, fingerprints, names of queues, jobs and schedules.
    pub(crate) names: Vec<String>,
    /// Their pages, below the base.
    pub(crate) pages: Vec<String>,
    /// Targets of operations, each with an action that fits it.
    pub(crate) operations: Vec<(Value, Value)>,
    /// The token of the operator's forms.
    pub(crate) csrf: String,
}

/// Makes the requests of a seed, each from its number alone.
pub(crate) struct Thrower {
    seed: u64,
    /// What is there.
    pub(crate) seeds: Seeds,
}

impl Thrower {
    /// The requests of a seed.
    pub(crate) const fn new(seed: u64, seeds: Seeds) -> Self {
        Self { seed, seeds }
    }

    /// The request of a number. Some make no request at all: what is no address does not come to a server.
    pub(crate) fn request(&self, number: u64) -> Option<Request<Body>> {
        let rng = Rng::with_seed(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Throw { rng, seeds: &self.seeds }.request()
    }
}

struct Throw<'s> {
    rng: Rng,
    seeds: &'s Seeds,
}

impl Throw<'_> {
    fn one_in(&mut self, sides: u32) -> bool {
        self.rng.u32(..sides) == 0
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.rng.usize(..all.len())]
    }

    fn request(mut self) -> Option<Request<Body>> {
        let method = match self.rng.u32(..20) {
            0..11 => Method::GET,
            11..17 => Method::POST,
            17 => Method::HEAD,
            18 => self.method()?,
            _ => Method::OPTIONS,
        };
        let operation = (method == Method::POST && self.rng.bool()).then(|| self.operation());
        let is_form = self.rng.bool();
        let address = match (&operation, is_form) {
            (None, _) => self.address(),
            (Some(_), true) => "/act".into(),
            (Some(_), false) => self.pick(&["/api/v1/operations", "/api/v1/operations/preview"]).to_owned(),
        };
        let mut request = Request::builder().method(&method).uri(address);
        let host = if self.one_in(30) { self.text() } else { "localhost:7000".into() };
        if let (false, Ok(host)) = (self.one_in(60), HeaderValue::from_str(&host)) {
            request = request.header(header::HOST, host);
        }
        let user = match self.rng.u32(..20) {
            0 => "team",
            1 => "reader",
            2 => "stranger",
            _ => "operator",
        };
        request = request.header("x-user", user);
        if !self.one_in(3) {
            let accepted = ["text/html,*/*;q=0.8", "application/json", "text/html", "*/*"];
            request = request.header(header::ACCEPT, self.pick(&accepted));
        }
        let body = match operation {
            Some(operation) => self.sent(&mut request, &operation, is_form),
            None if method == Method::GET && !self.one_in(20) => Vec::new(),
            None => self.body(&mut request),
        };
        for _ in 0..self.rng.u32(..3) {
            let (name, value) = self.header();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request = request.header(name, value);
            }
        }
        request.body(Body::from(body)).ok()
    }

    fn method(&mut self) -> Option<Method> {
        let text: String = (0..1 + self.rng.usize(..8)).map(|_| self.rng.char('A'..='Z')).collect();
        let name = self.pick(&["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", &text]).to_owned();
        Method::from_bytes(name.as_bytes()).ok()
    }

    /// An operation on something that is there, with a reason from anywhere.
    fn operation(&mut self) -> Value {
        let (mut action, target) = match self.seeds.operations.len() {
            0 => (self.action(), self.target()),
            all => self.seeds.operations[self.rng.usize(..all)].clone(),
        };
        if action["kind"] == "note-error" {
            action["note"] = self.text().into();
        }
        if action["kind"] == "edit-and-run" || action["kind"] == "enqueue" {
            action["args"] = json!({ "text": self.text(), "more": self.json(2) });
        }
        json!({ "action": action, "target": target, "reason": self.text() })
    }

    /// The body of an operation, with what takes it past the gate.
    fn sent(&mut self, request: &mut http::request::Builder, operation: &Value, is_form: bool) -> Vec<u8> {
        let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        if let Some(headers) = request.headers_mut() {
            headers.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:7000"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if !is_form {
            return operation.to_string().into_bytes();
        }
        let mut form = String::new();
        let reason = operation["reason"].as_str().unwrap_or_default().to_owned();
        let (action, target) = (operation["action"].to_string(), operation["target"].to_string());
        let fields = [("csrf", self.seeds.csrf.clone()), ("action", action), ("target", target), ("reason", reason)];
        for (name, value) in fields {
            form.push_str(name);
            form.push('=');
            self.encoded(&value, &mut form);
            form.push('&');
        }
        form.into_bytes()
    }

    fn address(&mut self) -> String {
        if !self.seeds.pages.is_empty() && self.rng.bool() {
            let mut path = if self.one_in(3) { "/api/v1".to_owned() } else { String::new() };
            path.push_str(&self.seeds.pages[self.rng.usize(..self.seeds.pages.len())]);
            if self.one_in(3) {
                path.push(if path.contains('?') { '&' } else { '?' });
                self.pair(&mut path);
            }
            return path;
        }
        let mut path = format!("/{}", self.pick(&PLACES));
        for _ in 0..[0, 0, 1, 1, 1, 2, 3][self.rng.usize(..7)] {
            path.push('/');
            let part =
                if self.one_in(6) { self.pick(&["log", "stop", "counts", "preview"]).to_owned() } else { self.text() };
            self.encoded(&part, &mut path);
        }
        let pairs = [0, 0, 1, 1, 2, 3, 8][self.rng.usize(..7)];
        for place in 0..pairs {
            path.push(if place == 0 { '?' } else { '&' });
            self.pair(&mut path);
        }
        if self.one_in(40) {
            let garbage = (0..self.rng.usize(..40)).map(|_| self.rng.char('!'..='~')).collect::<String>();
            path.push_str(&garbage);
        }
        path
    }

    /// Appends `name=value` as a form has it.
    fn pair(&mut self, form: &mut String) {
        let name = if self.one_in(12) { self.text() } else { self.pick(&FIELDS).to_owned() };
        self.encoded(&name, form);
        form.push('=');
        let value = match &*name {
            "q" | "all" => self.query(),
            "action" if self.one_in(2) => self.action().to_string(),
            "action" => self.pick(&KINDS).to_owned(),
            "target" => self.target().to_string(),
            "args" => self.json(0).to_string(),
            _ => self.text(),
        };
        self.encoded(&value, form);
    }

    fn query(&mut self) -> String {
        let mut query = String::new();
        for _ in 0..self.rng.usize(..5) {
            let term = if self.one_in(4) { self.text() } else { self.pick(&TERMS).to_owned() };
            query.push_str(&term);
            query.push(if self.one_in(10) { ',' } else { ' ' });
        }
        query
    }

    /// A text: of something that is there, hostile, long, or of any characters; and at times with one more in its midst.
    fn text(&mut self) -> String {
        let mut text = match self.rng.u32(..10) {
            0..4 if !self.seeds.names.is_empty() => self.seeds.names[self.rng.usize(..self.seeds.names.len())].clone(),
            0..7 => self.pick(&HOSTILE).to_owned(),
            7 => self.pick(&TERMS).to_owned(),
            8 => (0..self.rng.usize(..30)).map(|_| self.rng.char(..)).collect(),
            _ => self.pick(&["a", "<", "\u{1f56f}", "%", "0"]).repeat(self.rng.usize(..600)),
        };
        if self.one_in(8) {
            let mut place = self.rng.usize(..=text.len());
            while !text.is_char_boundary(place) {
                place -= 1;
            }
            text.insert(place, self.rng.char(..));
        }
        text
    }

    /// Appends a text as it stands in an address; at times, badly.
    fn encoded(&mut self, text: &str, address: &mut String) {
        let is_sloppy = self.one_in(12);
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => address.push(char::from(byte)),
                b'!'..=b'~' if is_sloppy && !matches!(byte, b'<' | b'>' | b'"') => address.push(char::from(byte)),
                other => address.push_str(&format!("%{other:02X}")),
            }
        }
        if self.one_in(60) {
            address.push_str(self.pick(&["%", "%f", "%zz", "%ff", "%c0%80"]));
        }
    }

    fn header(&mut self) -> (HeaderName, Vec<u8>) {
        let names = [
            header::COOKIE,
            header::AUTHORIZATION,
            header::ORIGIN,
            header::IF_NONE_MATCH,
            header::ACCEPT,
            header::ACCEPT_ENCODING,
            header::ACCEPT_LANGUAGE,
            header::RANGE,
            header::REFERER,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::FORWARDED,
            HeaderName::from_static("x-region"),
            HeaderName::from_static("x-csrf-token"),
            HeaderName::from_static("x-forwarded-for"),
            HeaderName::from_static("x-forwarded-host"),
            HeaderName::from_static("sec-fetch-site"),
            HeaderName::from_static("idempotency-key"),
        ];
        let name = names[self.rng.usize(..names.len())].clone();
        let value = match self.rng.u32(..8) {
            0 => (0..self.rng.usize(..60)).map(|_| self.rng.u8(..)).collect(),
            1 => format!("lamplighter_session={}; {}", self.text(), self.text()).into_bytes(),
            2 => b"Bearer x".to_vec(),
            3 => b"gzip, br;q=0".to_vec(),
            4 => b"same-origin".to_vec(),
            5 => b"live".to_vec(),
            _ => self.text().into_bytes(),
        };
        (name, value)
    }

    /// A body, with the headers without which no write gets past the gate; at times, without.
    fn body(&mut self, request: &mut http::request::Builder) -> Vec<u8> {
        let mut headers = Vec::new();
        if !self.one_in(15) {
            headers.push((header::ORIGIN, "http://localhost:7000"));
        }
        let body = match self.rng.u32(..10) {
            0..5 => {
                headers.push((header::CONTENT_TYPE, "application/json"));
                let mut body = json!({ "action": self.action(), "target": self.target() });
                for name in ["reason", "expected", "per_second"] {
                    if self.one_in(3) {
                        body[name] = self.json(2);
                    }
                }
                match self.rng.u32(..10) {
                    0 => self.json(0).to_string().into_bytes(),
                    1 => body.to_string().into_bytes().split_last().map_or_else(Vec::new, |(_, rest)| rest.to_vec()),
                    _ => body.to_string().into_bytes(),
                }
            }
            5..9 => {
                headers.push((header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
                let mut form = String::new();
                if !self.one_in(15) {
                    form.push_str("csrf=");
                    let csrf = self.seeds.csrf.clone();
                    self.encoded(&csrf, &mut form);
                }
                for _ in 0..self.rng.u32(..8) {
                    form.push('&');
                    self.pair(&mut form);
                }
                form.into_bytes()
            }
            _ => (0..self.rng.usize(..400)).map(|_| self.rng.u8(..)).collect(),
        };
        for (name, value) in headers {
            if let Some(all) = request.headers_mut() {
                all.insert(name, HeaderValue::from_static(value));
            }
        }
        body
    }

    fn action(&mut self) -> Value {
        let mut action = json!({ "kind": self.pick(&KINDS) });
        for name in ["args", "at", "job", "id", "from", "to", "until", "note", "limit", "delay"] {
            if self.one_in(3) {
                action[name] = if name == "args" { self.json(1) } else { self.text().into() };
            }
        }
        action
    }

    fn target(&mut self) -> Value {
        let mut target = json!({ "kind": self.pick(&TARGETS) });
        for name in ["id", "queue", "schedule", "fingerprint", "job"] {
            if self.one_in(2) {
                target[name] = self.text().into();
            }
        }
        if self.one_in(2) {
            // Never everything at once: there would be nothing left to throw at.
            target["query"] = format!("{} tag:order-{}", self.query(), self.rng.u32(..5_000)).into();
        }
        if self.one_in(3) {
            target["ids"] = (0..self.rng.usize(..4)).map(|_| Value::from(self.text())).collect();
        }
        target
    }

    fn json(&mut self, depth: u32) -> Value {
        match self.rng.u32(..if depth > 4 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => self.rng.bool().into(),
            2 => self.rng.i64(..).into(),
            3 => self.rng.f64().into(),
            4 | 5 => self.text().into(),
            6 => (0..self.rng.usize(..4)).map(|_| self.json(depth + 1)).collect(),
            _ => (0..self.rng.usize(..4)).map(|_| (self.text(), self.json(depth + 1))).collect(),
        }
    }
}
