//! The import of the demo's CSV, compared with a count in another way: the crate `csv` in one pass, and rules in words of
//! their own.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod support;

use lamplighter_jobs::{ImportCsv, imports::ColumnType};
use support::Place;

/// Whether the row is good: post, street, installed, height_m, watts, lit, note.
fn is_good(row: &csv::ByteRecord) -> bool {
    let texts: Option<Vec<&str>> = row.iter().map(|value| std::str::from_utf8(value).ok()).collect();
    let Some(&[post, _, installed, height, watts, lit, _]) = texts.as_deref() else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = || {
        let &[year, month, day] = installed.split('-').collect::<Vec<_>>().as_slice() else { return false };
        let [Ok(year), Ok(month), Ok(day)] = [year, month, day].map(str::parse::<u32>) else { return false };
        let february = if year % 4 == 0 { 29 } else { 28 };
        let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=days[month as usize - 1]).contains(&day)
    };
    !post.is_empty()
        && (installed.is_empty() || is_date())
        && height.splitn(2, '.').all(digits)
        && digits(watts)
        && ["", "yes", "no"].contains(&lit)
}

#[tokio::test]
async fn the_report_agrees_with_another_count() {
    let text = include_bytes!("../assets/lamp-posts.csv");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&text[..]);
    let rows: Vec<_> = reader.byte_records().map(Result::unwrap).collect();
    let bad: Vec<_> = rows.iter().filter(|row| !is_good(row)).collect();

    let job = ImportCsv::of("a.csv")
        .required("post", ColumnType::Text)
        .column("installed", ColumnType::Date)
        .column("height_m", ColumnType::Number)
        .column("watts", ColumnType::Integer)
        .column("lit", ColumnType::Boolean)
        .range_bytes(4096);
    let place = Place::with(&text[..]).await;
    let report = place.import(&job).await;
    assert!(report.ranges > 4);
    assert_eq!((report.rows, report.bad), (rows.len() as u64, bad.len() as u64));
    assert_eq!((report.rows, report.good, report.bad), (430, 420, 10), "what the demo shows");
    // A line ends with a line feed here, and there are no empty ones: the row before ends with the last one.
    let lines: Vec<_> = bad
        .iter()
        .map(|row| {
            let before = &text[..row.position().unwrap().byte() as usize + 2];
            1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
        })
        .collect();
    assert_eq!(report.bad_rows.iter().map(|row| row.line).collect::<Vec<_>>(), lines);
    let converted = place.rows().await;
    let posts: Vec<_> =
        rows.iter().filter(|row| is_good(row)).map(|row| String::from_utf8_lossy(&row[0]).into_owned()).collect();
    let found: Vec<_> = converted
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["post"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, posts);
}
