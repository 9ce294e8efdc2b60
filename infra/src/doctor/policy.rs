//! Checks that policies still allow and deny what they should.

use std::collections::BTreeSet;

use serde_json::Value;

use super::resolve::is_known;

/// One right that a statement allows or denies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    /// `Allow` or `Deny`.
    pub(super) effect: String,
    /// The action.
    pub(super) action: String,
    /// The resource's ARN; empty where a trust policy has none.
    pub(super) resource: String,
    /// The value of its condition; empty if it has none.
    pub(super) only: String,
}

/// Returns the statements of a policy.
pub(super) fn statements(document: &Value) -> &[Value] {
    document["Statement"].as_array().map_or_else(
        || if document["Statement"].is_object() { std::slice::from_ref(&document["Statement"]) } else { &[] },
        Vec::as_slice,
    )
}

/// Returns the rights of `expected` that `found` lacks. Rights of `expected` with unknown values are skipped.
pub(super) fn missing<'a>(expected: impl IntoIterator<Item = &'a Value>, found: &[Value]) -> BTreeSet<Right> {
    let mut missing = BTreeSet::new();
    for statement in expected {
        let limits = limits(statement);
        for action in texts(&statement["Action"]) {
            for resource in resources(statement) {
                for limits in each(&limits) {
                    if !is_known(&Value::from(resource))
                        || limits.iter().any(|limit| !is_known(&limit.2.clone().into()))
                    {
                        continue;
                    }
                    let effect = statement["Effect"].as_str().unwrap_or_default();
                    let says = |found: &Value| says(found, statement, action, resource, &limits);
                    let refused = effect == "Allow" && found.iter().any(|found| refuses(found, action, resource));
                    if refused || !found.iter().any(says) {
                        let only: Vec<_> = limits.iter().map(|limit| limit.2.as_str()).collect();
                        missing.insert(Right {
                            effect: effect.into(),
                            action: action.into(),
                            resource: resource.into(),
                            only: only.join(", "),
                        });
                    }
                }
            }
        }
    }
    missing
}

/// A condition: operator, key, value.
type Limit = (String, String, String);

/// Returns the conditions of a statement, each key with all of its values.
fn limits(statement: &Value) -> Vec<(String, String, Vec<String>)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    operators
        .flat_map(|(operator, keys)| {
            // The two mean the same (IAM User Guide, "IAM JSON policy elements: Condition operators").
            let operator = operator.to_ascii_lowercase().replace("arnlike", "arnequals");
            keys.as_object().into_iter().flatten().map(move |(key, values)| {
                let values = texts(values).into_iter().map(ToOwned::to_owned).collect();
                (operator.clone(), key.to_ascii_lowercase(), values)
            })
        })
        .collect()
}

/// Returns all combinations with one value of each key.
fn each(limits: &[(String, String, Vec<String>)]) -> Vec<Vec<Limit>> {
    let mut all = vec![Vec::new()];
    for (operator, key, values) in limits {
        let with = |before: &Vec<Limit>, value: &String| {
            let mut next = before.clone();
            next.push((operator.clone(), key.clone(), value.clone()));
            next
        };
        all =
            all.iter().flat_map(|before| values.iter().map(|value| with(before, value)).collect::<Vec<_>>()).collect();
    }
    all
}

/// Returns whether a statement includes the right: the same effect and principal, and no stricter conditions.
fn says(found: &Value, expected: &Value, action: &str, resource: &str, limits: &[Limit]) -> bool {
    let limited = |(operator, key, values): &(String, String, Vec<String>)| {
        limits.iter().any(|limit| limit.0 == *operator && limit.1 == *key && values.contains(&limit.2))
    };
    found["Effect"] == expected["Effect"]
        && principal(found) == principal(expected)
        && covers(found, action, resource)
        && self::limits(found).iter().all(limited)
}

/// Returns whether a statement denies the right unconditionally to everyone.
fn refuses(found: &Value, action: &str, resource: &str) -> bool {
    let everyone =
        found["Principal"].is_null() || principal(found) == principal(&serde_json::json!({"Principal": "*"}));
    found["Effect"] == "Deny" && found["Condition"].is_null() && everyone && covers(found, action, resource)
}

fn covers(found: &Value, action: &str, resource: &str) -> bool {
    let (action, resource) = (action.to_ascii_lowercase(), resource.to_owned());
    texts(&found["Action"]).iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &action))
        && resources(found).iter().any(|pattern| fits(pattern, &resource))
}

fn resources(statement: &Value) -> Vec<&str> {
    if statement["Resource"].is_null() { vec![""] } else { texts(&statement["Resource"]) }
}

fn principal(statement: &Value) -> BTreeSet<(&str, &str)> {
    match &statement["Principal"] {
        Value::String(all) => [("AWS", all.as_str())].into(),
        other => {
            let kinds = other.as_object().into_iter().flatten();
            kinds.flat_map(|(kind, names)| texts(names).into_iter().map(move |name| (kind.as_str(), name))).collect()
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether a text matches a pattern with `*` and `?`.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = &pattern[1..];
            fits(rest, text) || text.char_indices().any(|(at, one)| fits(rest, &text[at + one.len_utf8()..]))
        }
        (Some('?'), Some(one)) => fits(&pattern[1..], &text[one.len_utf8()..]),
        (Some(a), Some(b)) if a == b => fits(&pattern[a.len_utf8()..], &text[b.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lost(expected: Value, found: Value) -> Vec<String> {
        let found = found.as_array().unwrap().clone();
        let rights = missing([&expected], &found).into_iter();
        rights.map(|right| format!("{} {} {} {}", right.effect, right.action, right.resource, right.only)).collect()
    }

    #[test]
    fn rights_allowed_elsewhere_or_by_a_pattern_are_not_missing() {
        let expected = json!({"Effect": "Allow", "Action": ["s:A", "s:B"], "Resource": ["arn:1", "arn:2"]});
        assert_eq!(lost(expected.clone(), json!([expected])), [""; 0]);
        let spread = json!([
            {"Effect": "Allow", "Action": "s:*", "Resource": "arn:1"},
            {"Effect": "Allow", "Action": ["S:a", "s:B"], "Resource": "*"},
        ]);
        assert_eq!(lost(expected.clone(), spread), [""; 0]);
        let half = json!([{"Effect": "Allow", "Action": "s:A", "Resource": "arn:?"}]);
        assert_eq!(lost(expected.clone(), half), ["Allow s:B arn:1 ", "Allow s:B arn:2 "]);
        let refused = json!([expected, {"Effect": "Deny", "Action": "*", "Resource": "arn:2"}]);
        assert_eq!(lost(expected, refused), ["Allow s:A arn:2 ", "Allow s:B arn:2 "]);
    }

    #[test]
    fn conditions_and_principals_are_compared() {
        let rules = |rules: Value| {
            json!({"Effect": "Allow", "Principal": {"Service": "events"}, "Action": "sqs:SendMessage", "Resource": "q",
                   "Condition": {"ArnEquals": {"aws:SourceArn": rules}}})
        };
        let expected = rules(json!(["r1", "r2"]));
        assert_eq!(lost(expected.clone(), json!([rules(json!("r1"))])), ["Allow sqs:SendMessage q r2"]);
        assert_eq!(lost(expected.clone(), json!([rules(json!("r2")), rules(json!(["r1"]))])), [""; 0]);
        let mut open = rules(json!([]));
        open.as_object_mut().unwrap().remove("Condition");
        assert_eq!(lost(expected.clone(), json!([open])), [""; 0]);
        assert_eq!(lost(expected.clone(), json!([])).len(), 2);
        let mut other = expected.clone();
        other["Principal"] = json!({"Service": "scheduler"});
        assert_eq!(lost(expected, json!([other])).len(), 2);
        let plain = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "q",
                           "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        assert_eq!(lost(plain.clone(), json!([plain])), [""; 0]);
        assert_eq!(lost(plain, json!([])), ["Deny sqs:* q false"]);
    }

    #[test]
    fn patterns_match() {
        for (pattern, text, fit) in
            [("*", "", true), ("a*c", "abc", true), ("a*c", "abd", false), ("é?", "éé", true), ("a", "ab", false)]
        {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }
}
