//! The memory of a process that imports a CSV far larger than what it may take.
//!
//! `cargo test -p imports --test memory -- --nocapture` prints the figures. Each import runs in a process of its own, whose peak
//! the kernel counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may, and the figures are asked for")]

mod support;

use std::{fs::File, io::Write, path::Path, process::Command};

use imports::{Limits, function};
use lamplighter::{JobState, host::Stop};
use lamplighter_jobs::ImportCsv;
use lamplighter_objects::Objects;
use support::{Place, key};

/// The size of the CSV in MB, and the most memory that a process may take for it: little more than it takes for a small one.
const CSV: u64 = 200;
const MOST: u64 = 100;

/// Imports the CSV that the parent names, in one range, and prints the peak.
#[test]
#[ignore = "the other test runs it in a process of its own"]
fn one_import() {
    let objects = Objects::from_url(&std::env::var("CSV_IN").unwrap()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut place = Place::with("").await;
        (place.objects, place.limits) = (objects, Limits::default());
        let job = ImportCsv::of("large.csv").range_bytes(1 << 30);
        let split = place.begun(&job).await;
        let result = place.perform(&split, place.embedded.backend(), Stop::new()).await;
        assert_eq!(result.state, Some(JobState::Succeeded), "{:?}", result.error);
        let rows = place.only("csv.rows").await;
        let result = place.perform(&rows, place.embedded.backend(), Stop::new()).await;
        assert_eq!(result.state, Some(JobState::Succeeded), "{:?}", result.error);
        println!("output: {}", result.output.unwrap().get());
        let written = place.objects.head(&key("imports/posts/rows/000000.ndjson")).await.unwrap();
        println!("written: {}", written.size);
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

/// Writes a CSV of about so many MB, and returns its number of rows.
fn write(file: &Path, mb: u64) -> u64 {
    let mut file = File::create(file).unwrap();
    file.write_all(b"number,name,note\n").unwrap();
    let (note, mut rows, mut block) = ("of the harbour, \"\"old\"\"\nand new ".repeat(12), 0, Vec::new());
    for _ in 0..mb {
        block.clear();
        while block.len() < 1_000_000 {
            writeln!(block, "{rows},row {rows},\"{note}\"").unwrap();
            rows += 1;
        }
        file.write_all(&block).unwrap();
    }
    rows
}

/// The output of a process that imports the CSV in this folder, and its peak in MB.
fn import(folder: &Path) -> (String, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "one_import", "--nocapture"])
        .env("CSV_IN", folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.split_once("VmHWM:")).unwrap().1;
    let peak = line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024;
    (text, peak)
}

#[test]
fn the_size_of_a_csv_does_not_matter_to_memory() {
    let mut peaks = Vec::new();
    for mb in [10, CSV] {
        let folder = tempfile::tempdir().unwrap();
        let rows = write(&folder.path().join("large.csv"), mb);
        let (output, peak) = import(folder.path());
        assert!(output.contains(&format!(r#""good":{rows},"bad":0"#)), "{output}");
        println!("a CSV of {mb} MB: {peak} MB");
        peaks.push(peak);
    }
    assert!(peaks[1] < MOST && MOST < u64::from(function().spec().memory_mb), "{peaks:?}");
}
