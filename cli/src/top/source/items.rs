//! One thing, in lines.

use jiff::Timestamp;
use lamplighter_dashboard::{
    Desk, Problem,
    view::{AttemptView, JobDetail},
};
use serde::Serialize;

use super::{known_state, lists, moment, number, relative, state, unavailable};
use crate::{
    top::{
        content::{Item, Tone, Words},
        page::Page,
    },
    when,
};

/// The jobs of a batch, and the dead letters of a queue, that are shown with it.
const SOME: usize = 50;

/// Reads one thing of a page, by its key.
pub(super) async fn read(desk: &Desk, page: Page, key: &str, now: Timestamp) -> Result<Item, Problem> {
    match page {
        Page::Jobs | Page::Overview => job(desk, key, now).await,
        Page::Errors => error(desk, key, now).await,
        Page::Queues => queue(desk, key, now).await,
        Page::Schedules => schedule(desk, key, now).await,
        Page::Types => job_type(desk, key).await,
        Page::Batches => batch(desk, key, now).await,
        Page::DeadLetters => dead_letters(desk, key, now).await,
        Page::Operations => operation(desk, key, now).await,
        Page::Health => Ok(Item::default()),
    }
}

/// Collects lines.
#[derive(Default)]
struct Lines(Vec<Vec<Words>>);

impl Lines {
    fn field(&mut self, name: &str, value: Words) {
        self.0.push(vec![Words::new(Tone::Faint, format!("{name:<12}")), value]);
    }

    fn some(&mut self, name: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.field(name, Words::plain(value));
        }
    }

    fn heading(&mut self, text: &str) {
        self.0.push(Vec::new());
        self.0.push(vec![Words::new(Tone::Strong, text)]);
    }

    fn line(&mut self, words: impl Into<Vec<Words>>) {
        self.0.push(words.into());
    }

    /// JSON on as many lines as it takes.
    fn json(&mut self, name: &str, value: &impl Serialize) {
        self.heading(name);
        let text = serde_json::to_value(value).and_then(|value| serde_json::to_string_pretty(&value));
        for line in text.unwrap_or_default().lines() {
            self.line([Words::plain(line)]);
        }
    }

    fn under(self, title: Words) -> Item {
        Item { title, lines: self.0, paused: false }
    }
}

async fn job(desk: &Desk, id: &str, now: Timestamp) -> Result<Item, Problem> {
    let (detail, log) = tokio::join!(desk.job(id), desk.log(id));
    let JobDetail { job: view, relations, .. } = detail?;
    let mut lines = Lines::default();
    lines.field("state", state(view.state));
    lines.field("id", Words::plain(&view.id));
    lines.field("queue", Words::plain(&view.queue));
    lines.field("created", moment(view.created_at, now));
    if !view.state.is_final() && view.due_at > now {
        lines.field("due", moment(view.due_at, now));
    }
    lines.some("because", view.reason.as_deref());
    if let Some(progress) = view.progress {
        lines.field("progress", Words::plain(format!("{} of {}", progress.done, progress.total)));
    }
    if let Some(finished) = view.finished_at {
        lines.field("finished", moment(finished, now));
    }
    lines.some("schedule", view.schedule.as_deref());
    lines.some("batch", view.batch.as_ref());
    for (name, relation) in
        relations.parent.iter().map(|one| ("parent", one)).chain(relations.after.iter().map(|one| ("after", one)))
    {
        let known = [Words::new(Tone::Faint, format!("{name:<12}")), Words::plain(format!("{}  ", relation.id))];
        lines.line([&known[..], &[known_state(relation.state)]].concat());
    }
    lines.heading("Attempts");
    if let Some(started) = view.started_at.filter(|_| view.finished_at.is_none()) {
        let running = Words::new(Tone::Busy, format!("{:>3}  ▶ running  ", view.attempt));
        lines.line([running, Words::plain(format!("since {}", when::relative(started, now)))]);
    }
    view.attempts.iter().rev().for_each(|one| attempt(&mut lines, one));
    lines.json("Arguments", &view.args);
    if let Some(output) = &view.output {
        lines.json("Output", output);
    }
    lines.heading("Log");
    for line in log.map(|log| log.items).unwrap_or_default() {
        let tone = match line.level.as_str() {
            "warn" => Tone::Warn,
            "error" => Tone::Bad,
            _ => Tone::Plain,
        };
        lines.line([Words::new(Tone::Faint, format!("{}  ", when::full(line.at))), Words::new(tone, line.text)]);
    }
    Ok(lines.under(Words::new(Tone::Strong, &view.job)))
}

fn attempt(lines: &mut Lines, view: &AttemptView) {
    let outcome = view.outcome.as_str();
    let (shape, tone) = match outcome {
        "succeeded" | "continued" => ('✔', Tone::Good),
        "lost" | "cancelled" => ('⊘', Tone::Warn),
        _ => ('✘', Tone::Bad),
    };
    let took = when::short(when::between(view.started_at, view.ended_at));
    lines.line([
        Words::new(tone, format!("{:>3}  {shape} {outcome:<9}  ", view.number)),
        Words::plain(format!("{}  {took}  ", when::full(view.started_at))),
        Words::new(Tone::Faint, &view.host),
    ]);
    if let Some(error) = &view.error {
        lines.line([Words::plain(format!("       {}", error.message))]);
        for cause in &error.chain {
            lines.line([Words::new(Tone::Faint, format!("       because {cause}"))]);
        }
    }
}

async fn error(desk: &Desk, fingerprint: &str, now: Timestamp) -> Result<Item, Problem> {
    let group = desk.error(fingerprint).await?.group;
    let mut lines = Lines::default();
    lines.field("error", Words::new(Tone::Bad, &group.title));
    lines.field("fingerprint", Words::plain(group.fingerprint.to_string()));
    lines.field("queue", Words::plain(&group.queue));
    lines.field("failures", number(group.failures));
    lines.some("jobs", group.jobs.map(|jobs| jobs.to_string()));
    lines.field("first", moment(group.first_seen, now));
    lines.field("latest", moment(group.last_seen, now));
    lines.field("sample", Words::plain(&group.sample));
    lines.field("", Words::plain(&group.message));
    if let Some(note) = &group.note {
        lines.some("note", note.note.as_deref());
        lines.some("muted until", note.muted_until.map(when::full));
    }
    lines.heading("Latest jobs");
    for job in &group.recent {
        let ago = when::relative(job.created_at, now);
        lines.line([Words::plain(format!("{}  ", job.id)), state(job.state), Words::plain(format!("  {ago}"))]);
    }
    Ok(lines.under(Words::new(Tone::Strong, &group.job)))
}

async fn queue(desk: &Desk, name: &str, now: Timestamp) -> Result<Item, Problem> {
    let detail = desk.queue(name).await?;
    let mut lines = Lines::default();
    let table = lists::queues(std::slice::from_ref(&detail.queue), now);
    for (column, cell) in table.columns.iter().zip(table.rows.iter().flat_map(|row| &row.cells)) {
        if !cell.as_str().is_empty() {
            lines.field(&column.title.to_lowercase(), cell.clone());
        }
    }
    lines.heading("Jobs by state");
    lines.0.extend(unavailable(detail.states.unavailable()).map(|words| vec![words]));
    for count in detail.states.ready().into_iter().flatten() {
        let about = if count.is_exact { "" } else { "about " };
        lines.line([state(count.state), Words::plain(format!("  {about}{}", count.jobs))]);
    }
    lines.heading("Defined jobs");
    lines.0.extend(detail.jobs.iter().map(|job| vec![Words::plain(job)]));
    let item = lines.under(Words::new(Tone::Strong, name));
    Ok(Item { paused: detail.queue.paused, ..item })
}

async fn schedule(desk: &Desk, name: &str, now: Timestamp) -> Result<Item, Problem> {
    let detail = desk.schedule(name).await?;
    let view = &detail.schedule;
    let mut lines = Lines::default();
    lines.field("when", Words::plain(format!("{} {}", view.when, view.zone)));
    lines.field("job", Words::plain(&view.job));
    lines.field("queue", Words::plain(&view.queue));
    lines.some("about", Some(&view.description).filter(|text| !text.is_empty()));
    if view.paused {
        lines.field("state", Words::new(Tone::Warn, "‖ paused"));
    }
    lines.heading("Next");
    lines.0.extend(view.next.iter().map(|next| vec![moment(*next, now)]));
    lines.heading("Last runs");
    lines.0.extend(unavailable(detail.runs.unavailable()).map(|words| vec![words]));
    for run in detail.runs.ready().into_iter().flatten() {
        lines.line([
            Words::plain(format!("{}  ", when::full(run.tick))),
            known_state(run.state),
            Words::new(Tone::Faint, format!("  {}", run.id)),
        ]);
    }
    if let Some(args) = &detail.args {
        lines.json("Arguments", args);
    }
    let paused = view.paused;
    Ok(Item { paused, ..lines.under(Words::new(Tone::Strong, name)) })
}

async fn job_type(desk: &Desk, name: &str) -> Result<Item, Problem> {
    let detail = desk.job_type(name).await?;
    let view = &detail.summary;
    let mut lines = Lines::default();
    lines.some("about", view.description.as_deref());
    lines.field("queue", Words::plain(&view.queue));
    for (name, count) in [("succeeded", view.succeeded), ("retried", view.retried), ("failed", view.failed)] {
        lines.some(name, count.map(|count| count.to_string()));
    }
    for (name, of) in [("took", view.duration), ("waited", view.queue_latency)] {
        let shown = of.map(|of| {
            let [p50, p95, p99] = [of.p50_ms, of.p95_ms, of.p99_ms].map(lists::milliseconds);
            format!("p50 {p50}, p95 {p95}, p99 {p99}")
        });
        lines.some(name, shown);
    }
    lines.some("schedules", Some(detail.schedules.join(", ")).filter(|names| !names.is_empty()));
    if let Some(definition) = &detail.definition {
        lines.field("timeout", Words::plain(lists::milliseconds(definition.timeout_secs * 1000.0)));
        lines.field("attempts", number(definition.max_attempts));
        lines.json("Schema", &definition.schema);
    }
    Ok(lines.under(Words::new(Tone::Strong, name)))
}

async fn batch(desk: &Desk, id: &str, now: Timestamp) -> Result<Item, Problem> {
    let detail = desk.batch(id, None, SOME).await?;
    let view = &detail.batch;
    let mut lines = Lines::default();
    lines.field("state", state(view.state));
    lines.field("created", moment(view.created_at, now));
    if let Some(finished) = view.finished_at {
        lines.field("finished", moment(finished, now));
    }
    lines.field("jobs", Words::plain(format!("{} of {} have ended", view.done(), view.total)));
    lines.field("succeeded", number(view.succeeded));
    lines.field("failed", number(view.failed));
    lines.field("cancelled", number(view.cancelled));
    lines.some("part of", detail.outer.as_ref());
    lines.heading("Jobs");
    for member in &detail.jobs.items {
        let job = member.job.as_deref().unwrap_or_default();
        lines.line([
            Words::plain(format!("{}  ", member.id)),
            known_state(member.state),
            Words::plain(format!("  {job}")),
        ]);
    }
    if detail.jobs.next.is_some() {
        lines.line([Words::new(Tone::Faint, format!("and more: lamp batch {id} --jobs lists them all"))]);
    }
    Ok(lines.under(Words::new(Tone::Strong, id)))
}

async fn dead_letters(desk: &Desk, queue: &str, now: Timestamp) -> Result<Item, Problem> {
    let page = desk.dead_letters(queue, &Default::default(), None, SOME).await?;
    let mut lines = Lines::default();
    for letter in &page.items {
        lines.line([
            Words::new(Tone::Bad, format!("✘ {}  ", letter.reason)),
            Words::plain(format!("{} {}  ", letter.job, letter.id)),
            relative(letter.dead_since, now),
        ]);
        lines.line([Words::new(Tone::Faint, format!("  {}", letter.error))]);
    }
    if page.items.is_empty() {
        lines.line([Words::new(Tone::Faint, "no dead letters")]);
    }
    Ok(lines.under(Words::new(Tone::Strong, format!("dead letters of {queue}"))))
}

async fn operation(desk: &Desk, id: &str, now: Timestamp) -> Result<Item, Problem> {
    let view = desk.operation(id).await?;
    let mut lines = Lines::default();
    lines.field("state", lists::operation_state(&view));
    lines.field("by", Words::plain(&view.by));
    lines.some("reason", view.reason.as_deref());
    lines.field("began", moment(view.created_at, now));
    if let Some(finished) = view.finished_at {
        lines.field("finished", moment(finished, now));
    }
    lines.some("expected", view.expected.map(|expected| expected.to_string()));
    let progress = view.progress;
    lines.field("done", number(progress.done));
    lines.field("changed", number(progress.changed));
    lines.field("unchanged", number(progress.unchanged));
    lines.field("failed", number(progress.failed));
    lines.some("error", view.error.as_deref());
    lines.some("command", view.command.as_deref());
    for result in &view.results {
        lines.field("new job", Words::plain(result));
    }
    lines.json("Target", &view.target);
    Ok(lines.under(Words::new(Tone::Strong, &view.title)))
}
