//! More webhooks in one batch, each to a receiver of its own, than a process may have files and sockets. The limit
//! belongs to a process, so the batch runs in a process of its own: this test program again, with a variable in its
//! environment.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says so by failing")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode};
use lamplighter::{
    Function,
    backend::Backend,
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    testing::RecordingQueue,
};
use lamplighter_fakes::process::{printed, rerun_with_files};
use tokio::{net::TcpListener, process::Command, sync::watch, time::Instant};
use webhooks::{Secrets, Settings, function_with};

/// The variable with the port to deliver to.
const PORT: &str = "WEBHOOKS_TEST_PORT";
/// Files and sockets that the process may have.
const FILES: u32 = 512;
const ROUNDS: usize = 5;

#[tokio::test]
#[ignore = "not a test of its own: the other runs it"]
async fn the_process_that_delivers_many() {
    let Ok(port) = std::env::var(PORT) else { return };
    let secrets = Secrets::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let function = function_with(Settings { secrets, destinations: "127.0.0.0/8".parse().unwrap() });
    let worker =
        Worker::new(function, Backend::new(Arc::new(RecordingQueue::default())), Env::system(), "test", Stop::new());
    let batch: Vec<_> = (0..ROUNDS * Function::DEFAULT_CONCURRENCY)
        .map(|n| {
            // Each to a receiver of its own.
            let body = format!(
                r#"{{"job":"webhook.deliver","id":"w{n}","args":{{"url":"http://127.1.{}.{}:{port}/","event":"e","payload":{n}}}}}"#,
                n / 250,
                n % 250 + 1
            );
            Delivery::new("webhooks", n.to_string(), n.to_string(), body)
        })
        .collect();
    let settlements = worker.process(batch, Instant::now() + Duration::from_secs(300)).await;
    let delivered = settlements.iter().filter(|settlement| settlement.action == MessageAction::Ack).count();
    println!("delivered: {delivered} of {}", settlements.len());
}

#[tokio::test]
async fn a_batch_of_more_webhooks_than_files_is_delivered() {
    // Requests are answered only when as many wait as run concurrently: all of a round are open at the same time.
    let (waiting, (open, round)) = (Arc::new(AtomicUsize::new(0)), watch::channel(0));
    let open = Arc::new(open);
    let app = Router::new().fallback(move || {
        let (waiting, open, mut round) = (waiting.clone(), open.clone(), round.clone());
        async move {
            let mine = waiting.fetch_add(1, Ordering::SeqCst) / Function::DEFAULT_CONCURRENCY;
            if waiting.load(Ordering::SeqCst) == (mine + 1) * Function::DEFAULT_CONCURRENCY {
                open.send_modify(|done| *done = (*done).max(mine + 1));
            }
            let _ = round.wait_for(|done| *done > mine).await;
            StatusCode::NO_CONTENT
        }
    });
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut process = Command::from(rerun_with_files(FILES, "the_process_that_delivers_many").unwrap());
    let output = process.env(PORT, port.to_string()).kill_on_drop(true).output().await.unwrap();
    let printed = printed(output).unwrap();
    assert!(printed.contains("delivered: 1280 of 1280"), "{printed}");
}
