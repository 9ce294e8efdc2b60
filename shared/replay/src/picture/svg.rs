//! The part of SVG that the picture needs.

use std::fmt::{self, Write as _};

/// A drawing as text.
#[derive(Debug, Default)]
pub(super) struct Svg {
    out: String,
}

impl Svg {
    /// Opens an element. Numbers have one decimal at most.
    pub(super) fn open(&mut self, element: &str, attributes: &[(&str, &dyn fmt::Display)]) {
        self.tag(element, attributes, ">\n");
    }

    pub(super) fn close(&mut self, element: &str) {
        self.put(format_args!("</{element}>\n"));
    }

    /// Writes an element without content.
    pub(super) fn leaf(&mut self, element: &str, attributes: &[(&str, &dyn fmt::Display)]) {
        self.tag(element, attributes, "/>\n");
    }

    /// Writes an element with text.
    pub(super) fn text(&mut self, element: &str, attributes: &[(&str, &dyn fmt::Display)], text: &str) {
        self.tag(element, attributes, ">");
        self.put(format_args!("{}</{element}>\n", Escaped(text)));
    }

    /// Writes a style sheet.
    pub(super) fn style(&mut self, css: &str) {
        self.put(format_args!("<style>\n{css}</style>\n"));
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn tag(&mut self, element: &str, attributes: &[(&str, &dyn fmt::Display)], end: &str) {
        self.put(format_args!("<{element}"));
        for (name, value) in attributes {
            self.put(format_args!(" {name}=\"{}\"", Escaped(&value.to_string())));
        }
        self.put(format_args!("{end}"));
    }

    fn put(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.out.write_fmt(arguments);
    }
}

/// A length in the drawing, with one decimal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Px(pub(super) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        write!(f, "{tenths}")
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut svg = Svg::default();
        svg.text("text", &[("x", &Px(1.25)), ("class", &"a\"b")], "1 < 2 & 3");
        assert_eq!(svg.finish(), "<text x=\"1.3\" class=\"a&quot;b\">1 &lt; 2 &amp; 3</text>\n");
    }
}
