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
    more_queues: u64,
}

/// The queues that are shown: those with most to do.
const QUEUES: usize = 12;

pub(super) async fn page(desk: Desk, chrome: Chrome) -> Page {
    let mut view = desk.overview().await;
    let mut more_queues = 0;
    if let Part::Ready(queues) = &mut view.queues {
        more_queues = queues.len().saturating_sub(QUEUES) as u64;
        queues.truncate(QUEUES);
    }
    written(&OverviewPage { frame: Frame::of(&chrome, "Overview").read_at(view.as_of), view, more_queues })
}
