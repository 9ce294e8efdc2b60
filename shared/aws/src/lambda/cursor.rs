//! Reads JSON in one pass, at a fraction of what a general parser costs. It is for texts that are known to be JSON: what is
//! skipped is not checked. Where a text is something else than expected, there is `None`.

use std::borrow::Cow;

use super::lenient::Text;

/// A place in a JSON text.
pub(super) struct Cursor<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.next().is_none()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    /// Reads a list's elements.
    pub(super) fn elements(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.parts(b'[', b']', |cursor| element(cursor))
    }

    /// Reads an object's members: `member` reads the value of each name.
    pub(super) fn members(&mut self, mut member: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
        self.parts(b'{', b'}', |cursor| {
            let name = cursor.text()?;
            cursor.expect(b':')?;
            member(cursor, &name)
        })
    }

    fn parts(&mut self, open: u8, close: u8, mut part: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(open)?;
        if self.next()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            part(self)?;
            let separator = self.next()?;
            self.at += 1;
            match separator {
                b',' => {}
                separator if separator == close => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a string.
    pub(super) fn text(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let start = self.at;
        let is_plain = self.skip_text()?;
        let text = self.json.get(start..self.at - 1)?;
        if is_plain {
            return Some(Cow::Borrowed(text));
        }
        match unescaped(text) {
            Some(text) => Some(Cow::Owned(text)),
            None => serde_json::from_str(self.json.get(start - 1..self.at)?).ok().map(|Text(text)| text),
        }
    }

    /// Skips the rest of a string, and returns whether it has no escapes.
    fn skip_text(&mut self) -> Option<bool> {
        let bytes = self.json.as_bytes();
        let mut is_plain = true;
        loop {
            self.at += quote_or_escape(bytes.get(self.at..)?);
            match bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(is_plain);
                }
                _ => {
                    is_plain = false;
                    self.at += 2;
                }
            }
        }
    }

    /// Skips a value of any kind and depth, and returns its text.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        let bytes = self.json.as_bytes();
        self.next()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match bytes.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    self.skip_text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // A number, `true`, `false` or `null`.
                _ if depth == 0 => {
                    let rest = bytes.get(self.at..)?;
                    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r');
                    self.at += rest.iter().position(is_end).unwrap_or(rest.len());
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return self.json.get(start..self.at);
            }
        }
    }
}

/// How far away the next quote or backslash is, or the end. Eight bytes at a time: the borrow of a subtraction gets into
/// another byte only behind one that is found.
fn quote_or_escape(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = bytes.as_chunks::<8>();
    let is = |word: u64, byte: u8| {
        let word = word ^ (ONES * u64::from(byte));
        word.wrapping_sub(ONES) & !word & (ONES << 7)
    };
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = is(word, b'"') | is(word, b'\\');
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
}

/// A string's content without its escapes; `None` where one is of a code unit.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_at_checked(quote_or_escape(rest.as_bytes())) {
        plain.push_str(before);
        let Some(escape) = after.as_bytes().get(1) else { break };
        plain.push(match escape {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(*escape),
            _ => return None,
        });
        rest = after.get(2..)?;
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Reads JSON with the cursor alone.
    fn read(cursor: &mut Cursor<'_>) -> Option<Value> {
        match cursor.next()? {
            b'[' => {
                let mut all = Vec::new();
                cursor.elements(|cursor| read(cursor).map(|value| all.push(value)))?;
                Some(all.into())
            }
            b'{' => {
                let mut all = serde_json::Map::new();
                cursor.members(|cursor, name| {
                    let name = name.to_owned();
                    read(cursor).map(|value| drop(all.insert(name, value)))
                })?;
                Some(all.into())
            }
            b'"' => cursor.text().map(|text| Value::from(&*text)),
            _ => serde_json::from_str(cursor.value()?).ok(),
        }
    }

    #[test]
    fn strings_are_unescaped() {
        for json in [
            r#""""#,
            r#""a""#,
            r#""\"""#,
            r#""\\""#,
            r#""\\\"\/\b\f\n\r\t""#,
            r#""seven b\"""#,
            r#""é\u00e9\ud83d\ude00ü\n""#,
            r#""\\u0041""#,
            "\"a longer text without any escape, of many words\"",
        ] {
            let text: String = serde_json::from_str(json).unwrap();
            assert_eq!(Cursor::new(json).text().as_deref(), Some(&*text), "{json}");
            assert_eq!(Cursor::new(json).value(), Some(json));
        }
        assert_eq!(Cursor::new(r#""\ud800""#).text().as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn values_of_any_depth_are_skipped() {
        let deep = format!("{}{}", "[{\"a\":".repeat(50_000), "}]".repeat(50_000));
        for json in [&*deep, "1e999", "-0.5", "null", r#"{"]":"}\""}"#, r#"[[],{},"[",[{"a":[1,"x"]}]]"#] {
            let list = format!(" [ {json} , {json},{json}]");
            let mut values = Vec::new();
            Cursor::new(&list).elements(|cursor| cursor.value().map(|value| values.push(value))).unwrap();
            assert!(values == [json; 3], "{json:.40}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\n\t\"\\\\]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[\\PC\"\\\\]{0,9}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_cursor_reads_what_a_parser_does(value in json(), pretty in any::<bool>()) {
            let json = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(read(&mut Cursor::new(&json)), Some(value));
            prop_assert_eq!(Cursor::new(&json).value(), Some(&*json));
        }

        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:\\\\ a0-9\\PC]{0,40}") {
            let _ = (Cursor::new(&text).value(), Cursor::new(&text).text(), read(&mut Cursor::new(&text)));
        }
    }
}
