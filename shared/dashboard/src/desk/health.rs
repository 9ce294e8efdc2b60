//! Health: what the site's own source found, and what the queues say.

use jiff::Timestamp;

use super::Desk;
use crate::view::{FindingView, HealthView, Link, QueueView, Severity};

/// The minutes for which a job may wait.
const LONG: i64 = 15;

impl Desk {
    /// How the place stands.
    pub async fn health(&self) -> HealthView {
        let (examined, queues) = tokio::join!(self.shared.health(), self.seen_queues());
        let unavailable = examined.as_ref().err().map(|problem| problem.detail.clone());
        let examination = examined.map(|found| (*found).clone()).unwrap_or_default();
        let mut findings = queues.map(|queues| queue_findings(&queues, self.now())).unwrap_or_default();
        // The source examines all queues: it speaks to those who see them all.
        let (facts, hosts) = match self.sees_all() {
            true => {
                findings.extend(examination.findings);
                (examination.facts, examination.hosts)
            }
            false => (Vec::new(), Vec::new()),
        };
        findings.sort_by_key(|finding| finding.severity);
        let is_well = findings.iter().all(|finding| finding.severity == Severity::Note) && unavailable.is_none();
        HealthView { is_well, findings, facts, hosts, unavailable, as_of: self.now() }
    }
}

/// What is wrong with queues.
pub(super) fn queue_findings(queues: &[QueueView], now: Timestamp) -> Vec<FindingView> {
    queues.iter().flat_map(|queue| findings_of(queue, now)).collect()
}

fn findings_of(queue: &QueueView, now: Timestamp) -> Vec<FindingView> {
    let name = &queue.queue;
    let path = |action: &str| format!("/queues/{name}{action}");
    let mut findings = Vec::new();
    if queue.consumer == "missing" {
        let detail = match queue.waiting {
            0 => "Jobs that are enqueued wait until something does.".to_owned(),
            waiting => format!("{waiting} jobs wait until something does."),
        };
        findings.push(FindingView {
            severity: if queue.waiting > 0 { Severity::Error } else { Severity::Note },
            title: format!("Nothing takes jobs from {name}"),
            detail,
            action: Some(Link::new("Look at the queue", path(""))),
        });
    }
    if queue.paused {
        findings.push(FindingView {
            severity: if queue.waiting > 0 { Severity::Warning } else { Severity::Note },
            title: format!("{name} is paused"),
            detail: format!("{} jobs wait.", queue.waiting),
            action: Some(Link::new("Resume it", path(""))),
        });
    }
    let waits = queue.oldest.filter(|_| queue.waiting > 0).map_or(0, |oldest| now.duration_since(oldest).as_mins());
    if waits >= LONG && queue.consumer == "active" {
        findings.push(FindingView {
            severity: Severity::Warning,
            title: format!("Jobs of {name} wait for {waits} minutes"),
            detail: queue.no_drain.clone().unwrap_or_default(),
            action: Some(Link::new("Look at the queue", path(""))),
        });
    }
    if let Some(dead) = queue.dead_letters.filter(|dead| *dead > 0) {
        findings.push(FindingView {
            severity: Severity::Warning,
            title: format!("{dead} dead letters of {name}"),
            detail: "Their jobs have failed for good, or could not run.".into(),
            action: Some(Link::new("Look at them", format!("/dead-letters/{name}"))),
        });
    }
    findings
}
