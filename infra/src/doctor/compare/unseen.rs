//! What could not be looked at. The rest of the examination went on.

use std::collections::BTreeMap;

use lamplighter_aws::Unseen;

use super::{Compare, Difference, Kind, Severity};

impl Compare<'_> {
    /// One finding for each action: who lacks it for one resource, mostly lacks it for all.
    pub(super) fn unseen(&mut self) {
        let labelled = self.resources.iter().filter_map(|resource| {
            let look = self.deployed.looks.get(&resource.id)?;
            Some(look.unseen.iter().map(move |unseen| (resource.label(), unseen)))
        });
        let beside = self.deployed.unseen.iter().map(|(label, unseen)| (label.clone(), unseen));
        let mut all: BTreeMap<&str, Vec<(String, &Unseen)>> = BTreeMap::new();
        for (label, unseen) in labelled.flatten().chain(beside) {
            all.entry(unseen.action).or_default().push((label, unseen));
        }
        for (action, unseen) in all {
            let Some((first, one)) = unseen.first() else { continue };
            let others = match unseen.len() - 1 {
                0 => String::new(),
                1 => " (and one more)".into(),
                more => format!(" (and {more} more)"),
            };
            let difference = Difference {
                kind: Kind::NotExamined,
                severity: Severity::Warning,
                found: one.why.to_string(),
                wanted: format!("to look at it, by {action}"),
                breaks: "what is wrong there is not told".into(),
                mend: match one.is_denied() {
                    true => format!("let whoever runs this do {action}"),
                    false => "try again".into(),
                },
            };
            self.check_named(format!("{first}{others}"), String::new(), Some(difference));
        }
    }
}
