use std::{sync::mpsc, time::Duration};

use lamplighter::backend::StoreErrorKind;

use super::*;
use crate::{
    db::{
        connection::{self, Location},
        schema,
    },
    settings::Durability,
};

fn writer(limit: Duration) -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    schema::bring_up_to_date(&connection, &Location::Memory).unwrap();
    let patience = Some(Arc::new(Patience::new(limit).unwrap()));
    Writer::new(connection, Env::system(), Arc::new(Signals::new()), "jobs.db".into(), None, patience, None)
}

#[tokio::test]
async fn waits_for_a_silent_disk_end_and_their_requests_are_withdrawn() {
    let writer = writer(Duration::from_millis(50));
    let (answers, silent) = mpsc::channel::<()>();
    let hangs = writer.run(1, move |tx| {
        // Like a thread that waits for a disk: neither an error nor an answer.
        let _ = silent.recv();
        tx.queue("hung").map(drop)
    });
    let waits = writer.run(1, |tx| tx.queue("waited").map(drop));
    for outcome in [hangs.await, waits.await] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("the disk has not answered"), "{error}");
    }
    drop(answers);
    let names = writer.read(|connection| {
        connection.prepare("SELECT name FROM queues")?.query_map([], |row| row.get::<_, String>(0))?.collect()
    });
    let names: Vec<String> = names.await.unwrap();
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test]
async fn abandoned_requests_do_not_accumulate() {
    let writer = writer(Duration::from_millis(20));
    let (answers, silent) = mpsc::channel::<()>();
    let hangs = writer.run(1, move |_| Ok(silent.recv().is_ok()));
    assert!(hangs.await.is_err());
    for _ in 0..5 {
        assert!(writer.run(1, |_| Ok(())).await.is_err());
    }
    assert!(writer.0.pending().requests.is_empty());
    drop(answers);
    // On a busy machine, this one may reach its limit too.
    let mut tries = 0;
    while writer.run(1, |tx| tx.queue("after").map(drop)).await.is_err() {
        tries += 1;
        assert!(tries < 500, "the writer does not work again");
    }
}

#[tokio::test]
async fn a_failing_request_does_not_fail_others_of_its_transaction() {
    let writer = writer(Duration::from_secs(60));
    let bad = writer.begin(1, |tx| tx.connection.execute("INSERT INTO nowhere VALUES (1)", []));
    let good = writer.begin(1, |tx| tx.queue("good").map(drop));
    assert!(bad.get().await.is_err());
    good.get().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_all_requests_until_there_is_space_again() {
    let writer = writer(Duration::from_secs(60));
    let grow = |name: &'static str| writer.run(1, move |tx| tx.queue(&name.repeat(100_000)).map(drop));
    let limit = |pages: i64| {
        writer.read(move |connection| {
            connection.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        })
    };
    limit(1).await.unwrap();
    let (one, two) = tokio::join!(grow("a"), grow("b"));
    for outcome in [one, two] {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("the disk is full"), "{error}");
    }
    assert!(writer.0.core().trouble.is_some());
    limit(1 << 20).await.unwrap();
    assert!(writer.0.core().trouble.is_some(), "what writes nothing proves nothing");
    grow("c").await.unwrap();
    assert!(writer.0.core().trouble.is_none());
}

#[tokio::test]
async fn numbers_of_rows_grow_over_all_writers_of_a_file_and_after_rollbacks() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::file(&folder.path().join("jobs.db")).unwrap();
    let open = || {
        let (connection, _) = connection::writer(&location, Durability::Normal).unwrap();
        Writer::new(connection, Env::system(), Arc::new(Signals::new()), "jobs.db".into(), None, None, None)
    };
    let (one, two) = (open(), open());
    let next = |writer: &Writer| writer.begin(1, |tx| tx.next()).get();
    let mut last = 0;
    for step in 0..400 {
        let writer = if step % 3 == 0 { &two } else { &one };
        let failed =
            writer.run(1, |tx| tx.next().and_then(|_| tx.connection.execute("INSERT INTO nowhere VALUES (1)", [])));
        if step % 50 == 49 {
            assert!(failed.await.is_err());
        }
        let number = next(writer).await.unwrap();
        assert!(number > last, "{number} after {last}");
        last = number;
    }
    // Alone, a writer leaves no gaps.
    let first = next(&one).await.unwrap();
    for number in first + 1..first + 300 {
        assert_eq!(next(&one).await.unwrap(), number);
    }
}
