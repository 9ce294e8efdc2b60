//! PNG (W3C, third edition).

use std::io::Cursor;

use image::metadata::Orientation;
use png::{ColorType, Decoder, InterlaceInfo, Limits, Transformations, expand_interlaced_row};

use super::{About, Fault, MAX_METADATA, Pixels, pixels, room};
use crate::work::Stop;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// A parsed PNG.
pub(crate) struct Png {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) about: About,
    /// The chunks that make pixels. No text, animation or profile reaches the decoder, which would decompress it.
    stream: Vec<u8>,
}

impl Png {
    /// Parses a file.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self, Fault> {
        let mut rest = bytes.strip_prefix(&SIGNATURE).ok_or_else(|| Fault::broken("it does not begin like a PNG"))?;
        let Some((width, height)) = size(rest) else { return Err(Fault::broken("it does not say how large it is")) };
        let mut stream = Vec::new();
        stream.try_reserve_exact(bytes.len()).map_err(|_| Fault::Memory(bytes.len()))?;
        stream.extend(SIGNATURE);
        let mut about = About::default();
        while let Some((head, after)) = rest.split_first_chunk::<8>() {
            let [l3, l2, l1, l0, kind @ ..] = *head;
            let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
            // A chunk includes its checksum. A truncated chunk is left for the decoder to report.
            let whole = length.saturating_add(12).min(rest.len());
            let content = &after[..length.min(after.len())];
            match &kind {
                b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND" => stream.extend(&rest[..whole]),
                b"eXIf" if about.orientation.is_none() && length <= MAX_METADATA => {
                    about.orientation = Orientation::from_exif_chunk(content);
                }
                b"iCCP" if about.profile.is_none() => about.profile = profile(content),
                _ => {}
            }
            rest = &rest[whole..];
        }
        Ok(Self { width, height, about, stream })
    }

    /// The most bytes that decoding takes, the pixels included.
    pub(crate) fn memory(&self) -> u64 {
        // Some rows as stored, at 16 bits in each of four channels, and the window of the compression.
        let rows = 16 * 8 * u64::from(self.width) + (2 << 20);
        4 * pixels(self.width, self.height) + rows + self.stream.len() as u64
    }

    /// Decodes the pixels, row by row.
    pub(crate) fn decode(self, stop: &Stop) -> Result<Pixels, Fault> {
        let limits = Limits { bytes: MAX_METADATA + 16 * 8 * self.width as usize };
        let mut decoder = Decoder::new_with_limits(Cursor::new(self.stream), limits);
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(Fault::broken)?;
        let (colours, _) = reader.output_color_type();
        let mut rgba = room(self.width, self.height)?;
        let stride = self.width as usize * 4;
        let (mut wide, mut line) = (vec![0; stride], 0);
        while let Some(row) = reader.next_interlaced_row().map_err(Fault::broken)? {
            stop.check()?;
            match row.interlace() {
                InterlaceInfo::Null(_) => {
                    let to = rgba.get_mut(line..line + stride).ok_or_else(|| Fault::broken("it has too many rows"))?;
                    widen(row.data(), colours, to);
                    line += stride;
                }
                InterlaceInfo::Adam7(pass) => {
                    let filled = widen(row.data(), colours, &mut wide);
                    expand_interlaced_row(&mut rgba, stride, &wide[..filled], pass, 32);
                }
            }
        }
        Ok(Pixels { rgba, may_be_transparent: matches!(colours, ColorType::GrayscaleAlpha | ColorType::Rgba) })
    }
}

/// The size in the first chunk, which is the header.
fn size(chunks: &[u8]) -> Option<(u32, u32)> {
    let content = chunks.get(4..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = content.split_first_chunk()?;
    let size = (u32::from_be_bytes(*width), u32::from_be_bytes(*rest.first_chunk()?));
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// A colour profile: a name, a zero, the method of compression, and the compressed data.
fn profile(content: &[u8]) -> Option<Vec<u8>> {
    let name = content.iter().take(80).position(|byte| *byte == 0)?;
    let [0, compressed @ ..] = content.get(name + 1..)? else { return None };
    fdeflate::decompress_to_vec_bounded(compressed, MAX_METADATA).ok()
}

/// Writes pixels of one to four channels with four; returns the bytes written.
fn widen(from: &[u8], colours: ColorType, to: &mut [u8]) -> usize {
    let pixel = |pixel: &[u8]| match *pixel {
        [grey] => [grey, grey, grey, u8::MAX],
        [grey, alpha] => [grey, grey, grey, alpha],
        [red, green, blue] => [red, green, blue, u8::MAX],
        [red, green, blue, alpha, ..] => [red, green, blue, alpha],
        [] => [0; 4],
    };
    let mut written = 0;
    for (to, from) in to.chunks_exact_mut(4).zip(from.chunks_exact(colours.samples())) {
        to.copy_from_slice(&pixel(from));
        written += 4;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_pixel_becomes_four_channels() {
        let mut to = [0; 8];
        assert_eq!(widen(&[1, 2], ColorType::Grayscale, &mut to), 8);
        assert_eq!(to, [1, 1, 1, 255, 2, 2, 2, 255]);
        assert_eq!(widen(&[1, 9, 2, 8], ColorType::GrayscaleAlpha, &mut to), 8);
        assert_eq!(to, [1, 1, 1, 9, 2, 2, 2, 8]);
        assert_eq!(widen(&[1, 2, 3], ColorType::Rgb, &mut to), 4);
        assert_eq!(to[..4], [1, 2, 3, 255]);
        assert_eq!(widen(&[1, 2, 3, 4, 5, 6, 7, 8], ColorType::Rgba, &mut to), 8);
        assert_eq!(to, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
