//! The difference between two texts, line by line.

use similar::{ChangeTag, TextDiff};

/// Unchanged lines that are shown around a difference.
const CONTEXT: usize = 2;

/// Added lines behind a `+`, removed ones behind a `-`, with the lines around them; `…` stands between places.
pub(super) fn lines(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let mut shown = Vec::new();
    for place in diff.grouped_ops(CONTEXT) {
        if !shown.is_empty() {
            shown.push("…".to_owned());
        }
        for change in place.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Insert => '+',
                ChangeTag::Delete => '-',
                ChangeTag::Equal => ' ',
            };
            shown.push(format!("{sign} {}", change.value()).trim_end().to_owned());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        assert_eq!(lines("", "a\nb\n"), ["+ a", "+ b"]);
        assert_eq!(lines("a\nb\n", "a\nb\n"), [""; 0]);
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(lines(before, &before.replace("4\n", "four\n")), ["  2", "  3", "- 4", "+ four", "  5", "  6"]);
        let both = before.replace("1\n", "0\n1\n").replace("9\n", "9\n10\n");
        assert_eq!(lines(before, &both), ["+ 0", "  1", "  2", "…", "  8", "  9", "+ 10"]);
    }
}
