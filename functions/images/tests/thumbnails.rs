//! `image.thumbnail` on real pictures, in memory and in a folder.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod support;

use image::{
    DynamicImage, ExtendedColorType, GenericImageView, ImageEncoder, ImageFormat, ImageReader, Rgb, RgbImage, Rgba,
    RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};
use images::{Limits, Settings, function_with};
use lamplighter::{
    backend::DeadLetterReason,
    host::{JobResult, MessageAction},
    testing::TestRun,
};
use lamplighter_jobs::{MakeThumbnails, images::ThumbnailFormat};
use lamplighter_objects::{Key, Objects};
use serde_json::Value;

fn asset(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/assets/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn memory() -> Objects {
    Objects::from_url("memory:///").unwrap()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

async fn run(objects: &Objects, job: &MakeThumbnails) -> JobResult {
    TestRun::of(function_with(Settings::new(objects.clone()))).run(job).await
}

/// Runs a job on one picture in memory, and returns its output and the thumbnails.
async fn make(picture: Vec<u8>, job: MakeThumbnails) -> (Value, Vec<DynamicImage>) {
    let objects = memory();
    objects.put(&key(&job.key), picture, "image/jpeg").await.unwrap();
    let result = run(&objects, &job).await;
    assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
    let output: Value = serde_json::from_str(result.output.unwrap().get()).unwrap();
    let mut thumbnails = Vec::new();
    for thumbnail in output["thumbnails"].as_array().unwrap() {
        let bytes = objects.get(&key(thumbnail["key"].as_str().unwrap()), 10 << 20).await.unwrap();
        assert_eq!(thumbnail["bytes"], bytes.len());
        let picture = image::load_from_memory(&bytes).unwrap();
        assert_eq!(thumbnail["width"], picture.width());
        assert_eq!(thumbnail["height"], picture.height());
        thumbnails.push(picture);
    }
    (output, thumbnails)
}

fn error(result: &JobResult) -> String {
    result.error.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn failed_for_good(result: &JobResult) -> bool {
    matches!(&result.action, MessageAction::DeadLetter(cause) if cause.reason == DeadLetterReason::Failed)
}

fn sizes(thumbnails: &[DynamicImage]) -> Vec<(u32, u32)> {
    thumbnails.iter().map(GenericImageView::dimensions).collect()
}

/// The largest difference between two colours in any channel.
fn distance(a: [u8; 3], b: [u8; 3]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

fn near(picture: &DynamicImage, x: f32, y: f32) -> [u8; 3] {
    let at = |share: f32, side: u32| ((share * side as f32) as u32).min(side - 1);
    let Rgba([r, g, b, _]) = picture.get_pixel(at(x, picture.width()), at(y, picture.height()));
    [r, g, b]
}

#[tokio::test]
async fn a_landscape_in_several_sizes() {
    let job = MakeThumbnails::of("photos/ridges.jpg").sizes([640, 160, 640, 2000]);
    let (output, thumbnails) = make(asset("ridges.jpg"), job).await;
    assert_eq!(sizes(&thumbnails), [(160, 100), (640, 400), (1600, 1000)]);
    assert_eq!((&output["width"], &output["height"]), (&1600.into(), &1000.into()));
    let keys: Vec<_> = output["thumbnails"].as_array().unwrap().iter().map(|t| t["key"].as_str().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "thumbnails/photos/ridges.jpg/160.jpg",
            "thumbnails/photos/ridges.jpg/640.jpg",
            "thumbnails/photos/ridges.jpg/2000.jpg"
        ]
    );
    // It is the same picture: dark sky above, sunrise in the middle, dark hills below.
    let whole = image::load_from_memory(&asset("ridges.jpg")).unwrap();
    for thumbnail in &thumbnails {
        for (x, y) in [(0.1, 0.05), (0.5, 0.3), (0.3, 0.7), (0.9, 0.97)] {
            let (large, small) = (near(&whole, x, y), near(thumbnail, x, y));
            assert!(distance(large, small) < 24, "{large:?} and {small:?} at {x}, {y}");
        }
    }
}

#[tokio::test]
async fn portraits_stored_sideways_come_out_upright() {
    let (output, thumbnails) = make(asset("lighthouse.jpg"), MakeThumbnails::of("lighthouse.jpg").sizes([300])).await;
    assert_eq!((&output["width"], &output["height"]), (&900.into(), &1350.into()));
    assert_eq!(sizes(&thumbnails), [(200, 300)]);
    let (night, dusk) = (near(&thumbnails[0], 0.1, 0.02), near(&thumbnails[0], 0.05, 0.7));
    assert!(night[0] < 60 && dusk[0] > 180, "the sky is dark above and red below: {night:?}, {dusk:?}");
}

/// All eight orientations of EXIF, each made from one upright picture.
#[tokio::test]
async fn every_orientation_comes_out_upright() {
    let corners = [[220, 30, 30], [30, 200, 40], [40, 60, 220], [230, 220, 40]];
    let upright = RgbImage::from_fn(160, 96, |x, y| Rgb(corners[usize::from(x >= 80) + 2 * usize::from(y >= 48)]));
    let upright = DynamicImage::ImageRgb8(upright);
    for orientation in 1..=8u8 {
        // What a camera stores is the upright picture, turned the other way.
        let stored = match orientation {
            2 => upright.fliph(),
            3 => upright.rotate180(),
            4 => upright.flipv(),
            5 => upright.rotate90().fliph(),
            6 => upright.rotate270(),
            7 => upright.rotate270().fliph(),
            8 => upright.rotate90(),
            _ => upright.clone(),
        };
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.encode_image(&stored).unwrap();

        let job = MakeThumbnails::of("a.jpg").sizes([80]).format(ThumbnailFormat::Png);
        let (output, thumbnails) = make(bytes, job).await;
        assert_eq!(sizes(&thumbnails), [(80, 48)], "orientation {orientation}");
        assert_eq!((&output["width"], &output["height"]), (&160.into(), &96.into()), "orientation {orientation}");
        for (corner, (x, y)) in corners.into_iter().zip([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]) {
            let seen = near(&thumbnails[0], x, y);
            assert!(distance(seen, corner) < 16, "orientation {orientation}: {seen:?} instead of {corner:?}");
        }
    }
}

#[tokio::test]
async fn transparency_is_kept_if_the_format_supports_it() {
    let (output, thumbnails) = make(asset("lantern.png"), MakeThumbnails::of("lantern.png").sizes([300])).await;
    assert_eq!(output["thumbnails"][0]["key"], "thumbnails/lantern.png/300.png");
    assert_eq!(sizes(&thumbnails), [(225, 300)]);
    assert_eq!(thumbnails[0].get_pixel(0, 0)[3], 0, "a corner is transparent");

    let job = MakeThumbnails::of("lantern.png").sizes([300]).format(ThumbnailFormat::Webp);
    let (_, thumbnails) = make(asset("lantern.png"), job).await;
    assert_eq!(thumbnails[0].get_pixel(0, 0)[3], 0, "a corner is transparent");

    let job = MakeThumbnails::of("lantern.png").sizes([300]).format(ThumbnailFormat::Jpeg);
    let (_, thumbnails) = make(asset("lantern.png"), job).await;
    assert!(distance(near(&thumbnails[0], 0.0, 0.0), [255; 3]) < 4, "a corner is white");
}

/// A red disc on transparent green: no green may appear at its edge.
#[tokio::test]
async fn invisible_colours_do_not_bleed() {
    let disc = RgbaImage::from_fn(400, 400, |x, y| {
        let (dx, dy) = (x as f32 - 200.0, y as f32 - 200.0);
        if dx.hypot(dy) < 150.0 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) }
    });
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(disc.as_raw(), 400, 400, ExtendedColorType::Rgba8).unwrap();
    let (_, thumbnails) = make(bytes, MakeThumbnails::of("disc.png").sizes([50])).await;
    for (x, y, Rgba([_, green, _, alpha])) in thumbnails[0].pixels() {
        assert!(alpha < 8 || green < 8, "green {green} at {x}, {y}");
    }
}

#[tokio::test]
async fn small_pictures_and_every_kind_of_pixel_are_accepted() {
    let grey = DynamicImage::new_luma8(20, 10);
    let deep = DynamicImage::new_rgba16(64, 64);
    for picture in [grey, deep, DynamicImage::new_luma_a8(9, 300)] {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let mut bytes = std::io::Cursor::new(Vec::new());
            let written = match format {
                ImageFormat::WebP => DynamicImage::ImageRgba8(picture.to_rgba8()).write_to(&mut bytes, format),
                _ => picture.write_to(&mut bytes, format),
            };
            written.unwrap();
            let (_, thumbnails) = make(bytes.into_inner(), MakeThumbnails::of("a").sizes([32])).await;
            assert!(thumbnails[0].width().max(thumbnails[0].height()) <= 32);
        }
    }
}

#[tokio::test]
async fn rgb_profiles_are_kept_and_others_dropped() {
    let mut profile = vec![7; 128];
    for (space, kept) in [(b"RGB ", true), (b"CMYK", false), (b"GRAY", false)] {
        profile[16..20].copy_from_slice(space);
        let mut bytes = Vec::new();
        let mut encoder = WebPEncoder::new_lossless(&mut bytes);
        encoder.set_icc_profile(profile.clone()).unwrap();
        encoder.write_image(&[9; 300], 10, 10, ExtendedColorType::Rgb8).unwrap();
        let objects = memory();
        objects.put(&key("a"), bytes, "image/webp").await.unwrap();
        for format in [ThumbnailFormat::Jpeg, ThumbnailFormat::Png, ThumbnailFormat::Webp] {
            let result = run(&objects, &MakeThumbnails::of("a").sizes([8]).format(format)).await;
            assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
            let made = objects.get(&key(&format!("thumbnails/a/8.{}", format.extension())), 1 << 20).await.unwrap();
            let reader = ImageReader::new(std::io::Cursor::new(made)).with_guessed_format().unwrap();
            let found = image::ImageDecoder::icc_profile(&mut reader.into_decoder().unwrap()).unwrap();
            assert_eq!(found, kept.then(|| profile.clone()), "{format:?}");
        }
    }
}

#[tokio::test]
async fn a_folder_holds_the_same_files_after_a_second_run() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::from_url(folder.path().to_str().unwrap()).unwrap();
    objects.put(&key("in/spirals.jpg"), asset("spirals.jpg"), "image/jpeg").await.unwrap();
    let job = MakeThumbnails { folder: "out/small".into(), ..MakeThumbnails::of("in/spirals.jpg") };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let result = run(&objects, &job).await;
        assert_eq!(result.action, MessageAction::Ack, "{}", error(&result));
        let mut objects = objects.list(None, 100).await.unwrap();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        runs.push((objects, result.output.unwrap().get().to_owned()));
    }
    assert_eq!(runs[0], runs[1]);
    let names: Vec<_> = runs[0].0.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(
        names,
        [
            "in/spirals.jpg",
            "out/small/in/spirals.jpg/1280.jpg",
            "out/small/in/spirals.jpg/160.jpg",
            "out/small/in/spirals.jpg/480.jpg"
        ]
    );
}

#[tokio::test]
async fn decompression_bombs_fail_for_good_before_taking_memory() {
    let objects = memory();
    let bomb = support::png((40_000, 40_000), 1, 0, false, &[]);
    objects.put(&key("bomb.png"), bomb[..200].to_vec(), "image/png").await.unwrap();
    let result = run(&objects, &MakeThumbnails::of("bomb.png")).await;
    assert!(failed_for_good(&result), "{:?}", result.action);
    assert_eq!(error(&result), "bomb.png has 40000 × 40000 pixels, and at most 50000000 are read");
}

#[tokio::test]
async fn an_object_above_the_limit_is_not_read() {
    let objects = memory();
    objects.put(&key("a.jpg"), asset("ridges.jpg"), "image/jpeg").await.unwrap();
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let function = function_with(Settings { limits, ..Settings::new(objects) });
    let result = TestRun::of(function).run(&MakeThumbnails::of("a.jpg")).await;
    assert!(failed_for_good(&result), "{:?}", result.action);
    assert!(error(&result).contains("at most 1000 are read"), "{}", error(&result));
}

#[tokio::test]
async fn broken_pictures_fail_for_good() {
    let (ridges, lantern) = (asset("ridges.jpg"), asset("lantern.png"));
    let mut scrambled = lantern.clone();
    scrambled[2000..60_000].fill(0x55);
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("a text", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec()),
        ("another format", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec()),
        ("only a beginning", ridges[..3].to_vec()),
        ("a header", ridges[..400].to_vec()),
        ("half a PNG", lantern[..lantern.len() / 2].to_vec()),
        ("a broken PNG", scrambled),
    ] {
        let objects = memory();
        objects.put(&key("a.jpg"), bytes, "image/jpeg").await.unwrap();
        let result = run(&objects, &MakeThumbnails::of("a.jpg")).await;
        assert!(failed_for_good(&result), "{name}: {:?}", result.action);
        assert!(error(&result).starts_with("a.jpg "), "{name}: {}", error(&result));
        assert_eq!(objects.list(None, 10).await.unwrap().len(), 1, "{name} left a thumbnail");
    }
}

#[tokio::test]
async fn a_missing_object_and_bad_arguments_fail_for_good() {
    for (job, says) in [
        (MakeThumbnails::of("missing.jpg"), "there is no object memory:///missing.jpg"),
        (MakeThumbnails::of("../secret.jpg"), "cannot name an object"),
        (MakeThumbnails { folder: "a/../../b".into(), ..MakeThumbnails::of("a") }, "cannot name an object"),
        (MakeThumbnails::of("a").sizes([]), "\"sizes\""),
        (MakeThumbnails::of("a").sizes(8..20), "\"sizes\""),
        (MakeThumbnails::of("a").sizes([0]), "\"sizes\""),
        (MakeThumbnails::of("a").sizes([5000]), "\"sizes\""),
    ] {
        let result = run(&memory(), &job).await;
        assert!(failed_for_good(&result), "{job:?}: {:?}", result.action);
        assert!(error(&result).contains(says), "{job:?}: {}", error(&result));
    }
}

#[tokio::test]
async fn an_unavailable_store_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let objects = Objects::from_url(file.join("below").to_str().unwrap()).unwrap();
    let result = run(&objects, &MakeThumbnails::of("a.jpg")).await;
    assert!(matches!(result.action, MessageAction::Retry(_)), "{:?}: {}", result.action, error(&result));
}

#[tokio::test]
async fn the_function_has_no_problems() {
    assert_eq!(images::function().problems(), Vec::<String>::new());
}

/// The error of a picture that fails for good and leaves nothing.
async fn refused(bytes: Vec<u8>) -> String {
    let objects = memory();
    objects.put(&key("a"), bytes, "image/*").await.unwrap();
    let result = run(&objects, &MakeThumbnails::of("a")).await;
    assert!(failed_for_good(&result), "{:?}: {}", result.action, error(&result));
    assert_eq!(objects.list(None, 10).await.unwrap().len(), 1, "it left a thumbnail");
    error(&result)
}

#[tokio::test]
async fn pictures_with_a_side_too_long_fail_before_decoding() {
    for (size, says) in [((50_000_000, 1), "50000000 × 1"), ((1, 50_000_000), "1 × 50000000")] {
        let error = refused(support::png(size, 1, 0, false, &[])).await;
        assert_eq!(error, format!("a has {says} pixels, and neither side may have more than 65535"));
    }
    // WebP and JPEG cannot be so long, but a WebP may say so.
    let canvas = support::webp(&[(b"VP8X", support::extended((1 << 24, 2), 0)), (b"VP8L", vec![0x2f; 50])]);
    assert!(refused(canvas).await.contains("neither side may have more than 65535"));
}

#[tokio::test]
async fn pictures_with_the_longest_sides_are_resized() {
    for (size, small) in [((65_535, 700), (160, 2)), ((65_535, 1), (160, 1)), ((1, 65_535), (1, 160))] {
        let (_, thumbnails) = make(support::png(size, 1, 0, false, &[]), MakeThumbnails::of("a").sizes([160])).await;
        assert_eq!(sizes(&thumbnails), [small]);
    }
}

/// A large reduction takes two steps, and must come out as the average of the source.
#[tokio::test]
async fn large_reductions_keep_the_colours() {
    let stripes = RgbImage::from_fn(4000, 3000, |x, y| match (x < 2000, (x + y) % 2 == 0) {
        (true, true) => Rgb([200, 100, 0]),
        (true, false) => Rgb([100, 100, 0]),
        (false, _) => Rgb([0, 0, 250]),
    });
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(stripes.as_raw(), 4000, 3000, ExtendedColorType::Rgb8).unwrap();
    let job = MakeThumbnails::of("a").sizes([16, 160]).format(ThumbnailFormat::Png);
    let (_, thumbnails) = make(bytes, job).await;
    assert_eq!(sizes(&thumbnails), [(16, 12), (160, 120)]);
    for thumbnail in &thumbnails {
        assert!(distance(near(thumbnail, 0.2, 0.5), [150, 100, 0]) < 4, "{:?}", near(thumbnail, 0.2, 0.5));
        assert!(distance(near(thumbnail, 0.9, 0.5), [0, 0, 250]) < 4, "{:?}", near(thumbnail, 0.9, 0.5));
    }
}

#[tokio::test]
async fn interlaced_pictures_are_read() {
    let picture = support::png((37, 21), 8, 2, true, &[]);
    let (_, thumbnails) = make(picture, MakeThumbnails::of("a").sizes([16]).format(ThumbnailFormat::Png)).await;
    assert_eq!(sizes(&thumbnails), [(16, 9)]);
    for (depth, colours) in [(1, 0), (2, 3), (16, 0), (16, 2), (8, 4), (16, 6)] {
        for interlaced in [false, true] {
            let picture = support::png((33, 33), depth, colours, interlaced, &[]);
            make(picture, MakeThumbnails::of("a").sizes([16])).await;
        }
    }
}

/// Profiles and texts that decompress to a thousand times their size are skipped without an error.
#[tokio::test]
async fn large_metadata_is_skipped_without_failing() {
    let large = support::deflated(400 << 20);
    let named = |head: &[u8]| [head, &large].concat();
    let chunks = [
        (b"iCCP", named(b"profile\0\0")),
        (b"zTXt", named(b"Raw profile type exif\0\0")),
        (b"iTXt", named(b"XML:com.adobe.xmp\0\x01\0\0\0")),
        (b"tEXt", vec![b'x'; 5 << 20]),
        (b"eXIf", vec![0; 5 << 20]),
        (b"PLTE", vec![9; 3]),
    ];
    let (_, thumbnails) = make(support::png((40, 40), 8, 2, false, &chunks), MakeThumbnails::of("a").sizes([16])).await;
    assert_eq!(sizes(&thumbnails), [(16, 16)]);

    let size = (40, 40);
    let picture = support::lossless(size, false, false, 1);
    let webp = support::webp(&[
        (b"VP8X", support::extended(size, 0x2c)),
        (b"ICCP", vec![0; 5 << 20]),
        (b"VP8L", picture),
        (b"EXIF", vec![0; 5 << 20]),
        (b"XMP ", vec![0; 5 << 20]),
    ]);
    make(webp, MakeThumbnails::of("a").sizes([16])).await;

    let mut jpeg = asset("ridges.jpg")[..2].to_vec();
    for number in 0..200 {
        support::segment(&mut jpeg, 0xe2, &[b"ICC_PROFILE\0", &[number, 200][..], &[7; 60_000]].concat());
        support::segment(&mut jpeg, 0xe1, &[b"Exif\0\0", &[7; 60_000][..]].concat());
        support::segment(&mut jpeg, 0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", &[7; 60_000][..]].concat());
    }
    jpeg.extend(&asset("ridges.jpg")[2..]);
    let (_, thumbnails) = make(jpeg, MakeThumbnails::of("a").sizes([160])).await;
    assert_eq!(sizes(&thumbnails), [(160, 100)]);
}

/// 65,536 groups of five codes would take 1.3 GB, for a picture of 256 pixels.
#[tokio::test]
async fn webps_with_too_many_codes_fail_for_good() {
    let picture = support::lossless((16, 16), false, false, 65_536);
    assert!(refused(support::webp(&[(b"VP8L", picture.clone())])).await.contains("its codes take more than"));
    let frame = support::frame((16, 16), &[(b"VP8L", picture)]);
    let animation =
        support::webp(&[(b"VP8X", support::extended((16, 16), 2)), (b"ANIM", vec![0; 6]), (b"ANMF", frame)]);
    assert!(refused(animation).await.contains("its codes take more than"));
    // As many as an encoder makes are read.
    let picture = support::webp(&[(b"VP8L", support::lossless((16, 16), false, false, 2000))]);
    make(picture, MakeThumbnails::of("a").sizes([8])).await;
}

#[tokio::test]
async fn every_kind_of_webp_is_read() {
    let size = (70, 50);
    let (lossy, alpha) = (support::lossy(size), support::alpha(size));
    let animated = support::frame(size, &[(b"ALPH", alpha.clone()), (b"VP8 ", lossy.clone())]);
    for chunks in [
        vec![(b"VP8 ", lossy.clone())],
        vec![(b"VP8L", support::lossless(size, false, true, 1))],
        vec![(b"VP8X", support::extended(size, 0x10)), (b"ALPH", alpha), (b"VP8 ", lossy)],
        vec![(b"VP8X", support::extended(size, 0x12)), (b"ANIM", vec![0; 6]), (b"ANMF", animated)],
    ] {
        let (_, thumbnails) = make(support::webp(&chunks), MakeThumbnails::of("a").sizes([35])).await;
        assert_eq!(sizes(&thumbnails), [(35, 25)]);
    }
}

/// The file up to the end of the last scan's data: without the end marker.
fn without_end(jpeg: &[u8]) -> &[u8] {
    jpeg.strip_suffix(&[0xff, 0xd9]).unwrap()
}

#[tokio::test]
async fn truncated_jpegs_fail_for_good() {
    for name in ["ridges.jpg", "spirals.jpg", "lighthouse.jpg"] {
        let whole = asset(name);
        for length in [640, 1000, whole.len() / 10, whole.len() / 2, whole.len() * 9 / 10, whole.len() - 500] {
            refused(whole[..length].to_vec()).await;
            // Nor does an end marker make it whole.
            refused([&whole[..length], &[0xff, 0xd9]].concat()).await;
        }
    }
}

#[tokio::test]
async fn jpegs_without_end_marker_are_read_if_complete() {
    for name in ["ridges.jpg", "spirals.jpg", "lighthouse.jpg"] {
        let whole = asset(name);
        let (_, expected) = make(whole.clone(), MakeThumbnails::of("a").sizes([160])).await;
        let pixels = without_end(&whole);
        for bytes in [pixels.to_vec(), [pixels, &[0xff]].concat(), [&whole[..], &[1; 5000]].concat()] {
            let (_, thumbnails) = make(bytes, MakeThumbnails::of("a").sizes([160])).await;
            assert_eq!(thumbnails, expected, "{name}");
        }
    }
}

/// The last rows of a small or plain picture take less than the decoder reads ahead.
#[tokio::test]
async fn small_and_plain_jpegs_are_complete() {
    for (width, height) in [(1, 1), (8, 64), (16, 16), (17, 200), (640, 480)] {
        let mut bytes = Vec::new();
        let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb([10, 20, 30])));
        JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
        for bytes in [without_end(&bytes).to_vec(), bytes.clone()] {
            let (_, thumbnails) = make(bytes, MakeThumbnails::of("a").sizes([8])).await;
            assert!(distance(near(&thumbnails[0], 0.5, 0.5), [10, 20, 30]) < 8, "{width} × {height}");
        }
    }
}

#[tokio::test]
async fn progressive_jpegs_without_end_marker_fail_for_good() {
    for components in [1, 3, 4] {
        let jpeg = support::progressive_jpeg((100, 60), components, 2);
        let (_, thumbnails) = make(jpeg.clone(), MakeThumbnails::of("a").sizes([50])).await;
        assert_eq!(sizes(&thumbnails), [(50, 30)]);
        for cut in [1, 2, 3] {
            let error = refused(jpeg[..jpeg.len() - cut].to_vec()).await;
            assert_eq!(error, "a cannot be read: its end is missing", "{cut} bytes are missing");
        }
    }
}

#[tokio::test]
async fn jpegs_with_too_many_scans_fail_for_good() {
    let error = refused(support::progressive_jpeg((64, 64), 3, 2000)).await;
    assert!(error.contains("more than 100 scans"), "{error}");
}

#[tokio::test]
async fn stray_bytes_between_jpeg_segments_are_skipped() {
    let whole = asset("ridges.jpg");
    let first = 4 + usize::from(u16::from_be_bytes([whole[4], whole[5]]));
    let odd = [&whole[..first], &[1, 2, 3, 4, 5, 6, 7, 8], &whole[first..]].concat();
    let (_, thumbnails) = make(odd, MakeThumbnails::of("a").sizes([160])).await;
    assert_eq!(sizes(&thumbnails), [(160, 100)]);
}
