//! Schedules.

use askama::Template;
use axum::extract::{Path, Query};
use serde::Deserialize;

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    tree::tree,
    ui::{self, Markup},
    written,
};
use crate::{
    ActionKind, Desk,
    http::Chrome,
    view::{List, Part, ScheduleDetail, ScheduleRunView, ScheduleView},
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "schedules.html")]
struct SchedulesPage {
    frame: Frame,
    text: String,
    list: List<ScheduleView>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(asked): Query<Asked>) -> Page {
    let list = desk.schedules(&asked.q).await?;
    let frame = Frame::of(&chrome, "Schedules").with_query().read_at(list.as_of);
    written(&SchedulesPage { frame, text: asked.q, list })
}

#[derive(Template)]
#[template(path = "schedule.html")]
struct SchedulePage {
    frame: Frame,
    each: ScheduleView,
    actions: Vec<ActionLink>,
    args: Option<Markup>,
    runs: Part<Vec<ScheduleRunView>>,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(name): Path<String>) -> Page {
    let ScheduleDetail { schedule, args, runs, as_of, .. } = desk.schedule(&name).await?;
    let frame = Frame::of(&chrome, schedule.schedule.clone()).read_at(as_of);
    let switch = if schedule.paused { ActionKind::ResumeSchedule } else { ActionKind::PauseSchedule };
    let kinds = [ActionKind::TriggerSchedule, switch, ActionKind::Backfill];
    let page = SchedulePage {
        actions: actions::links(&frame, kinds, false),
        args: args.as_ref().map(|args| tree(args, "args")),
        command: desk.command(["schedule", "trigger", &schedule.schedule]),
        frame,
        each: schedule,
        runs,
    };
    written(&page)
}
