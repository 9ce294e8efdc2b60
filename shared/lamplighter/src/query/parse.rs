//! Parsing queries.

use std::str::FromStr;

use super::{
    ArgumentTerm, AttemptTerm, InvalidQuery, Query, When, add, add_state,
    near::nearest,
    tokens::{ARGS, Content, Token, Value, tokens},
};
use crate::record::JobState;

/// The keys of terms, each with an example, in the order in which queries are written.
pub const KEYS: &[(&str, &str)] = &[
    ("state", "state:failed,retrying"),
    ("job", "job:webhook.*"),
    ("queue", "queue:webhooks"),
    ("id", "id:order-42"),
    ("fp", "fp:3f9a5c0d7be21846"),
    ("error", "error:\"timed out\""),
    ("since", "since:2h"),
    ("before", "before:2026-11-28T10:00:00Z"),
    ("attempt", "attempt:>3"),
    (ARGS, "args.order:42"),
    ("tag", "tag:blue"),
    ("schedule", "schedule:daily"),
    ("batch", "batch:019c…"),
    ("parent", "parent:order-42"),
];

impl FromStr for Query {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, InvalidQuery> {
        if text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(InvalidQuery::whole(format!("a query has at most {} characters", Self::MAX_CHARS)));
        }
        let tokens = tokens(text)?;
        if tokens.len() > Self::MAX_TERMS {
            return Err(InvalidQuery::whole(format!("a query has at most {} terms", Self::MAX_TERMS)));
        }
        let mut query = Self::new();
        for token in tokens {
            query.take(token)?;
        }
        Ok(query)
    }
}

impl Query {
    fn take(&mut self, token: Token<'_>) -> Result<(), InvalidQuery> {
        let Token { source, content } = token;
        let wrong = |reason: String| InvalidQuery::of(source, reason);
        let (is_negated, key, path, values) = match content {
            Content::Text(text) if text.is_empty() => return Err(wrong("an empty text fits everything".into())),
            Content::Text(text) => {
                add(&mut self.texts, &text);
                return Ok(());
            }
            Content::Term { is_negated, key, path, values } => (is_negated, key, path, values),
        };
        let Some((_, example)) = KEYS.iter().find(|(known, _)| *known == key) else {
            let keys: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
            let near = nearest(key, keys.iter().copied()).map(|key| format!("{key}:"));
            let reason =
                format!("{key} is not a key; keys are {}, and other text with a colon is quoted", keys.join(", "));
            return Err(wrong(reason).near(near));
        };
        let example = |what: &str| wrong(format!("{what}, like {example}"));
        if is_negated && !matches!(key, "state" | "job" | "queue") {
            return Err(wrong("only terms of state, job and queue can be negated".into()));
        }
        if key != ARGS && values.iter().any(|value| value.text.is_empty()) {
            return Err(example("a value is empty; write it"));
        }
        let one = |values: Vec<Value>| match <[Value; 1]>::try_from(values) {
            Ok([value]) => Ok(value.text),
            Err(_) => Err(example("it takes one value")),
        };
        let texts = |values: Vec<Value>| values.into_iter().map(|value| value.text);
        match key {
            "state" => {
                for value in texts(values) {
                    let state = value.parse::<JobState>().map_err(|error| {
                        wrong(error.to_string()).near(nearest(&value, JobState::ALL.map(JobState::as_str)))
                    })?;
                    add_state(if is_negated { &mut self.without_states } else { &mut self.states }, state);
                }
            }
            "fp" => {
                for value in texts(values) {
                    let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
                    if !is_hex || !(Self::MIN_FINGERPRINT..=16).contains(&value.len()) {
                        let min = Self::MIN_FINGERPRINT;
                        return Err(example(&format!(
                            "a fingerprint has 16 hexadecimal digits, of which {min} are enough"
                        )));
                    }
                    add(&mut self.fingerprints, &value.to_ascii_lowercase());
                }
            }
            "since" | "before" => {
                let value = one(values)?;
                let when = When::parse(&value).ok_or_else(|| {
                    example("write a moment of RFC 3339 with Z or an offset, or a time ago such as 2h")
                })?;
                let slot = if key == "since" { &mut self.since } else { &mut self.before };
                if slot.replace(when).is_some() {
                    return Err(wrong(format!("{key}: is there twice")));
                }
            }
            "attempt" => {
                let term = AttemptTerm::parse(&one(values)?)
                    .ok_or_else(|| example("it takes a whole number, behind =, <, <=, > or >= if you like"))?;
                self.attempts.push(term);
            }
            ARGS => {
                if path.is_empty() {
                    return Err(example("it takes the way to a field"));
                }
                if path.len() > ArgumentTerm::MAX_STEPS {
                    return Err(wrong(format!("the way to a field has at most {} steps", ArgumentTerm::MAX_STEPS)));
                }
                self.args.push(ArgumentTerm { path, values: texts(values).collect() });
            }
            "error" => self.errors.push(texts(values).collect()),
            "tag" => self.tags.push(texts(values).collect()),
            _ => {
                let list = match (key, is_negated) {
                    ("job", false) => &mut self.jobs,
                    ("job", true) => &mut self.without_jobs,
                    ("queue", false) => &mut self.queues,
                    ("queue", true) => &mut self.without_queues,
                    ("id", _) => &mut self.ids,
                    ("schedule", _) => &mut self.schedules,
                    ("batch", _) => &mut self.batches,
                    _ => &mut self.parents,
                };
                texts(values).for_each(|value| add(list, &value));
            }
        }
        Ok(())
    }
}
