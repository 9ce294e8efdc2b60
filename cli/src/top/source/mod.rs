//! What pages show, read from the dashboard's desk: fields, rights and hidden arguments are those of the dashboard.

mod actions;
mod items;
mod lists;
mod names;
mod overview;
mod queues;

use async_trait::async_trait;
use jiff::Timestamp;
use lamplighter::JobState;
use lamplighter_dashboard::{
    Desk, Problem, raw,
    view::{Coverage, Severity},
};

use super::{
    content::{Content, Loaded, Tone, Words},
    intent::Intent,
    page::{Page, Spot},
    run::Source,
    state::{Place, Preview},
};
use crate::when;

/// Reads from a desk.
pub(crate) struct DeskSource {
    desk: Desk,
    /// The names of the jobs that are defined.
    types: Vec<String>,
}

impl DeskSource {
    pub(crate) fn new(desk: Desk, types: impl IntoIterator<Item = &'static str>) -> Self {
        Self { desk, types: types.into_iter().map(str::to_owned).collect() }
    }
}

#[async_trait]
impl Source for DeskSource {
    async fn read(&self, spot: &Spot, rows: usize) -> Result<Loaded, String> {
        let now = self.desk.now();
        let content = match spot {
            Spot::Page(Page::Overview, _) => Ok(Content::Overview(Box::new(overview::read(&self.desk, now).await))),
            Spot::Page(page, query) => lists::read(&self.desk, *page, query, rows, now).await.map(Content::Table),
            Spot::Item(page, key) => items::read(&self.desk, *page, key, now).await.map(Content::Item),
        };
        Ok(Loaded { content: content.map_err(sentence)?, as_of: now })
    }

    async fn names(&self) -> Vec<Place> {
        names::read(&self.desk, &self.types).await
    }

    async fn arguments(&self, id: &str) -> Result<String, String> {
        let job = self.desk.job(id).await.map_err(sentence)?.job;
        Ok(raw::pretty(job.args.get()))
    }

    async fn preview(&self, intent: &Intent) -> Result<Preview, String> {
        actions::preview(&self.desk, intent).await.map_err(sentence)
    }

    async fn start(&self, intent: &Intent, preview: &Preview) -> Result<String, String> {
        actions::start(&self.desk, intent, preview).await.map_err(sentence)
    }
}

fn sentence(problem: Problem) -> String {
    problem.detail
}

/// A state by its shape, its word and its colour.
fn state(state: JobState) -> Words {
    let (shape, tone) = match state {
        JobState::Succeeded => ('✔', Tone::Good),
        JobState::Failed => ('✘', Tone::Bad),
        JobState::Retrying => ('↻', Tone::Warn),
        JobState::Cancelled => ('⊘', Tone::Warn),
        JobState::Running => ('▶', Tone::Busy),
        JobState::Queued => ('•', Tone::Plain),
        JobState::Scheduled => ('◷', Tone::Plain),
        JobState::Waiting => ('…', Tone::Plain),
    };
    Words::new(tone, format!("{shape} {state}"))
}

/// A state that may not be known any more.
fn known_state(of: Option<JobState>) -> Words {
    of.map_or_else(|| Words::new(Tone::Faint, "no record"), state)
}

const fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn number(number: impl ToString) -> Words {
    Words::plain(number.to_string())
}

fn relative(moment: Timestamp, now: Timestamp) -> Words {
    Words::plain(when::relative(moment, now))
}

/// A moment, and how long ago that is.
fn moment(moment: Timestamp, now: Timestamp) -> Words {
    Words::plain(format!("{}  ({})", when::full(moment), when::relative(moment, now)))
}

/// How far a list can be relied on.
fn note(coverage: &Coverage, more: bool) -> Words {
    let text = match coverage {
        Coverage::Exact if more => "more below".to_owned(),
        Coverage::Exact => String::new(),
        Coverage::Approximate => "approximate: SQS counts so".to_owned(),
        Coverage::Sample => "a sample: there may be others".to_owned(),
        Coverage::Searched { records, back_to } => {
            format!("searched the newest {records}, back to {}; go on below", when::full(*back_to))
        }
    };
    Words::new(Tone::Faint, text)
}

/// The words for a part that could not be read.
fn unavailable(why: Option<&str>) -> Option<Words> {
    why.map(|why| Words::new(Tone::Warn, why))
}
