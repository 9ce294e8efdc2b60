//! The overview. It reads no record of a job.

use std::time::Duration;

use jiff::Timestamp;
use lamplighter::{
    backend::ScheduleStatus,
    operation::{Action, Operation, Target},
    record::ErrorGroup,
};

use super::{
    Desk,
    health::{add, dead_letter_finding, queue_findings},
    segment,
    wording::{grouped, imperative},
};
use crate::{
    problem::Problem,
    view::{
        Activity, ErrorView, FindingView, Link, Mark, Overview, Part, QueueView, ScheduleView, Severity, UpcomingView,
        Verdict,
    },
};

/// What the first page has of each.
const FEW: usize = 5;
/// Schedules that a finding names.
const NAMED: usize = 3;
/// The most marks on a line of time.
const MARKS: usize = 20;
/// How late a schedule's job may be.
const GRACE: Duration = Duration::from_secs(120);

impl Desk {
    /// What the first page shows. A part that is silent does not keep the others waiting.
    pub async fn overview(&self) -> Overview {
        let (activity, errors, queues, schedules) =
            tokio::join!(self.activity_in_hour(None), self.latest_errors(), self.seen_queues(), self.upcoming());
        let activity = match activity {
            Ok(activity) => Ok(self.marked(activity).await),
            Err(problem) => Err(problem),
        };
        let verdict = self.verdict(activity.as_ref().ok(), &queues, schedules.as_ref().ok(), errors.as_ref().ok());
        Overview {
            environment: self.site().environment.clone(),
            verdict,
            activity: Part::from(activity),
            errors: Part::from(errors),
            queues: Part::from(queues.map(by_work)),
            schedules: Part::from(schedules),
            as_of: self.now(),
        }
    }

    fn verdict(
        &self,
        activity: Option<&Activity>,
        queues: &Result<Vec<QueueView>, Problem>,
        schedules: Option<&UpcomingView>,
        errors: Option<&Vec<ErrorView>>,
    ) -> Verdict {
        let failing = activity.zip(errors).and_then(|(activity, errors)| failing(activity, errors));
        let mut findings: Vec<_> = failing.into_iter().collect();
        findings.extend(match queues {
            Ok(queues) => queue_findings(queues, self.now()),
            Err(problem) => vec![FindingView {
                severity: Severity::Error,
                title: "The queues cannot be read".into(),
                detail: problem.detail.clone(),
                action: None,
            }],
        });
        findings.extend(schedules.and_then(|schedules| missed(&schedules.missed)));
        if self.sees_all() {
            let examined = self.shared.seen_health();
            add(&mut findings, examined.iter().flat_map(|found| found.findings.clone()));
        }
        findings.extend(queues.as_ref().ok().and_then(|queues| dead_letter_finding(queues)));
        findings.retain(|finding| finding.severity < Severity::Note);
        findings.sort_by_key(|finding| finding.severity);
        let more = findings.len().saturating_sub(FEW) as u64;
        findings.truncate(FEW);
        Verdict { is_well: findings.is_empty(), findings, more }
    }

    /// With what operators did in that time.
    async fn marked(&self, mut activity: Activity) -> Activity {
        if self.site().backend.operations.is_none() {
            return activity;
        }
        let operations = self.shared.operations().await.unwrap_or_default();
        let is_seen = |operation: &&Operation| {
            let target = match &operation.target {
                Target::Queue { queue } | Target::DeadLetters { queue, .. } => self.sees(queue),
                _ => false,
            };
            self.sees_all() || operation.by == self.viewer.name || target
        };
        let is_then = |operation: &&Operation| (activity.since..=activity.until).contains(&operation.created_at);
        let marks = operations.iter().filter(is_then).filter(is_seen).take(MARKS).map(|operation| Mark {
            at: operation.created_at,
            kind: match operation.action {
                Action::PauseQueue | Action::PauseSchedule => "pause",
                Action::ResumeQueue | Action::ResumeSchedule => "resume",
                _ => "operation",
            }
            .to_owned(),
            title: format!("{} {}", imperative(&operation.action), operation.target),
            link: Some(Link::new("The operation", format!("/operations/{}", operation.id))),
        });
        activity.marks = marks.collect();
        activity
    }

    async fn latest_errors(&self) -> Result<Vec<ErrorView>, Problem> {
        let groups = self.shared.errors().await?;
        let now = self.now();
        let is_muted = |group: &ErrorGroup| group.note.as_ref().is_some_and(|note| note.is_muted(now));
        let seen = groups.iter().filter(|group| self.sees(&group.queue) && !is_muted(group));
        Ok(seen.take(FEW).map(|group| ErrorView::of(group, &[])).collect())
    }

    async fn upcoming(&self) -> Result<UpcomingView, Problem> {
        let mut statuses = self.statuses().await?;
        let (total, paused) = (statuses.len(), statuses.iter().filter(|status| status.paused).count());
        let next_of = |status: &ScheduleStatus| status.next.first().copied().unwrap_or(Timestamp::MAX);
        statuses.sort_by_key(next_of);
        let now = self.now();
        let missed = statuses.iter().filter(|status| is_missed(status, now)).take(MARKS).cloned();
        let missed = missed.map(|status| ScheduleView::of(status, None)).collect();
        let next = statuses.into_iter().filter(|status| !status.next.is_empty()).take(FEW);
        Ok(UpcomingView {
            next: next.map(|status| ScheduleView::of(status, None)).collect(),
            missed,
            paused: paused as u64,
            total: total as u64,
        })
    }
}

/// Whether a schedule's last time has passed without its job. The job's id says for which time it was: no record is read.
fn is_missed(status: &ScheduleStatus, now: Timestamp) -> bool {
    let ScheduleStatus { schedule, paused, last_run: Some(last), .. } = status else { return false };
    let latest = now.saturating_sub(GRACE).unwrap_or(now);
    let Ok(Some(tick)) = schedule.at_or_before(latest) else { return false };
    let was = last.as_str().rsplit_once('@').and_then(|(_, moment)| moment_of(moment));
    !paused && schedule.enabled && was.is_some_and(|was| was < tick)
}

fn moment_of(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Timestamp::from_second(text.parse().ok()?).ok())
}

/// Schedules that were missed: one finding.
fn missed(schedules: &[ScheduleView]) -> Option<FindingView> {
    let (title, detail, action) = match schedules {
        [] => return None,
        [one] => (
            format!("{} has missed its time", one.schedule),
            "Its job was not started when it was due.".to_owned(),
            Link::new("Look at its runs", format!("/schedules/{}", segment(&one.schedule))),
        ),
        several => {
            let names: Vec<_> = several.iter().take(NAMED).map(|one| one.schedule.clone()).collect();
            let more = if several.len() > NAMED { ", …" } else { "" };
            let title = format!("{} schedules have missed their time", several.len());
            (title, format!("{}{more}.", names.join(", ")), Link::new("Look at the schedules", "/schedules"))
        }
    };
    Some(FindingView { severity: Severity::Warning, title, detail, action: Some(action) })
}

/// When one of twenty jobs fails, somebody should know.
fn failing(activity: &Activity, errors: &[ErrorView]) -> Option<FindingView> {
    let (failed, ended) = (activity.total.failed, activity.total.failed + activity.total.succeeded);
    let is_known = !errors.iter().any(|group| group.last_seen >= activity.since);
    (failed > 0 && failed * 20 >= ended && !is_known).then(|| FindingView {
        severity: Severity::Warning,
        title: format!("Jobs failed {} of {} times in the last hour", grouped(failed), grouped(ended)),
        detail: "They are not tried again by themselves.".into(),
        action: Some(Link::new("Look at the errors", "/errors?q=since%3A1h")),
    })
}

/// Queues with most to do first.
fn by_work(mut queues: Vec<QueueView>) -> Vec<QueueView> {
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.waiting, queue.in_flight, queue.delayed)));
    queues
}
