//! Reading the formats.
//!
//! Each parses a file first, without decoding it: the picture's size, orientation and colours, and how much memory
//! decoding will take. Metadata that is not needed is never decompressed, whatever it claims to contain. Of the rest,
//! at most [`MAX_METADATA`] bytes are read.

mod jpeg;
mod png;
mod vp8l;
mod webp;

use std::error::Error as StdError;

use image::metadata::Orientation;

pub(crate) use self::{jpeg::Jpeg, png::Png, webp::WebP};
use crate::work::Stopped;

/// EXIF data or a colour profile above this size is ignored. A profile would outweigh the thumbnail, and the
/// orientation is small.
pub(crate) const MAX_METADATA: usize = 64 << 10;

/// The metadata of a file.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// The orientation of the camera.
    pub(crate) orientation: Option<Orientation>,
    /// The colour profile, of whatever colours.
    pub(crate) profile: Option<Vec<u8>>,
}

/// Pixels: red, green, blue and alpha, 8 bits each.
#[derive(Debug)]
pub(crate) struct Pixels {
    pub(crate) rgba: Vec<u8>,
    /// Whether the format could express that a pixel is transparent.
    pub(crate) may_be_transparent: bool,
}

/// Why there are no pixels.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Broken(Box<dyn StdError + Send + Sync>),
    #[error("out of memory for {0} bytes")]
    Memory(usize),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Fault {
    pub(crate) fn broken(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Broken(why.into())
    }
}

/// Allocates a picture's pixels. This fails with an error where an ordinary allocation would end the process.
fn room(width: u32, height: u32) -> Result<Vec<u8>, Fault> {
    let bytes = (width as usize).checked_mul(height as usize).and_then(|pixels| pixels.checked_mul(4));
    let bytes = bytes.ok_or(Fault::Memory(usize::MAX))?;
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).map_err(|_| Fault::Memory(bytes))?;
    room.resize(bytes, 0);
    Ok(room)
}

/// Widens three bytes per pixel to four, in place: the pixels fill the first three quarters.
fn widen_rgb(pixels: &mut [u8]) {
    for index in (0..pixels.len() / 4).rev() {
        let (from, to) = (index * 3, index * 4);
        let [red, green, blue] = [pixels[from], pixels[from + 1], pixels[from + 2]];
        pixels[to..to + 4].copy_from_slice(&[red, green, blue, u8::MAX]);
    }
}

fn pixels(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_a_pixel_become_four_in_place() {
        let mut pixels = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0];
        widen_rgb(&mut pixels);
        assert_eq!(pixels, [1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255]);
    }

    #[test]
    fn missing_memory_is_an_error() {
        assert!(matches!(room(u32::MAX, u32::MAX), Err(Fault::Memory(_))));
    }
}
