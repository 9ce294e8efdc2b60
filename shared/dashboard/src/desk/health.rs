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
                add(&mut findings, examination.findings);
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

/// Adds findings that are not there yet.
pub(super) fn add(findings: &mut Vec<FindingView>, others: impl IntoIterator<Item = FindingView>) {
    for finding in others {
        if findings.iter().all(|known| known.title != finding.title) {
            findings.push(finding);
        }
    }
}

/// What is wrong with queues, those on which most jobs wait first. Their dead letters harm nobody any more:
/// [`dead_letter_finding`] comes last.
pub(super) fn queue_findings(queues: &[QueueView], now: Timestamp) -> Vec<FindingView> {
    // An engine takes from all queues of its file.
    let is_engine_missing = |queue: &&QueueView| queue.consumer == "missing" && queue.mapping.is_none();
    let (without, mut others): (Vec<_>, Vec<_>) = queues.iter().partition(is_engine_missing);
    others.sort_by_key(|queue| std::cmp::Reverse(queue.waiting));
    let engine = engine_finding(&without);
    engine.into_iter().chain(others.into_iter().flat_map(|queue| findings_of(queue, now))).collect()
}

/// That no engine runs: one finding, however many queues wait for it.
fn engine_finding(queues: &[&QueueView]) -> Option<FindingView> {
    let waiting: u64 = queues.iter().map(|queue| queue.waiting).sum();
    let detail = match waiting {
        0 => "Jobs that are enqueued wait, and schedules start nothing, until one does.".to_owned(),
        1 => "A job waits, and schedules start nothing, until one does.".to_owned(),
        waiting => format!("{} jobs wait, and schedules start nothing, until one does.", grouped(waiting)),
    };
    (!queues.is_empty()).then(|| FindingView {
        severity: if waiting > 0 { Severity::Error } else { Severity::Warning },
        title: "No engine runs on this file".to_owned(),
        detail,
        action: Some(Link::new("See what runs", "/health")),
    })
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
    let minutes = queue.oldest.filter(|_| queue.waiting > 0).map_or(0, |oldest| now.duration_since(oldest).as_mins());
    if queue.consumer == "idle" {
        findings.push(FindingView {
            severity: Severity::Error,
            title: format!("Nothing takes jobs from {name}"),
            detail: format!(
                "{} for {}: does what runs jobs know this queue?",
                if queue.waiting == 1 {
                    "A job waits".to_owned()
                } else {
                    format!("{} jobs wait", grouped(queue.waiting))
                },
                count(u64::try_from(minutes).unwrap_or(0), "minute", "minutes"),
            ),
            action: Some(Link::new("Look at the queue", path(""))),
        });
    }
    if queue.paused {
        findings.push(FindingView {
            severity: if queue.waiting > 0 { Severity::Warning } else { Severity::Note },
            title: format!("{name} is paused"),
            detail: match queue.waiting {
                0 => "Nothing waits.".to_owned(),
                1 => "A job waits.".to_owned(),
                waiting => format!("{} jobs wait.", grouped(waiting)),
            },
            action: Some(Link::new("Resume it", path(""))),
        });
    }
    if minutes >= LONG && queue.consumer == "active" {
        findings.push(FindingView {
            severity: Severity::Warning,
            title: format!("Jobs of {name} wait for {minutes} minutes"),
            detail: queue.no_drain.as_deref().map(sentence).unwrap_or_default(),
            action: Some(Link::new("Look at the queue", path(""))),
        });
    }
    findings
}

/// With a capital, and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
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
    fn an_engine_that_does_not_run_is_one_finding() {
        let missing = |name: &str, waiting: u64| QueueView { consumer: "missing".into(), ..queue(name, waiting, 0) };
        let found = |queues: &[QueueView]| queue_findings(queues, Timestamp::UNIX_EPOCH);
        let [finding] = &found(&[missing("a", 1_200), missing("b", 0), queue("c", 0, 0)])[..] else { panic!("one") };
        assert_eq!((&*finding.title, finding.severity), ("No engine runs on this file", Severity::Error));
        assert!(finding.detail.starts_with("1,200 jobs wait"), "{}", finding.detail);
        assert_eq!(finding.action.as_ref().unwrap().path, "/health");
        assert_eq!(found(&[missing("b", 0)])[0].severity, Severity::Warning);
        assert_eq!(found(&[queue("a", 7, 0)]), []);
        let mapped = QueueView { mapping: Some("missing".into()), ..missing("a", 3) };
        assert_eq!(found(&[mapped])[0].title, "Nothing takes jobs from a");
        let mut twice = found(&[missing("a", 1)]);
        let same = twice.clone();
        add(&mut twice, same);
        assert_eq!(twice.len(), 1);
    }

    #[test]
    fn a_queue_from_which_nothing_is_taken_stands() {
        let now = Timestamp::from_second(1_000).unwrap();
        let at = |waiting, oldest, in_flight, out: Option<f64>| {
            let oldest = Timestamp::from_second(oldest).ok();
            let view = QueueView { oldest, in_flight, out_per_minute: out, ..queue("a", waiting, 0) };
            view.at(now).consumer
        };
        assert_eq!(at(3, 400, 0, Some(0.0)), "idle");
        assert_eq!(at(3, 400, 0, None), "idle");
        for (waiting, oldest, in_flight, out) in
            [(3, 990, 0, Some(0.0)), (3, 400, 1, Some(0.0)), (3, 400, 0, Some(0.2)), (0, 400, 0, Some(0.0))]
        {
            assert_eq!(at(waiting, oldest, in_flight, out), "active");
        }
        let idle = QueueView { oldest: Timestamp::from_second(400).ok(), ..queue("a", 3, 0) }.at(now);
        let [finding] = &queue_findings(&[idle], now)[..] else { panic!("one") };
        assert_eq!(finding.detail, "3 jobs wait for 10 minutes: does what runs jobs know this queue?");
        assert_eq!(finding.severity, Severity::Error);
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
