//! Reading pictures that anybody may have made.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, metadata::Orientation};

/// What is read at most. A picture of a few kilobytes may claim any size (a "decompression bomb"): what it claims is
/// checked before memory is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The object's size in bytes. Default 40 MiB.
    pub bytes: u64,
    /// Width times height. Default 50 million, what today's telephones make; they take some 350 MB while they are made
    /// smaller.
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 40 << 20, pixels: 50_000_000 }
    }
}

impl Limits {
    /// What decoding may ask for: the largest picture at 16 bits a channel, and room for the decoder's own tables.
    fn memory(&self) -> u64 {
        self.pixels.saturating_mul(8).saturating_add(16 << 20)
    }
}

/// Why a picture cannot be read. None of it would change with time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Not one of the formats.
    #[error("{key} is no picture in JPEG, PNG or WebP")]
    Unsupported {
        /// The object's key.
        key: String,
    },
    /// Larger than the limit.
    #[error("{key} has {width} × {height} pixels, and at most {limit} are read")]
    TooLarge {
        /// The object's key.
        key: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The limit on their product.
        limit: u64,
    },
    /// Broken, or in need of more memory than its size explains.
    #[error("{key} cannot be read")]
    Broken {
        /// The object's key.
        key: String,
        /// What the decoder says.
        source: ImageError,
    },
    /// The decoder came to a stop on it.
    #[error("{key} cannot be read: the decoder panicked on it")]
    Panicked {
        /// The object's key.
        key: String,
    },
}

/// A picture, ready to be made smaller.
pub(crate) struct Picture {
    /// As stored: before [`orientation`](Self::orientation) is applied.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Red, green, blue and alpha, 8 bits each.
    pub(crate) rgba: Vec<u8>,
    /// Whether any pixel lets something through.
    pub(crate) transparent: bool,
    /// How a camera was held.
    pub(crate) orientation: Orientation,
    /// The colour profile, where there is one for RGB.
    pub(crate) profile: Option<Vec<u8>>,
}

/// A colour profile larger than this is not carried along: it would outweigh the thumbnail.
const MAX_PROFILE: usize = 64 << 10;

impl Picture {
    /// Decodes a picture. Heavy on CPU and memory: for a thread that may block.
    pub(crate) fn decode(key: &str, bytes: &[u8], limits: Limits) -> Result<Self, PictureError> {
        let broken = |source| PictureError::Broken { key: key.into(), source };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| broken(ImageError::IoError(error)))?;
        if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
            return Err(PictureError::Unsupported { key: key.into() });
        }
        let mut allowed = image::Limits::default();
        allowed.max_alloc = Some(limits.memory());
        reader.limits(allowed);
        let mut decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > limits.pixels {
            return Err(PictureError::TooLarge { key: key.into(), width, height, limit: limits.pixels });
        }
        // Neither is worth failing for: a picture without them is a picture.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let profile = decoder.icc_profile().ok().flatten().filter(|profile| is_rgb(profile));
        let may_be_transparent = decoder.color_type().has_alpha();
        let rgba = DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgba8().into_raw();
        let transparent = may_be_transparent && rgba.iter().skip(3).step_by(4).any(|alpha| *alpha != u8::MAX);
        Ok(Self { width, height, rgba, transparent, orientation, profile })
    }

    /// Width and height as the picture is looked at.
    pub(crate) fn upright(&self) -> (u32, u32) {
        let lies = matches!(
            self.orientation,
            Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
        );
        if lies { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// Whether a profile describes RGB values, and so still fits after decoding (ICC.1:2022, 7.2.6: bytes 16 to 19).
fn is_rgb(profile: &[u8]) -> bool {
    profile.len() <= MAX_PROFILE && profile.get(16..20) == Some(b"RGB ")
}
