//! Thumbnails of pictures.

use lamplighter::{Job, Options, Queue, Retry, mins, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::queues;

/// Makes thumbnails of a picture (JPEG, PNG or WebP) in the object store, and writes them under keys that follow from
/// the arguments: `<folder>/<key>/<size>.<format>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeThumbnails {
    /// The picture's key in the object store, for example `photos/harbour.jpg`.
    #[schemars(length(min = 1, max = 1024))]
    pub key: String,
    /// The thumbnails' longest edges in pixels. A picture that is smaller keeps its size: nothing is enlarged.
    #[serde(default = "MakeThumbnails::default_sizes")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 8, max = 4096)))]
    pub sizes: Vec<u32>,
    /// The thumbnails' format; by default JPEG, or PNG for a picture with transparent parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ThumbnailFormat>,
    /// The folder for thumbnails in the object store.
    #[serde(default = "MakeThumbnails::default_folder")]
    #[schemars(length(min = 1, max = 256))]
    pub folder: String,
}

/// The format of a thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThumbnailFormat {
    /// JPEG at quality 82; transparent parts become white.
    Jpeg,
    /// PNG.
    Png,
    /// Lossless WebP.
    Webp,
}

impl ThumbnailFormat {
    /// The extension of a file's name.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }
}

impl MakeThumbnails {
    /// The most thumbnails that one job makes.
    pub const MAX_SIZES: usize = 8;
    /// The smallest and the largest longest edge of a thumbnail, in pixels.
    pub const EDGES: std::ops::RangeInclusive<u32> = 8..=4096;

    /// Thumbnails of `key` in the default sizes.
    #[must_use]
    pub fn of(key: impl Into<String>) -> Self {
        Self { key: key.into(), sizes: Self::default_sizes(), format: None, folder: Self::default_folder() }
    }

    /// Sets the longest edges in pixels.
    #[must_use]
    pub fn sizes(mut self, sizes: impl IntoIterator<Item = u32>) -> Self {
        self.sizes = sizes.into_iter().collect();
        self
    }

    /// Sets the format.
    #[must_use]
    pub fn format(mut self, format: ThumbnailFormat) -> Self {
        self.format = Some(format);
        self
    }

    fn default_sizes() -> Vec<u32> {
        vec![160, 480, 1280]
    }

    fn default_folder() -> String {
        "thumbnails".into()
    }
}

impl Job for MakeThumbnails {
    const NAME: &'static str = "image.thumbnail";
    const QUEUE: Queue = queues::IMAGES;

    /// Only failures of the object store are transient, and it is back in seconds; a bad picture is not tried again.
    fn options() -> Options {
        Options::new()
            .timeout(mins(2))
            .retry(Retry::exponential(secs(2)).cap(mins(5)).attempts(6))
            .retention(crate::retention())
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::Definition;

    use super::*;

    #[test]
    fn a_key_is_enough() {
        let job: MakeThumbnails = serde_json::from_str(r#"{"key":"a.png"}"#).unwrap();
        assert_eq!(job, MakeThumbnails::of("a.png"));
    }

    #[test]
    fn schema_states_the_limits() {
        let schema = Definition::of::<MakeThumbnails>().schema().to_value();
        let sizes = &schema["properties"]["sizes"];
        assert_eq!(sizes["maxItems"], MakeThumbnails::MAX_SIZES);
        assert_eq!(sizes["items"]["minimum"], *MakeThumbnails::EDGES.start());
        assert_eq!(sizes["items"]["maximum"], *MakeThumbnails::EDGES.end());
        assert_eq!(schema["required"], serde_json::json!(["key"]));
    }
}
