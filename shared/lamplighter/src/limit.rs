//! Limits on how many jobs run at once, or begin in a time, over all hosts.

use std::{borrow::Cow, time::Duration};

use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};

use crate::{members::Members, message::empty_object, ports::LimitRequest};

/// A limit that jobs share: on how many of them run at once, on how many begin in a time, or on both. It holds over all
/// hosts, queues and functions of a deployment, for all jobs with a limit of this name.
///
/// ```
/// use lamplighter::{Limit, Options, mins};
///
/// // One at a time for each account.
/// let of_account = Limit::mutex("account").by("account_id");
/// // An API that takes five calls at once, and a hundred a minute.
/// let of_api = Limit::new("mail-api").at_once(5).rate(100, mins(1));
/// let options = Options::new().limit(of_account).limit(of_api);
/// ```
///
/// A job that must wait is handed back, which uses up no attempt, and is woken when its turn comes. Waiting jobs have their
/// turns in the order in which they were due. An attempt counts as running until it ends or its lease does: a host that
/// dies holds a limit for no longer than that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// The name, 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: Cow<'static, str>,
    /// How many jobs run at once: 1 to [`Limit::MAX_AT_ONCE`].
    pub at_once: Option<u32>,
    /// How many jobs begin in a time.
    pub rate: Option<Rate>,
    /// The arguments by which jobs are told apart: those with the same values share the limit.
    pub by: Vec<Cow<'static, str>>,
}

/// A number of jobs in a time, as a token bucket: that many may begin together, and then as many as the time that has
/// passed has brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Jobs, at least one.
    pub jobs: u32,
    /// The time in which they may begin: above zero, at most a day.
    pub per: Duration,
}

impl Limit {
    /// The most jobs at once that a limit may allow. More of them need no limit: see
    /// [`Queue::max_concurrency`](crate::Queue::max_concurrency).
    pub const MAX_AT_ONCE: u32 = 100;
    /// The most limits of one job.
    pub const MAX_OF_JOB: usize = 4;
    /// The longest time of a [`Rate`].
    pub const MAX_PER: Duration = Duration::from_secs(86_400);
    /// The most arguments by which jobs are told apart.
    pub const MAX_BY: usize = 4;
    /// The longest text of an argument's value in a key; a longer one is replaced by a hash of it.
    const MAX_VALUE: usize = 64;

    /// A limit of that name, which limits nothing yet.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), at_once: None, rate: None, by: Vec::new() }
    }

    /// One job at a time.
    #[must_use]
    pub fn mutex(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name).at_once(1)
    }

    /// Limits how many jobs run at once.
    #[must_use]
    pub fn at_once(mut self, jobs: u32) -> Self {
        self.at_once = Some(jobs);
        self
    }

    /// Limits how many jobs begin in a time.
    #[must_use]
    pub fn rate(mut self, jobs: u32, per: Duration) -> Self {
        self.rate = Some(Rate { jobs, per });
        self
    }

    /// Tells jobs apart by an argument, a field of the job's type: those with the same value share the limit. A field that
    /// is not there counts as null. Called again, it adds another field.
    #[must_use]
    pub fn by(mut self, argument: impl Into<Cow<'static, str>>) -> Self {
        self.by.push(argument.into());
        self
    }

    /// The key of the limit for a job with these arguments: its name, and the values that it is told apart by. The values
    /// of arguments for which `is_sensitive` are hashed.
    pub(crate) fn key(&self, args: &RawValue, is_sensitive: impl Fn(&str) -> bool) -> String {
        let mut key = self.name.to_string();
        if self.by.is_empty() {
            return key;
        }
        let members = serde_json::from_str::<Members>(args.get()).map(|members| members.0).unwrap_or_default();
        for name in &self.by {
            let value = members.iter().rfind(|(member, _)| member == name);
            let text = value.map_or_else(|| "null".to_owned(), |(_, value)| canonical(value));
            key.push(':');
            match text.len() > Self::MAX_VALUE || (is_sensitive(name) && !is_hashed(&text)) {
                true => key.push_str(&hashed(&text)),
                false => key.push_str(&text),
            }
        }
        key
    }

    /// The request for a job with these arguments.
    pub(crate) fn request(&self, args: &RawValue, is_sensitive: impl Fn(&str) -> bool) -> LimitRequest {
        let mut request = LimitRequest::new(self.key(args, is_sensitive));
        (request.at_once, request.rate) = (self.at_once, self.rate);
        request
    }

    /// What is wrong with it, each as half a sentence; empty when all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let name = &*self.name;
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        if !(1..=64).contains(&name.len()) || !is_name(name) {
            problems.push(format!("the limit {name:?} needs a name of 1 to 64 characters of A-Z a-z 0-9 . _ -"));
        }
        if self.at_once.is_none() && self.rate.is_none() {
            problems.push(format!("the limit {name:?} limits nothing; add .at_once(…) or .rate(…)"));
        }
        if self.at_once.is_some_and(|jobs| !(1..=Self::MAX_AT_ONCE).contains(&jobs)) {
            problems.push(format!("the limit {name:?} allows 1 to {} jobs at once", Self::MAX_AT_ONCE));
        }
        if self.by.len() > Self::MAX_BY {
            problems.push(format!("the limit {name:?} tells jobs apart by at most {} arguments", Self::MAX_BY));
        }
        if self.rate.is_some_and(|rate| rate.jobs == 0 || rate.per.is_zero() || rate.per > Self::MAX_PER) {
            problems.push(format!("the rate of the limit {name:?} is at least one job in at most {:?}", Self::MAX_PER));
        }
        problems
    }
}

/// Those of the arguments that have these names, as an object.
pub(crate) fn args_of(names: &[Cow<'static, str>], args: &RawValue) -> Box<RawValue> {
    let members = serde_json::from_str::<Members>(args.get()).map(|members| members.0).unwrap_or_default();
    // What is too long for a key is there as its hash.
    let short = |value: Box<RawValue>| match canonical(&value) {
        text if text.len() > Limit::MAX_VALUE => to_raw_value(&hashed(&text)).unwrap_or(value),
        _ => value,
    };
    let members = members.into_iter().filter(|(name, _)| names.iter().any(|wanted| wanted == name));
    let members = Members(members.map(|(name, value)| (name, short(value))).collect());
    to_raw_value(&members).unwrap_or_else(|_| empty_object())
}

/// A value as text: of a string its content, of everything else its JSON without spaces.
fn canonical(value: &RawValue) -> String {
    match serde_json::from_str::<serde_json::Value>(value.get()) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => value.get().to_owned(),
    }
}

/// A value that is too long, or that nobody may read, in a key: the first half of its SHA-256.
fn hashed(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(16).fold("#".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether a text looks like a [hash](hashed).
fn is_hashed(text: &str) -> bool {
    text.len() == 33 && text.starts_with('#') && text.bytes().skip(1).all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secs;

    fn args(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    fn key(limit: &Limit, text: &str) -> String {
        limit.key(&args(text), |name| name == "secret")
    }

    #[test]
    fn keys_have_the_name_and_the_values() {
        let limit = Limit::mutex("account").by("id").by("kind");
        assert_eq!(key(&Limit::mutex("account"), r#"{"id":1}"#), "account");
        assert_eq!(key(&limit, r#"{"kind":"a b","id":  17,"else":true}"#), "account:17:a b");
        assert_eq!(key(&limit, r#"{"id":{"x" : [1, 2]}}"#), r#"account:{"x":[1,2]}:null"#);
        assert_eq!(key(&limit, "null"), "account:null:null");
        // As serde reads it, the last one counts.
        assert_eq!(key(&limit, r#"{"id":1,"id":2}"#), "account:2:null");
    }

    #[test]
    fn long_and_sensitive_values_are_hashed() {
        let long = "x".repeat(10_000);
        let limit = Limit::mutex("a").by("id");
        let of_long = key(&limit, &format!(r#"{{"id":"{long}"}}"#));
        assert!(of_long.len() < 40 && of_long.starts_with("a:#"), "{of_long}");
        assert_ne!(of_long, key(&limit, &format!(r#"{{"id":"{long}y"}}"#)));
        let secret = key(&Limit::mutex("a").by("secret"), r#"{"secret":"S3CRET"}"#);
        assert!(!secret.contains("S3CRET"), "{secret}");
    }

    #[test]
    fn a_limit_that_limits_nothing_or_too_little_is_a_problem() {
        assert_eq!(Limit::new("api").at_once(5).rate(100, secs(60)).problems(), Vec::<String>::new());
        for bad in [
            Limit::new("api"),
            Limit::mutex(""),
            Limit::mutex("a:b"),
            Limit::mutex("x".repeat(65)),
            Limit::new("api").at_once(0),
            Limit::new("api").at_once(101),
            Limit::new("api").rate(0, secs(1)),
            Limit::new("api").rate(1, secs(0)),
            Limit::new("api").rate(1, secs(86_401)),
        ] {
            assert_eq!(bad.problems().len(), 1, "{bad:?}: {:?}", bad.problems());
        }
    }
}
