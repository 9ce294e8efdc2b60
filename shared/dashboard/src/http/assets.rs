//! Files that pages load.

use std::{fmt::Write, sync::LazyLock};

use sha2::{Digest, Sha256};

/// A file that pages load.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name: `dashboard.css`.
    pub name: &'static str,
    /// Its type: `text/css; charset=utf-8`.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
}

/// A word for the content of all files. It is a folder in their addresses, so that they can be kept for ever, and so that one may
/// name another beside it.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in crate::pages::ASSETS {
        hash.update((asset.name.len() as u64).to_be_bytes());
        hash.update(asset.name);
        hash.update((asset.bytes.len() as u64).to_be_bytes());
        hash.update(asset.bytes);
    }
    <[u8; 32]>::from(hash.finalize()).iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});

/// The path of a file, below the base.
pub(crate) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// The file of this name.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    crate::pages::ASSETS.iter().find(|asset| asset.name == name)
}
