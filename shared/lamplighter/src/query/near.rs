//! What somebody may have meant.

/// The candidate that fewest changes of a letter away from what was typed, at most two and fewer than its length.
pub(super) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// No candidate is longer.
    const LONGEST: usize = 32;
    if typed.len() > LONGEST {
        return None;
    }
    let typed = typed.to_lowercase();
    let near = candidates.into_iter().map(|candidate| (changes(&typed, candidate), candidate));
    let near = near.filter(|(changes, candidate)| *changes <= 2 && 2 * changes <= candidate.len());
    near.min_by_key(|(changes, _)| *changes).map(|(_, candidate)| candidate.to_owned())
}

/// The number of letters to add, leave out or replace (Levenshtein).
fn changes(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant_and_nonsense_nothing() {
        let keys = ["state", "since", "fp", "job"];
        assert_eq!(nearest("stat", keys).as_deref(), Some("state"));
        assert_eq!(nearest("State", keys).as_deref(), Some("state"));
        assert_eq!(nearest("jobs", keys).as_deref(), Some("job"));
        assert_eq!(nearest("owner", keys), None);
        assert_eq!(nearest("x", keys), None);
        assert_eq!((changes("", "abc"), changes("kitten", "sitting")), (3, 3));
    }
}
