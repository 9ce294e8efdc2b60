//! Lists: the elements of `vec![…]`, the paths of `use …::{…}`.

use std::ops::Range;

use proc_macro2::Span;

use super::{MAX_WIDTH, indent, line_start, put};

/// A list in a text.
pub(super) struct List<'a> {
    text: &'a str,
    /// The text between the delimiters.
    inside: Range<usize>,
    items: Vec<Range<usize>>,
}

/// The layout of a list that is too long for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One line for each item.
    Lines,
    /// As many items on a line as fit.
    Filled,
}

impl<'a> List<'a> {
    /// The list at `whole`, which includes the delimiters.
    pub(super) fn new(text: &'a str, whole: Span, items: impl Iterator<Item = Span>) -> Self {
        let whole = whole.byte_range();
        Self { text, inside: whole.start + 1..whole.end - 1, items: items.map(|item| item.byte_range()).collect() }
    }

    /// The items' texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.items.iter().map(|item| &self.text[item.clone()])
    }

    /// The whole text with a new item at that index.
    pub(super) fn insert(&self, place: usize, new: &str, layout: Layout) -> String {
        let is_one_line = !self.text[self.inside.clone()].contains('\n');
        if !is_one_line && layout == Layout::Lines {
            return self.add_line(place, new);
        }
        let mut items: Vec<&str> = self.texts().collect();
        items.insert(place, new);
        if is_one_line && !new.contains('\n') {
            let line = self.with(&items.join(", "));
            let begin = line_start(&line, self.inside.start);
            if line[begin..].lines().next().is_none_or(|line| line.chars().count() <= MAX_WIDTH) {
                return line;
            }
        }
        let outer = indent(self.text, self.inside.start);
        let inner = format!("\n{outer}    ");
        let mut body = String::new();
        let mut width = usize::MAX;
        for item in items {
            let item = item.replace('\n', &inner);
            let more = " ,".len() + item.chars().count();
            if layout == Layout::Filled && width.saturating_add(more) <= MAX_WIDTH {
                body.push(' ');
                width += more;
            } else {
                body.push_str(&inner);
                width = inner.len() - 2 + more;
            }
            body.push_str(&item);
            body.push(',');
        }
        body.push('\n');
        body.push_str(outer);
        self.with(&body)
    }

    /// Adds a line among lines, so that comments between them stay in place.
    fn add_line(&self, place: usize, new: &str) -> String {
        let outer = indent(self.text, self.inside.start);
        let inner = match self.items.first() {
            Some(first) => format!("\n{}", indent(self.text, first.start)),
            None => format!("\n{outer}    "),
        };
        let line = format!("{inner}{},", new.replace('\n', &inner));
        let Some(before) = place.checked_sub(1).and_then(|before| self.items.get(before)) else {
            return put(self.text, self.inside.start, &line);
        };
        let rest = &self.text[before.end..self.inside.end];
        let gap = rest.len() - rest.trim_start().len();
        match rest[gap..].starts_with(',') {
            true => put(self.text, before.end + gap + 1, &line),
            false => put(self.text, before.end, &format!(",{line}")),
        }
    }

    fn with(&self, inside: &str) -> String {
        format!("{}{inside}{}", &self.text[..self.inside.start], &self.text[self.inside.end..])
    }
}

#[cfg(test)]
mod tests {
    use super::super::add_to_vec;

    fn add(body: &str, new: &str, place: usize) -> String {
        let text = format!("fn all() -> V {{\n    {body}\n}}\n");
        let count = std::cell::Cell::new(0);
        let added = add_to_vec(&text, "all", new, |_| count.replace(count.get() + 1) == place).unwrap();
        added.strip_prefix("fn all() -> V {\n    ").unwrap().strip_suffix("\n}\n").unwrap().to_owned()
    }

    #[test]
    fn a_long_list_gets_one_line_for_each_item() {
        let long = format!("first({})", "x".repeat(90));
        let lines = format!("vec![\n        {long},\n        second_element_of_all(),\n    ]");
        assert_eq!(add(&format!("vec![{long}]"), "second_element_of_all()", 9), lines);
        assert_eq!(add("vec![]", "a", 9), "vec![a]");
        assert_eq!(add("Ok(vec![a])", "b\n    .c()", 9), "Ok(vec![\n        a,\n        b\n            .c(),\n    ])");
    }

    #[test]
    fn comments_between_lines_stay() {
        let lines =
            "vec![\n        // About a.\n        a,\n        b, // about b\n        // about c\n        c\n    ]";
        let with = |place| add(lines, "new", place);
        assert!(with(0).starts_with("vec![\n        new,\n        // About a.\n        a,"));
        assert!(with(1).contains("        a,\n        new,\n        b, // about b\n"));
        assert!(with(9).ends_with("        c,\n        new,\n    ]"));
    }
}
