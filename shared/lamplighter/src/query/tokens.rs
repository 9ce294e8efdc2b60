//! Splitting a query into terms.

use super::InvalidQuery;

/// A term, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) source: &'a str,
    pub(super) content: Content<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Without a key.
    Text(String),
    /// `key:value,value`, with the steps behind the key's first dot.
    Term { is_negated: bool, key: &'a str, path: Vec<String>, values: Vec<Value> },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) is_quoted: bool,
}

/// The key whose terms have a path.
pub(super) const ARGS: &str = "args";

/// Splits a query into terms.
pub(super) fn tokens(query: &str) -> Result<Vec<Token<'_>>, InvalidQuery> {
    let mut reader = Reader { rest: query };
    let mut found = Vec::new();
    loop {
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            return Ok(found);
        }
        let start = reader.rest;
        let content = reader.token().map_err(|reason| InvalidQuery::of(word(start), reason))?;
        let source = &start[..start.len() - reader.rest.len()];
        found.push(Token { source, content });
    }
}

/// The text up to white space.
fn word(text: &str) -> &str {
    text.split(char::is_whitespace).next().unwrap_or(text)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn token(&mut self) -> Result<Content<'a>, String> {
        let is_negated = self.take("-");
        if let Some((key, path)) = self.key()? {
            let values = self.values(key)?;
            return Ok(Content::Term { is_negated, key, path, values });
        }
        if is_negated {
            return Err("a - negates a term such as -job:report.weekly; in front of a text, quote both".into());
        }
        let text = match self.quoted()? {
            Some(text) => text,
            None => {
                let text = word(self.rest);
                self.rest = &self.rest[text.len()..];
                text.to_owned()
            }
        };
        self.ends()?;
        Ok(Content::Text(text))
    }

    /// A key, up to the colon behind it, if there is one: ids hold colons too.
    fn key(&mut self) -> Result<Option<(&'a str, Vec<String>)>, String> {
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-';
        let end = self.rest.find(|c| !is_letter(c)).unwrap_or(self.rest.len());
        let (key, rest) = self.rest.split_at(end);
        if key.is_empty() {
            return Ok(None);
        }
        if let Some(rest) = rest.strip_prefix(':') {
            self.rest = rest;
            return Ok(Some((key, Vec::new())));
        }
        if key != ARGS || !rest.starts_with('.') || !word(rest).contains([':', '"']) {
            return Ok(None);
        }
        self.rest = rest;
        let mut path = Vec::new();
        while self.take(".") {
            path.push(self.step()?);
        }
        if !self.take(":") {
            return Err("an argument is written like args.customer.id:42".into());
        }
        Ok(Some((key, path)))
    }

    fn step(&mut self) -> Result<String, String> {
        if let Some(text) = self.quoted()? {
            return Ok(text);
        }
        let end = |c: char| c == '.' || c == ':' || c == '"' || c.is_whitespace();
        let (step, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        if step.is_empty() {
            return Err("a field's name is missing; an argument is written like args.customer.id:42".into());
        }
        self.rest = rest;
        Ok(step.to_owned())
    }

    fn values(&mut self, key: &str) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        loop {
            let value = match self.quoted()? {
                Some(text) => Value { text, is_quoted: true },
                None => {
                    let end = self.rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    Value { text: text.to_owned(), is_quoted: false }
                }
            };
            if value.text.is_empty() && !value.is_quoted {
                return Err(format!("a value is missing behind {key}:"));
            }
            values.push(value);
            if !self.take(",") {
                self.ends()?;
                return Ok(values);
            }
        }
    }

    /// A text in quotes, in which `\` stands before a quote and before itself.
    fn quoted(&mut self) -> Result<Option<String>, String> {
        let Some(rest) = self.rest.strip_prefix('"') else { return Ok(None) };
        let mut text = String::new();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &rest[at + 1..];
                    return Ok(Some(text));
                }
                '\\' => match chars.clone().next() {
                    Some((_, escaped @ ('"' | '\\'))) => {
                        chars.next();
                        text.push(escaped);
                    }
                    _ => text.push('\\'),
                },
                _ => text.push(c),
            }
        }
        Err("a quote is missing at its end".into())
    }

    fn ends(&self) -> Result<(), String> {
        if self.rest.is_empty() || self.rest.starts_with(char::is_whitespace) {
            return Ok(());
        }
        Err("a space is missing behind a quote".into())
    }

    fn take(&mut self, start: &str) -> bool {
        let rest = self.rest.strip_prefix(start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}
