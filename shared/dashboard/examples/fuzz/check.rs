//! What must hold of every answer.

use std::collections::BTreeSet;

use http::{HeaderMap, StatusCode, header};

use super::words::MARK;

/// The headers that no answer lacks.
const HEADERS: [&str; 6] = [
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "x-frame-options",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
];

/// What is wrong with an answer.
pub(crate) fn wrong(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Vec<String> {
    let mut wrong = Vec::new();
    if status.is_server_error() {
        wrong.push(format!("status {status}: {}", String::from_utf8_lossy(&body[..body.len().min(300)])));
    }
    wrong.extend(HEADERS.iter().filter(|name| !headers.contains_key(**name)).map(|name| format!("no header {name}")));
    let policy =
        headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    if policy.contains("unsafe") || !policy.starts_with("default-src 'none'") {
        wrong.push(format!("policy {policy:?}"));
    }
    let text = String::from_utf8_lossy(body);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/html") {
        wrong.extend(unsafe_markup(&text));
    } else if kind.contains("json") && !body.is_empty() && serde_json::from_slice::<serde_json::Value>(body).is_err() {
        wrong.push("a body that is not JSON".into());
    }
    if let Some(to) = headers.get(header::LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned())
        && (to.starts_with("//")
            || to.starts_with('\\')
            || to.split(['/', '?']).next().is_some_and(|first| first.contains(':')))
    {
        wrong.push(format!("a way out of the site: {to:?}"));
    }
    wrong
}

/// Tags and attributes of a page that must not be there: those that were thrown, and those that run something.
fn unsafe_markup(page: &str) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix("!--") {
            wrong.insert("a comment".to_owned());
            rest = after;
            continue;
        }
        let Some(first) = rest.chars().next() else { break };
        if !first.is_ascii_alphabetic() && !matches!(first, '/' | '!') {
            wrong.insert(format!("a < that begins nothing: {:?}", rest.chars().take(40).collect::<String>()));
            continue;
        }
        let (tag, after) = tag(rest);
        check_tag(&tag, &mut wrong);
        rest = after;
    }
    wrong
}

fn check_tag(tag: &[(String, String)], wrong: &mut BTreeSet<String>) {
    let Some(((name, _), attributes)) = tag.split_first() else { return };
    let name = name.to_ascii_lowercase();
    if name.contains(MARK) || matches!(&*name, "iframe" | "object" | "embed" | "style" | "base" | "img") {
        wrong.insert(format!("a tag {name}"));
    }
    if name == "script" && !attributes.iter().any(|(name, value)| name == "src" && value.contains("/assets/")) {
        wrong.insert("a script of the page's own".into());
    }
    for (attribute, value) in attributes {
        let attribute = attribute.to_ascii_lowercase();
        if attribute.contains(MARK) || attribute.starts_with("on") || attribute == "style" {
            wrong.insert(format!("an attribute {attribute} of {name}"));
        }
        let is_address = matches!(&*attribute, "href" | "src" | "action" | "formaction" | "xlink:href");
        if is_address && !(value.starts_with('/') && !value.starts_with("//") || value.starts_with(['#', '?'])) {
            wrong.insert(format!("an address {value:?} of {name}"));
        }
    }
}

/// The name of a tag and its attributes with their values, and what comes after it: read as browsers do.
fn tag(text: &str) -> (Vec<(String, String)>, &str) {
    let mut parts = Vec::new();
    let (mut name, mut value) = (String::new(), String::new());
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '>' => {
                parts.push((name, value));
                parts.retain(|(name, _)| !name.is_empty());
                return (parts, &text[at + 1..]);
            }
            '=' => {
                let quote = characters.next_if(|(_, next)| matches!(next, '"' | '\'')).map(|(_, quote)| quote);
                let ends = |next: char| quote.map_or(next.is_whitespace() || next == '>', |quote| next == quote);
                while let Some((_, next)) = characters.next_if(|(_, next)| !ends(*next)) {
                    value.push(next);
                }
                if quote.is_some() {
                    characters.next();
                }
            }
            blank if blank.is_whitespace() || blank == '/' && !name.is_empty() => {
                parts.push((std::mem::take(&mut name), std::mem::take(&mut value)));
            }
            other => name.push(other),
        }
    }
    (vec![(format!("that does not end, {MARK}"), String::new())], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_left_its_place_is_seen() {
        for page in [
            "<p><zq9></p>",
            r#"<a href="/x" zq9="1">x</a>"#,
            r#"<a href="javascript:zq9">x</a>"#,
            r#"<a href="//elsewhere">x</a>"#,
            "<p onclick=\"x\">",
            "<script>alert(1)</script>",
            "<!-- x",
            "<p title=\"x",
            "<p>1 < 2</p>",
        ] {
            assert!(!unsafe_markup(page).is_empty(), "{page}");
        }
        let fine = r#"<!doctype html><p title="<zq9 onx=1>">&lt;zq9&gt;</p><a href="/j?q=zq9">x</a><script type="module" src="/assets/1/x.js"></script><br/>"#;
        assert!(unsafe_markup(fine).is_empty(), "{:?}", unsafe_markup(fine));
    }
}
