//! Schedules.

use askama::Template;
use axum::extract::{Path, Query};

use super::{
    Page,
    actions::{self, ActionLink},
    draw,
    frame::Frame,
    portion::{Asked, Portion},
    tree::tree,
    ui::{self, Markup},
    written,
};
use crate::{
    ActionKind, Desk,
    desk::CommandLine,
    http::Chrome,
    view::{Part, ScheduleDetail, ScheduleRunView, ScheduleView},
};

#[derive(Template)]
#[template(path = "schedules.html")]
struct SchedulesPage {
    frame: Frame,
    schedules: Vec<ScheduleView>,
    portion: Portion<()>,
}

pub(super) async fn list(desk: Desk, chrome: Chrome, Query(Asked { q, from }): Query<Asked>) -> Page {
    let list = desk.schedules_from(&q, &from).await?;
    let frame = Frame::of(&chrome, "Schedules").with_query().read_at(list.as_of);
    let join = if q.is_empty() { String::new() } else { format!("?q={}", ui::encode(&q)) };
    let address = format!("{}/schedules{join}", frame.base);
    let all = Asked { q: String::new(), from };
    let (schedules, mut portion) = Portion::of(list.items, &all, &address, |each| &each.schedule).split();
    portion.text = q;
    written(&SchedulesPage { frame, schedules, portion })
}

#[derive(Template)]
#[template(path = "schedule.html")]
struct SchedulePage {
    frame: Frame,
    each: ScheduleView,
    actions: Vec<ActionLink>,
    args: Option<Markup>,
    runs: Part<Vec<ScheduleRunView>>,
    /// The times before these, of which nothing is known.
    unknown: u64,
    command: String,
}

pub(super) async fn page(desk: Desk, chrome: Chrome, Path(name): Path<String>) -> Page {
    let ScheduleDetail { schedule, args, mut runs, as_of, .. } = desk.schedule(&name).await?;
    let mut unknown = 0;
    if let Part::Ready(runs) = &mut runs {
        let is_known = |run: &ScheduleRunView| run.state.is_some() || run.kind != "unknown";
        let known = runs.iter().rposition(is_known).map_or(0, |last| last + 1);
        unknown = (runs.len() - known) as u64;
        runs.truncate(known);
    }
    let frame = Frame::of(&chrome, schedule.schedule.clone()).read_at(as_of);
    let switch = if schedule.paused { ActionKind::ResumeSchedule } else { ActionKind::PauseSchedule };
    let kinds = [ActionKind::TriggerSchedule, switch, ActionKind::Backfill];
    let page = SchedulePage {
        actions: actions::links(&frame, kinds, false),
        args: args.as_ref().map(|args| tree(args, "args")),
        command: desk.command(&CommandLine::new("schedule runs").about(&schedule.schedule)),
        frame,
        each: schedule,
        runs,
        unknown,
    };
    written(&page)
}
