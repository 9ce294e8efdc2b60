//! The memory of a process that makes thumbnails of the largest accepted pictures, compared with the function's memory.
//!
//! `cargo test -p images --test memory -- --nocapture` prints the figures in the crate's documentation. Each picture is
//! resized in a process of its own, whose peak the kernel counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may, and the figures are asked for")]

mod support;

use std::{path::Path, process::Command};

use images::{Limits, Settings, function, function_with};
use lamplighter::{
    host::{MessageAction, Stop},
    mins,
};
use lamplighter_jobs::{MakeThumbnails, images::ThumbnailFormat};
use lamplighter_objects::{Key, Objects};

/// The largest picture that is nearly square, which has the most room in rows and in thumbnails, within WebP's sides.
const SIZE: (u32, u32) = (7071, 7071);

/// Pads a file with zeros up to the limit on its size.
fn filled(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(Limits::default().bytes as usize, 0);
    bytes
}

fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    let side = SIZE.0 as u16;
    // Groups of five codes of 4 KB each, up to the limit on tables.
    let groups = (128 << 20) / (5 * 4096 + 5 * 64 * 3) - 1;
    let transparent = |kind, picture| {
        support::webp(&[(b"VP8X", support::extended(SIZE, 0x10)), (b"ALPH", support::alpha(SIZE)), (kind, picture)])
    };
    let frame = support::frame(SIZE, &[(b"ALPH", support::alpha(SIZE)), (b"VP8 ", support::lossy(SIZE))]);
    let animation = support::webp(&[(b"VP8X", support::extended(SIZE, 0x12)), (b"ANIM", vec![0; 6]), (b"ANMF", frame)]);
    vec![
        ("JPEG, progressive, 3 colours", support::progressive_jpeg((side, side), 3, 1)),
        ("JPEG, progressive, 4 colours", support::progressive_jpeg((side, side), 4, 1)),
        ("PNG, 16 bits, transparent", support::png(SIZE, 16, 6, false, &[])),
        ("PNG, 16 bits, transparent, interlaced", support::png(SIZE, 16, 6, true, &[])),
        ("WebP, lossless", support::webp(&[(b"VP8L", support::lossless(SIZE, false, false, 1))])),
        (
            "WebP, lossless, with the most codes",
            support::webp(&[(b"VP8L", support::lossless(SIZE, false, false, groups))]),
        ),
        ("WebP, lossy", support::webp(&[(b"VP8 ", support::lossy(SIZE))])),
        ("WebP, lossy, transparent", transparent(b"VP8 ", support::lossy(SIZE))),
        ("WebP, animated, transparent", animation),
    ]
}

/// Makes thumbnails of the pictures that the parent names, and prints the peak.
#[test]
#[ignore = "the other test runs it in a process of its own"]
fn one_picture() {
    let folder = std::env::var("PICTURE_IN").unwrap();
    let keys = std::env::var("PICTURES").unwrap();
    let objects = Objects::from_url(&folder).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let worker = support::worker(function_with(Settings::new(objects)), Stop::new());
        let jobs = keys.split(',').map(|key| {
            let job = MakeThumbnails::of(key).sizes([4096]).format(ThumbnailFormat::Webp);
            worker.perform(support::delivery(&job), tokio::time::Instant::now() + mins(10))
        });
        for result in futures_util::future::join_all(jobs).await {
            assert_eq!(result.action, MessageAction::Ack, "{:?}", result.error);
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("{peak}");
}

/// The peak of a process that makes thumbnails of these pictures concurrently, in MB.
fn peak(folder: &Path, keys: &str) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "one_picture", "--nocapture"])
        .env("PICTURE_IN", folder)
        .env("PICTURES", keys)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{keys}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.split_once("VmHWM:")).unwrap().1;
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn the_largest_pictures_fit_into_the_functions_memory() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::from_url(folder.path().to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limit = u64::from(function().spec().memory_mb);
    let mut peaks = Vec::new();
    println!("| picture | peak in MB |\n| --- | --- |");
    for (number, (name, bytes)) in pictures().into_iter().enumerate() {
        let key = number.to_string();
        runtime.block_on(objects.put(&Key::new(&key).unwrap(), filled(bytes), "image/*")).unwrap();
        let peak = peak(folder.path(), &key);
        println!("| {name} | {peak} |");
        peaks.push((peak, name, key));
    }
    // A batch has several of them, and a function of 1024 MB sees two processors.
    peaks.sort();
    let keys: Vec<_> = peaks.iter().rev().take(2).map(|(_, _, key)| key.as_str()).collect();
    let both = peak(folder.path(), &keys.join(","));
    println!("| the two largest of these concurrently | {both} |");
    for (peak, name, _) in &peaks {
        assert!(*peak < limit, "{name} takes {peak} MB of {limit}");
    }
    assert!(both < limit, "two concurrent ones take {both} MB of {limit}");
}
