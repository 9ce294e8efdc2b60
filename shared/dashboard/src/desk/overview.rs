//! The overview. It reads no record of a job.

use jiff::Timestamp;
use lamplighter::backend::ScheduleStatus;

use super::{Desk, health::queue_findings};
use crate::{
    problem::Problem,
    view::{
        Activity, ErrorView, FindingView, Overview, Part, QueueView, ScheduleView, Severity, UpcomingView, Verdict,
    },
};

/// What the first page has of each.
const FEW: usize = 5;

impl Desk {
    /// What the first page shows. A part that is silent does not keep the others waiting.
    pub async fn overview(&self) -> Overview {
        let (activity, errors, queues, schedules) =
            tokio::join!(self.activity_in_hour(None), self.latest_errors(), self.seen_queues(), self.upcoming());
        let verdict = self.verdict(&activity, &queues).await;
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

    async fn verdict(&self, activity: &Result<Activity, Problem>, queues: &Result<Vec<QueueView>, Problem>) -> Verdict {
        let _ = activity;
        let mut findings = match queues {
            Ok(queues) => queue_findings(queues),
            Err(problem) => vec![FindingView {
                severity: Severity::Error,
                title: "The queues cannot be read".into(),
                detail: problem.detail.clone(),
                action: None,
            }],
        };
        findings.retain(|finding| finding.severity < Severity::Note);
        findings.sort_by_key(|finding| finding.severity);
        let more = findings.len().saturating_sub(FEW) as u64;
        findings.truncate(FEW);
        Verdict { is_well: findings.is_empty(), findings, more }
    }

    async fn latest_errors(&self) -> Result<Vec<ErrorView>, Problem> {
        let groups = self.shared.errors().await?;
        let seen = groups.iter().filter(|group| self.sees(&group.queue));
        Ok(seen.take(FEW).map(|group| ErrorView::of(group, &[])).collect())
    }

    async fn upcoming(&self) -> Result<UpcomingView, Problem> {
        let mut statuses = self.statuses().await?;
        let (total, paused) = (statuses.len(), statuses.iter().filter(|status| status.paused).count());
        let next_of = |status: &ScheduleStatus| status.next.first().copied().unwrap_or(Timestamp::MAX);
        statuses.sort_by_key(next_of);
        let next = statuses.into_iter().filter(|status| !status.next.is_empty()).take(FEW);
        Ok(UpcomingView {
            next: next.map(|status| ScheduleView::of(status, None)).collect(),
            missed: Vec::new(),
            paused: paused as u64,
            total: total as u64,
        })
    }
}

/// Queues with most to do first.
fn by_work(mut queues: Vec<QueueView>) -> Vec<QueueView> {
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.waiting, queue.in_flight, queue.delayed)));
    queues
}
