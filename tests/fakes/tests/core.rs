//! The core of every fake: the recorded calls, and each fault.
#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use lamplighter_fakes::{
    Authority, Endpoint, FakeDeployment, FakeSchedules, FakeSqs, Fault, Gate, Service, Sqs, StatusCode,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

/// A request as an SDK signs it.
fn request(service: &str, method: &str, address: &str, headers: &[(&str, &str)], body: String) -> Request<Full<Bytes>> {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20261101/eu-west-1/{service}/aws4_request, Signature=0");
    let request = Request::builder().method(method).uri(address).header("host", "here").header("authorization", scope);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::new(body.into())).unwrap()
}

fn send_one(body: &str) -> Request<Full<Bytes>> {
    let batch = json!({
        "QueueUrl": "http://here/123456789012/work",
        "Entries": [{ "Id": "0", "MessageBody": body }, { "Id": "1", "MessageBody": "second" }],
    });
    request("sqs", "POST", "/", &[("x-amz-target", "AmazonSQS.SendMessageBatch")], batch.to_string())
}

/// Sends a request on a connection of its own.
async fn send<S: Service>(to: &Endpoint<S>, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, String)> {
    exchange(to.address(), request).await
}

async fn exchange(to: SocketAddr, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, String)> {
    over(TcpStream::connect(to).await.unwrap(), request).await
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> hyper::Result<(StatusCode, String)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok((head.status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn sent(to: &FakeSqs) -> (StatusCode, Value) {
    let (status, body) = send(to, send_one("first")).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn calls_in_every_protocol_are_recorded_in_order() {
    let fake = FakeDeployment::start().await.unwrap();
    send(&fake, send_one("first")).await.unwrap();
    let form = "Action=DescribeStacks&StackName=shop&Arn=arn%3Aaws".to_owned();
    let (status, stack) = send(&fake, request("cloudformation", "POST", "/", &[], form)).await.unwrap();
    assert!(status.is_success() && stack.contains("<StackStatus>CREATE_COMPLETE</StackStatus>"), "{stack}");
    let mappings = "/2015-03-31/event-source-mappings";
    let update = request("lambda", "PUT", &format!("{mappings}/mapping-work"), &[], r#"{"Enabled":false}"#.into());
    send(&fake, update).await.unwrap();
    let list = format!("{mappings}?EventSourceArn=arn%3Aaws%3Asqs");
    send(&fake, request("lambda", "GET", &list, &[], String::new())).await.unwrap();

    let calls = fake.calls();
    let of = |at: usize| (&*calls[at].service, &*calls[at].region, &*calls[at].action);
    assert_eq!(of(0), ("sqs", "eu-west-1", "SendMessageBatch"));
    assert_eq!(calls[0].body["Entries"][1]["MessageBody"], "second");
    assert_eq!(of(1), ("cloudformation", "eu-west-1", "DescribeStacks"));
    assert_eq!((&calls[1].body["StackName"], &calls[1].body["Arn"]), (&json!("shop"), &json!("arn:aws")));
    assert_eq!(of(2), ("lambda", "eu-west-1", "UpdateEventSourceMapping"));
    assert_eq!(calls[2].body, json!({ "UUID": "mapping-work", "Enabled": false }));
    assert_eq!(of(3), ("lambda", "eu-west-1", "ListEventSourceMappings"));
    assert_eq!(calls[3].body["EventSourceArn"], "arn:aws:sqs");
    assert_eq!((calls.len(), fake.connections()), (4, 4));
    assert_eq!(fake.bodies("ListEventSourceMappings"), [calls[3].body.clone()]);
    assert_eq!((fake.take_calls().len(), fake.calls().len()), (4, 0));
}

#[tokio::test]
async fn a_refusal_does_nothing_and_applies_to_one_call() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Refused(403, "AccessDenied", "not yours"));
    let (status, body) = sent(&fake).await;
    assert_eq!(
        (status, &body["__type"], &body["message"]),
        (StatusCode::FORBIDDEN, &json!("AccessDenied"), &json!("not yours"))
    );
    assert_eq!(fake.messages("work"), [""; 0]);
    assert_eq!(sent(&fake).await.0, StatusCode::OK);
    assert_eq!(fake.messages("work"), ["first", "second"]);
    assert_eq!(fake.calls().iter().filter(|call| call.fault.is_some()).count(), 1);
}

#[tokio::test]
async fn a_refusal_uses_the_protocol_of_its_call() {
    let fake = FakeDeployment::start().await.unwrap();
    fake.fail("DescribeStacks", Fault::THROTTLED);
    let form = "Action=DescribeStacks&StackName=shop".to_owned();
    let (status, body) = send(&fake, request("cloudformation", "POST", "/", &[], form)).await.unwrap();
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("<Code>ThrottlingException</Code>"), "{body}");
}

#[tokio::test]
async fn entries_of_a_batch_fail_separately() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Entries(vec![1], true));
    let (status, body) = sent(&fake).await;
    assert_eq!((status, &body["Successful"][0]["Id"]), (StatusCode::OK, &json!("0")));
    assert_eq!((&body["Failed"][0]["Id"], &body["Failed"][0]["SenderFault"]), (&json!("1"), &json!(true)));
    assert_eq!(fake.messages("work"), ["first"]);
}

#[tokio::test]
async fn a_dropped_connection_has_done_nothing() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Dropped);
    let error = send(&fake, send_one("first")).await.unwrap_err();
    assert!(error.is_incomplete_message(), "{error:?}");
    assert_eq!((fake.calls().len(), fake.messages("work").len()), (1, 0));
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_done() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::AnswerLost);
    assert_eq!(sent(&fake).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(fake.messages("work"), ["first", "second"]);
}

#[tokio::test]
async fn an_answer_is_held_until_the_gate_opens() {
    let fake = FakeSqs::start().await.unwrap();
    let gate = Gate::new();
    fake.fail("SendMessageBatch", Fault::Held(gate.clone()));
    let held = tokio::spawn(exchange(fake.address(), send_one("held")));
    fake.called(1).await;
    // Calls that arrive meanwhile are answered.
    assert_eq!(sent(&fake).await.0, StatusCode::OK);
    assert!(!held.is_finished());
    assert!(fake.messages("work").contains(&"held".to_owned()), "it is done all the same");
    gate.open();
    assert_eq!(held.await.unwrap().unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn silence_lasts_until_the_endpoint_stops() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Silence);
    let silent = tokio::spawn(exchange(fake.address(), send_one("silent")));
    fake.called(1).await;
    assert_eq!(sent(&fake).await.0, StatusCode::OK);
    assert!(!silent.is_finished());
    assert_eq!(fake.messages("work"), ["first", "second"]);
    drop(fake);
    assert!(silent.await.unwrap().is_err());
}

#[tokio::test]
async fn a_rule_makes_calls_fail_until_it_is_removed() {
    let fake = FakeSchedules::start().await.unwrap();
    let get = || request("scheduler", "GET", "/schedules/nightly?groupName=shop", &[], String::new());
    fake.deploy_schedule("nightly", json!({ "Name": "nightly" }));
    fake.fail_when(|call| (call.service == "scheduler").then_some(Fault::AWAY));
    // A fault for one call takes precedence.
    fake.fail("GetSchedule", Fault::EXPIRED);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(send(&fake, get()).await.unwrap().0.as_u16());
    }
    fake.stop_failing();
    statuses.push(send(&fake, get()).await.unwrap().0.as_u16());
    assert_eq!(statuses, [400, 500, 500, 200]);
}

#[tokio::test]
async fn behind_tls_only_a_finished_handshake_is_a_connection() {
    let authority = Authority::new().unwrap();
    let fake = Endpoint::with_tls(Sqs::default(), &authority).await.unwrap();
    assert_eq!(fake.endpoint(), format!("https://localhost:{}", fake.address().port()));
    // A client that does not speak TLS gets no answer.
    assert!(send(&fake, send_one("plain")).await.is_err());
    assert_eq!((fake.connections(), fake.calls()), (0, vec![]));

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(fake.address()).await.unwrap();
    let stream = tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(over(stream, send_one("first")).await.unwrap().0, StatusCode::OK);
    assert_eq!((fake.connections(), fake.messages("work").len()), (1, 2));
}
