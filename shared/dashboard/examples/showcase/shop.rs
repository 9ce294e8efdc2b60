//! A shop with many kinds of jobs: some succeed, some fail in their own ways, some take long.

use std::time::Duration;

use lamplighter::{
    App, Context, Definition, Function, Job, JobError, LogLevel, Options, Queue, Retry, ScheduledJob, Sensitive, hours,
    mins,
    schedule::{Misfire, Schedule, ScheduleError},
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Somebody who buys.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) email: Sensitive<String>,
    pub(crate) since: Option<String>,
}

/// Sends an event to a customer's own address, signed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeliverWebhook {
    /// Where the event goes.
    #[schemars(extend("format" = "uri"))]
    pub(crate) url: String,
    pub(crate) event: String,
    /// The key of the signature.
    pub(crate) secret: Sensitive<String>,
    pub(crate) order: u64,
    pub(crate) customer: Customer,
    pub(crate) payload: Value,
}

/// How soon a mail goes out.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Priority {
    Bulk,
    Normal,
    Urgent,
}

/// Sends a mail.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SendMail {
    pub(crate) to: Sensitive<String>,
    /// One line, without markup.
    pub(crate) subject: String,
    pub(crate) priority: Priority,
    pub(crate) attach_invoice: bool,
    /// The day on which it is sent at the earliest.
    #[schemars(extend("format" = "date"))]
    pub(crate) not_before: Option<String>,
    pub(crate) cc: Vec<String>,
}

/// Makes smaller pictures of a picture.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Thumbnail {
    pub(crate) source: String,
    pub(crate) widths: Vec<u32>,
    pub(crate) quality: f64,
}

/// Imports some rows of a price list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ImportRows {
    pub(crate) file: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// Sums up the sales of a day.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) recipients: Vec<String>,
}

/// Turns a film into one that plays everywhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Transcode {
    pub(crate) film: String,
    pub(crate) minutes: u64,
}

/// Books an amount; the bookings of an account keep their order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Book {
    pub(crate) account: String,
    pub(crate) cents: i64,
}

/// Builds the index of the search anew, shelf by shelf.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Reindex {
    pub(crate) shelves: u32,
}

/// Repeats a text. Texts come from outside, and may hold anything.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Echo {
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) more: Value,
}

/// Nothing runs these: their queue has no consumer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Archive {
    pub(crate) order: u64,
}

macro_rules! job {
    ($job:ty, $name:literal, $queue:expr, $options:expr) => {
        impl Job for $job {
            const NAME: &'static str = $name;
            const QUEUE: Queue = $queue;

            fn options() -> Options {
                $options
            }
        }
    };
}

job!(
    DeliverWebhook,
    "webhook.deliver",
    Queue::standard("webhooks"),
    Options::new().timeout(secs(30)).retry(Retry::exponential(secs(20)).attempts(5))
);
job!(SendMail, "mail.send", Queue::standard("mails"), Options::new().retry(Retry::exponential(secs(5)).attempts(4)));
job!(Thumbnail, "image.thumbnail", Queue::standard("images"), Options::new().retry(Retry::fixed(secs(10)).attempts(2)));
job!(ImportRows, "prices.import-rows", Queue::standard("imports"), Options::new().retry(Retry::never()));
job!(Report, "report.daily", Queue::standard("reports"), Options::new().timeout(mins(5)));
job!(Transcode, "film.transcode", Queue::standard("films"), Options::new().timeout(mins(14)));
job!(Book, "ledger.book", Queue::fifo("ledger"), Options::new().retry(Retry::fixed(secs(2)).attempts(3)));
job!(
    Reindex,
    "search.reindex-every-shelf-of-every-warehouse-in-every-country",
    Queue::standard("search"),
    Options::new().timeout(mins(10))
);
job!(Echo, "text.echo", Queue::standard("texts"), Options::new().retry(Retry::never()));
job!(Archive, "order.archive", Queue::standard("archive"), Options::new());

#[derive(Debug, thiserror::Error)]
#[error("event {event:?} was not delivered to {host}")]
struct NotDelivered {
    event: String,
    host: String,
    #[source]
    source: NoAnswer,
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("no answer within {0} s")]
    Late(u64, #[source] std::io::Error),
    #[error("answered {0}")]
    Status(u16),
}

/// A number below `sides`, from the job's id and its attempt.
fn dice(context: &Context, sides: u64) -> u64 {
    let seed = u64::from(context.attempt()).wrapping_mul(0x9e37_79b9);
    let bytes = context.id().as_str().bytes();
    let hash =
        bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 17) % sides.max(1)
}

async fn works(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

async fn deliver(job: DeliverWebhook, context: Context) -> Result<Value, JobError> {
    let roll = dice(&context, 100);
    works(80 + roll * 9).await;
    context.log(LogLevel::Info, format!("POST {} for order {}", job.url, job.order));
    let host = job.url.split('/').nth(2).unwrap_or("?").to_owned();
    let source = match (roll, &*host) {
        (0..4, _) => {
            return Err(JobError::fail(NotDelivered { event: job.event, host, source: NoAnswer::Status(410) }));
        }
        (_, "slow.example") if roll < 70 => {
            works(8_000).await;
            NoAnswer::Late(10, std::io::Error::from(std::io::ErrorKind::TimedOut))
        }
        (4..9, _) => NoAnswer::Status(503),
        _ => return Ok(serde_json::json!({"status": 200, "bytes": 120 + roll, "host": host})),
    };
    context.log(LogLevel::Warn, format!("{host} did not take it, attempt {}", context.attempt()));
    Err(JobError::retry(NotDelivered { event: job.event, host, source }))
}

async fn send(job: SendMail, context: Context) -> Result<String, JobError> {
    let roll = dice(&context, 60);
    works(30 + roll * 4).await;
    match roll {
        0..2 => Err(JobError::retry(format!("454 the mail server is busy; {} was not accepted", job.to.expose()))),
        2 => Err(JobError::fail("550 no such user")),
        _ => Ok(format!("250 queued as {:08x}", roll * 7_919)),
    }
}

async fn thumbnail(job: Thumbnail, context: Context) -> Result<Vec<String>, JobError> {
    works(200 + dice(&context, 2_000)).await;
    if job.source.ends_with(".tiff") {
        let width: Option<u32> = job.widths.iter().copied().find(|width| *width > 4_000);
        assert!(width.is_some(), "no decoder for tiff of {} widths", job.widths.len());
    }
    Ok(job.widths.iter().map(|width| format!("{}@{width}.webp", job.source)).collect())
}

async fn import(job: ImportRows, context: Context) -> Result<u64, JobError> {
    for done in 1..=4 {
        works(150).await;
        context.progress(done, 4);
    }
    match job.first.is_multiple_of(1_700) {
        true => Err(JobError::fail(format!("row {}: the price \"12,5O\" is not a number", job.first + 17))),
        false => Ok(job.last - job.first + 1),
    }
}

async fn report(job: Report, context: Context) -> Result<Value, JobError> {
    works(1_500 + dice(&context, 4_000)).await;
    context.log(LogLevel::Info, "read 18,204 orders");
    if !job.recipients.is_empty() {
        let mail = SendMail {
            to: Sensitive::new(job.recipients[0].clone()),
            subject: job.title.clone(),
            priority: Priority::Bulk,
            attach_invoice: false,
            not_before: None,
            cc: job.recipients.clone(),
        };
        context.client().enqueue(mail).await?;
    }
    Ok(serde_json::json!({"orders": 18_204, "revenue": "412903.50", "currency": "EUR"}))
}

async fn transcode(job: Transcode, context: Context) -> Result<String, JobError> {
    for minute in 0..job.minutes {
        context.progress(minute, job.minutes);
        context.log(LogLevel::Debug, format!("minute {minute} of {}", job.minutes));
        tokio::select! {
            () = works(5_000) => {}
            () = context.cancelled() => return Err(JobError::fail("stopped: it was cancelled")),
        }
    }
    Ok(format!("{}.mp4", job.film))
}

async fn book(job: Book, context: Context) -> Result<i64, JobError> {
    works(20 + dice(&context, 30)).await;
    match job.cents {
        0 => Err(JobError::fail("a booking of nothing")),
        cents => Ok(cents),
    }
}

async fn reindex(job: Reindex, context: Context) -> Result<u32, JobError> {
    let shelf: u32 = context.resume().unwrap_or(0);
    works(2_000).await;
    context.log(LogLevel::Info, format!("shelf {shelf} of {}", job.shelves));
    match shelf + 1 < job.shelves {
        true => context.continue_with(&(shelf + 1)),
        false => Ok(job.shelves),
    }
}

async fn echo(job: Echo) -> Result<String, JobError> {
    works(50).await;
    match job.text.len() % 2 {
        0 => Err(JobError::fail(job.text)),
        _ => Ok(job.text),
    }
}

/// The app: one function a queue.
pub(crate) fn app() -> Result<App, ScheduleError> {
    Ok(App::new("Lamp & Wick")
        .function(|| Function::new("webhooks").job(deliver))
        .function(|| Function::new("mails").job(send))
        .function(|| Function::new("images").job(thumbnail))
        .function(|| Function::new("imports").job(import))
        .function(|| Function::new("reports").job(report).enqueues::<SendMail>())
        .function(|| Function::new("films").job(transcode))
        .function(|| Function::new("ledger").job(book))
        .function(|| Function::new("search").job(reindex))
        .function(|| Function::new("texts").job(echo))
        .definitions([
            Definition::of::<DeliverWebhook>(),
            Definition::of::<SendMail>(),
            Definition::of::<Thumbnail>(),
            Definition::of::<ImportRows>(),
            Definition::of::<Report>(),
            Definition::of::<Transcode>(),
            Definition::of::<Book>(),
            Definition::of::<Reindex>(),
            Definition::of::<Echo>(),
            Definition::of::<Archive>(),
        ])
        .schedules(schedules()?))
}

fn schedules() -> Result<Vec<ScheduledJob>, ScheduleError> {
    let report = |title: &str| Report { title: title.into(), recipients: vec!["ada@shop.example".into()] };
    Ok(vec![
        Schedule::rate("sales-of-five-minutes", mins(5))?
            .misfire(Misfire::Skip)
            .description("Sums up the last five minutes for the wall in the office")
            .starts(&report("The last five minutes"))?,
        Schedule::cron("report-daily", "0 6 * * MON-FRI")?
            .zone("Europe/Berlin")
            .description("Yesterday's sales, to everybody who asked for them")
            .starts(&report("Yesterday"))?,
        Schedule::rate("reindex", hours(1))?.starts(&Reindex { shelves: 4 })?,
        Schedule::cron("close-of-the-month", "30 23 28-31 * *")?.starts(&report("The month"))?,
        Schedule::rate("ledger-heartbeat", mins(1))?.starts(&Book { account: "heartbeat".into(), cents: 1 })?,
    ])
}
