//! Rules: who may do what, as text.

use std::str::FromStr;

use lamplighter_dashboard::{Rights, Viewer};

use crate::{known::Known, pattern::matches};

/// Who may do what. The first rule that fits decides; whom none fits sees nothing, and without rules that is everybody.
///
/// A rule is a line, or ends with `;`. It says who, and after a space which [`Rights`] they have, or `nobody`:
///
/// ```text
/// arn:aws:sts::123456789012:assumed-role/Operators/*  operator
/// group:support                                       reader,retry,run-now
/// group:webhooks,ada@example.com                      operator,!delete,queue=webhooks
/// mallory@example.com                                 nobody
/// *@example.com                                       reader
/// ```
///
/// Who are patterns, separated by commas, in which `*` stands for any characters: an ARN of IAM, an address that the OpenID
/// provider has verified, `sub:` and a subject there, `group:` and a group; in `"`, where there are spaces or commas. What
/// follows `#` in a line is a comment.
///
/// ```
/// use lamplighter_dashboard::ActionKind;
/// use lamplighter_sign_in::{Known, Rules};
///
/// let rules: Rules = "group:support reader,retry; *@example.com reader".parse()?;
/// let rights = rules.rights(&Known::as_name("ada@example.com").groups(["support"])).ok_or("none")?;
/// assert!(rights.may(ActionKind::Retry) && !rights.may(ActionKind::Delete));
/// assert!(rules.rights(&Known::as_name("mallory@example.org")).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    who: Vec<Who>,
    /// `None` for nobody.
    rights: Option<Rights>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Name(String),
    Group(String),
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {number}, {rule:?}: {why}")]
pub struct InvalidRule {
    /// Which one, from 1.
    pub number: usize,
    /// Its text.
    pub rule: String,
    /// What is wrong, and what is right.
    pub why: String,
}

impl Rules {
    /// No rule, and so nobody.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(Vec::new())
    }

    /// Returns whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether there is a rule by which somebody may change something.
    #[must_use]
    pub fn allow_writes(&self) -> bool {
        self.0.iter().filter_map(|rule| rule.rights.as_ref()).any(Rights::may_write)
    }

    /// Returns what somebody may do; `None` if they may not even look.
    #[must_use]
    pub fn rights(&self, known: &Known) -> Option<Rights> {
        self.0.iter().find(|rule| rule.who.iter().any(|who| who.is(known)))?.rights.clone()
    }

    /// Returns somebody with their rights; `None` if they may not even look.
    #[must_use]
    pub fn viewer(&self, known: &Known) -> Option<Viewer> {
        Some(Viewer::new(known.name.clone(), self.rights(known)?))
    }
}

impl Who {
    fn is(&self, known: &Known) -> bool {
        match self {
            Self::Name(pattern) => known.names.iter().any(|name| matches(pattern, name)),
            Self::Group(pattern) => known.groups.iter().any(|group| matches(pattern, group)),
        }
    }
}

impl FromStr for Rules {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(rule, _)| rule));
        let rules = lines.flat_map(|line| line.split(';')).map(str::trim).filter(|rule| !rule.is_empty());
        let rules = rules
            .enumerate()
            .map(|(index, rule)| read(rule).map_err(|why| InvalidRule { number: index + 1, rule: rule.into(), why }));
        rules.collect::<Result<_, _>>().map(Self)
    }
}

fn read(rule: &str) -> Result<Rule, String> {
    let (who, rest) = who(rule)?;
    let mut words = rest.split_whitespace();
    let rights = match (words.next(), words.next()) {
        (None, _) => return Err("it does not say which rights; after who comes reader, operator or nobody".into()),
        (Some(_), Some(word)) => {
            return Err(format!(
                "{word:?} is a word too many; rights are one word, such as reader,retry,queue=webhooks"
            ));
        }
        (Some("nobody"), None) => None,
        (Some(rights), None) => Some(rights.parse::<Rights>().map_err(|error| error.to_string())?),
    };
    Ok(Rule { who, rights })
}

/// Returns the first word, and the rest.
fn who(rule: &str) -> Result<(Vec<Who>, &str), String> {
    let (mut quoted, mut end) = (false, rule.len());
    for (at, character) in rule.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if character.is_whitespace() && !quoted => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if quoted {
        return Err("a \" is not closed".into());
    }
    let (first, rest) = rule.split_at(end);
    let all: Vec<_> = split(first).into_iter().filter(|one| !one.is_empty()).collect();
    if all.is_empty() {
        return Err("it does not say who".into());
    }
    let one = |text: String| match text.strip_prefix("group:") {
        Some(group) => Who::Group(group.to_owned()),
        None => Who::Name(text),
    };
    Ok((all.into_iter().map(one).collect(), rest))
}

/// Splits at commas outside of quotes, and removes the quotes.
fn split(text: &str) -> Vec<String> {
    let (mut quoted, mut all) = (false, vec![String::new()]);
    for character in text.chars() {
        match (character, all.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => all.push(String::new()),
            (character, Some(last)) => last.push(character),
            (_, None) => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use lamplighter_dashboard::ActionKind;

    use super::*;

    fn rules(text: &str) -> Rules {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = rules(
            "# people\nmallory@example.com nobody # left\ngroup:ops,ada@example.com operator,!delete\n\n*@example.com reader",
        );
        assert_eq!(rules.rights(&Known::as_name("mallory@example.com").groups(["ops"])), None);
        let ada = rules.viewer(&Known::as_name("ada@example.com")).unwrap();
        assert!(ada.rights.may(ActionKind::Retry) && !ada.rights.may(ActionKind::Delete));
        assert_eq!(ada.name, "ada@example.com");
        assert_eq!(rules.rights(&Known::as_name("x").groups(["ops"])), Some(ada.rights));
        assert_eq!(rules.rights(&Known::as_name("bo@example.com")), Some(Rights::reader()));
        assert_eq!(rules.rights(&Known::as_name("bo@example.org").groups(["opsx"])), None);
    }

    #[test]
    fn without_rules_nobody_sees_anything() {
        assert!(rules(" ; # nothing\n").is_empty());
        assert_eq!(Rules::nobody().rights(&Known::as_name("root")), None);
    }

    #[test]
    fn a_name_is_no_group_and_a_group_no_name() {
        let rules = rules("group:ops operator");
        assert_eq!(rules.rights(&Known::as_name("group:ops")), None);
        assert_eq!(rules.rights(&Known::as_name("ops")), None);
        let by_subject = self::rules("sub:42 reader");
        assert!(by_subject.rights(&Known::as_name("ada").also("sub:42")).is_some());
    }

    #[test]
    fn queues_and_actions_are_limited() {
        let rules = rules(r#""group:Site Ops, EU" reader,retry,run-now,queue=webhooks,queue=mails; * nobody"#);
        let rights = rules.rights(&Known::as_name("x").groups(["Site Ops, EU"])).unwrap();
        assert!(rights.sees("mails") && !rights.sees("images"));
        assert_eq!(rights.actions().collect::<Vec<_>>(), [ActionKind::Retry, ActionKind::RunNow]);
        assert_eq!(rules.rights(&Known::as_name("y")), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_is_right() {
        for (text, why) in [
            ("ada", "it does not say which rights"),
            ("ada admin", "\"admin\" is not understood in rights: they are reader or operator"),
            ("ada reader; bo operator explode", "rule 2, \"bo operator explode\": \"explode\" is a word too many"),
            ("ada reader,explode", "\"explode\" is not understood"),
            ("ada reader, retry", "\"retry\" is a word too many"),
            ("\"ada reader", "a \" is not closed"),
            (", reader", "it does not say who"),
        ] {
            let error = text.parse::<Rules>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
