//! Reading the formats.
//!
//! Each takes a file apart first, without decoding it: how large the picture is, which way up, in which colours, and how
//! much memory decoding will take. Metadata that is not needed is never unfolded, whatever it claims to hold. Of what is
//! needed, at most [`MAX_METADATA`] are read.

mod jpeg;
mod png;
mod vp8l;
mod webp;

use std::error::Error as StdError;

use image::metadata::Orientation;

pub(crate) use self::{jpeg::Jpeg, png::Png, webp::WebP};
use crate::work::Stopped;

/// EXIF data or a colour profile above this size is passed over. A profile would outweigh the thumbnail, and what says how
/// the camera was held is small.
pub(crate) const MAX_METADATA: usize = 64 << 10;

/// What stands in a file besides pixels.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// How a camera was held.
    pub(crate) orientation: Option<Orientation>,
    /// The colour profile, of whatever colours.
    pub(crate) profile: Option<Vec<u8>>,
}

/// Pixels: red, green, blue and alpha, 8 bits each.
#[derive(Debug)]
pub(crate) struct Pixels {
    pub(crate) rgba: Vec<u8>,
    /// Whether the format could have said that a pixel lets something through.
    pub(crate) may_be_transparent: bool,
}

/// Why there are no pixels.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Broken(Box<dyn StdError + Send + Sync>),
    #[error("there is no memory for {0} bytes")]
    Memory(usize),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Fault {
    pub(crate) fn broken(why: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Broken(why.into())
    }
}

/// Room for a picture's pixels. Asking for it in this way fails where an ordinary allocation would end the process.
fn room(width: u32, height: u32) -> Result<Vec<u8>, Fault> {
    let bytes = (width as usize).checked_mul(height as usize).and_then(|pixels| pixels.checked_mul(4));
    let bytes = bytes.ok_or(Fault::Memory(usize::MAX))?;
    let mut room = Vec::new();
    room.try_reserve_exact(bytes).map_err(|_| Fault::Memory(bytes))?;
    room.resize(bytes, 0);
    Ok(room)
}

/// Makes four bytes a pixel of three, in place: the pixels fill the first three quarters.
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
    fn memory_that_there_is_not_is_an_error() {
        assert!(matches!(room(u32::MAX, u32::MAX), Err(Fault::Memory(_))));
    }
}
