//! JSON as a folded tree. Digits and the order of fields stay as they are.

use std::fmt::{self, Write as _};

use lamplighter::RawValue;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::ui::Markup;
use crate::chart::escape;

/// What stands in place of a sensitive value.
const HIDDEN: &str = "[redacted]";
/// Values that a page shows; the rest is counted.
const MOST_VALUES: usize = 1_500;
/// Characters of a text that are shown before it is folded.
const MOST_TEXT: usize = 240;
/// Levels that are unfolded at once, and the most fields that one of these has.
const OPEN_LEVELS: usize = 2;
const OPEN_FIELDS: usize = 24;
const DEEPEST: usize = 60;

/// Draws a value. `name` makes the names of its folds, which stay open while the page is updated.
pub(crate) fn tree(value: &RawValue, name: &str) -> Markup {
    let mut drawing = Drawing { markup: String::new(), left: MOST_VALUES, folds: 0, name };
    let _ = write!(drawing.markup, r#"<div class="tree" id="{name}">"#);
    drawing.value(value, None, 0);
    if drawing.left == 0 {
        drawing.markup.push_str(r#"<p class="type">The rest is left out here; the API returns it whole.</p>"#);
    }
    drawing.markup.push_str("</div>");
    Markup(drawing.markup)
}

struct Drawing<'a> {
    markup: String,
    left: usize,
    folds: usize,
    name: &'a str,
}

impl Drawing<'_> {
    fn value(&mut self, value: &RawValue, key: Option<&str>, depth: usize) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let text = value.get().trim();
        match text.as_bytes().first() {
            Some(b'{') if depth < DEEPEST => match serde_json::from_str::<Fields<'_>>(text) {
                Ok(Fields(fields)) => self.object(&fields, key, depth),
                Err(_) => self.leaf(key, "lit", text, "value"),
            },
            Some(b'[') if depth < DEEPEST => match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(items) => self.list(&items, key, depth),
                Err(_) => self.leaf(key, "lit", text, "value"),
            },
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(text) if text == HIDDEN => self.hidden(key),
                Ok(text) => self.text(key, &text),
                Err(_) => self.leaf(key, "lit", text, "value"),
            },
            Some(b't' | b'f') => self.leaf(key, "lit", text, "true or false"),
            Some(b'n') => self.leaf(key, "lit", text, "nothing"),
            Some(b'{' | b'[') => self.leaf(key, "lit", "…", "too deep"),
            _ => self.leaf(key, "lit", text, "number"),
        }
    }

    fn key(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            let _ = write!(self.markup, r#"<span class="k"><bdi>{}</bdi>:</span> "#, escape(key));
        }
    }

    fn leaf(&mut self, key: Option<&str>, class: &str, text: &str, kind: &str) {
        self.key(key);
        let _ =
            write!(self.markup, r#"<span class="{class}">{}</span> <span class="type">{kind}</span>"#, escape(text));
    }

    fn hidden(&mut self, key: Option<&str>) {
        self.key(key);
        self.markup.push_str(r#"<span class="secret">hidden</span> <span class="type">sensitive</span>"#);
    }

    fn text(&mut self, key: Option<&str>, text: &str) {
        let length = text.chars().count();
        if length <= MOST_TEXT {
            self.key(key);
            let _ = write!(
                self.markup,
                r#"<span class="str">"<bdi>{}</bdi>"</span> <span class="type">text</span>"#,
                escape(text)
            );
            return;
        }
        let beginning: String = text.chars().take(80).collect();
        self.fold(false);
        self.key(key);
        let _ = write!(
            self.markup,
            r#"<span class="str">"<bdi>{}</bdi>…"</span> <span class="type">text, {length} characters</span></summary><pre class="str">{}</pre></details>"#,
            escape(&beginning),
            escape(text)
        );
    }

    fn fold(&mut self, open: bool) {
        self.folds += 1;
        let (name, number, open) = (self.name, self.folds, if open { " open" } else { "" });
        let _ = write!(self.markup, r#"<details id="{name}-{number}"{open}><summary>"#);
    }

    fn object(&mut self, fields: &[(String, &RawValue)], key: Option<&str>, depth: usize) {
        if fields.is_empty() {
            return self.leaf(key, "lit", "{}", "no fields");
        }
        self.fold(depth < OPEN_LEVELS && fields.len() <= OPEN_FIELDS || depth == 0);
        self.key(key);
        let count = fields.len();
        let noun = if count == 1 { "field" } else { "fields" };
        let _ = write!(self.markup, r#"<span class="type">{count} {noun}</span></summary><ul>"#);
        for (name, value) in fields {
            if self.left == 0 {
                break;
            }
            self.markup.push_str("<li>");
            self.value(value, Some(name), depth + 1);
            self.markup.push_str("</li>");
        }
        self.markup.push_str("</ul></details>");
    }

    fn list(&mut self, items: &[&RawValue], key: Option<&str>, depth: usize) {
        if items.is_empty() {
            return self.leaf(key, "lit", "[]", "empty list");
        }
        self.fold(depth < OPEN_LEVELS && items.len() <= OPEN_FIELDS / 2 || depth == 0);
        self.key(key);
        let _ = write!(self.markup, r#"<span class="type">list of {}</span></summary><ul>"#, items.len());
        for (index, value) in items.iter().enumerate() {
            if self.left == 0 {
                break;
            }
            self.markup.push_str("<li>");
            self.value(value, Some(&index.to_string()), depth + 1);
            self.markup.push_str("</li>");
        }
        self.markup.push_str("</ul></details>");
    }
}

/// The fields of an object, in their order.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(json: &str) -> String {
        tree(&RawValue::from_string(json.to_owned()).unwrap(), "args").0
    }

    #[test]
    fn order_and_digits_stay() {
        let markup = drawn(r#"{"z":12345678901234567890.10,"a":null}"#);
        assert!(markup.contains("12345678901234567890.10"), "{markup}");
        assert!(markup.find(">z<").unwrap() < markup.find(">a<").unwrap(), "{markup}");
    }

    #[test]
    fn hostile_texts_are_inert() {
        let markup = drawn(r#"{"<script>":"</pre><script>alert(1)</script>","l":["<img src=x onerror=alert(1)>"]}"#);
        assert!(!markup.contains("<script") && !markup.contains("<img"), "{markup}");
    }

    #[test]
    fn hidden_values_are_marked() {
        let markup = drawn(r#"{"token":"[redacted]"}"#);
        assert!(markup.contains(r#"class="secret">hidden"#) && !markup.contains("[redacted]"), "{markup}");
    }

    #[test]
    fn a_large_value_is_cut_and_says_so() {
        let large = format!("[{}1]", "1,".repeat(100_000));
        let markup = drawn(&large);
        assert!(markup.len() < 400_000 && markup.contains("left out here"), "{}", markup.len());
    }

    #[test]
    fn deep_values_end() {
        let markup = drawn(&format!("{}1{}", "[".repeat(100), "]".repeat(100)));
        assert!(markup.contains("too deep"), "{markup}");
        assert_eq!(markup.matches("<details").count(), markup.matches("</details>").count());
    }

    #[test]
    fn empty_and_plain_values() {
        for (json, seen) in [("{}", "no fields"), ("[]", "empty list"), ("true", "true or false"), ("-0.5e3", "-0.5e3")]
        {
            assert!(drawn(json).contains(seen), "{json}");
        }
    }
}
