//! The functions of this repository, deployed with the committed template.

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use hyper::{Method, Request};
use image::{ImageFormat, ImageReader, RgbImage};
use lamplighter_tests::ministack::{Stack, eventually, package, template};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use crate::cloud::{Cloud, SOON, attribute, cloud, deploy};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BUCKET: &str = "lamplighter-e2e-objects";

/// Returns the stack, which is in the same emulator as the tests' own.
pub(crate) async fn stack() -> (&'static Cloud, &'static Stack) {
    static STACK: OnceCell<Stack> = OnceCell::const_new();
    let cloud = cloud().await;
    let stack = STACK.get_or_init(async || {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(lamplighter_infra::TEMPLATE_PATH);
        let template = template::from_yaml(&std::fs::read_to_string(file).unwrap()).unwrap();
        s3(cloud, Method::PUT, "", Vec::new()).await;
        let parameters = [
            ("WebhookSecret", SECRET),
            ("WebhookAllowPrivate", "127.0.0.1"),
            ("ObjectsBucket", BUCKET),
            ("DashboardRights", crate::dashboard::RIGHTS),
        ];
        let deployment = lamplighter_infra::deployment(&lamplighter_app::app()).unwrap();
        let functions: Vec<_> =
            deployment.functions.iter().map(|function| (&*function.name, &*function.name)).collect();
        deploy(&cloud.aws, "lamplighter", template, &parameters, &functions).await
    });
    (cloud, stack.await)
}

async fn s3(cloud: &Cloud, method: Method, key: &str, body: Vec<u8>) -> Vec<u8> {
    let request = Request::builder().method(method).uri(format!("/{BUCKET}/{key}").trim_end_matches('/')).body(body);
    cloud.aws.request_as_root("s3", request.unwrap()).await.unwrap().into_body()
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Starts a receiver that is unavailable for the first deliveries, and records all of them.
async fn receiver(away: usize) -> (String, Seen) {
    let seen = Seen::default();
    let answer = move |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| async move {
        let mut seen = seen.lock().unwrap();
        seen.push((headers, body));
        if seen.len() <= away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    };
    let app = Router::new().fallback(answer).with_state(seen.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_delivered_once_its_receiver_is_back() {
    let (cloud, stack) = stack().await;
    let (url, seen) = receiver(1).await;
    let args = json!({ "url": url, "event": "invoice.paid", "payload": { "invoice": 42 } });
    let message = json!({ "job": "webhook.deliver", "id": "invoice-42", "args": args });
    cloud.aws.send(stack.output("WebhooksQueueUrl").unwrap(), message.to_string()).await.unwrap();

    let requests = eventually("the webhook has come twice", SOON, async || match seen.lock().unwrap().clone() {
        requests if requests.len() == 2 => Ok(requests),
        requests => Err(format!("{} requests", requests.len())),
    });
    let requests = requests.await.unwrap();
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    for (headers, body) in &requests {
        verifier.verify(body, headers).unwrap();
        assert_eq!(headers["webhook-id"], "invoice-42", "the same on every attempt");
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!((&body["type"], &body["data"]["invoice"]), (&json!("invoice.paid"), &json!(42)));
    }
    cloud.holds(stack.output("WebhooksQueueUrl").unwrap(), "invoice-42", 0).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(cloud.messages_in(stack.output("WebhooksDeadLettersUrl").unwrap(), "invoice-42").await.len(), 0);
}

#[tokio::test]
async fn a_webhook_to_a_forbidden_address_is_dead_lettered_immediately() {
    let (cloud, stack) = stack().await;
    let args = json!({ "url": "http://169.254.169.254/latest/meta-data", "event": "probe", "payload": null });
    let message = json!({ "job": "webhook.deliver", "id": "forbidden", "args": args });
    cloud.aws.send(stack.output("WebhooksQueueUrl").unwrap(), message.to_string()).await.unwrap();
    let letters = cloud.holds(stack.output("WebhooksDeadLettersUrl").unwrap(), "forbidden", 1).await;
    assert_eq!(attribute(&letters[0], "lamplighter.reason"), "failed");
    assert_eq!(attribute(&letters[0], "lamplighter.receives"), "1");
}

#[tokio::test]
async fn thumbnails_are_made_in_the_bucket() {
    let (cloud, stack) = stack().await;
    let mut picture = Cursor::new(Vec::new());
    RgbImage::from_fn(300, 200, |x, y| image::Rgb([x as u8, y as u8, 90]))
        .write_to(&mut picture, ImageFormat::Png)
        .unwrap();
    s3(cloud, Method::PUT, "photos/harbour.png", picture.into_inner()).await;
    let args = json!({ "key": "photos/harbour.png", "sizes": [60, 120], "format": "jpeg" });
    let queue = stack.output("ImagesQueueUrl").unwrap();
    cloud.aws.send(queue, json!({ "job": "image.thumbnail", "args": args }).to_string()).await.unwrap();

    for (size, wanted) in [("60", (60, 40)), ("120", (120, 80))] {
        let key = format!("thumbnails/photos/harbour.png/{size}.jpg");
        let path = format!("/{BUCKET}/{key}");
        let bytes = eventually(format!("{key} is there"), SOON, async || {
            let request = Request::get(&path).body(Vec::new()).map_err(|error| error.to_string())?;
            let answer = cloud.aws.request_as_root("s3", request).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(answer.into_body())
        });
        let bytes = bytes.await.unwrap();
        let thumbnail = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg).decode().unwrap();
        assert_eq!((thumbnail.width(), thumbnail.height()), wanted);
    }

    let missing = json!({ "job": "image.thumbnail", "args": { "key": "photos/nowhere.png" } }).to_string();
    cloud.aws.send(queue, missing).await.unwrap();
    let letters = cloud.holds(stack.output("ImagesDeadLettersUrl").unwrap(), "nowhere.png", 1).await;
    assert_eq!(attribute(&letters[0], "lamplighter.reason"), "failed");
    assert!(attribute(&letters[0], "lamplighter.error").contains("photos/nowhere.png"), "{letters:?}");
}

#[tokio::test]
async fn a_csv_in_the_bucket_is_imported_by_a_batch() {
    let (cloud, stack) = stack().await;
    let row = |n: usize| if n % 100 == 7 { format!("{n}x,bad\n") } else { format!("{n},\"row\n{n}\"\n") };
    let csv: String = std::iter::once("n,text\n".to_owned()).chain((0..1000).map(row)).collect();
    s3(cloud, Method::PUT, "uploads/rows.csv", csv.into_bytes()).await;
    let columns = json!([{ "name": "n", "type": "integer", "required": true }]);
    let args = json!({ "source": "uploads/rows.csv", "columns": columns, "range_bytes": 4096 });
    let body = json!({ "job": "csv.import", "id": "rows", "args": args }).to_string();
    cloud.aws.send(stack.output("ImportsQueueUrl").unwrap(), body).await.unwrap();

    let object = async |key: &str| {
        let request = Request::get(format!("/{BUCKET}/{key}")).body(Vec::new()).unwrap();
        let answer = cloud.aws.request_as_root("s3", request).await.map_err(|error| error.to_string())?;
        String::from_utf8(answer.into_body()).map_err(|error| error.to_string())
    };
    let report = eventually("the report is there", SOON, async || object("imports/rows/report.json").await);
    let report: Value = serde_json::from_str(&report.await.unwrap()).unwrap();
    let counts = ["rows", "good", "bad", "missing"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(
        (counts, &report["complete"], &report["state"]),
        ([1000, 990, 10, 0], &json!(true), &json!("succeeded"))
    );
    let mut numbers = Vec::new();
    for output in report["outputs"].as_array().unwrap() {
        for line in object(output.as_str().unwrap()).await.unwrap().lines() {
            numbers.push(serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap());
        }
    }
    assert!(numbers.iter().copied().eq((0..1000).filter(|n| n % 100 != 7)), "{numbers:?}");
    assert!(report["outputs"].as_array().unwrap().len() > 3);
}

/// Without a table there are no records to summarize, and a retry would change nothing.
#[tokio::test]
async fn a_report_sums_up_the_records_of_its_day() {
    let (cloud, stack) = stack().await;
    let today = jiff::Timestamp::now().to_string()[..10].to_owned();
    let body = json!({ "job": "report.daily", "id": "report-of-today", "args": { "day": today } }).to_string();
    cloud.aws.send(stack.output("ReportsQueueUrl").unwrap(), body).await.unwrap();
    let key = format!("reports/{today}.csv");
    let table = eventually("the report is there", SOON, async || {
        let request = Request::get(format!("/{BUCKET}/{key}")).body(Vec::new()).unwrap();
        let answer = cloud.aws.request_as_root("s3", request).await.map_err(|error| error.to_string())?;
        String::from_utf8(answer.into_body()).map_err(|error| error.to_string())
    });
    // The report is itself a job of that day, and was running when it was written.
    assert!(table.await.unwrap().contains("report.daily"));
    assert_eq!(cloud.messages_in(stack.output("ReportsDeadLettersUrl").unwrap(), "report-of-today").await.len(), 0);
}

/// The timeouts and limits in the emulator are those of the definitions.
#[tokio::test]
async fn queues_have_the_settings_of_the_definitions() {
    let (cloud, stack) = stack().await;
    let deployment = lamplighter_infra::deployment(&lamplighter_app::app()).unwrap();
    for queue in &deployment.queues {
        let output = |what: &str| stack.output(&format!("{}{what}", lamplighter_infra::logical_name(&queue.name)));
        let attributes = cloud.aws.queue_attributes(output("QueueUrl").unwrap()).await.unwrap();
        let timeout: u32 = attributes["VisibilityTimeout"].parse().unwrap();
        assert_eq!(timeout, queue.visibility_secs, "{}", queue.name);
        let redrive: Value = serde_json::from_str(&attributes["RedrivePolicy"]).unwrap();
        assert_eq!(redrive["maxReceiveCount"].to_string().trim_matches('"'), queue.max_receives.to_string());
        let dead = cloud.aws.queue_attributes(output("DeadLettersUrl").unwrap()).await.unwrap();
        assert_eq!(dead["QueueArn"], redrive["deadLetterTargetArn"], "{}", queue.name);
        assert_eq!(dead["MessageRetentionPeriod"], Duration::from_secs(14 * 86_400).as_secs().to_string());
    }
}

/// Requests without TLS are refused, regardless of permissions; `by` is the request's protocol.
#[tokio::test]
async fn requests_without_tls_are_refused() {
    let (cloud, stack) = stack().await;
    for output in ["WebhooksQueueUrl", "WebhooksDeadLettersUrl"] {
        let queue = stack.output(output).unwrap();
        let ask = async |by: &str| {
            let request = Request::post("/")
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-target", "AmazonSQS.GetQueueAttributes")
                .header("x-forwarded-proto", by)
                .body(json!({ "QueueUrl": queue, "AttributeNames": ["QueueArn"] }).to_string().into_bytes());
            cloud.aws.request_as_root("sqs", request.unwrap()).await
        };
        ask("https").await.unwrap();
        let refused = ask("http").await.unwrap_err().to_string();
        assert!(refused.contains("AccessDenied"), "{refused}");
    }
}

/// Lambda requires one executable file of that name at the archive's root, as `cargo lambda build` packs it.
#[test]
fn a_package_is_one_executable_bootstrap() {
    let archive = &package::bootstraps(&["webhooks"]).unwrap()["webhooks"];
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    assert_eq!(archive.file_names().map(|name| name.unwrap().into_owned()).collect::<Vec<_>>(), ["bootstrap"]);
    assert_eq!(archive.by_index(0).unwrap().unix_mode().map(|mode| mode & 0o777), Some(0o755));
}
