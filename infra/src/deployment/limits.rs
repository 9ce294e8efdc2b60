//! Limits that jobs of several functions share.

use std::collections::BTreeSet;

use lamplighter::{Function, Limit};

use crate::problems::Problems;

/// Returns the queues of other functions on which jobs wait for the same limits, by name.
pub(super) fn shared_queues(function: &Function, all: &[Function]) -> BTreeSet<String> {
    let names: BTreeSet<_> = limits(function).map(|(_, limit)| limit.name).collect();
    let others = all.iter().filter(|other| other.name() != function.name());
    let routes = others.flat_map(|other| other.routes());
    let shared = routes.filter(|route| route.options.limits.iter().any(|limit| names.contains(&limit.name)));
    shared.map(|route| route.queue.name().to_owned()).collect()
}

/// Finds limits of one name that differ.
pub(super) fn check(functions: &[Function], problems: &mut Problems) {
    let mut known: Vec<(&str, Limit)> = Vec::new();
    for (job, limit) in functions.iter().flat_map(limits) {
        match known.iter().find(|(_, other)| other.name == limit.name) {
            None => known.push((job, limit)),
            Some((_, other)) if (other.at_once, other.rate) == (limit.at_once, limit.rate) => {}
            Some((by, _)) => problems.add(format!(
                "{job} and {by} declare the limit {:?} differently; share one function that makes it, or give one of them \
                 another name",
                limit.name
            )),
        }
    }
}

fn limits(function: &Function) -> impl Iterator<Item = (&'static str, Limit)> {
    function.routes().flat_map(|route| route.options.limits.iter().map(|limit| (route.job, limit.clone())))
}
