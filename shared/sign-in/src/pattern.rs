//! Patterns with `*`.

/// Returns whether a text matches a pattern in which `*` stands for any characters, also for none. Takes time in
/// proportion to both lengths at most.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("*", "ada", true),
            ("ada", "ada", true),
            ("ada", "adam", false),
            ("*@example.com", "ada@example.com", true),
            ("*@example.com", "ada@example.com.evil.org", false),
            ("ada@*", "mallory-ada@example.com", false),
            ("arn:aws:sts::*:assumed-role/Operators/*", "arn:aws:sts::123456789012:assumed-role/Operators/ada", true),
            ("arn:aws:sts::*:assumed-role/Operators/*", "arn:aws:sts::123456789012:assumed-role/Readers/ada", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("*ab", "aab", true),
            ("é*é", "éaé", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
