//! `csv.import` on the embedded engine: what it makes of CSV, and that interruptions change nothing.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use imports::{BadRow, Problem, Report, Settings, function_with};
use lamplighter::{
    Enqueued, JobState,
    host::{MessageAction, Stop},
    secs,
    testing::TestRun,
};
use lamplighter_jobs::imports::{ColumnType, ConvertRows, CsvColumn, CsvSource, ImportCsv, RowRange};
use lamplighter_objects::Objects;
use support::{BATCH, Hooked, Place, When, id, key};
use tokio::sync::Notify;

/// A CSV of so many rows, some of them with line breaks and some of them bad.
fn many(rows: usize) -> String {
    let row = |n: usize| match n % 50 {
        7 => format!("{n},\"of several\nlines, and \"\"quoted\"\"\"\r\n"),
        9 => format!("{n},too,many\r\n"),
        11 => format!("{n}x,bad\r\n"),
        _ => format!("{n},row {n}\r\n"),
    };
    std::iter::once("\u{feff}n,text\r\n".to_owned()).chain((0..rows).map(row)).collect()
}

/// In ranges of a kilobyte.
fn in_many_ranges() -> ImportCsv {
    ImportCsv::of("a.csv").required("n", ColumnType::Integer).range_bytes(1024)
}

fn bad(line: u64, column: Option<&str>, reason: Problem) -> BadRow {
    BadRow { line, column: column.map(Into::into), reason, columns: None }
}

#[tokio::test]
async fn rows_are_converted_and_bad_ones_reported() {
    let text = "\u{feff}id,name,born,height,alive\r\n\
                1,\"Ada \"\"L\"\"\",1815-12-10,1.65,no\r\n\
                \r\n\
                2,\"two\nlines\",,,\r\n\
                x,Bob,10.12.1815,tall,no\r\n\
                3,Cy,1900-01-01\r\n\
                4,Dee,1900-01-01,1e0,TRUE";
    let job = ImportCsv::of("a.csv")
        .required("id", ColumnType::Integer)
        .column("born", ColumnType::Date)
        .column("height", ColumnType::Number)
        .column("alive", ColumnType::Boolean);
    let place = Place::with(text).await;
    let report = place.import(&job).await;
    assert_eq!(
        place.rows().await,
        concat!(
            r#"{"id":1,"name":"Ada \"L\"","born":"1815-12-10","height":1.65,"alive":false}"#,
            "\n",
            r#"{"id":2,"name":"two\nlines","born":null,"height":null,"alive":null}"#,
            "\n",
            r#"{"id":4,"name":"Dee","born":"1900-01-01","height":1e0,"alive":true}"#,
            "\n"
        )
    );
    let count = BadRow { columns: Some(3), ..bad(7, None, Problem::ColumnCount) };
    let problem = |column: &str, problem| (column.to_owned(), BTreeMap::from([(problem, 1)]));
    let wanted = Report {
        source: "a.csv".into(),
        bytes: text.len() as u64,
        state: Some(JobState::Succeeded),
        complete: true,
        ranges: 1,
        rows: 5,
        good: 3,
        bad: 2,
        columns: BTreeMap::from([
            problem("id", Problem::Integer),
            problem("born", Problem::Date),
            problem("height", Problem::Number),
        ]),
        bad_rows: vec![bad(6, Some("id"), Problem::Integer), count],
        outputs: vec!["imports/posts/rows/000000.ndjson".into()],
        output_bytes: place.rows().await.len() as u64,
        ..Report::default()
    };
    assert_eq!(report, wanted);
    let output = place.only("csv.report").await.output.unwrap();
    let wanted = r#"{"report":"imports/posts/report.json","complete":true,"rows":5,"good":3,"bad":2}"#;
    assert_eq!(output.get(), wanted);
    let output = place.only("csv.import").await.output.unwrap();
    assert_eq!(output.get(), format!(r#"{{"batch":"{BATCH}","folder":"imports/posts","bytes":{}}}"#, text.len()));
}

#[tokio::test]
async fn no_value_is_in_a_record_or_a_report() {
    let text = "id,name\nsecret-1,a\nsecret-2\n\"secret-3,\n";
    let place = Place::with(text).await;
    place.import(&ImportCsv::of("a.csv").required("id", ColumnType::Integer)).await;
    for job in ["csv.import", "csv.split", "csv.rows", "csv.report"] {
        for record in place.records(job).await {
            assert!(!format!("{record:?}").contains("secret"), "{record:?}");
        }
    }
    let report = place.objects.get(&key("imports/posts/report.json"), 1 << 20).await.unwrap();
    assert!(!String::from_utf8_lossy(&report).contains("secret"));
    assert!(place.results().await.values().all(|result| !result.contains("secret")));
}

#[tokio::test]
async fn empty_ones_and_headers_alone_have_no_rows() {
    for text in ["", "\u{feff}", "\r\n\r\n", "a,b", "a,b\r\n", "a,b\r\n\r\n"] {
        let place = Place::with(text).await;
        let report = place.import(&ImportCsv::of("a.csv")).await;
        assert_eq!((report.complete, report.ranges, report.rows), (true, 0, 0), "{text:?}");
        assert_eq!((report.state, &report.outputs[..]), (Some(JobState::Succeeded), &[][..]), "{text:?}");
    }
}

#[tokio::test]
async fn other_delimiters_and_csv_without_a_header_are_read() {
    let place = Place::with("1;\"a;b\"\n2;c\n").await;
    let job = ImportCsv { delimiter: ';', header: false, ..ImportCsv::of("a.csv") };
    assert_eq!(place.import(&job).await.rows, 2);
    assert_eq!(
        place.rows().await,
        "{\"column_1\":\"1\",\"column_2\":\"a;b\"}\n{\"column_1\":\"2\",\"column_2\":\"c\"}\n"
    );
    let place = Place::with("1\ta\n").await;
    let job = ImportCsv { delimiter: '\t', header: false, ..ImportCsv::of("a.csv") };
    place.import(&job.column("n", ColumnType::Integer).column("t", ColumnType::Text)).await;
    assert_eq!(place.rows().await, "{\"n\":1,\"t\":\"a\"}\n");
}

#[tokio::test]
async fn a_csv_in_many_ranges_gives_the_rows_of_one() {
    let text = many(2000);
    let (one, other) = (Place::with(text.clone()).await, Place::with(text).await);
    let whole = one.import(&ImportCsv { range_bytes: 1 << 30, ..in_many_ranges() }).await;
    let parts = other.import(&in_many_ranges()).await;
    assert_eq!((whole.ranges, whole.rows, whole.good, whole.bad), (1, 2000, 1920, 80));
    assert!(parts.ranges > 15, "{}", parts.ranges);
    assert_eq!((parts.rows, parts.good, parts.bad), (2000, 1920, 80));
    assert_eq!(parts.bad_rows, whole.bad_rows);
    assert_eq!(parts.columns, whole.columns);
    assert_eq!(other.rows().await, one.rows().await);
    // The split, and each range.
    assert_eq!((other.batch().await.total, other.batch().await.succeeded), (parts.ranges + 1, parts.ranges + 1));
}

#[tokio::test]
async fn bad_rows_beyond_the_limits_are_counted() {
    let mut place = Place::with(many(2000)).await;
    (place.limits.bad_rows_of_range, place.limits.bad_rows) = (1, 10);
    let report = place.import(&in_many_ranges()).await;
    assert_eq!((report.bad, report.bad_rows.len(), report.more_bad_rows), (80, 10, 70));
    assert!(report.bad_rows.is_sorted_by_key(|row| row.line));
}

/// A large CSV has no more ranges than a report can read, and no more batches than a record can hold.
#[tokio::test]
async fn many_ranges_share_batches_and_are_enlarged() {
    let mut place = Place::with(many(2000)).await;
    place.limits.ranges = 10;
    let report = place.import(&in_many_ranges()).await;
    assert!((5..=10).contains(&report.ranges), "{}", report.ranges);
    assert_eq!((report.rows, report.complete), (2000, true));
}

/// Its name, its bytes, the numbers of good and of bad rows, and the first bad one.
type HostileCsv = (&'static str, Vec<u8>, (u64, u64), Option<(u64, Problem)>);

#[tokio::test]
async fn hostile_csv_is_imported_or_refused_in_time() {
    let wide = format!("a,b\n{}\n1,2\n", ",".repeat(1_000_000));
    let long = format!("a,b\n1,{}\n1,2\n", "x".repeat(3 << 20));
    let open = format!("a,b\n1,2\n\"{}", "x\n".repeat(1 << 20));
    let cases: [HostileCsv; 8] = [
        ("NULs", b"a,b\n\0,\0\0\n\0\n".to_vec(), (1, 1), Some((3, Problem::ColumnCount))),
        ("bytes that are not UTF-8", b"a,b\n1,\xff\n\xc3,\xa9\n1,2\n".to_vec(), (1, 2), Some((2, Problem::Utf8))),
        ("a million columns", wide.into_bytes(), (1, 1), Some((2, Problem::TooManyColumns))),
        ("a row of megabytes", long.into_bytes(), (1, 1), Some((2, Problem::TooLarge))),
        ("a quote that never closes", open.into_bytes(), (1, 1), Some((3, Problem::Unclosed))),
        ("quotes everywhere", b"a,b\n\"\"\"\"\"\",\"\n\"\n\"\"\"\n".to_vec(), (1, 1), Some((4, Problem::Unclosed))),
        ("a mark in the middle", "a,b\n\u{feff}\"1,2\n".into(), (1, 0), None),
        ("carriage returns", b"a,b\r1,2\r\r3,4".to_vec(), (2, 0), None),
    ];
    for (name, text, (good, bad), first) in cases {
        let mut place = Place::with(text).await;
        place.limits.window = 1 << 20;
        let report = place.import(&ImportCsv::of("a.csv").range_bytes(1024)).await;
        assert_eq!((report.good, report.bad, report.complete), (good, bad, true), "{name}: {report:?}");
        let found = report.bad_rows.first().map(|row| (row.line, row.reason));
        assert_eq!(found, first, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_imported_fails_for_good_and_says_why() {
    let named = |name: &str| ImportCsv::of("a.csv").column(name, ColumnType::Text);
    let of = || ImportCsv::of("a.csv");
    let large = format!("{},b\n", "x".repeat(2 << 20));
    let secret = "secret-name";
    for (text, job, says) in [
        ("", ImportCsv::of("missing.csv"), "there is no object memory:///missing.csv"),
        ("", ImportCsv::of("../a.csv"), "cannot name an object"),
        ("", ImportCsv { folder: "/".into(), ..of() }, "cannot name an object"),
        ("a,b", ImportCsv { delimiter: '"', ..of() }, "\"delimiter\" is"),
        ("a,b", ImportCsv { delimiter: '\n', ..of() }, "\"delimiter\" is"),
        ("a,b", ImportCsv { delimiter: 'é', ..of() }, "\"delimiter\" is"),
        ("a,b", ImportCsv { range_bytes: 1, ..of() }, "\"range_bytes\" is"),
        ("a,b", ImportCsv { range_bytes: u64::MAX, ..of() }, "\"range_bytes\" is"),
        ("a,b", named("").column("b", ColumnType::Text), "\"columns\" has"),
        ("a,b", named("b").column("b", ColumnType::Text), "\"columns\" has"),
        ("a,b", named(secret), "number 1 of \"columns\" names no column of the header"),
        ("secret-name,secret-name", of(), "columns 1 and 2 have the same name"),
        (
            "secret-name\"\"\n\"b",
            ImportCsv { header: false, ..named(secret).column("c", ColumnType::Text) },
            "names 2 columns",
        ),
        ("\"secret-name\n1,2\n", of(), "a quotation mark is never closed"),
        (&large, of(), "no first row that can be read"),
    ] {
        let place = Place::with(text).await;
        let result = TestRun::of(place.function()).run(&job).await;
        assert!(matches!(result.action, MessageAction::DeadLetter(_)), "{job:?}: {:?}", result.action);
        let error = result.error.unwrap().to_string();
        assert!(error.contains(says) && !error.contains(secret), "{job:?}: {error}");
    }
}

#[tokio::test]
async fn an_id_too_long_for_those_of_its_batches_is_refused() {
    let place = Place::with("a,b\n").await;
    for (length, refused) in [(112, false), (113, true)] {
        let run = TestRun::of(place.function()).id("x".repeat(length));
        let error = run.run(&ImportCsv::of("a.csv")).await.error.unwrap().to_string();
        assert_eq!(error.contains("at most 112 characters"), refused, "{length}: {error}");
    }
}

#[tokio::test]
async fn without_records_an_import_fails_for_good() {
    let place = Place::with("a,b\n").await;
    let result = TestRun::of(place.function()).run(&ImportCsv::of("a.csv")).await;
    let error = result.error.unwrap().to_string();
    assert!(matches!(result.action, MessageAction::DeadLetter(_)) && error.contains("batches need records"), "{error}");
}

#[tokio::test]
async fn an_unavailable_store_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let objects = Objects::from_url(file.join("below").to_str().unwrap()).unwrap();
    let result = TestRun::of(function_with(Settings::new(objects))).run(&ImportCsv::of("a.csv")).await;
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}", result.action);
}

/// An import in one piece, to compare with.
async fn undisturbed(text: &str, job: &ImportCsv) -> (Report, BTreeMap<String, String>) {
    let place = Place::with(text).await;
    let report = place.import(job).await;
    (report, place.results().await)
}

/// Kills the process of `csv.split` around its n-th batch, and lets another one finish the import.
async fn killed(text: &str, number: usize, when: When) -> Place {
    let place = Place::with(text).await;
    let split = place.begun(&in_many_ranges()).await;
    let stuck = Arc::new(Notify::new());
    let reached = stuck.clone();
    let backend = Hooked::backend(&place, move |created, now| {
        let is_here = (created, now) == (number, when);
        let reached = reached.clone();
        async move {
            if is_here {
                reached.notify_one();
                std::future::pending::<()>().await;
            }
        }
    });
    tokio::select! {
        result = place.perform(&split, backend, Stop::new()) => panic!("it ended: {result:?}"),
        () = stuck.notified() => {}
    }
    let engine = place.start().await;
    place.report().await;
    engine.drain(secs(20)).await;
    place
}

#[tokio::test]
async fn a_split_that_is_killed_anywhere_goes_on_without_repeating_or_missing_a_range() {
    let text = many(600);
    let (wanted, results) = undisturbed(&text, &in_many_ranges()).await;
    assert!(wanted.ranges >= 6);
    let last = wanted.ranges as usize - 1;
    for number in [0, 1, 4, last] {
        for when in [When::Before, When::After] {
            let place = killed(&text, number, when).await;
            assert_eq!(place.read_report().await, wanted, "{number} {when:?}");
            assert_eq!(place.results().await, results, "{number} {when:?}");
            let batch = place.batch().await;
            assert_eq!((batch.total, batch.succeeded), (wanted.ranges + 1, wanted.ranges + 1), "{number} {when:?}");
            assert_eq!(place.records("csv.rows").await.len() as u64, wanted.ranges, "{number} {when:?}");
            let split = place.only("csv.split").await;
            assert_eq!(split.attempts.len(), 2, "{number} {when:?}: {:?}", split.attempts);
        }
    }
}

#[tokio::test]
async fn a_split_that_was_taken_for_dead_and_goes_on_changes_nothing() {
    let text = many(600);
    let (wanted, results) = undisturbed(&text, &in_many_ranges()).await;
    let place = Arc::new(Place::with(text).await);
    let split = place.begun(&in_many_ranges()).await;
    let (stuck, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (reached, release) = (stuck.clone(), released.clone());
    let backend = Hooked::backend(&place, move |created, now| {
        let (reached, release) = (reached.clone(), release.clone());
        async move {
            if (created, now) == (3, When::Before) {
                reached.notify_one();
                release.notified().await;
            }
        }
    });
    let another = place.clone();
    let zombie = tokio::spawn(async move { another.perform(&split, backend, Stop::new()).await });
    stuck.notified().await;
    let engine = place.start().await;
    assert_eq!(place.report().await, wanted);
    let (counted, attempts) = (place.batch().await, place.only("csv.split").await.attempts);
    released.notify_one();
    zombie.await.unwrap();
    assert_eq!(place.batch().await, counted);
    let split = place.only("csv.split").await;
    assert_eq!((split.state, split.attempts), (JobState::Succeeded, attempts));
    assert_eq!(place.records("csv.rows").await.len() as u64, wanted.ranges);
    assert_eq!(place.results().await, results);
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn a_split_whose_host_stops_goes_on_in_a_fresh_invocation() {
    let text = many(600);
    let (wanted, results) = undisturbed(&text, &in_many_ranges()).await;
    let place = Place::with(text).await;
    let split = place.begun(&in_many_ranges()).await;
    let stop = Stop::new();
    let stopping = stop.clone();
    let backend = Hooked::backend(&place, move |created, when| {
        if (created, when) == (2, When::After) {
            stopping.drain();
        }
        std::future::ready(())
    });
    let result = place.perform(&split, backend, stop).await;
    assert!(result.error.is_none(), "{:?}", result.error);
    let split = place.client().get(&split.id).await.unwrap().unwrap();
    assert!(!split.state.is_final(), "{split:?}");
    let engine = place.start().await;
    assert_eq!(place.report().await, wanted);
    assert_eq!(place.results().await, results);
    assert_eq!(place.batch().await.total, wanted.ranges + 1);
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn a_job_that_is_delivered_twice_or_run_again_by_hand_changes_nothing() {
    let text = many(600);
    let (wanted, results) = undisturbed(&text, &in_many_ranges()).await;
    let place = Place::with(text).await;
    let split = place.begun(&in_many_ranges()).await;
    let import = place.only("csv.import").await;
    for record in [&import, &split, &split] {
        place.embedded.send_raw("imports", record.message.to_json()).await.unwrap();
    }
    let engine = place.start().await;
    assert_eq!(place.report().await, wanted);
    let counted = place.batch().await;
    let rows = place.records("csv.rows").await.remove(0);
    // All of them, and the report last.
    for record in [&import, &split, &rows, &place.only("csv.report").await] {
        assert_eq!(place.client().retry(&record.id).await.unwrap(), Some(JobState::Queued));
        assert_eq!(place.end(&record.id).await.state, JobState::Succeeded);
    }
    assert_eq!(place.batch().await, counted);
    assert_eq!(place.read_report().await, wanted);
    assert_eq!(place.results().await, results);
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn an_import_is_cancelled_in_the_middle_with_all_of_its_jobs() {
    let place = Place::with(many(600)).await;
    let split = place.begun(&in_many_ranges()).await;
    let client = place.client();
    let backend = Hooked::backend(&place, move |created, when| {
        let client = client.clone();
        async move {
            if (created, when) == (3, When::Before) {
                assert_eq!(client.cancel(&id(BATCH)).await.unwrap(), Some(JobState::Cancelled));
            }
        }
    });
    place.perform(&split, backend, Stop::new()).await;
    assert_eq!(place.client().get(&split.id).await.unwrap().unwrap().state, JobState::Cancelled);
    let engine = place.start().await;
    let report = place.report().await;
    assert_eq!((report.state, report.complete, report.rows), (Some(JobState::Cancelled), false, 0));
    let rows = place.records("csv.rows").await;
    assert_eq!(rows.len(), 3, "what was added before");
    assert!(rows.iter().all(|record| record.state == JobState::Cancelled && record.attempts.is_empty()), "{rows:?}");
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn a_csv_that_changes_meanwhile_fails_the_import_and_says_so() {
    let text = many(600);
    let place = Place::with(text.clone()).await;
    place.begun(&in_many_ranges()).await;
    // The same size, and not a row more.
    place.objects.put(&key("a.csv"), text.replace("row 5", "raw 5"), "text/csv").await.unwrap();
    let engine = place.start().await;
    let report = place.report().await;
    assert_eq!((report.state, report.complete, report.rows), (Some(JobState::Failed), false, 0));
    let split = place.only("csv.split").await;
    let error = split.last_error().unwrap().to_string();
    assert_eq!((split.state, &*error), (JobState::Failed, "memory:///a.csv has changed since it was first read"));
    engine.drain(secs(20)).await;

    // Once it is split, the ranges see it.
    let place = Place::with(text.clone()).await;
    let split = place.begun(&in_many_ranges()).await;
    place.perform(&split, place.embedded.backend(), Stop::new()).await;
    place.objects.put(&key("a.csv"), "n,text\n", "text/csv").await.unwrap();
    let engine = place.start().await;
    let report = place.report().await;
    assert_eq!((report.state, report.complete), (Some(JobState::Failed), false));
    assert_eq!((report.missing, report.missing_ranges.len() as u64), (report.ranges, report.ranges));
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn an_import_in_a_batch_keeps_that_batch_open_until_its_rows_are_converted() {
    let place = Place::with(many(300)).await;
    let client = place.client();
    let outer = client.enqueue_batch([in_many_ranges(), ImportCsv::of("missing.csv")]).id("night").await.unwrap();
    assert_eq!(outer, Enqueued::New(id("night")));
    let engine = place.start().await;
    assert_eq!(place.end(&id("night")).await.state, JobState::Failed);
    let night = client.batch(&id("night")).await.unwrap().unwrap();
    // Both imports, and the batch of the one.
    assert_eq!((night.total, night.succeeded, night.failed), (3, 2, 1));
    assert_eq!(place.records("csv.rows").await.iter().filter(|one| one.state == JobState::Succeeded).count(), 4);
    engine.drain(secs(20)).await;
}

#[tokio::test]
async fn rows_alone_have_a_range_and_a_version_of_their_own() {
    let place = Place::with("a,b\n1,2\n3,4\n").await;
    let version = place.objects.version(&key("a.csv")).await.unwrap();
    let source = CsvSource {
        key: "a.csv".into(),
        size: version.size,
        tag: version.tag,
        delimiter: ',',
        header: true,
        columns: vec![CsvColumn { name: "b".into(), column_type: ColumnType::Integer, required: false }],
    };
    let range = RowRange { number: 3, start: 8, end: 12, line: 3, skipped: None };
    let job = ConvertRows { source, folder: "x".into(), range };
    let result = TestRun::of(place.function()).run(&job).await;
    assert_eq!(result.output.unwrap().get(), r#"{"range":3,"good":1,"bad":0,"output":"x/rows/000003.ndjson"}"#);
    let rows = place.objects.get(&key("x/rows/000003.ndjson"), 100).await.unwrap();
    assert_eq!(rows, "{\"a\":\"3\",\"b\":4}\n");
}

#[tokio::test]
async fn the_function_has_no_problems() {
    assert_eq!(imports::function().problems(), Vec::<String>::new());
}
