//! Reading untrusted pictures.

use std::error::Error as StdError;

use bytes::Bytes;
use fast_image_resize::{MulDiv, PixelType, images::Image};
use image::{ImageFormat, metadata::Orientation};

use crate::{
    error::Error,
    formats::{About, Fault, Jpeg, MAX_METADATA, Pixels, Png, WebP},
    work::Stop,
};

/// The limits of reading. A picture of a few kilobytes may claim any size (a "decompression bomb"): the claim is
/// checked before memory is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The object's size in bytes. Default 40 MiB.
    pub bytes: u64,
    /// Width times height. Default 50 million, the size of today's phone pictures.
    pub pixels: u64,
    /// Width and height, each. Default 65,535, the largest that JPEG allows (ITU-T T.81, B.2.2).
    pub side: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 40 << 20, pixels: 50_000_000, side: 65_535 }
    }
}

/// Why a picture cannot be read. None of these errors is transient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Not one of the formats.
    #[error("{key} is not a picture in JPEG, PNG or WebP")]
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
    /// Longer than the limit.
    #[error("{key} has {width} × {height} pixels, and neither side may have more than {limit}")]
    TooLong {
        /// The object's key.
        key: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The limit on each.
        limit: u32,
    },
    /// Broken, truncated, or in need of more memory than its size explains.
    #[error("{key} cannot be read")]
    Broken {
        /// The object's key.
        key: String,
        /// The decoder's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The decoder panicked on it.
    #[error("{key} cannot be read: the decoder panicked on it")]
    Panicked {
        /// The object's key.
        key: String,
    },
}

/// A picture that is not decoded yet.
pub(crate) struct Source {
    width: u32,
    height: u32,
    about: About,
    format: Format,
}

enum Format {
    Jpeg(Jpeg),
    Png(Png),
    WebP(WebP),
}

impl Source {
    /// Parses a file, and refuses pictures that are too large.
    pub(crate) fn open(key: &str, bytes: Bytes, limits: Limits) -> Result<Self, Error> {
        let failed = |fault| failure(key, fault);
        let (format, width, height, about) = match image::guess_format(&bytes) {
            Ok(ImageFormat::Jpeg) => {
                let mut jpeg = Jpeg::open(&bytes).map_err(failed)?;
                let about = std::mem::take(&mut jpeg.about);
                let (width, height) = (jpeg.width, jpeg.height);
                (Format::Jpeg(jpeg), width, height, about)
            }
            Ok(ImageFormat::Png) => {
                let mut png = Png::open(&bytes).map_err(failed)?;
                let about = std::mem::take(&mut png.about);
                let (width, height) = (png.width, png.height);
                (Format::Png(png), width, height, about)
            }
            Ok(ImageFormat::WebP) => {
                let mut webp = WebP::open(bytes).map_err(failed)?;
                let about = std::mem::take(&mut webp.about);
                let (width, height) = (webp.width, webp.height);
                (Format::WebP(webp), width, height, about)
            }
            _ => return Err(PictureError::Unsupported { key: key.into() }.into()),
        };
        let key = || key.to_owned();
        if width.max(height) > limits.side {
            return Err(PictureError::TooLong { key: key(), width, height, limit: limits.side }.into());
        }
        if u64::from(width) * u64::from(height) > limits.pixels {
            return Err(PictureError::TooLarge { key: key(), width, height, limit: limits.pixels }.into());
        }
        Ok(Self { width, height, about, format })
    }

    /// The most bytes that decoding takes, which is more than resizing takes.
    pub(crate) fn memory(&self) -> u64 {
        match &self.format {
            Format::Jpeg(jpeg) => jpeg.memory(),
            Format::Png(png) => png.memory(),
            Format::WebP(webp) => webp.memory(),
        }
    }

    /// Decodes the picture. Heavy on CPU and memory: for a thread that may block.
    pub(crate) fn decode(self, key: &str, stop: &Stop) -> Result<Picture, Error> {
        let Self { width, height, about, format } = self;
        let pixels = match format {
            Format::Jpeg(jpeg) => jpeg.decode(stop),
            Format::Png(png) => png.decode(stop),
            Format::WebP(webp) => webp.decode(stop),
        };
        let Pixels { rgba, may_be_transparent } = pixels.map_err(|fault| failure(key, fault))?;
        stop.check()?;
        let mut picture = Picture {
            width,
            height,
            rgba,
            transparent: false,
            orientation: about.orientation.unwrap_or(Orientation::NoTransforms),
            profile: about.profile.filter(|profile| is_rgb(profile)),
        };
        picture.transparent = may_be_transparent && picture.rgba.iter().skip(3).step_by(4).any(|a| *a != u8::MAX);
        if picture.transparent {
            picture.premultiply();
        }
        Ok(picture)
    }
}

fn failure(key: &str, fault: Fault) -> Error {
    match fault {
        Fault::Broken(source) => PictureError::Broken { key: key.into(), source }.into(),
        Fault::Memory(bytes) => Error::Memory { key: key.into(), bytes },
        Fault::Stopped(stopped) => stopped.into(),
    }
}

/// A decoded picture, ready to be resized.
pub(crate) struct Picture {
    /// As stored: before [`orientation`](Self::orientation) is applied.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Red, green, blue and alpha, 8 bits each. In a transparent picture, colours are multiplied by alpha: invisible
    /// pixels have colours too, which must not bleed into adjacent visible ones.
    pub(crate) rgba: Vec<u8>,
    /// Whether any pixel is transparent.
    pub(crate) transparent: bool,
    /// The orientation of the camera.
    pub(crate) orientation: Orientation,
    /// The colour profile, if there is one for RGB.
    pub(crate) profile: Option<Vec<u8>>,
}

impl Picture {
    /// Width and height of the upright picture.
    pub(crate) fn upright(&self) -> (u32, u32) {
        let sideways = matches!(
            self.orientation,
            Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
        );
        if sideways { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// Multiplies in place, and once for all thumbnails: the resizer itself would copy the picture for each.
    fn premultiply(&mut self) {
        if let Ok(mut image) = Image::from_slice_u8(self.width, self.height, &mut self.rgba, PixelType::U8x4) {
            // Pixels of this type can be multiplied.
            let _ = MulDiv::new().multiply_alpha_inplace(&mut image);
        }
    }
}

/// Returns whether a profile describes RGB values, and so still fits after decoding (ICC.1:2022, 7.2.6: bytes 16 to
/// 19).
fn is_rgb(profile: &[u8]) -> bool {
    profile.len() <= MAX_METADATA && profile.get(16..20) == Some(b"RGB ")
}
