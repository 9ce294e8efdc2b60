//! The overview.

use askama::Template;

use super::{Page, draw, frame::Frame, ui, written};
use crate::{
    Desk,
    http::Chrome,
    view::{Overview, Part, Severity},
};

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    view: Overview,
}

pub(super) async fn page(desk: Desk, chrome: Chrome) -> Page {
    let view = desk.overview().await;
    written(&OverviewPage { frame: Frame::of(&chrome, "Overview").read_at(view.as_of), view })
}
