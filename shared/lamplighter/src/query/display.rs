//! Queries as text, in the one form in which each is written.

use std::fmt;

use super::{Query, tokens::ARGS};
use crate::record::JobState;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = |states: &[JobState]| states.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut terms: Vec<String> = Vec::new();
        let mut list = |key: &str, values: &[String]| {
            if !values.is_empty() {
                terms.push(format!("{key}:{}", alternatives(values)));
            }
        };
        list("state", &states(&self.states));
        list("-state", &states(&self.without_states));
        list("job", &self.jobs);
        list("-job", &self.without_jobs);
        list("queue", &self.queues);
        list("-queue", &self.without_queues);
        list("id", &self.ids);
        list("fp", &self.fingerprints);
        self.errors.iter().for_each(|texts| list("error", texts));
        for (key, when) in [("since", self.since), ("before", self.before)] {
            list(key, &when.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        for term in &self.attempts {
            list("attempt", &[term.to_string()]);
        }
        for term in &self.args {
            let steps = term.path.iter().map(|step| format!(".{}", quoted_unless(is_plain_step, step)));
            list(&format!("{ARGS}{}", steps.collect::<String>()), &term.values);
        }
        self.tags.iter().for_each(|tags| list("tag", tags));
        list("schedule", &self.schedules);
        list("batch", &self.batches);
        list("parent", &self.parents);
        terms.extend(self.texts.iter().map(|text| quoted_unless(is_plain_text, text)));
        f.pad(&terms.join(" "))
    }
}

fn alternatives(values: &[String]) -> String {
    let is_plain = |value: &str| {
        !value.is_empty() && !value.contains(|c: char| c == '"' || c == ',' || c == '\\' || c.is_whitespace())
    };
    let values: Vec<_> = values.iter().map(|value| quoted_unless(is_plain, value)).collect();
    values.join(",")
}

fn is_plain_step(step: &str) -> bool {
    !step.is_empty() && step.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn is_plain_text(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | '@'))
}

fn quoted_unless(is_plain: impl Fn(&str) -> bool, text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
