//! JPEG (ITU-T T.81).

use image::metadata::Orientation;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{About, Fault, MAX_METADATA, Pixels, pixels, room, widen_rgb};
use crate::work::Stop;

/// More scans than any encoder makes: each may cover the whole picture again.
const MAX_SCANS: u32 = 100;
/// The bytes after the last scan of a sequential picture, instead of the end marker.
///
/// A decoder that meets the marker early fills up with grey and reports nothing. One that meets the end of the data
/// reports it; and since it reads up to eight bytes ahead, it must find that many.
const PADDING: [u8; 32] = [0; 32];

/// A parsed JPEG.
pub(crate) struct Jpeg {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) about: About,
    components: u64,
    /// Whether the decoder keeps all coefficients until it has seen the last scan.
    coefficients: bool,
    /// The parts of the file that the decoder needs, without metadata.
    stream: Vec<u8>,
}

struct Frame {
    width: u32,
    height: u32,
    components: u8,
    progressive: bool,
}

impl Jpeg {
    /// Parses a file.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, Fault> {
        let mut rest =
            bytes.strip_prefix(&[0xff, 0xd8]).ok_or_else(|| Fault::broken("it does not begin like a JPEG"))?;
        let mut stream = Vec::new();
        stream.try_reserve_exact(bytes.len() + PADDING.len()).map_err(|_| Fault::Memory(bytes.len()))?;
        stream.extend([0xff, 0xd8]);
        let (mut frame, mut about, mut profile) = (None::<Frame>, About::default(), Profile::default());
        let (mut scans, mut in_first_scan, mut ended) = (0, 0, false);
        while let Some((marker, after)) = next_marker(rest) {
            rest = after;
            match marker {
                // These have no content.
                0x01 | 0xd0..=0xd8 => continue,
                0xd9 => {
                    ended = true;
                    break;
                }
                _ => {}
            }
            let cut_short = || Fault::broken("it is cut short");
            let length = rest.first_chunk().map(|length| usize::from(u16::from_be_bytes(*length)));
            let (segment, after) = length.and_then(|length| rest.split_at_checked(length)).ok_or_else(cut_short)?;
            let content = segment.get(2..).ok_or_else(|| Fault::broken("one of its segments has no length"))?;
            rest = after;
            match marker {
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    if frame.is_some() {
                        return Err(Fault::broken("it has two pictures in one"));
                    }
                    frame = Some(Frame::read(marker, content)?);
                }
                0xe1 => {
                    let exif = content.strip_prefix(b"Exif\0\0");
                    about.orientation = about.orientation.or(exif.and_then(Orientation::from_exif_chunk));
                    continue;
                }
                0xe2 => {
                    profile.add(content);
                    continue;
                }
                // These two describe the colours; the others are comments and other metadata.
                0xe0 | 0xee => {}
                0xe3..=0xed | 0xef | 0xfe => continue,
                _ => {}
            }
            stream.extend([0xff, marker]);
            stream.extend(segment);
            if marker == 0xda {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(Fault::broken(format!("it has more than {MAX_SCANS} scans")));
                }
                if scans == 1 {
                    in_first_scan = content.first().copied().unwrap_or(0);
                }
                let (data, after) = rest.split_at(entropy_coded(rest));
                stream.extend(data);
                rest = after;
            }
        }
        let frame = frame.filter(|_| scans > 0).ok_or_else(|| Fault::broken("it has no pixels"))?;
        if !frame.progressive {
            stream.extend(PADDING);
        } else if ended {
            stream.extend([0xff, 0xd9]);
        } else {
            return Err(Fault::broken("its end is missing"));
        }
        about.profile = profile.whole();
        Ok(Self {
            width: frame.width,
            height: frame.height,
            about,
            components: frame.components.into(),
            coefficients: frame.progressive || in_first_scan < frame.components,
            stream,
        })
    }

    /// The most bytes that decoding takes, the pixels included.
    pub(crate) fn memory(&self) -> u64 {
        // A sampling factor is 4 at most, so a block of each component covers 32 pixels at most.
        let padded = pixels(self.width.next_multiple_of(32), self.height.next_multiple_of(32));
        let coefficients = if self.coefficients { self.components * padded * 2 } else { 0 };
        let row = self.components * u64::from(self.width.next_multiple_of(32)) * 32 * 2;
        4 * pixels(self.width, self.height) + coefficients + 4 * row + self.stream.len() as u64
    }

    /// Decodes the pixels. Strictly: data that ends early is broken, where a lenient decoder fills up with grey.
    pub(crate) fn decode(self, stop: &Stop) -> Result<Pixels, Fault> {
        let options = DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
        let decoder = |options| JpegDecoder::new_with_options(ZCursor::new(self.stream.as_slice()), options);
        let mut headers = decoder(options);
        headers.decode_headers().map_err(broken)?;
        // The decoder cannot make four channels of these three.
        let rgb = headers.input_colorspace() == Some(ColorSpace::RGB);
        let colours = if rgb { ColorSpace::RGB } else { ColorSpace::RGBA };
        let mut decoder = decoder(options.jpeg_set_out_colorspace(colours));
        let mut rgba = room(self.width, self.height)?;
        let filled = rgba.len() / 4 * colours.num_components();
        decoder.decode_into(&mut rgba[..filled]).map_err(broken)?;
        stop.check()?;
        if rgb {
            widen_rgb(&mut rgba);
        }
        Ok(Pixels { rgba, may_be_transparent: false })
    }
}

fn broken(error: zune_jpeg::errors::DecodeErrors) -> Fault {
    Fault::broken(error.to_string())
}

impl Frame {
    /// Reads a frame header (B.2.2).
    fn read(marker: u8, content: &[u8]) -> Result<Self, Fault> {
        let &[_precision, h1, h0, w1, w0, components, ..] = content else {
            return Err(Fault::broken("it does not say how large it is"));
        };
        let (width, height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        if width == 0 || height == 0 || !(1..=4).contains(&components) {
            return Err(Fault::broken(format!("it has {width} × {height} pixels of {components} colours")));
        }
        Ok(Self { width, height, components, progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce) })
    }
}

/// The next marker and the bytes after it. Stray bytes before it are skipped, as some cameras leave them between
/// segments.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = bytes;
    loop {
        let start = rest.iter().position(|byte| *byte == 0xff)?;
        rest = &rest[start + 1..];
        match rest.iter().position(|byte| *byte != 0xff) {
            Some(fill) if rest[fill] != 0 => return Some((rest[fill], &rest[fill + 1..])),
            Some(_) => {}
            None => return None,
        }
    }
}

/// How many bytes of entropy-coded data there are: up to a marker that is not a restart, or to the end.
fn entropy_coded(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xff) {
        at += found;
        match bytes.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => return bytes.len(),
        }
    }
    bytes.len()
}

/// A colour profile in pieces (ICC.1:2022, B.4).
#[derive(Default)]
struct Profile {
    pieces: Vec<(u8, Vec<u8>)>,
    bytes: usize,
}

impl Profile {
    fn add(&mut self, content: &[u8]) {
        let Some([number, _count, piece @ ..]) = content.strip_prefix(b"ICC_PROFILE\0") else { return };
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes <= MAX_METADATA && self.pieces.len() < usize::from(u8::MAX) {
            self.pieces.push((*number, piece.to_vec()));
        }
    }

    fn whole(mut self) -> Option<Vec<u8>> {
        if self.bytes == 0 || self.bytes > MAX_METADATA {
            return None;
        }
        self.pieces.sort_by_key(|(number, _)| *number);
        Some(self.pieces.into_iter().flat_map(|(_, piece)| piece).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_coded_data_ends_at_other_markers_than_restarts() {
        assert_eq!(entropy_coded(&[1, 0xff, 0, 0xff, 0xd3, 2, 0xff, 0xd9]), 6);
        assert_eq!(entropy_coded(&[1, 0xff, 0xff, 0xd9]), 2);
        assert_eq!(entropy_coded(&[1, 2, 0xff]), 3);
        assert_eq!(entropy_coded(&[]), 0);
    }

    #[test]
    fn markers_are_found_behind_stray_bytes() {
        assert_eq!(next_marker(&[7, 7, 0xff, 0xff, 0xda, 5]), Some((0xda, &[5][..])));
        assert_eq!(next_marker(&[0xff, 0, 0xff, 0xd9]), Some((0xd9, &[][..])));
        assert_eq!(next_marker(&[0xff]), None);
    }

    #[test]
    fn profile_pieces_are_joined_unless_too_large() {
        let piece = |number: u8, bytes: &[u8]| [b"ICC_PROFILE\0", &[number, 2][..], bytes].concat();
        let mut profile = Profile::default();
        profile.add(&piece(2, b"world"));
        profile.add(&piece(1, b"hello "));
        profile.add(b"MPF\0");
        assert_eq!(profile.whole().as_deref(), Some(&b"hello world"[..]));
        let mut profile = Profile::default();
        (0..40).for_each(|number| profile.add(&piece(number, &[0; 60_000])));
        assert!(profile.pieces.len() < 3);
        assert_eq!(profile.whole(), None);
    }
}
