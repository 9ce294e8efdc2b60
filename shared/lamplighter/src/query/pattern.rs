//! Names with `*` for any characters.

/// Whether a name is that of the pattern, in which `*` stands for any characters, also none.
///
/// ```
/// use lamplighter::query::name_fits;
///
/// assert!(name_fits("webhook.*", "webhook.send"));
/// assert!(!name_fits("webhook.*", "webhooks"));
/// assert!(name_fits("report.weekly", "report.weekly"));
/// ```
#[must_use]
pub fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(without_end) = left.strip_suffix(end) else { return false };
    left = without_end;
    // The first place of each part leaves the most for those behind it.
    for part in middle.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_characters() {
        for (pattern, fits) in [("a.b", true), ("a*", true), ("*b", true), ("*", true), ("a*b", true), ("*.*", true)] {
            assert_eq!(name_fits(pattern, "a.b"), fits, "{pattern}");
        }
        for pattern in ["", "a", "a.", "a*c", "*a", "b*", "a.b.*", "a*.*.b", "a.*.b"] {
            assert!(!name_fits(pattern, "a.b"), "{pattern}");
        }
        assert!(name_fits("a**b", "ab") && name_fits("**", "") && !name_fits("aa*aa", "aaa"));
    }

    fn slow(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|skipped| slow(rest, &name[skipped..])),
            Some((first, rest)) => name.first() == Some(first) && slow(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_is_what_trying_every_split_finds(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(name_fits(&pattern, &name), slow(&chars(&pattern), &chars(&name)));
        }
    }
}
