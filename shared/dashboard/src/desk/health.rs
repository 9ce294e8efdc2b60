//! Health: what the site's own source found, and what the queues say.

use jiff::Timestamp;

use super::{
    Desk,
    wording::{count, grouped},
};
use crate::view::{FindingView, HealthView, Link, QueueView, Severity};

/// The minutes for which a job may wait.
const LONG: i64 = 15;
/// Queues that a finding names.
const NAMED: usize = 3;

impl Desk {
    /// How the place stands.
    pub async fn health(&self) -> HealthView {
        let (examined, queues) = tokio::join!(self.shared.health(), self.seen_queues());
        let unavailable = examined.as_ref().err().map(|problem| problem.detail.clone());
        let examination = examined.map(|found| (*found).clone()).unwrap_or_default();
        let mut findings = queues.as_ref().map(|queues| queue_findings(queues, self.now())).unwrap_or_default();
        // The source examines all queues: it speaks to those who see them all.
        let (facts, hosts) = match self.sees_all() {
            true => {
                findings.extend(examination.findings);
                (examination.facts, examination.hosts)
            }
            false => (Vec::new(), Vec::new()),
        };
        findings.extend(queues.iter().filter_map(|queues| dead_letter_finding(queues)));
        findings.sort_by_key(|finding| finding.severity);
        let is_well = findings.iter().all(|finding| finding.severity == Severity::Note) && unavailable.is_none();
        HealthView { is_well, findings, facts, hosts, unavailable, as_of: self.now() }
    }
}

/// What is wrong with queues, those on which most jobs wait first. Their dead letters harm nobody any more:
/// [`dead_letter_finding`] comes last.
pub(super) fn queue_findings(queues: &[QueueView], now: Timestamp) -> Vec<FindingView> {
    let mut queues: Vec<_> = queues.iter().collect();
    queues.sort_by_key(|queue| std::cmp::Reverse(queue.waiting));
    queues.into_iter().flat_map(|queue| findings_of(queue, now)).collect()
}

/// The dead letters of all queues: one finding.
pub(super) fn dead_letter_finding(queues: &[QueueView]) -> Option<FindingView> {
    let some = |queue: &QueueView| queue.dead_letters.filter(|dead| *dead > 0).map(|dead| (dead, queue.queue.clone()));
    let mut dead: Vec<_> = queues.iter().filter_map(some).collect();
    dead.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let total: u64 = dead.iter().map(|(dead, _)| dead).sum();
    let letters = count(total, "dead letter", "dead letters");
    let finding = |title, detail, path| FindingView {
        severity: Severity::Warning,
        title,
        detail,
        action: Some(Link::new("Look at them", path)),
    };
    match &dead[..] {
        [] => None,
        [(_, name)] => {
            let detail = "Their jobs have failed for good, or could not run.".to_owned();
            Some(finding(format!("{letters} of {name}"), detail, format!("/dead-letters/{name}")))
        }
        several => {
            let mut most: Vec<_> =
                several.iter().take(NAMED).map(|(dead, name)| format!("{name} {}", grouped(*dead))).collect();
            if several.len() > NAMED {
                most.push(format!("{} more", several.len() - NAMED));
            }
            let title = format!("{letters} on {} queues", several.len());
            Some(finding(title, format!("{}.", most.join(", ")), "/dead-letters".to_owned()))
        }
    }
}

fn findings_of(queue: &QueueView, now: Timestamp) -> Vec<FindingView> {
    let name = &queue.queue;
    let path = |action: &str| format!("/queues/{name}{action}");
    let mut findings = Vec::new();
    if queue.consumer == "missing" {
        let detail = match queue.waiting {
            0 => "Jobs that are enqueued wait until something does.".to_owned(),
            1 => "A job waits until something does.".to_owned(),
            waiting => format!("{} jobs wait until something does.", grouped(waiting)),
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
            detail: match queue.waiting {
                1 => "A job waits.".to_owned(),
                waiting => format!("{} jobs wait.", grouped(waiting)),
            },
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
    findings
}

#[cfg(test)]
mod tests {
    use lamplighter::backend::{Accuracy, Consumer, ConsumerKind, ConsumerState, QueueStatus};

    use super::*;

    fn queue(name: &str, waiting: u64, dead: u64) -> QueueView {
        let consumer = Consumer { kind: ConsumerKind::Engine, state: ConsumerState::Active };
        let mut status = QueueStatus::new(name, false, consumer, Accuracy::Exact);
        (status.waiting, status.dead_letters) = (waiting, Some(dead));
        QueueView::from(status)
    }

    #[test]
    fn dead_letters_of_several_queues_are_one_finding() {
        let queues = [queue("a", 0, 1_200), queue("b", 0, 3), queue("c", 0, 0), queue("d", 0, 7), queue("e", 0, 1)];
        let finding = dead_letter_finding(&queues).unwrap();
        assert_eq!(finding.title, "1,211 dead letters on 4 queues");
        assert_eq!(finding.detail, "a 1,200, d 7, b 3, 1 more.");
        assert_eq!(finding.action.unwrap().path, "/dead-letters");
        let finding = dead_letter_finding(&queues[1..3]).unwrap();
        assert_eq!((&*finding.title, finding.action.unwrap().path), ("3 dead letters of b", "/dead-letters/b".into()));
        assert_eq!(dead_letter_finding(&queues[2..3]), None);
    }
}
