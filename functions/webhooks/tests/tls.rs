//! `webhook.deliver` over HTTPS. Certificate authorities are loaded from the machine, so the delivery runs in a process
//! of its own with one more authority: this test program again, with variables in its environment.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::net::SocketAddr;

use lamplighter::{host::MessageAction, testing::TestRun};
use lamplighter_fakes::{
    Authority,
    process::{printed, rerun},
};
use lamplighter_jobs::DeliverWebhook;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};
use webhooks::{Secrets, Settings, function_with};

/// The variable with the URL to deliver to.
const URL: &str = "WEBHOOKS_TEST_URL";

/// A receiver with a certificate for `localhost`, and the authority that signed it, as PEM.
async fn receiver() -> (SocketAddr, String) {
    let authority = Authority::new().unwrap();
    let acceptor = authority.acceptor().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate closes the connection here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| request[..read].starts_with(b"POST /hook HTTP/1.1\r\n"))
            {
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        }
    });
    (address, authority.pem())
}

/// Delivers in a process of its own, and returns its output.
async fn deliver(url: String, authorities: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authorities).unwrap();
    let mut process = Command::from(rerun("the_process_that_delivers").unwrap());
    process.env(URL, url).env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR").kill_on_drop(true);
    printed(process.output().await.unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "not a test of its own: the others run it"]
async fn the_process_that_delivers() {
    let Ok(url) = std::env::var(URL) else { return };
    let secrets = Secrets::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let settings = Settings { secrets, destinations: "127.0.0.1, ::1".parse().unwrap() };
    let job = DeliverWebhook {
        url: url.parse().unwrap(),
        event: "invoice.paid".into(),
        payload: Default::default(),
        secret: None,
    };
    let result = TestRun::of(function_with(settings)).run(&job).await;
    let outcome = match result.action {
        MessageAction::Ack => "delivered".to_owned(),
        MessageAction::Retry(_) => format!("again: {}", result.error.unwrap()),
        other => format!("{other:?}"),
    };
    println!("outcome: {outcome}");
}

#[tokio::test]
async fn a_receiver_with_a_good_certificate_is_trusted() {
    let (address, authority) = receiver().await;
    let printed = deliver(format!("https://localhost:{}/hook", address.port()), &authority).await;
    assert!(printed.contains("outcome: delivered"), "{printed}");
}

#[tokio::test]
async fn certificates_of_other_names_or_authorities_are_refused() {
    let (address, authority) = receiver().await;
    let printed = deliver(format!("https://127.0.0.1:{}/hook", address.port()), &authority).await;
    assert!(printed.contains("outcome: again: ") && printed.contains("not valid for name"), "{printed}");

    let (_, stranger) = receiver().await;
    let printed = deliver(format!("https://localhost:{}/hook", address.port()), &stranger).await;
    assert!(printed.contains("outcome: again: ") && printed.contains("invalid peer certificate"), "{printed}");
}

#[tokio::test]
async fn a_machine_without_authorities_is_reported() {
    let (address, _) = receiver().await;
    let printed = deliver(format!("https://localhost:{}/hook", address.port()), "").await;
    assert!(printed.contains("outcome: again: "), "{printed}");
    assert!(printed.contains("certificate"), "{printed}");
}
