//! The query field.

use super::ui::encode;
use crate::problem::Problem;

/// The query field of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryField {
    /// The page that it asks, below the base.
    pub(crate) path: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) text: String,
    /// What is wrong with the text.
    pub(crate) error: Option<String>,
    pub(crate) chips: Vec<Chip>,
}

/// A term of the query, which can be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub(crate) term: String,
    /// The query without it, as it stands in an address.
    pub(crate) without: String,
}

impl QueryField {
    pub(crate) fn new(path: &'static str, label: &'static str, hint: &'static str, text: &str) -> Self {
        let text = text.trim();
        let terms = terms(text);
        let without = |left_out: usize| {
            let rest = terms.iter().enumerate().filter(|(index, _)| *index != left_out).map(|(_, term)| &**term);
            encode(&rest.collect::<Vec<_>>().join(" "))
        };
        let chip = |(index, term): (usize, &String)| Chip { term: term.clone(), without: without(index) };
        let chips = terms.iter().enumerate().map(chip).collect();
        Self { path, label, hint, text: text.to_owned(), error: None, chips }
    }

    /// What the desk says of the query. Only a query that makes no sense is told beside the field.
    pub(crate) fn answer<T>(&mut self, answer: Result<T, Problem>) -> Result<Option<T>, Problem> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(problem) if problem.status == http::StatusCode::BAD_REQUEST && !self.text.is_empty() => {
                self.error = Some(problem.detail);
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }
}

/// The terms of a query. A blank inside of quotes does not end a term.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let (mut terms, mut term, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                term.push(character);
            }
            blank if blank.is_whitespace() && !is_quoted => {
                if !term.is_empty() {
                    terms.push(std::mem::take(&mut term));
                }
            }
            other => term.push(other),
        }
    }
    if !term.is_empty() {
        terms.push(term);
    }
    terms
}

/// A value as it stands in a query.
pub(crate) fn quoted(value: &str) -> String {
    match value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '/')) {
        true if !value.is_empty() => value.to_owned(),
        _ => format!("\"{}\"", value.replace('"', "")),
    }
}

/// The query with its terms of this key replaced by one, or by none.
pub(crate) fn with_term(text: &str, key: &str, value: Option<&str>) -> String {
    let prefix = format!("{key}:");
    let mut kept: Vec<_> = terms(text).into_iter().filter(|term| !term.starts_with(&prefix)).collect();
    if let Some(value) = value {
        kept.insert(0, format!("{prefix}{value}"));
    }
    kept.join(" ")
}

/// The value of a term of this key.
pub(crate) fn value_of(text: &str, key: &str) -> Option<String> {
    let prefix = format!("{key}:");
    terms(text).iter().find_map(|term| term.strip_prefix(&prefix).map(|value| value.trim_matches('"').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_blanks_stay_in_a_term() {
        assert_eq!(terms(r#" state:failed  error:"timed out"  x "#), ["state:failed", r#"error:"timed out""#, "x"]);
        assert_eq!(terms(r#"error:"never closed"#), [r#"error:"never closed"#]);
        assert_eq!(terms("  "), Vec::<String>::new());
    }

    #[test]
    fn each_term_can_be_taken_away() {
        let field = QueryField::new("/jobs", "", "", "state:failed job:a.*");
        let without: Vec<_> = field.chips.iter().map(|chip| &*chip.without).collect();
        assert_eq!(without, ["job%3Aa.%2A", "state%3Afailed"]);
    }

    #[test]
    fn a_tab_replaces_the_states_and_nothing_else() {
        assert_eq!(with_term("job:a state:failed x", "state", Some("queued")), "state:queued job:a x");
        assert_eq!(with_term("job:a state:failed", "state", None), "job:a");
        assert_eq!(value_of("job:a queue:\"b c\"", "queue").as_deref(), Some("b c"));
    }

    #[test]
    fn a_value_cannot_leave_its_term() {
        assert_eq!(
            (quoted("a.b"), quoted("a b\" state:x"), quoted("")),
            ("a.b".into(), r#""a b state:x""#.into(), r#""""#.into())
        );
    }
}
