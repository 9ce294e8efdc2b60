//! The figures of all rounds: rates of ours and of a peer, and their ratio.

use std::collections::BTreeMap;

use crate::{
    lamplighter::FULL,
    runs::{About, Key, Line, OURS, Runs},
    stats::Spread,
    subjects::{Peer, Variant},
};

/// A measure with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// Jobs that are run, with so many waiting.
    Drain(usize),
    /// Jobs that are enqueued in bulk calls.
    Bulk(usize),
    /// Jobs that so many callers enqueue, one call a job.
    Single(usize),
}

impl Measure {
    const fn name(self) -> &'static str {
        match self {
            Self::Drain(_) => "drain",
            Self::Bulk(_) => "bulk",
            Self::Single(_) => "single",
        }
    }

    const fn is_of(self, key: &Key) -> bool {
        match (self, key.size, key.callers) {
            (Self::Drain(jobs) | Self::Bulk(jobs), Some(size), _) => jobs == size,
            (Self::Single(own), _, Some(callers)) => own == callers,
            _ => false,
        }
    }
}

/// Ours beside a peer with some settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    /// Jobs per second.
    pub(crate) ours: Spread,
    pub(crate) theirs: Spread,
    /// Ours relative to theirs, from the runs of the same round.
    pub(crate) ratio: Spread,
    pub(crate) rounds: usize,
    /// Whether theirs did all jobs in each round, rather than those of the first seconds.
    pub(crate) whole: bool,
    /// The same for ours.
    pub(crate) ours_whole: bool,
}

/// Compares the rounds that both have.
pub(crate) fn pair(runs: &Runs, peer: &Peer, variant: &Variant, measure: Measure) -> Option<Pair> {
    let own = if variant.waits_for_disk { FULL } else { "default" };
    let ours = rounds(runs, peer, OURS, own, measure);
    let theirs = rounds(runs, peer, peer.name, variant.name, measure);
    let both: Vec<_> = ours.iter().filter_map(|(round, ours)| Some((*ours, *theirs.get(round)?))).collect();
    // A peer that did nothing in its window has no ratio.
    let both: Vec<_> = both.into_iter().filter(|(_, theirs)| theirs.0 > 0.0).collect();
    Some(Pair {
        ours: Spread::of(both.iter().map(|(ours, _)| ours.0))?,
        theirs: Spread::of(both.iter().map(|(_, theirs)| theirs.0))?,
        ratio: Spread::of(both.iter().map(|(ours, theirs)| ours.0 / theirs.0))?,
        rounds: both.len(),
        whole: both.iter().all(|(_, theirs)| theirs.1),
        ours_whole: both.iter().all(|(ours, _)| ours.1),
    })
}

/// Rates by round, and whether they are of all jobs.
fn rounds(runs: &Runs, peer: &Peer, subject: &str, variant: &str, measure: Measure) -> BTreeMap<usize, (f64, bool)> {
    let mut found = BTreeMap::new();
    for (key, _, figures) in all(runs) {
        let fits = key.peer == peer.name && key.subject == subject && key.variant == variant && measure.is_of(key);
        if let Some(figure) = figures.iter().find(|figure| fits && figure.measure == measure.name()) {
            found.insert(key.round, (figure.per_second(), figure.whole));
        }
    }
    found
}

fn all(runs: &Runs) -> impl Iterator<Item = (&Key, &About, &Vec<crate::runs::Figure>)> {
    runs.lines.iter().filter_map(|line| match line {
        Line::Run { key, about, figures, .. } => Some((key, about, figures)),
        _ => None,
    })
}

/// All that these settings told about themselves, the last of each kind: connections come and go.
pub(crate) fn about<'a>(runs: &'a Runs, peer: Option<&Peer>, subject: &str, variant: &str) -> Option<&'a About> {
    let fits =
        |key: &Key| key.subject == subject && key.variant == variant && peer.is_none_or(|peer| key.peer == peer.name);
    // Of cycles rather than of single jobs: they show the connections of a worker.
    let told: Vec<_> = all(runs).filter(|(key, ..)| fits(key)).collect();
    let cycle = told.iter().rev().find(|(key, ..)| key.size.is_some());
    cycle.or(told.last()).map(|(_, about, _)| *about)
}

/// The reason why these settings have no run at all.
pub(crate) fn skipped<'a>(runs: &'a Runs, peer: &Peer, variant: &Variant) -> Option<&'a str> {
    let fits = |key: &Key| key.peer == peer.name && key.subject == peer.name && key.variant == variant.name;
    if all(runs).any(|(key, ..)| fits(key)) {
        return None;
    }
    runs.lines.iter().rev().find_map(|line| match line {
        Line::Skipped { key, reason } if fits(key) => Some(&**reason),
        _ => None,
    })
}

/// The sizes of cycles, from the smallest.
pub(crate) fn sizes(runs: &Runs) -> Vec<usize> {
    let mut sizes: Vec<usize> = all(runs).filter_map(|(key, ..)| key.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}
