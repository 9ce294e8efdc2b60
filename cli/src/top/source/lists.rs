//! The lists.

use jiff::Timestamp;
use lamplighter::JobState;
use lamplighter_dashboard::{
    Desk, Problem,
    desk::{ErrorFilter, MOST_ITEMS},
    view::{
        BatchView, Coverage, ErrorView, JobView, OperationView, PercentilesView, QueueView, ScheduleView, TypeView,
    },
};

use super::{known_state, note, number, relative, state, tone};
use crate::{
    top::{
        content::{Column, Row, Table, Tone, Words},
        page::Page,
    },
    when,
};

/// Reads the pages of a list until there are so many items. Not a function: the futures of closures are not `Send` for every
/// lifetime.
macro_rules! pages {
    ($rows:expr, |$cursor:ident, $limit:ident| $read:expr) => {{
        let (mut items, mut next) = (Vec::new(), None::<String>);
        loop {
            let ($cursor, $limit) = (next.as_deref(), ($rows - items.len()).clamp(1, MOST_ITEMS));
            let page = $read.await?;
            items.extend(page.items);
            next = page.next;
            // A search that has looked at enough is not pushed on by itself.
            if next.is_none() || items.len() >= $rows || matches!(page.coverage, Coverage::Searched { .. }) {
                break (items, next.is_some(), page.coverage);
            }
        }
    }};
}

/// Reads a list, with at most so many rows.
pub(super) async fn read(desk: &Desk, page: Page, query: &str, rows: usize, now: Timestamp) -> Result<Table, Problem> {
    match page {
        Page::Jobs => {
            let all = pages!(rows, |cursor, limit| desk.jobs(query, cursor, limit));
            Ok(of_pages(all, jobs_table(query), |view| job(view, now)))
        }
        Page::Errors => {
            let filter = ErrorFilter::default();
            let all = pages!(rows, |cursor, limit| desk.errors(&filter, cursor, limit));
            Ok(of_pages(all, errors_table(), |view| error(view, now)))
        }
        Page::Batches => {
            let all = pages!(rows, |cursor, limit| desk.batches(cursor, limit));
            Ok(of_pages(all, batches_table(), |view| batch(view, now)))
        }
        Page::Operations => {
            let all = pages!(rows, |cursor, limit| desk.operations(cursor, limit));
            Ok(of_pages(all, operations_table(), |view| operation(view, now)))
        }
        Page::Queues | Page::Overview => {
            let list = desk.queues().await?;
            Ok(Table { note: note(&list.coverage, false), ..queues(&list.items, now) })
        }
        Page::DeadLetters => {
            let list = desk.queues().await?;
            Ok(Table { note: note(&list.coverage, false), ..dead_letters(&list.items) })
        }
        Page::Schedules => Ok(schedules(&desk.schedules("").await?.items, now)),
        Page::Types => Ok(types(&desk.types().await?.items)),
        Page::Health => {
            let health = desk.health().await;
            Ok(findings(&health))
        }
    }
}

fn of_pages<T>((items, more, coverage): (Vec<T>, bool, Coverage), table: Table, row: impl Fn(&T) -> Row) -> Table {
    Table { rows: items.iter().map(row).collect(), more, note: note(&coverage, more), ..table }
}

fn jobs_table(query: &str) -> Table {
    Table {
        columns: vec![
            Column::text("STATE", 200),
            Column::text("JOB", 150),
            Column::text("ID", u8::MAX),
            Column::text("QUEUE", 20),
            Column::number("TRIES", 40),
            Column::number("CREATED", 60),
            Column::number("TOOK", 30),
            Column::text("NOTE", 100),
        ],
        empty: match query {
            "" => "no jobs yet: `lamp enqueue` makes one",
            _ => "no job fits the query; / changes it",
        },
        ..Table::default()
    }
}

/// A job's row.
pub(super) fn job(view: &JobView, now: Timestamp) -> Row {
    let took = view.attempts.last().map(|last| when::short(when::between(last.started_at, last.ended_at)));
    let cells = vec![
        state(view.state),
        Words::plain(&view.job),
        Words::plain(&view.id),
        Words::plain(&view.queue),
        number(view.attempt),
        relative(view.created_at, now),
        Words::plain(took.unwrap_or_default()),
        remark(view, now),
    ];
    Row::new(view.id.as_str(), cells)
}

/// The next moment, the progress, or the error.
fn remark(view: &JobView, now: Timestamp) -> Words {
    let error = || view.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    match view.state {
        JobState::Scheduled => relative(view.due_at, now),
        JobState::Running => {
            let progress = view.progress.map(|progress| format!("{} of {}", progress.done, progress.total));
            Words::plain(progress.unwrap_or_default())
        }
        JobState::Retrying => Words::new(Tone::Warn, format!("{}: {}", when::relative(view.due_at, now), error())),
        JobState::Failed => Words::new(Tone::Bad, error()),
        JobState::Cancelled => Words::plain(view.reason.as_deref().unwrap_or_default()),
        JobState::Waiting | JobState::Queued | JobState::Succeeded => Words::default(),
    }
}

fn errors_table() -> Table {
    Table {
        columns: vec![
            Column::text("JOB", 100),
            Column::text("ERROR", u8::MAX),
            Column::number("FAILURES", 90),
            Column::number("JOBS", 40),
            Column::number("LATEST", 80),
            Column::number("FIRST", 30),
            Column::text("NOTE", 60),
        ],
        empty: "nothing has failed",
        ..Table::default()
    }
}

fn error(view: &ErrorView, now: Timestamp) -> Row {
    let muted = view.note.as_ref().is_some_and(|note| note.muted_until.is_some_and(|until| until > now));
    let note = view.note.as_ref().and_then(|note| note.note.clone());
    let cells = vec![
        Words::plain(&view.job),
        Words::new(if muted { Tone::Faint } else { Tone::Bad }, &view.title),
        number(view.failures),
        Words::plain(view.jobs.map(|jobs| jobs.to_string()).unwrap_or_default()),
        relative(view.last_seen, now),
        relative(view.first_seen, now),
        Words::plain(if muted { format!("muted {}", note.unwrap_or_default()) } else { note.unwrap_or_default() }),
    ];
    Row::new(view.fingerprint.to_string(), cells)
}

fn batches_table() -> Table {
    Table {
        columns: vec![
            Column::text("STATE", 200),
            Column::text("ID", u8::MAX),
            Column::number("ENDED", 100),
            Column::number("JOBS", 90),
            Column::number("FAILED", 80),
            Column::number("CANCELLED", 40),
            Column::number("CREATED", 60),
        ],
        empty: "no batches: `lamp enqueue JOB --from FILE --batch` makes one",
        ..Table::default()
    }
}

fn batch(view: &BatchView, now: Timestamp) -> Row {
    let failed = Words::new(if view.failed > 0 { Tone::Bad } else { Tone::Plain }, view.failed.to_string());
    let cells = vec![
        state(view.state),
        Words::plain(&view.id),
        number(view.done()),
        number(view.total),
        failed,
        number(view.cancelled),
        relative(view.created_at, now),
    ];
    Row::new(view.id.as_str(), cells)
}

fn operations_table() -> Table {
    Table {
        columns: vec![
            Column::text("STATE", 200),
            Column::text("WHAT", u8::MAX),
            Column::text("BY", 80),
            Column::number("DONE", 90),
            Column::number("CHANGED", 60),
            Column::number("FAILED", 70),
            Column::number("BEGAN", 75),
            Column::text("REASON", 50),
        ],
        empty: "nobody has changed anything yet",
        ..Table::default()
    }
}

/// An operation's state by its shape, its word and its colour.
pub(super) fn operation_state(view: &OperationView) -> Words {
    let (shape, tone) = match &*view.state {
        "running" => ('▶', Tone::Busy),
        "stopping" => ('▶', Tone::Warn),
        "done" => ('✔', Tone::Good),
        "stopped" => ('⊘', Tone::Warn),
        _ => ('✘', Tone::Bad),
    };
    Words::new(tone, format!("{shape} {}", view.state))
}

fn operation(view: &OperationView, now: Timestamp) -> Row {
    let failed =
        Words::new(if view.progress.failed > 0 { Tone::Bad } else { Tone::Plain }, view.progress.failed.to_string());
    let cells = vec![
        operation_state(view),
        Words::plain(&view.title),
        Words::plain(&view.by),
        number(view.progress.done),
        number(view.progress.changed),
        failed,
        relative(view.created_at, now),
        Words::plain(view.reason.as_deref().unwrap_or_default()),
    ];
    Row::new(view.id.as_str(), cells)
}

/// The queues, with what comes, goes and waits.
pub(super) fn queues(all: &[QueueView], now: Timestamp) -> Table {
    let rate = |rate: Option<f64>| Words::plain(rate.map(|rate| format!("{rate:.1}")).unwrap_or_default());
    let row = |queue: &QueueView| {
        let oldest = queue.oldest.map(|oldest| when::short(when::between(oldest, now)));
        let drains = match (queue.drains_in_secs, queue.waiting) {
            (_, 0) => Words::default(),
            (Some(secs), _) => Words::plain(when::short(std::time::Duration::from_secs(secs))),
            // It is known what comes and goes, and it does not get less.
            (None, _) if queue.in_per_minute.is_some() && queue.out_per_minute.is_some() => {
                Words::new(Tone::Bad, "never")
            }
            (None, _) => Words::default(),
        };
        let note = match &*queue.consumer {
            "paused" => Words::new(Tone::Warn, "‖ paused"),
            "changing" => Words::new(Tone::Warn, "being switched"),
            "missing" => Words::new(Tone::Bad, "nothing takes from it"),
            _ => Words::default(),
        };
        let dead = queue.dead_letters.filter(|dead| *dead > 0);
        let cells = vec![
            Words::plain(&queue.queue),
            number(queue.waiting),
            number(queue.in_flight),
            number(queue.delayed),
            Words::plain(oldest.unwrap_or_default()),
            rate(queue.in_per_minute),
            rate(queue.out_per_minute),
            drains,
            Words::new(Tone::Bad, dead.map(|dead| dead.to_string()).unwrap_or_default()),
            note,
        ];
        Row::new(&queue.queue, cells).paused(queue.paused)
    };
    Table {
        columns: vec![
            Column::text("QUEUE", u8::MAX),
            Column::number("WAITING", 200),
            Column::number("RUNNING", 190),
            Column::number("DELAYED", 40),
            Column::number("OLDEST", 150),
            Column::number("IN/MIN", 60),
            Column::number("OUT/MIN", 60),
            Column::number("DRAINS IN", 120),
            Column::number("DEAD", 100),
            Column::text("", 180),
        ],
        rows: all.iter().map(row).collect(),
        empty: "no queues yet",
        ..Table::default()
    }
}

fn dead_letters(all: &[QueueView]) -> Table {
    let row = |queue: &QueueView| {
        let dead = queue.dead_letters.map_or_else(|| "none kept".to_owned(), |dead| dead.to_string());
        let tone = if queue.dead_letters.is_some_and(|dead| dead > 0) { Tone::Bad } else { Tone::Plain };
        Row::new(&queue.queue, vec![Words::plain(&queue.queue), Words::new(tone, dead)])
    };
    Table {
        columns: vec![Column::text("QUEUE", u8::MAX), Column::number("DEAD LETTERS", 100)],
        rows: all.iter().map(row).collect(),
        empty: "no queues yet",
        ..Table::default()
    }
}

fn schedules(all: &[ScheduleView], now: Timestamp) -> Table {
    let row = |view: &ScheduleView| {
        let next = match view.next.first() {
            _ if view.paused => Words::new(Tone::Warn, "‖ paused"),
            _ if !view.enabled => Words::new(Tone::Faint, "disabled"),
            Some(next) => relative(*next, now),
            None => Words::new(Tone::Faint, "no more"),
        };
        let last = match &view.last {
            Some(last) => known_state(last.state),
            None => Words::new(Tone::Faint, "never"),
        };
        let ago = view.last.as_ref().and_then(|last| last.at).map(|at| relative(at, now));
        let cells = vec![
            Words::plain(&view.schedule),
            Words::plain(format!("{} {}", view.when, view.zone)),
            Words::plain(&view.job),
            next,
            last,
            ago.unwrap_or_default(),
        ];
        Row::new(&view.schedule, cells).paused(view.paused)
    };
    Table {
        columns: vec![
            Column::text("SCHEDULE", u8::MAX),
            Column::text("WHEN", 60),
            Column::text("JOB", 50),
            Column::text("NEXT", 120),
            Column::text("LAST", 100),
            Column::number("AGO", 40),
        ],
        rows: all.iter().map(row).collect(),
        empty: "no schedules: `lamp schedule add` makes one",
        ..Table::default()
    }
}

/// A number of milliseconds, for people.
pub(super) fn milliseconds(number: f64) -> String {
    when::short(std::time::Duration::try_from_secs_f64(number / 1000.0).unwrap_or_default())
}

fn types(all: &[TypeView]) -> Table {
    let count = |number: Option<u64>| Words::plain(number.map(|number| number.to_string()).unwrap_or_default());
    let p95 = |of: Option<PercentilesView>| Words::plain(of.map(|of| milliseconds(of.p95_ms)).unwrap_or_default());
    let row = |view: &TypeView| {
        let p50 = view.duration.map(|of| milliseconds(of.p50_ms)).unwrap_or_default();
        let mut failed = count(view.failed);
        if view.failed.is_some_and(|failed| failed > 0) {
            failed.tone = Tone::Bad;
        }
        let name = if view.is_defined { Words::plain(&view.job) } else { Words::new(Tone::Warn, &view.job) };
        let cells = vec![
            name,
            Words::plain(&view.queue),
            count(view.succeeded),
            count(view.retried),
            failed,
            Words::plain(p50),
            p95(view.duration),
            p95(view.queue_latency),
        ];
        Row::new(&view.job, cells)
    };
    Table {
        columns: vec![
            Column::text("JOB", u8::MAX),
            Column::text("QUEUE", 40),
            Column::number("SUCCEEDED", 100),
            Column::number("RETRIED", 60),
            Column::number("FAILED", 110),
            Column::number("P50", 70),
            Column::number("P95", 90),
            Column::number("WAITED P95", 50),
        ],
        rows: all.iter().map(row).collect(),
        empty: "no jobs are defined",
        note: Words::new(Tone::Faint, "the last day"),
        ..Table::default()
    }
}

fn findings(health: &lamplighter_dashboard::view::HealthView) -> Table {
    let mut rows: Vec<_> = health
        .unavailable
        .iter()
        .map(|why| {
            Row::new("unavailable", vec![Words::new(Tone::Warn, "unavailable"), Words::plain(why), Words::default()])
        })
        .collect();
    rows.extend(health.findings.iter().map(|finding| {
        let severity = Words::new(tone(finding.severity), finding.severity.as_str());
        Row::new(&finding.title, vec![severity, Words::plain(&finding.title), Words::plain(&finding.detail)])
    }));
    rows.extend(health.facts.iter().map(|fact| {
        Row::new(&fact.name, vec![Words::new(Tone::Faint, "fact"), Words::plain(&fact.name), Words::plain(&fact.value)])
    }));
    rows.extend(health.hosts.iter().map(|host| {
        let version = host.version.as_deref().unwrap_or_default();
        let queues = format!("{} {version} {}", host.kind, host.queues.join(", "));
        Row::new(&host.host, vec![Words::new(Tone::Faint, "host"), Words::plain(&host.host), Words::plain(queues)])
    }));
    let note = if health.is_well { Words::new(Tone::Good, "✔ all is well") } else { Words::default() };
    Table {
        columns: vec![Column::text("", 200), Column::text("WHAT", u8::MAX), Column::text("DETAILS", 100)],
        rows,
        note,
        empty: "all is well",
        ..Table::default()
    }
}
