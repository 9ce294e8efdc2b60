//! `webhook.deliver` against real receivers on this machine.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use lamplighter::{
    RawValue,
    backend::{DeadLetterReason, StoreError, StoreErrorKind},
    env::Env,
    host::{JobResult, MessageAction},
    testing::TestRun,
};
use lamplighter_aws::SecretArn;
use lamplighter_jobs::DeliverWebhook;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use webhooks::{Secrets, Settings, Vault, function_with};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that gives every request the same answer, and the requests it has seen.
async fn receiver<A: IntoResponse + Clone + Send + Sync + 'static>(answer: A) -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let app = Router::new()
        .fallback(move |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| async move {
            seen.lock().unwrap().push((headers, body));
            answer
        })
        .with_state(seen.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, seen)
}

fn settings() -> Settings {
    Settings { secrets: Secrets::new(SECRET).unwrap(), destinations: "127.0.0.1".parse().unwrap() }
}

fn job(url: impl AsRef<str>) -> DeliverWebhook {
    DeliverWebhook {
        url: url.as_ref().parse().unwrap(),
        event: "invoice.paid".into(),
        payload: raw(r#"{"invoice":42}"#),
        secret: None,
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.into()).unwrap()
}

async fn deliver(to: SocketAddr) -> JobResult {
    TestRun::of(function_with(settings())).run(&job(format!("http://{to}/hook?token=hidden"))).await
}

fn error(result: &JobResult) -> String {
    result.error.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn failed_for_good(result: &JobResult) -> bool {
    matches!(&result.action, MessageAction::DeadLetter(cause) if cause.reason == DeadLetterReason::Failed)
}

fn verifies(secret: &str, (headers, body): &(HeaderMap, Bytes)) -> bool {
    standardwebhooks::Webhook::new(secret).unwrap().verify(body, headers).is_ok()
}

#[tokio::test]
async fn a_receiver_can_verify_what_it_gets() {
    let (address, seen) = receiver(StatusCode::ACCEPTED).await;
    let result = TestRun::of(function_with(settings()))
        .id("order-42")
        .enqueued_at("2026-11-23T12:00:00Z".parse().unwrap())
        .run(&job(format!("http://{address}/hook")))
        .await;
    assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
    let output: Value = serde_json::from_str(result.output.unwrap().get()).unwrap();
    assert_eq!(output["status"], 202);
    assert!(output["ms"].is_u64());

    let seen = seen.lock().unwrap();
    let [request] = &**seen else { panic!("one request, not {}", seen.len()) };
    assert!(verifies(SECRET, request) && !verifies(NEXT_SECRET, request));
    let (headers, body) = request;
    assert_eq!(headers["webhook-id"], "order-42");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["user-agent"].to_str().unwrap().starts_with("Lamplighter/"));
    assert_eq!(
        std::str::from_utf8(body).unwrap(),
        r#"{"type":"invoice.paid","timestamp":"2026-11-23T12:00:00Z","data":{"invoice":42}}"#
    );
}

#[tokio::test]
async fn a_payload_arrives_byte_for_byte() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for payload in [
        "123456789012345678901",
        "19.90",
        "1e400",
        "-0",
        r#"{"z":1,"a":2,"z":3, "\u00e9":"<b>\/"}"#,
        r#""\ud800""#,
        "null",
        &deep,
    ] {
        let args = format!(r#"{{"url":"http://{address}/","event":"e","payload":{payload}}}"#);
        let run = TestRun::of(function_with(settings())).enqueued_at("2026-11-23T12:00:00Z".parse().unwrap());
        let result = run.run_raw("webhook.deliver", raw(&args)).await;
        assert_eq!(result.action, MessageAction::Ack, "{payload}: {}", error(&result));
        let seen = seen.lock().unwrap().pop().unwrap();
        assert!(verifies(SECRET, &seen));
        let body = format!(r#"{{"type":"e","timestamp":"2026-11-23T12:00:00Z","data":{payload}}}"#);
        assert_eq!(std::str::from_utf8(&seen.1).unwrap(), body);
    }
}

#[tokio::test]
async fn a_2xx_with_many_or_odd_headers_is_delivered() {
    let many: String = (0..5000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    for headers in [&*many, "no colon\r\n", "folded: a\r\n b\r\n", "spaced : a\r\n", "bad: \x01\r\n", "\u{fc}ml: a\r\n"]
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The request comes first: an answer before it would be invalid.
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read(&mut request).await;
        });
        let result = deliver(address).await;
        let shown: String = headers.chars().take(20).collect();
        assert_eq!(result.action, MessageAction::Ack, "{shown:?}: {}", error(&result));
    }
}

/// Keeps two secrets, one of which may not be read.
#[derive(Debug)]
struct Service;

#[async_trait::async_trait]
impl Vault for Service {
    async fn read(&self, arn: &SecretArn) -> Result<String, StoreError> {
        match arn.name() {
            "default" => Ok(format!("{NEXT_SECRET} {SECRET}")),
            "silent" => std::future::pending().await,
            _ => Err(StoreError::new(StoreErrorKind::Denied, "the role may not")),
        }
    }
}

fn kept() -> Settings {
    let arns = ["default", "silent", "denied"]
        .map(|name| format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:webhooks/{name}-AbCdEf"));
    let secrets = Secrets::kept_in(Arc::new(Service)).with_arns(&arns.join(",")).unwrap();
    Settings { secrets, ..settings() }
}

#[tokio::test]
async fn secrets_from_a_service_sign() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let result = TestRun::of(function_with(kept())).run(&job(format!("http://{address}"))).await;
    assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
    let seen = seen.lock().unwrap();
    assert!(verifies(SECRET, &seen[0]) && verifies(NEXT_SECRET, &seen[0]));
}

#[tokio::test(start_paused = true)]
async fn jobs_with_unreadable_secrets_are_released() {
    for name in ["silent", "denied"] {
        // At its last attempt, a job that failed would be dead-lettered.
        let mut job = job("http://127.0.0.1:9/");
        job.secret = Some(name.into());
        let result = TestRun::of(function_with(kept())).receive_count(15).run(&job).await;
        assert_eq!(result.action, MessageAction::Retry(Duration::from_secs(60)), "{name}");
        assert_eq!(result.state, Some(lamplighter::JobState::Queued), "{name}: uncounted");
    }
}

#[tokio::test]
async fn while_rotating_both_secrets_verify() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let secrets = Secrets::new(SECRET).unwrap().with("shop", &format!("{NEXT_SECRET} {SECRET}")).unwrap();
    let mut job = job(format!("http://{address}"));
    job.secret = Some("shop".into());
    let result = TestRun::of(function_with(Settings { secrets, ..settings() })).run(&job).await;
    assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
    let seen = seen.lock().unwrap();
    assert!(verifies(SECRET, &seen[0]) && verifies(NEXT_SECRET, &seen[0]));
}

#[tokio::test]
async fn statuses_decide_between_failure_and_retry() {
    for status in [400, 401, 403, 404, 410, 422, 451] {
        let (address, _) = receiver(StatusCode::from_u16(status).unwrap()).await;
        let result = deliver(address).await;
        assert!(failed_for_good(&result), "{status}: {:?}", result.action);
        assert!(error(&result).contains(&status.to_string()));
    }
    for status in [300, 304, 408, 409, 425, 429, 500, 502, 503, 504] {
        let (address, _) = receiver(StatusCode::from_u16(status).unwrap()).await;
        let result = deliver(address).await;
        assert!(matches!(result.action, MessageAction::Retry(_)), "{status}: {:?}", result.action);
    }
}

#[tokio::test]
async fn receivers_cannot_shorten_the_policys_delay() {
    let env = || Env::driven("2026-11-23T12:00:00Z".parse().unwrap(), 7);
    let past = httpdate::fmt_http_date(std::time::SystemTime::now() - Duration::from_secs(900));
    let mut delays = Vec::new();
    for value in [None, Some("0"), Some("1"), Some(past.as_str())] {
        let headers: Vec<_> = value.iter().map(|value| ("retry-after", value.to_string())).collect();
        let headers: HeaderMap =
            headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let (address, _) = receiver((StatusCode::SERVICE_UNAVAILABLE, headers)).await;
        // At the tenth attempt the policy waits for up to 43 minutes.
        let run = TestRun::of(function_with(settings())).env(env()).receive_count(10);
        match run.run(&job(format!("http://{address}"))).await.action {
            MessageAction::Retry(delay) => delays.push(delay),
            other => panic!("{value:?}: {other:?}"),
        }
    }
    assert!(delays[0] > Duration::from_secs(60), "{delays:?}");
    assert!(delays.iter().all(|delay| *delay == delays[0]), "{delays:?}");
}

#[tokio::test]
async fn retry_after_is_honoured_within_bounds() {
    for (value, delay) in [("7", 7), ("3600", 3600), ("1000000", 6 * 3600)] {
        let (address, _) = receiver((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", value)])).await;
        assert_eq!(deliver(address).await.action, MessageAction::Retry(Duration::from_secs(delay)), "{value}");
    }
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(900));
    let (address, _) = receiver((StatusCode::TOO_MANY_REQUESTS, [("retry-after", date)])).await;
    let MessageAction::Retry(delay) = deliver(address).await.action else { panic!("not tried again") };
    assert!((880..=900).contains(&delay.as_secs()), "{delay:?}");
    // Where it cannot be read, the policy decides: at most five seconds after the first attempt.
    let (address, _) = receiver((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "soon")])).await;
    assert!(matches!(deliver(address).await.action, MessageAction::Retry(delay) if delay <= Duration::from_secs(5)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (target, reached) = receiver(StatusCode::OK).await;
    for (status, last) in [(301, true), (308, true), (302, false), (303, false), (307, false)] {
        let status = StatusCode::from_u16(status).unwrap();
        let (address, _) = receiver((status, [("location", format!("http://{target}/new?token=hidden"))])).await;
        let result = deliver(address).await;
        assert_eq!(failed_for_good(&result), last, "{status}: {:?}", result.action);
        assert!(error(&result).contains(&format!("leads to http://{target}")), "{}", error(&result));
        assert!(!error(&result).contains("hidden"), "{}", error(&result));
    }
    assert!(reached.lock().unwrap().is_empty());
}

#[tokio::test]
async fn errors_quote_the_answer_briefly_and_hide_the_path() {
    let (address, _) = receiver((StatusCode::BAD_REQUEST, format!("no such\n tenant {}", "x".repeat(100_000)))).await;
    let text = error(&deliver(address).await);
    assert!(text.starts_with(&format!("http://{address} answered 400 Bad Request: no such tenant xxx")), "{text}");
    assert!(text.len() < 500 && !text.contains("hidden") && !text.contains("/hook"), "{text}");
}

#[tokio::test]
async fn an_endless_body_does_not_delay_a_success() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        while stream.write_all(b"1000\r\n").await.is_ok() {
            let sent = stream.write_all(&[b'x'; 0x1000]).await.and(stream.write_all(b"\r\n").await);
            if sent.is_err() {
                return;
            }
        }
    });
    assert_eq!(deliver(address).await.action, MessageAction::Ack);
}

#[tokio::test]
async fn an_unreachable_receiver_is_tried_again() {
    // Bound, so that no other process listens there.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    let result = deliver(address).await;
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}", result.action);
    let text = error(&result);
    assert!(text.starts_with(&format!("no answer from http://{address}: ")), "{text}");
    assert!(text.contains("refused") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn invalid_answers_are_tried_again() {
    for answer in [&b""[..], b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-le"] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        let result = deliver(address).await;
        assert!(matches!(result.action, MessageAction::Retry(_)), "{answer:?}: {:?}", result.action);
    }
}

#[tokio::test]
async fn https_to_a_receiver_without_tls_is_tried_again() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let result = TestRun::of(function_with(settings())).run(&job(format!("https://{address}"))).await;
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}", result.action);
    assert!(seen.lock().unwrap().is_empty());
}

/// The clock is paused, so the 25 seconds pass as soon as nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn silent_receivers_are_given_up_before_the_job_times_out() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let started = tokio::time::Instant::now();
    let result = deliver(address).await;
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}", result.action);
    assert!(error(&result).contains("no answer from"), "{}", error(&result));
}

#[tokio::test]
async fn private_destinations_are_refused_by_address_and_by_name() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let port = address.port();
    let public_only = Settings { destinations: Default::default(), ..settings() };
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let result = TestRun::of(function_with(public_only.clone())).run(&job(format!("http://{host}:{port}/"))).await;
        assert!(failed_for_good(&result), "{host}: {:?}: {}", result.action, error(&result));
        assert!(error(&result).contains("LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE"), "{}", error(&result));
    }
    assert!(seen.lock().unwrap().is_empty(), "a private receiver was reached");

    let by_name = Settings { destinations: "localhost".parse().unwrap(), ..settings() };
    // If the machine's resolver returns ::1 first, the receiver on 127.0.0.1 is tried next.
    let result = TestRun::of(function_with(by_name)).run(&job(format!("http://localhost:{port}/"))).await;
    assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
}

#[tokio::test]
async fn invalid_urls_are_refused() {
    for url in ["ftp://example.com/", "https://user:secret@example.com/", "data:text/plain,hello"] {
        let result = TestRun::of(function_with(settings())).run(&job(url)).await;
        assert!(failed_for_good(&result), "{url}: {:?}", result.action);
        assert!(!error(&result).contains("user:secret"), "{}", error(&result));
    }
}

#[tokio::test]
async fn jobs_with_a_missing_secret_are_tried_again() {
    let (address, seen) = receiver(StatusCode::OK).await;
    let none = Settings { secrets: Secrets::default(), ..settings() };
    let result = TestRun::of(function_with(none)).run(&job(format!("http://{address}"))).await;
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}", result.action);
    assert!(error(&result).contains("LAMPLIGHTER_WEBHOOK_SECRET"), "{}", error(&result));
    let mut other = job(format!("http://{address}"));
    other.secret = Some("unknown".into());
    let result = TestRun::of(function_with(settings())).run(&other).await;
    assert!(error(&result).starts_with("there is no secret \"[redacted]\" to sign with"), "{}", error(&result));
    assert!(seen.lock().unwrap().is_empty(), "sent without a signature");
}

#[tokio::test]
async fn the_function_has_no_problems() {
    assert_eq!(function_with(settings()).problems(), Vec::<String>::new());
    assert_eq!(webhooks::function().problems(), Vec::<String>::new());
    assert!(webhooks::is_public(IpAddr::from([1, 1, 1, 1])));
}
