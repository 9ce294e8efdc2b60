//! The jobs of the demo.

use std::fs;

use lamplighter::{Enqueued, Job, JobId, ListQuery, Record, secs};
use lamplighter_jobs::{DailyReport, DeliverWebhook, MakeThumbnails};
use serde_json::{Value, json};

use super::{guest::Guest, stage::Stage, watch::Watch};
use crate::error::{Error, reason};

/// A picture that lies in the repository.
struct Picture {
    key: &'static str,
    bytes: &'static [u8],
    sizes: &'static [u32],
}

/// Taken into the binary, so that the demo finds them wherever it runs.
const PICTURES: [Picture; 4] = [
    Picture {
        key: "pictures/ridges.jpg",
        bytes: include_bytes!("../../../../functions/images/assets/ridges.jpg"),
        sizes: &[160, 480, 1280],
    },
    Picture {
        key: "pictures/lighthouse.jpg",
        bytes: include_bytes!("../../../../functions/images/assets/lighthouse.jpg"),
        sizes: &[160, 480],
    },
    Picture {
        key: "pictures/spirals.jpg",
        bytes: include_bytes!("../../../../functions/images/assets/spirals.jpg"),
        sizes: &[160, 480],
    },
    Picture {
        key: "pictures/lantern.png",
        bytes: include_bytes!("../../../../functions/images/assets/lantern.png"),
        sizes: &[160, 480],
    },
];

/// Who is on stage.
pub(super) struct Cast {
    /// Webhooks that were enqueued.
    pub(super) webhooks: Vec<JobId>,
    /// Pictures of which thumbnails are made, with the sizes.
    pub(super) pictures: Vec<(JobId, MakeThumbnails)>,
    /// What enqueueing the first webhook once more was answered.
    pub(super) again: Enqueued,
    /// Jobs that the audience has brought.
    pub(super) guests: Vec<JobId>,
}

impl Cast {
    /// Enqueues everything.
    pub(super) async fn enter(stage: &Stage, brought: Vec<Guest>, watch: &mut Watch) -> Result<Self, Error> {
        let client = stage.client();
        let mut webhooks = Vec::new();
        let order = || webhook(stage, "/orders", "order.paid", json!({"order": 1042, "total": "49.90 EUR"}));
        let invoice = webhook(stage, "/billing", "invoice.sent", json!({"invoice": "2026-118", "order": 1042}))?;
        let stock = webhook(stage, "/stock", "stock.low", json!({"article": "lamp oil", "left": 3}))?;
        for (label, sent) in [
            ("webhook.deliver  order.paid", client.enqueue(order()?).id("order-1042-paid").await?),
            ("webhook.deliver  invoice.sent", client.enqueue(invoice).await?),
            ("webhook.deliver  stock.low, in two seconds", client.enqueue(stock).delay(secs(2)).await?),
        ] {
            watch.enter(sent.id(), label);
            webhooks.push(sent.id().clone());
        }
        let again = client.enqueue(order()?).id("order-1042-paid").await?;

        let mut pictures = Vec::new();
        for picture in &PICTURES {
            put(stage, picture)?;
            let job = MakeThumbnails::of(picture.key).sizes(picture.sizes.iter().copied());
            let sent = client.enqueue(job.clone()).await?;
            watch.enter(sent.id(), &format!("{}  {}", MakeThumbnails::NAME, picture.key));
            pictures.push((sent.id().clone(), job));
        }
        let mut guests = Vec::with_capacity(brought.len());
        for guest in brought {
            guests.push(guest.enter(stage, watch).await?);
        }
        Ok(Self { webhooks, pictures, again, guests })
    }

    /// How the jobs stand that were enqueued at the start.
    pub(super) async fn records(&self, stage: &Stage) -> Result<Vec<Record>, Error> {
        let client = stage.client();
        let mut records = Vec::new();
        let pictures = self.pictures.iter().map(|(id, _)| id);
        for id in self.webhooks.iter().chain(pictures).chain(&self.guests) {
            records.extend(client.get(id).await?);
        }
        Ok(records)
    }
}

/// How the jobs stand that the schedule has started, oldest first.
pub(super) async fn reports(stage: &Stage) -> Result<Vec<Record>, Error> {
    let query = ListQuery { job: Some(DailyReport::NAME.into()), ..ListQuery::default() };
    let mut records = stage.client().list(&query).await?.records;
    records.retain(is_scheduled_report);
    records.reverse();
    Ok(records)
}

/// Whether the schedule has started it, and not the audience.
pub(super) fn is_scheduled_report(record: &Record) -> bool {
    record.message.job == DailyReport::NAME && record.message.schedule.is_some()
}

/// What a scheduled report is called on stage.
pub(super) fn report_label(record: &Record) -> String {
    let tick = record.id.as_str().rsplit_once('@').map_or("", |(_, tick)| tick);
    let time = tick.split_once('T').map_or(tick, |(_, time)| time.trim_end_matches('Z'));
    format!("{}  scheduled for {time}", DailyReport::NAME)
}

fn webhook(stage: &Stage, path: &str, event: &str, payload: Value) -> Result<DeliverWebhook, Error> {
    let url = stage.receiver().url(path).parse().map_err(Error::failed)?;
    let payload = serde_json::value::to_raw_value(&payload).map_err(Error::failed)?;
    Ok(DeliverWebhook { url, event: event.into(), payload, secret: None })
}

/// Puts a picture into the object store, which is a folder here.
fn put(stage: &Stage, picture: &Picture) -> Result<(), Error> {
    let path = stage.objects_folder().join(picture.key);
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, picture.bytes)
    };
    write().map_err(|error| {
        Error::failed(format_args!(
            "cannot write {}: {}; make room or name another --output",
            path.display(),
            reason(&error)
        ))
    })
}
