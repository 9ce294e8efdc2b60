//! Over HTTP.

mod assets;
mod chrome;
mod form;

pub use self::{assets::Asset, chrome::Chrome, form::Fields};
