//! What was measured, in the embedded file.

use std::time::Instant;

use serde_json::json;

use crate::{
    operator::failing,
    support::{PATIENCE, Place, lines},
};

#[test]
fn what_was_measured_is_shown_by_job_and_by_time() {
    let (place, dev) = failing();
    let until = Instant::now() + PATIENCE;
    let all = loop {
        let all = lines(&place.lamp(&["stats", "--json"]).ok());
        let failed: u64 = all.iter().map(|row| row["failed"].as_u64().unwrap()).sum();
        if failed == 4 {
            break all;
        }
        assert!(Instant::now() < until, "{all:?}");
    };
    drop(dev);
    let of = |job: &str| all.iter().find(|row| row["job"] == job).unwrap_or_else(|| panic!("{job}: {all:?}"));
    let images = of("image.thumbnail");
    assert_eq!((&images["queue"], &images["failed"], &images["succeeded"]), (&json!("images"), &json!(3), &json!(0)));
    for which in ["p50_ms", "p95_ms", "p99_ms"] {
        assert!(images["duration"][which].as_f64().is_some_and(|ms| ms >= 0.0), "{images}");
        assert!(images["queue_latency"][which].as_f64().is_some_and(|ms| ms >= 0.0), "{images}");
    }

    let table = place.lamp(&["stats"]).ok();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["JOB", "QUEUE", "SUCCEEDED", "RETRIED", "FAILED", "P50", "P95", "P99", "WAITED", "P95"]);
    assert!(rows.iter().any(|row| row[..5] == ["image.thumbnail", "images", "0", "0", "3"]), "{table}");

    let by_minute = lines(&place.lamp(&["stats", "--job", "image.thumbnail", "--step", "1m", "--json"]).ok());
    let failed: u64 = by_minute.iter().map(|row| row["failed"].as_u64().unwrap()).sum();
    assert_eq!(failed, 3);
    assert!(by_minute.iter().all(|row| row["start"].as_str().unwrap().ends_with(":00Z")), "{by_minute:?}");
    let hours = place.lamp(&["stats", "--since", "2 days", "--step", "1h", "--queue", "images"]).ok();
    assert!(hours.trim_start().starts_with("FROM"), "{hours}");
    let earlier = place.lamp(&["stats", "--since", "3h", "--before", "2h"]);
    assert_eq!((&*earlier.out, &*earlier.err), ("", "nothing was measured in that time\n"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    place.lamp(&["enqueue", "lamp.ping"]).ok();
    assert_eq!(place.lamp(&["stats"]).err, "nothing was measured in that time\n");
    place.lamp(&["stats", "--step", "90s"]).fails(2, &["not a whole number"]);
    place.lamp(&["stats", "--since", "30 days", "--step", "1m"]).fails(2, &["points are too many"]);
    place.lamp(&["stats", "--since", "1h", "--before", "2h"]).fails(2, &["there is no time from"]);
    for args in [&["stats", "--job", "no.such.job"][..], &["stats", "--queue", "nowhere"], &["stats", "--step", "x"]] {
        place.lamp(args).fails_at_once();
    }
}
