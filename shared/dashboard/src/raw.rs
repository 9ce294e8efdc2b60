//! JSON in other lines: whitespace between its parts changes, and nothing else, so that numbers, the order of fields and what
//! stands twice are kept.

/// More levels than anybody reads: deeper JSON stays as it is.
const DEEPEST: usize = 60;
/// How many times its length JSON on lines may have, beside the lines of a short one.
const MOST_TIMES: usize = 4;
const SHORT: usize = 16 << 10;

/// On as many lines as it needs, for people to edit. What is nested too deeply, or would grow too much, stays as it is.
#[must_use]
pub fn pretty(json: &str) -> String {
    on_lines(json).unwrap_or_else(|| json.to_owned())
}

fn on_lines(json: &str) -> Option<String> {
    let most = json.len().saturating_mul(MOST_TIMES).max(SHORT);
    let mut lines = Lines::default();
    let mut parts = parts(json).peekable();
    while let Some(part) = parts.next() {
        if lines.depth > DEEPEST || lines.text.len() > most {
            return None;
        }
        match part {
            "{" | "[" if matches!(parts.peek(), Some(&("}" | "]"))) => {
                lines.text += part;
                lines.text += parts.next().unwrap_or_default();
            }
            "{" | "[" => lines.open(part),
            "}" | "]" => lines.close(part),
            "," => {
                lines.text += part;
                lines.begin();
            }
            ":" => lines.text += ": ",
            part => lines.text += part,
        }
    }
    (lines.text.len() <= most).then_some(lines.text)
}

/// On one line, without spaces.
#[must_use]
pub fn compact(json: &str) -> String {
    parts(json).collect()
}

#[derive(Default)]
struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    fn begin(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn open(&mut self, bracket: &str) {
        self.text += bracket;
        self.depth += 1;
        self.begin();
    }

    fn close(&mut self, bracket: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.begin();
        self.text += bracket;
    }
}

/// Punctuation, texts with their quotes, and other values.
fn parts(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let length = match rest.as_bytes().first()? {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            b'"' => text_length(rest),
            _ => rest.find(|letter: char| letter.is_whitespace() || "{}[],:\"".contains(letter)).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(part)
    })
}

/// The length of the text that begins here, with its quotes.
fn text_length(json: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in json.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_whitespace_changes() {
        let json = r#" {"b":1.00, "a" :[],"c":[{},{"x":1e400}],"b":"a,b: {[\\\"]} "} "#;
        let shown = pretty(json);
        assert_eq!(
            shown,
            "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"c\": [\n    {},\n    {\n      \"x\": 1e400\n    }\n  ],\n  \"b\": \"a,b: {[\\\\\\\"]} \"\n}"
        );
        assert_eq!(compact(&shown), r#"{"b":1.00,"a":[],"c":[{},{"x":1e400}],"b":"a,b: {[\\\"]} "}"#);
        assert_eq!(compact("{} "), "{}");
    }

    #[test]
    fn json_on_lines_says_the_same() {
        assert_eq!(
            pretty(r#"{"b":1.00,"a":[],"c":[{}, 2]}"#),
            "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"c\": [\n    {},\n    2\n  ]\n}"
        );
        let texts = r#"{"t":"a,b:{[\\\"]} ","u":"\\"}"#;
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&pretty(texts)), value(texts));
        assert!(pretty(texts).contains(r#""a,b:{[\\\"]} ""#));
    }

    #[test]
    fn what_is_nested_deeply_stays_as_it_is() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(pretty(&nested(60)).contains('\n'));
        assert_eq!(pretty(&nested(20_000)), nested(20_000));
        assert_eq!(pretty(&nested(100)), nested(100));
        // At fifty levels, each of many lines would be a hundred blanks.
        let wide = format!("{}{}1{}", "[".repeat(50), "1,".repeat(20_000), "]".repeat(50));
        assert_eq!(pretty(&wide), wide);
        let flat = format!("[{}1]", "\"some text\",".repeat(20_000));
        assert!(pretty(&flat).contains('\n'));
    }

    #[test]
    fn what_is_no_json_is_not_lost() {
        for broken in ["", "{", "]}", "\"open", "{\"a\":", "äöü", "tru", "\"\\"] {
            assert_eq!(compact(&pretty(broken)), broken);
        }
    }
}
