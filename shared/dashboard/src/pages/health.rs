//! Health.

use askama::Template;

use super::{Page, frame::Frame, ui, written};
use crate::{
    Desk,
    http::Chrome,
    view::{HealthView, Severity},
};

#[derive(Template)]
#[template(path = "health.html")]
struct HealthPage {
    frame: Frame,
    view: HealthView,
}

pub(super) async fn page(desk: Desk, chrome: Chrome) -> Page {
    let view = desk.health().await;
    written(&HealthPage { frame: Frame::of(&chrome, "Health").read_at(view.as_of), view })
}
