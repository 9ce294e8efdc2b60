//! Pictures that no encoder would write: the largest, the smallest and hostile ones.
#![allow(dead_code, reason = "each test uses some")]

use std::{io::Write, sync::Arc};

use lamplighter::{
    Function, Job,
    backend::Backend,
    env::Env,
    host::{Delivery, Stop, Worker},
    testing::RecordingQueue,
};
use lamplighter_jobs::MakeThumbnails;

/// A worker of this function, without a store.
pub(crate) fn worker(function: Function, stop: Stop) -> Worker {
    Worker::new(function, Backend::new(Arc::new(RecordingQueue::default())), Env::system(), "test", stop)
}

/// The first receive of this job.
pub(crate) fn delivery(job: &MakeThumbnails) -> Delivery {
    let body = serde_json::json!({ "job": MakeThumbnails::NAME, "id": job.key, "args": job });
    Delivery::new(MakeThumbnails::QUEUE.name(), "message", "receipt", body.to_string())
}

/// A PNG of zeros with this depth and colour type, interlaced or not.
pub(crate) fn png(
    (width, height): (u32, u32),
    depth: u8,
    colours: u8,
    interlaced: bool,
    chunks: &[(&[u8; 4], Vec<u8>)],
) -> Vec<u8> {
    let bits = u64::from(depth) * [1, 0, 3, 1, 2, 0, 4][usize::from(colours)];
    let rows = |width: u32, height: u32| match width {
        0 => 0,
        width => u64::from(height) * (1 + (u64::from(width) * bits).div_ceil(8)),
    };
    // First column and row, and steps, of each pass (PNG, 8.2).
    let passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let zeros = if interlaced {
        let pass = |(x, y, dx, dy): (u32, u32, u32, u32)| {
            rows(width.saturating_sub(x).div_ceil(dx), height.saturating_sub(y).div_ceil(dy))
        };
        passes.into_iter().map(pass).sum()
    } else {
        rows(width, height)
    };
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, colours, 0, 0, interlaced.into()]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut bytes, b"IHDR", &header);
    if colours == 3 {
        chunk(&mut bytes, b"PLTE", &[9; 3]);
    }
    for (kind, content) in chunks {
        chunk(&mut bytes, kind, content);
    }
    chunk(&mut bytes, b"IDAT", &deflated(zeros));
    chunk(&mut bytes, b"IEND", &[]);
    bytes
}

/// This many zeros, compressed.
pub(crate) fn deflated(zeros: u64) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let block = vec![0; 1 << 20];
    let mut left = zeros;
    while left > 0 {
        let now = left.min(block.len() as u64);
        encoder.write_all(&block[..now as usize]).unwrap();
        left -= now;
    }
    encoder.finish().unwrap()
}

fn chunk(bytes: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(kind);
    bytes.extend(content);
    let mut checksum = flate2::Crc::new();
    checksum.update(kind);
    checksum.update(content);
    bytes.extend(checksum.sum().to_be_bytes());
}

/// A progressive JPEG of one grey, in this many colours, whose only scan has a bit for each block.
pub(crate) fn progressive_jpeg((width, height): (u16, u16), components: u8, scans: u32) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    segment(&mut bytes, 0xdb, &[&[0][..], &[1; 64]].concat());
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components);
    frame.extend((1..=components).flat_map(|id| [id, 0x11, 0]));
    segment(&mut bytes, 0xc2, &frame);
    // One code of one bit, 0, which says that nothing has changed.
    let mut table = [0; 18];
    table[1] = 1;
    segment(&mut bytes, 0xc4, &table);
    let blocks = usize::from(width.div_ceil(8)) * usize::from(height.div_ceil(8)) * usize::from(components);
    for scan in 0..scans {
        let mut head = vec![components];
        head.extend((1..=components).flat_map(|id| [id, 0]));
        head.extend([0, 0, if scan == 0 { 0 } else { 0x10 }]);
        segment(&mut bytes, 0xda, &head);
        bytes.extend(vec![0; blocks.div_ceil(8)]);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

pub(crate) fn segment(bytes: &mut Vec<u8>, marker: u8, content: &[u8]) {
    bytes.extend([0xff, marker]);
    bytes.extend((content.len() as u16 + 2).to_be_bytes());
    bytes.extend(content);
}

/// Bits, the first of them the lowest of its byte.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= ((value >> place & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// A code of one symbol, which takes no bits.
    fn one_symbol(&mut self, symbol: u32) {
        self.put(0b001 | u32::from(symbol > 1) << 2, 3);
        self.put(symbol, if symbol > 1 { 8 } else { 1 });
    }

    /// A code with the largest possible table: lengths of 1 to 10, and 10 again.
    fn large_code(&mut self) {
        // Of the lengths' own code, all of 1 to 10 have four bits: 0 to 9 in canonical order, and 11 to 15 make it
        // complete.
        self.put(0, 1);
        self.put(15, 4);
        for place in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] {
            self.put(if place < 16 { 4 } else { 0 }, 3);
        }
        // Eleven lengths follow.
        self.put(1, 1);
        self.put(1, 3);
        self.put(11 - 2, 4);
        for length in [1u32, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10] {
            // The highest bit of a code comes first.
            self.put(length.reverse_bits() >> 28, 4);
        }
    }
}

/// A lossless picture of one colour, with the largest transforms, and with `groups` groups of large codes.
pub(crate) fn lossless((width, height): (u32, u32), headerless: bool, transparent: bool, groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    if !headerless {
        bits.put(0x2f, 8);
        bits.put(width - 1, 14);
        bits.put(height - 1, 14);
        bits.put(transparent.into(), 1);
        bits.put(0, 3);
    }
    for kind in [0, 1] {
        bits.put(1, 1);
        bits.put(kind, 2);
        bits.put(0, 3);
        bits.put(0, 1);
        (0..5).for_each(|_| bits.one_symbol(0));
    }
    bits.put(0, 2);
    if groups == 1 {
        bits.put(0, 1);
        (0..5).for_each(|_| bits.one_symbol(0));
    } else {
        bits.put(1, 1);
        bits.put(0, 3);
        bits.put(0, 1);
        // All blocks are of the last group.
        let last = groups - 1;
        bits.one_symbol(last & 255);
        bits.one_symbol(last >> 8);
        (0..3).for_each(|_| bits.one_symbol(0));
        for _ in 0..groups {
            (0..5).for_each(|_| bits.large_code());
        }
        // Each of four symbols of each pixel is the first of its code, a bit that is not set.
        let pixels = u64::from(width) * u64::from(height);
        bits.bytes.extend(vec![0; (pixels / 2) as usize + 64]);
    }
    bits.bytes.extend([0; 16]);
    bits.bytes
}

/// A lossy picture with all bits unset.
pub(crate) fn lossy((width, height): (u32, u32)) -> Vec<u8> {
    let blocks = width.div_ceil(16) as usize * height.div_ceil(16) as usize;
    let first = (blocks * 3 + 1000).min(500_000);
    let mut bytes = Vec::new();
    bytes.extend(&((first as u32) << 5 | 1 << 4).to_le_bytes()[..3]);
    bytes.extend([0x9d, 0x01, 0x2a]);
    bytes.extend((width as u16).to_le_bytes());
    bytes.extend((height as u16).to_le_bytes());
    bytes.extend(vec![0; first + blocks * 16 + 1000]);
    bytes
}

/// A WebP of these chunks.
pub(crate) fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let body = riff(chunks);
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((body.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WEBP");
    bytes.extend(body);
    bytes
}

pub(crate) fn riff(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, content) in chunks {
        bytes.extend(*kind);
        bytes.extend((content.len() as u32).to_le_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
    }
    bytes
}

/// The extended header: transparency is 0x10, an animation 0x02, a profile 0x20.
pub(crate) fn extended((width, height): (u32, u32), flags: u8) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    [vec![flags, 0, 0, 0], side(width), side(height)].concat()
}

/// Compressed transparency.
pub(crate) fn alpha(size: (u32, u32)) -> Vec<u8> {
    [vec![1], lossless(size, true, false, 1)].concat()
}

/// The first picture of an animation.
pub(crate) fn frame((width, height): (u32, u32), chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    [vec![0; 6], side(width), side(height), vec![0; 4], riff(chunks)].concat()
}
