//! WebP (RFC 9649).

use std::io::Cursor;

use bytes::Bytes;
use image::metadata::Orientation;
use image_webp::WebPDecoder;

use super::{About, Fault, MAX_METADATA, Pixels, pixels, room, vp8l, widen_rgb};
use crate::work::Stop;

/// The most bytes that the codes of a lossless picture may take. The reference encoder makes at most 2,600 groups of
/// them, of some 25 KB.
const MAX_TABLES: u64 = 128 << 20;

/// A parsed WebP.
pub(crate) struct WebP {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) about: About,
    kind: Kind,
    tables: u64,
    bytes: u64,
    decoder: WebPDecoder<Cursor<Bytes>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Animated,
    Lossless,
    Lossy,
}

impl WebP {
    /// Parses a file.
    pub(crate) fn open(bytes: Bytes) -> Result<Self, Fault> {
        let tables = tables(&bytes);
        if tables > MAX_TABLES {
            return Err(Fault::broken(format!("its codes take more than {MAX_TABLES} bytes")));
        }
        let length = bytes.len() as u64;
        let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(Fault::broken)?;
        decoder.set_memory_limit(MAX_METADATA);
        // Neither is worth failing for: a picture works without them.
        let exif = decoder.exif_metadata().ok().flatten();
        let profile = decoder.icc_profile().ok().flatten();
        let about = About { orientation: exif.and_then(|exif| Orientation::from_exif_chunk(&exif)), profile };
        let (width, height) = decoder.dimensions();
        let kind = match (decoder.is_animated(), decoder.is_lossy()) {
            (true, _) => Kind::Animated,
            (_, true) => Kind::Lossy,
            _ => Kind::Lossless,
        };
        Ok(Self { width, height, about, kind, tables, bytes: length, decoder })
    }

    /// The most bytes that decoding takes, the pixels included.
    pub(crate) fn memory(&self) -> u64 {
        let pixels = pixels(self.width, self.height);
        // Bytes per pixel. Ours are 4. A lossless picture is decoded to 4 more if it has no transparent parts, and its
        // transforms and groups take one for each block of 16, of 14 together. A lossy one has planes of 1.5, and its
        // transparency is decoded to 4 and 1. An animation has a canvas of 4 and a frame, which may be any of these.
        let each = match self.kind {
            Kind::Lossless => 4 + 4 + 1,
            Kind::Lossy => 4 + 7 + 1,
            Kind::Animated => 4 + 4 + 7 + 1,
        };
        each * pixels + self.tables + self.bytes + (1 << 20)
    }

    /// Decodes the pixels; those of the first picture of an animation.
    pub(crate) fn decode(mut self, stop: &Stop) -> Result<Pixels, Fault> {
        let may_be_transparent = self.decoder.has_alpha();
        let mut rgba = room(self.width, self.height)?;
        let filled = if may_be_transparent { rgba.len() } else { rgba.len() / 4 * 3 };
        self.decoder.read_image(&mut rgba[..filled]).map_err(Fault::broken)?;
        stop.check()?;
        if !may_be_transparent {
            widen_rgb(&mut rgba);
        }
        Ok(Pixels { rgba, may_be_transparent })
    }
}

/// The bytes that the codes of all decoded parts take.
fn tables(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    // The decoder takes the first of each kind.
    let (mut lossless, mut alpha, mut frame) = (true, true, true);
    for (kind, content) in Chunks(bytes.get(12..).unwrap_or_default()) {
        match &kind {
            b"VP8L" if std::mem::take(&mut lossless) => sum += vp8l::tables(content, None, MAX_TABLES),
            b"ALPH" if std::mem::take(&mut alpha) => sum += alpha_tables(content, canvas(bytes)),
            b"ANMF" if std::mem::take(&mut frame) => {
                let size = content.get(6..12).map(|size| (three_bytes(size) + 1, three_bytes(&size[3..]) + 1));
                for (kind, content) in Chunks(content.get(16..).unwrap_or_default()).take(1) {
                    match &kind {
                        b"VP8L" => sum += vp8l::tables(content, None, MAX_TABLES),
                        b"ALPH" => sum += alpha_tables(content, size),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    sum
}

/// Transparency is a lossless picture without a header, if it is compressed.
fn alpha_tables(content: &[u8], size: Option<(u32, u32)>) -> u64 {
    match (content, size) {
        ([info, data @ ..], Some(_)) if info & 3 == 1 => vp8l::tables(data, size, MAX_TABLES),
        _ => 0,
    }
}

/// The size in the extended header.
fn canvas(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = bytes.get(24..30)?;
    Some((three_bytes(size) + 1, three_bytes(&size[3..]) + 1))
}

fn three_bytes(bytes: &[u8]) -> u32 {
    bytes.iter().take(3).rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The chunks of a file, as far as it goes.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        let [a, b, c, d, length @ ..] = *head;
        let length = u32::from_le_bytes(length) as usize;
        let content = &rest[..length.min(rest.len())];
        // Each begins at an even place.
        self.0 = rest.get(length.next_multiple_of(2)..).unwrap_or_default();
        Some(([a, b, c, d], content))
    }
}
