//! The jobs of the demo.

use lamplighter::{Client, Enqueued, Job, JobId, ListQuery, Record, backend::StoreError, secs};
use lamplighter_cli::demo::{DemoEnv, DemoError, Watched};
use lamplighter_jobs::{DailyReport, DeliverWebhook, MakeThumbnails};
use serde_json::{Value, json};

use super::{import, receiver::Receiver};

/// A picture of this repository.
struct Picture {
    key: &'static str,
    bytes: &'static [u8],
    sizes: &'static [u32],
}

/// Included in the binary, so that the demo does not depend on the current folder.
const PICTURES: [Picture; 4] = [
    Picture {
        key: "pictures/ridges.jpg",
        bytes: include_bytes!("../../../functions/images/assets/ridges.jpg"),
        sizes: &[160, 480, 1280],
    },
    Picture {
        key: "pictures/lighthouse.jpg",
        bytes: include_bytes!("../../../functions/images/assets/lighthouse.jpg"),
        sizes: &[160, 480],
    },
    Picture {
        key: "pictures/spirals.jpg",
        bytes: include_bytes!("../../../functions/images/assets/spirals.jpg"),
        sizes: &[160, 480],
    },
    Picture {
        key: "pictures/lantern.png",
        bytes: include_bytes!("../../../functions/images/assets/lantern.png"),
        sizes: &[160, 480],
    },
];

/// The jobs that were enqueued at the start.
#[derive(Debug, Default)]
pub(super) struct DemoJobs {
    /// The webhooks.
    pub(super) webhooks: Vec<JobId>,
    /// The thumbnail jobs, with their sizes.
    pub(super) pictures: Vec<MakeThumbnails>,
    /// The result of enqueueing the first webhook a second time.
    pub(super) again: Option<Enqueued>,
}

impl DemoJobs {
    /// Enqueues all jobs.
    pub(super) async fn enqueue(env: &DemoEnv, receiver: &Receiver) -> Result<(Self, Vec<Watched>), DemoError> {
        let client = env.client();
        let (mut jobs, mut watched) = (Self::default(), Vec::new());
        let order = || webhook(receiver, "/orders", "order.paid", json!({"order": 1042, "total": "49.90 EUR"}));
        let invoice = webhook(receiver, "/billing", "invoice.sent", json!({"invoice": "2026-118", "order": 1042}))?;
        let stock = webhook(receiver, "/stock", "stock.low", json!({"article": "lamp oil", "left": 3}))?;
        for (label, sent) in [
            ("webhook.deliver  order.paid", client.enqueue(order()?).id("order-1042-paid").await?),
            ("webhook.deliver  invoice.sent", client.enqueue(invoice).await?),
            ("webhook.deliver  stock.low, in two seconds", client.enqueue(stock).delay(secs(2)).await?),
        ] {
            watched.push(Watched::new(sent.id().clone(), label));
            jobs.webhooks.push(sent.id().clone());
        }
        jobs.again = Some(client.enqueue(order()?).id("order-1042-paid").await?);

        for picture in &PICTURES {
            super::put(&env.objects_folder().join(picture.key), picture.bytes)?;
            let job = MakeThumbnails::of(picture.key).sizes(picture.sizes.iter().copied());
            let sent = client.enqueue(job.clone()).await?;
            watched.push(Watched::new(sent.id().clone(), format!("{}  {}", MakeThumbnails::NAME, picture.key)));
            jobs.pictures.push(job);
        }
        watched.push(import::enqueue(env).await?);
        Ok((jobs, watched))
    }
}

/// Returns the jobs that the schedule has started, oldest first.
pub(super) async fn scheduled_reports(client: &Client) -> Result<Vec<Record>, StoreError> {
    let query = ListQuery { jobs: vec![DailyReport::NAME.into()], ..ListQuery::default() };
    let mut records = client.list(&query).await?.records;
    records.retain(is_scheduled_report);
    records.reverse();
    Ok(records)
}

/// Returns whether the schedule started it.
pub(super) fn is_scheduled_report(record: &Record) -> bool {
    record.message.job == DailyReport::NAME && record.message.schedule.is_some()
}

/// Returns the label of a scheduled report.
pub(super) fn report_label(record: &Record) -> String {
    let tick = record.id.as_str().rsplit_once('@').map_or("", |(_, tick)| tick);
    let time = tick.split_once('T').map_or(tick, |(_, time)| time.trim_end_matches('Z'));
    format!("{}  scheduled for {time}", DailyReport::NAME)
}

/// Returns a handler's output in a few words.
pub(super) fn output(record: &Record) -> Option<String> {
    let value: Value = serde_json::from_str(record.output.as_ref()?.get()).ok()?;
    if let Some(status) = value["status"].as_u64() {
        return Some(format!("answered {status}"));
    }
    if let Some(html) = value["html"].as_str() {
        return Some(html.to_owned());
    }
    if let Some(thumbnails) = value["thumbnails"].as_array() {
        let sizes =
            thumbnails.iter().filter_map(|one| Some(format!("{}×{}", one["width"].as_u64()?, one["height"].as_u64()?)));
        return Some(sizes.collect::<Vec<_>>().join(", "));
    }
    import::output(&value)
}

fn webhook(receiver: &Receiver, path: &str, event: &str, payload: Value) -> Result<DeliverWebhook, DemoError> {
    let url = receiver.url(path).parse()?;
    let payload = serde_json::value::to_raw_value(&payload)?;
    Ok(DeliverWebhook { url, event: event.into(), payload, secret: None })
}
