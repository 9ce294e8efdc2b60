//! Resources that could not be read. The rest of the examination continues.

use std::collections::BTreeMap;

use lamplighter_aws::Unreadable;

use super::{Compare, Difference, Kind, Severity};

impl Compare<'_> {
    /// Adds one finding for each action: a caller who lacks it for one resource mostly lacks it for all.
    pub(super) fn unreadable(&mut self) {
        let labelled = self.resources.iter().filter_map(|resource| {
            let look = self.deployed.looks.get(&resource.id)?;
            Some(look.unreadable.iter().map(move |unreadable| (resource.label(), unreadable)))
        });
        let beside = self.deployed.unreadable.iter().map(|(label, unreadable)| (label.clone(), unreadable));
        let mut all: BTreeMap<&str, Vec<(String, &Unreadable)>> = BTreeMap::new();
        for (label, unreadable) in labelled.flatten().chain(beside) {
            all.entry(unreadable.action).or_default().push((label, unreadable));
        }
        for (action, unreadable) in all {
            let Some((first, one)) = unreadable.first() else { continue };
            let others = match unreadable.len() - 1 {
                0 => String::new(),
                1 => " (and one more)".into(),
                more => format!(" (and {more} more)"),
            };
            let difference = Difference {
                kind: Kind::NotExamined,
                severity: Severity::Warning,
                found: one.why.to_string(),
                expected: format!("it can be read with {action}"),
                breaks: "its problems are not reported".into(),
                repair: match one.is_denied() {
                    true => format!("grant the caller {action}"),
                    false => "try again".into(),
                },
            };
            self.check_named(format!("{first}{others}"), String::new(), Some(difference));
        }
    }
}
