//! What can be gone to by its name.

use lamplighter_dashboard::Desk;

use crate::top::{page::Page, state::Place};

/// The queues, the types of jobs and the schedules. What cannot be read is left out: its page says why.
pub(super) async fn read(desk: &Desk, types: &[String]) -> Vec<Place> {
    let (queues, schedules) = tokio::join!(desk.queues(), desk.schedules(""));
    let mut names = Vec::new();
    names.extend(queues.into_iter().flat_map(|list| list.items).map(|one| Place::item(Page::Queues, &one.queue)));
    names.extend(types.iter().map(|name| Place::item(Page::Types, name)));
    let schedules = schedules.into_iter().flat_map(|list| list.items);
    names.extend(schedules.map(|one| Place::item(Page::Schedules, &one.schedule)));
    names
}
