//! What every page has around it, as templates see it.

use jiff::Timestamp;
use lamplighter::{JobState, record::Fingerprint};

use super::ui::encode;
use crate::{
    ActionKind,
    desk::{CommandLine, segment},
    http::Chrome,
    view::JobView,
    viewer::Rights,
};

/// What every page has around it.
pub(crate) struct Frame {
    pub(crate) base: String,
    pub(crate) app: &'static str,
    pub(crate) environment: Option<String>,
    pub(crate) viewer: String,
    pub(crate) csrf: String,
    /// Where one signs out, for those who have a session.
    pub(crate) sign_out: Option<String>,
    pub(crate) title: String,
    pub(crate) css: String,
    pub(crate) script: String,
    pub(crate) icon: String,
    pub(crate) events: Option<String>,
    /// Seconds between two questions whether a page has changed.
    pub(crate) poll: u32,
    /// When the page was made; left out where only the moving part is asked for.
    pub(crate) as_of: Option<Timestamp>,
    /// Whether only the moving part is asked for.
    pub(crate) is_part: bool,
    pub(crate) has_query: bool,
    here: String,
    command: Vec<String>,
    rights: Rights,
}

/// A page in the side bar.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// The key that leads to it, after `g`.
    pub(crate) key: char,
    pub(crate) here: bool,
    /// Whether it begins a group.
    pub(crate) gap: bool,
}

const PLACES: [(&str, &str, char, bool); 10] = [
    ("Overview", "/", 'o', false),
    ("Jobs", "/jobs", 'j', true),
    ("Errors", "/errors", 'e', false),
    ("Queues", "/queues", 'q', false),
    ("Schedules", "/schedules", 's', false),
    ("Job types", "/types", 't', false),
    ("Batches", "/batches", 'b', false),
    ("Dead letters", "/dead-letters", 'd', false),
    ("Operations", "/operations", 'p', true),
    ("Health", "/health", 'h', false),
];

impl Frame {
    pub(crate) fn of(chrome: &Chrome, title: impl Into<String>) -> Self {
        Self {
            base: chrome.base.clone(),
            app: chrome.app,
            environment: chrome.environment.clone(),
            viewer: chrome.viewer.name.clone(),
            csrf: chrome.csrf.clone(),
            sign_out: chrome.has_session.then(|| chrome.link("/sign-out")),
            title: title.into(),
            css: chrome.asset("dashboard.css"),
            script: chrome.asset("dashboard.js"),
            icon: chrome.asset("lamp.svg"),
            events: chrome.is_live.then(|| chrome.link("/live")),
            poll: if chrome.is_live { 30 } else { 5 },
            as_of: None,
            is_part: chrome.region.is_some(),
            has_query: false,
            here: chrome.here.clone(),
            command: chrome.command.clone(),
            rights: chrome.viewer.rights.clone(),
        }
    }

    pub(crate) fn read_at(mut self, moment: Timestamp) -> Self {
        self.as_of = Some(moment);
        self
    }

    /// For a page with a query field of its own.
    pub(crate) fn with_query(mut self) -> Self {
        self.has_query = true;
        self
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let path = self.here.split(['?', '#']).next().unwrap_or_default();
        PLACES.into_iter().map(move |(name, place, key, gap)| {
            let below = path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            Place {
                name,
                // Nested, the overview is at the base itself.
                path: if place == "/" && !self.base.is_empty() { "" } else { place },
                key,
                here: if place == "/" { path == "/" || path.is_empty() } else { below },
                gap,
            }
        })
    }

    pub(crate) fn may(&self, action: &str) -> bool {
        ActionKind::named(action).is_some_and(|action| self.rights.may(action))
    }

    pub(crate) fn may_write(&self) -> bool {
        self.rights.may_write()
    }

    fn to(&self, place: &str, name: &str) -> String {
        format!("{}/{place}/{}", self.base, encode(&segment(name)))
    }

    pub(crate) fn job(&self, id: impl AsRef<str>) -> String {
        self.to("jobs", id.as_ref())
    }

    /// The page of a record: that of a batch is another than that of a job.
    pub(crate) fn record(&self, job: &JobView) -> String {
        if job.is_batch() { self.batch(&job.id) } else { self.job(&job.id) }
    }

    pub(crate) fn batch(&self, id: impl AsRef<str>) -> String {
        self.to("batches", id.as_ref())
    }

    pub(crate) fn operation(&self, id: impl AsRef<str>) -> String {
        self.to("operations", id.as_ref())
    }

    pub(crate) fn queue(&self, name: &str) -> String {
        self.to("queues", name)
    }

    pub(crate) fn dead_letters(&self, queue: &str) -> String {
        self.to("dead-letters", queue)
    }

    pub(crate) fn schedule(&self, name: &str) -> String {
        self.to("schedules", name)
    }

    pub(crate) fn job_type(&self, name: &str) -> String {
        self.to("types", name)
    }

    pub(crate) fn error(&self, fingerprint: &Fingerprint) -> String {
        self.to("errors", &fingerprint.to_string())
    }

    pub(crate) fn jobs(&self, query: &str) -> String {
        match query.is_empty() {
            true => format!("{}/jobs", self.base),
            false => format!("{}/jobs?q={}", self.base, encode(query)),
        }
    }

    /// The command about something, which `y` copies from its row: `lamp job ID`.
    pub(crate) fn command(&self, verb: &str, what: impl AsRef<str>) -> String {
        CommandLine::new(verb).about(what).typed(&self.command).unwrap_or_default()
    }

    pub(crate) fn job_command(&self, job: &JobView) -> String {
        let verb = match job.state {
            _ if job.is_batch() => "batch",
            JobState::Failed | JobState::Cancelled if self.may("retry") => "retry",
            _ => "job",
        };
        self.command(verb, &job.id)
    }

    pub(crate) fn jobs_command(&self, key: &str, value: &str) -> String {
        let query = format!("{key}:{}", super::query::quoted(value));
        CommandLine::new("jobs").option("--query", &query).typed(&self.command).unwrap_or_default()
    }

    pub(crate) fn home(&self) -> String {
        crate::http::home(&self.base)
    }

    pub(crate) fn jobs_tagged(&self, tag: &str) -> String {
        self.jobs(&format!("tag:{}", super::query::quoted(tag)))
    }

    pub(crate) fn jobs_of(&self, queue: &str, state: &str) -> String {
        self.jobs(&format!("state:{state} queue:{}", super::query::quoted(queue)))
    }

    pub(crate) fn act(&self, action: &str, key: &str, value: impl AsRef<str>) -> String {
        format!("{}/act/{action}?{key}={}", self.base, encode(value.as_ref()))
    }
}
