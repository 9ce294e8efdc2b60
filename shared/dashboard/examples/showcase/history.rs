//! An hour of the shop's life, played in a second: time is paused, so that sleeping costs nothing.

use std::time::Duration;

use lamplighter::{Client, RawValue, Sensitive, Tracking, Variables, days, hours, mins};
use lamplighter_dashboard::{Desk, desk::OperationRequest};
use lamplighter_embedded::{Engine, Running, SqliteBackend};
use serde_json::{Value, json, value::to_raw_value};

use crate::shop::{
    Archive, Book, Customer, DeliverWebhook, Echo, ImportRows, Priority, Reindex, Report, SendMail, Thumbnail,
    Transcode,
};

type Done<T> = Result<T, Box<dyn std::error::Error>>;

const MINUTES: u64 = 64;
const NAMES: [&str; 6] = ["Ada Lovelace", "Grace Hopper", "محمد الخوارزمي", "Łukasz Żółć", "李小龍", "O'Brien <Bob>"];

/// Starts the engine of the shop.
pub(crate) async fn engine(backend: &SqliteBackend) -> Done<Running> {
    let app = crate::shop::app()?;
    Ok(Engine::builder(backend).app(&app, &Variables::system()).start().await?)
}

/// Plays the hour. The engine is away for some minutes of it.
pub(crate) async fn play(backend: &SqliteBackend) -> Done<Running> {
    let client = backend.client();
    let mut running = Some(engine(backend).await?);
    let mut number = 0;
    for minute in 0..MINUTES {
        if minute == 31
            && let Some(running) = running.take()
        {
            running.drain(Duration::from_secs(5)).await;
        }
        if minute == 42 {
            running = Some(engine(backend).await?);
        }
        let count = 9 + (minute * 7) % 11 + if (48..53).contains(&minute) { 22 } else { 0 };
        for _ in 0..count {
            enqueue(&client, number).await?;
            number += 1;
            tokio::time::sleep(Duration::from_millis(60_000 / count)).await;
        }
        special(backend, &client, minute).await?;
    }
    last(&client).await?;
    running.ok_or_else(|| "the engine is away".into())
}

/// One job more, as they come.
pub(crate) async fn enqueue(client: &Client, number: u64) -> Done<()> {
    let name = NAMES[(number % 6) as usize];
    match number % 10 {
        0..4 => drop(client.enqueue(webhook(number, name)).tag(format!("order-{}", 4_000 + number)).await?),
        4..7 => {
            let mail = SendMail {
                to: Sensitive::new(format!("customer-{number}@mail.example")),
                subject: format!("Your order {}", 4_000 + number),
                priority: if number.is_multiple_of(3) { Priority::Urgent } else { Priority::Normal },
                attach_invoice: number.is_multiple_of(2),
                not_before: None,
                cc: Vec::new(),
            };
            client.enqueue(mail).await?;
        }
        7 => {
            let kind = if number % 70 == 7 { "tiff" } else { "jpg" };
            let source = format!("s3://pictures/2026/{number:05}.{kind}");
            client.enqueue(Thumbnail { source, widths: vec![160, 640, 1_600], quality: 0.82 }).await?;
        }
        _ => {
            let account = format!("account-{}", number % 4);
            let cents = if number % 97 == 8 { 0 } else { (number as i64 % 900) * 100 - 20_000 };
            client.enqueue(Book { account: account.clone(), cents }).group(account).await?;
        }
    }
    Ok(())
}

fn webhook(number: u64, name: &str) -> DeliverWebhook {
    let host = if number % 9 == 2 { "slow.example" } else { "hooks.example" };
    DeliverWebhook {
        url: format!("https://{host}/shop/{}", number % 40),
        event: ["order.paid", "order.shipped", "order.returned"][(number % 3) as usize].into(),
        secret: Sensitive::new(format!("whsec_{number:08}")),
        order: 4_000 + number,
        customer: Customer {
            name: name.into(),
            email: Sensitive::new(format!("customer-{number}@mail.example")),
            since: Some("2021-03-14".into()),
        },
        payload: payload(number),
    }
}

fn payload(number: u64) -> Value {
    json!({
        "items": [
            {"sku": "LMP-001", "name": "Gas lamp, brass", "count": 1 + number % 3, "price": "129.00"},
            {"sku": "WCK-250", "name": "Wick, 2.5 m", "count": 4, "price": "3.20"},
        ],
        "address": {"street": "Lantern Row 7", "city": "Dresden", "country": "DE", "geo": {"lat": 51.05, "lon": 13.74}},
        "gift": number.is_multiple_of(5),
        "voucher": null,
    })
}

/// What happens in one minute only.
async fn special(backend: &SqliteBackend, client: &Client, minute: u64) -> Done<()> {
    match minute {
        5 | 26 | 55 => {
            let first = if minute == 26 { 0 } else { 100 };
            let rows = (0..24).map(|part| ImportRows {
                file: format!("s3://prices/{minute}.csv"),
                first: first + part * 850,
                last: first + part * 850 + 849,
            });
            let done = Report { title: format!("Prices of minute {minute}"), recipients: Vec::new() };
            let failed =
                Report { title: "Prices were not imported".into(), recipients: vec!["ops@shop.example".into()] };
            client.enqueue_batch(rows).id(format!("prices-{minute}")).on_success(done).on_failure(failed).await?;
        }
        12 => hostile(client).await?,
        15 => {
            for order in 0..18 {
                client.enqueue(Archive { order }).await?;
            }
            for _ in 0..3 {
                let args = RawValue::from_string(r#"{"since":"2019"}"#.into())?;
                client.enqueue_raw("legacy.sync", "webhooks", Tracking::Full, args).await?;
            }
        }
        20 => {
            let report =
                client.enqueue(Report { title: "The quarter".into(), recipients: Vec::new() }).delay(hours(9)).await?;
            for part in 0..3 {
                let title = format!("The quarter, part {part}");
                client.enqueue(Report { title, recipients: Vec::new() }).after(&report).await?;
            }
            for day in 1..20 {
                let title = format!("In {day} days");
                client.enqueue(Report { title, recipients: Vec::new() }).delay(days(day)).await?;
            }
        }
        30 => drop(client.enqueue(Reindex { shelves: 6 }).await?),
        50 => backend.operator().pause("search").await?,
        _ => {}
    }
    Ok(())
}

/// Texts that try to leave their place.
async fn hostile(client: &Client) -> Done<()> {
    let texts = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'; DROP TABLE jobs; --",
        "</title></textarea></script><svg onload=alert(1)>",
        "{{7*7}} ${7*7} <%= 7*7 %>",
        "\u{202e}gpj.exe\u{202c} and مرحبا بالعالم، هذا نص طويل من اليمين إلى اليسار",
        "javascript:alert(document.cookie)",
    ];
    for text in texts {
        for text in [text.to_owned(), format!("{text} ")] {
            client.enqueue(Echo { text, more: json!({"<b>key</b>": "&amp;", "__proto__": {"x": 1}}) }).await?;
        }
    }
    let long = "A word that-does-not-end".repeat(60);
    client.enqueue(Echo { text: long.clone(), more: json!({ long: 1 }) }).await?;
    client.enqueue(Echo { text: "ж".repeat(4_000), more: json!([[[[[[[[["deep"]]]]]]]]]) }).await?;
    Ok(())
}

/// What an operator does about it.
pub(crate) async fn operate(desk: &Desk) -> Done<()> {
    let retry = (json!({"kind": "retry"}), json!({"kind": "query", "query": "state:failed job:mail.send"}));
    let pause = (json!({"kind": "pause-queue"}), json!({"kind": "queue", "queue": "imports"}));
    let reasons = ["the mail server is back", "the price list is being put right"];
    for ((action, target), reason) in [retry, pause].into_iter().zip(reasons) {
        let mut request = OperationRequest {
            action: to_raw_value(&action)?,
            target: to_raw_value(&target)?,
            reason: Some(reason.into()),
            expected: None,
            per_second: None,
        };
        let preview = desk.preview(&request).await?;
        request.target = RawValue::from_string(preview.target.get().to_owned())?;
        request.expected = Some(preview.jobs);
        desk.act(&request, None).await?;
    }
    Ok(())
}

/// What is still under way when somebody looks.
async fn last(client: &Client) -> Done<()> {
    for (film, minutes) in [("the-lamplighter", 140), ("the-little-prince", 90), ("night-shift", 60)] {
        client.enqueue(Transcode { film: film.into(), minutes }).await?;
    }
    for _ in 0..12 {
        client.enqueue(Reindex { shelves: 3 }).await?;
    }
    let mut cancelled = Vec::new();
    for day in 30..36 {
        let title = format!("Nobody reads this one, {day}");
        let report = client.enqueue(Report { title, recipients: Vec::new() }).delay(days(day)).await?;
        cancelled.push(report.id().clone());
    }
    for id in cancelled {
        client.cancel(&id).by("grace").reason("superseded by the report of the quarter").await?;
    }
    client.enqueue(Report { title: "Soon".into(), recipients: Vec::new() }).delay(mins(3)).await?;
    Ok(())
}
