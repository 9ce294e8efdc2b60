//! Which jobs the terms of a query on arguments are about. It is written into the operation by the process that begins it and
//! knows the definitions, for those that go on with it and do not.

use super::Runner;
use crate::{
    operation::Target,
    query::{Query, name_fits},
};

/// The most names in an operation, which is written again after each page.
const MOST: usize = 200;

impl Runner {
    /// The jobs in which what a query asks for is not sensitive: in all others its terms fit nothing. `None` for a query without
    /// such terms, and where it depends on a job's arguments.
    pub(super) fn comparable(&self, target: &Target) -> Option<Vec<String>> {
        let Target::Query { query, .. } = target else { return None };
        let query: Query = query.parse().ok()?;
        self.shared.redactions.as_ref()?;
        if query.arguments().is_empty() {
            return None;
        }
        let mut names = Vec::new();
        for definition in &self.shared.definitions {
            let fits = |patterns: &[String]| patterns.iter().any(|pattern| name_fits(pattern, definition.name));
            if !query.jobs().is_empty() && !fits(query.jobs()) || fits(query.excluded_jobs()) {
                continue;
            }
            let mut is_comparable = true;
            if let Some(redaction) = definition.redaction() {
                for term in query.arguments() {
                    let is_shown = redaction.shows(&term.path)?;
                    // A `null` is shown in the place of a sensitive value, too.
                    if !is_shown && term.values.iter().any(|value| value == "null") {
                        return None;
                    }
                    is_comparable &= is_shown;
                }
            }
            if is_comparable {
                names.push(definition.name.to_owned());
            }
        }
        (names.len() <= MOST).then_some(names)
    }
}
