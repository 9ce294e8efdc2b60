//! Resizing pictures, and encoding the thumbnails.

use fast_image_resize::{
    FilterType, IntoImageView, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use image::{
    DynamicImage, ImageEncoder, ImageResult, RgbImage, RgbaImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType as PngFilter, PngEncoder},
        webp::WebPEncoder,
    },
};
use lamplighter_jobs::images::ThumbnailFormat;

use crate::{error::Error, picture::Picture, work::Stop};

/// Out of 100: artefacts begin to be hard to see here, at a tenth of the size of quality 100.
const JPEG_QUALITY: u8 = 82;

/// A thumbnail, encoded in its format.
pub(crate) struct Encoded {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Why a thumbnail could not be made from a picture that was read.
#[derive(Debug, thiserror::Error)]
#[error("no thumbnail of {edge} pixels could be made")]
pub(crate) struct ThumbnailError {
    edge: u32,
    source: Cause,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A thumbnail of at most `edge` pixels along its longer edge. Heavy on CPU: for a thread that may block.
pub(crate) fn make(picture: &Picture, edge: u32, format: ThumbnailFormat, stop: &Stop) -> Result<Encoded, Error> {
    let failed = |source| ThumbnailError { edge, source };
    let (width, height) = fit(picture.width, picture.height, edge);
    let small = shrink(picture, width, height, stop).map_err(failed)?;
    stop.check()?;
    // Rotation comes last: it is cheaper for few pixels, and the longer edge stays the longer one.
    let mut small = DynamicImage::ImageRgba8(small);
    small.apply_orientation(picture.orientation);
    let small = if !picture.transparent {
        DynamicImage::ImageRgb8(small.into_rgb8())
    } else if format == ThumbnailFormat::Jpeg {
        DynamicImage::ImageRgb8(on_white(&small.into_rgba8()))
    } else {
        small
    };
    stop.check()?;
    let bytes = encode(&small, format, picture.profile.as_deref()).map_err(|error| failed(error.into()))?;
    Ok(Encoded { width: small.width(), height: small.height(), bytes })
}

/// The size that keeps the proportions, with the longer edge at most `edge`. Nothing is enlarged, nothing vanishes.
fn fit(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= edge {
        return (width, height);
    }
    let scaled = |side: u32| {
        let rounded = (u64::from(side) * u64::from(edge) + u64::from(longest) / 2) / u64::from(longest);
        u32::try_from(rounded).unwrap_or(edge).max(1)
    };
    (scaled(width), scaled(height))
}

/// Above this ratio a side is reduced in two steps.
const LARGE: u32 = 16;
/// The first of two steps reduces a side to this many times the thumbnail's side.
const HALFWAY: u32 = 4;

/// A filter weighs six times as many source pixels as the ratio of reduction, so its weights would number six times the
/// side's length. If a side is reduced by much, a plain average of adjacent pixels comes first; it has a sixth of the
/// weights, and the detail it loses is smaller than a pixel of the thumbnail.
fn shrink(picture: &Picture, width: u32, height: u32, stop: &Stop) -> Result<RgbaImage, Cause> {
    let step = |source: u32, target: u32| if source / target > LARGE { target * HALFWAY } else { source };
    let halfway = (step(picture.width, width), step(picture.height, height));
    let source = ImageRef::new(picture.width, picture.height, &picture.rgba, PixelType::U8x4)?;
    let size = (width, height);
    let mut small = if halfway == (picture.width, picture.height) {
        resized(&source, size, FilterType::Lanczos3)?
    } else {
        let averaged = resized(&source, halfway, FilterType::Box)?;
        stop.check()?;
        resized(&averaged, size, FilterType::Lanczos3)?
    };
    if picture.transparent {
        MulDiv::new().divide_alpha_inplace(&mut small)?;
    }
    RgbaImage::from_raw(width, height, small.into_vec()).ok_or_else(|| "the resizer returned too few pixels".into())
}

fn resized(source: &impl IntoImageView, (width, height): (u32, u32), by: FilterType) -> Result<Image<'static>, Cause> {
    let mut target = Image::new(width, height, PixelType::U8x4);
    // Colours are multiplied by alpha already.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(by)).use_alpha(false);
    Resizer::new().resize(source, &mut target, &options)?;
    Ok(target)
}

fn on_white(image: &RgbaImage) -> RgbImage {
    let mut flat = RgbImage::new(image.width(), image.height());
    for (to, from) in flat.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let blend = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255).min(255) as u8;
        to.0 = [blend(red), blend(green), blend(blue)];
    }
    flat
}

fn encode(image: &DynamicImage, format: ThumbnailFormat, profile: Option<&[u8]>) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    match format {
        ThumbnailFormat::Jpeg => write(image, JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY), profile)?,
        ThumbnailFormat::Png => {
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, PngFilter::Adaptive);
            write(image, encoder, profile)?;
        }
        ThumbnailFormat::Webp => write(image, WebPEncoder::new_lossless(&mut bytes), profile)?,
    }
    Ok(bytes)
}

fn write(image: &DynamicImage, mut encoder: impl ImageEncoder, profile: Option<&[u8]>) -> ImageResult<()> {
    if let Some(profile) = profile {
        // An encoder that does not support it writes the colours without it: better than no thumbnail.
        let _ = encoder.set_icc_profile(profile.to_vec());
    }
    encoder.write_image(image.as_bytes(), image.width(), image.height(), image.color().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn proportions_are_kept() {
        for (size, edge, fits) in [
            ((1600, 1000), 320, (320, 200)),
            ((1000, 1600), 320, (200, 320)),
            ((100, 80), 320, (100, 80)),
            ((320, 320), 320, (320, 320)),
            ((10_000, 1), 100, (100, 1)),
            ((1999, 999), 100, (100, 50)),
        ] {
            assert_eq!(fit(size.0, size.1, edge), fits, "{size:?} in {edge}");
        }
    }

    proptest! {
        #[test]
        fn thumbnails_fit_and_are_never_larger(width in 1u32..100_000, height in 1u32..100_000, edge in 1u32..5000) {
            let (w, h) = fit(width, height, edge);
            prop_assert!((1..=edge.min(width)).contains(&w) || w == width && width <= edge);
            prop_assert!((1..=edge.min(height)).contains(&h) || h == height && height <= edge);
            prop_assert!(w.max(h) == edge.min(width.max(height)));
        }
    }
}
