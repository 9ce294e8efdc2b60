//! What differs between two texts, line by line.

/// Lines that are kept around a difference.
const AROUND: usize = 2;

/// The lines that come, behind a `+`, and those that go, behind a `-`, with what lies around them.
pub(super) fn lines(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let same_before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[same_before..], &new[same_before..]);
    let same_after = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (gone, come) = (&old_rest[..old_rest.len() - same_after], &new_rest[..new_rest.len() - same_after]);
    let mut all: Vec<(char, &str)> = old[..same_before].iter().map(|line| (' ', *line)).collect();
    all.extend(script(gone, come));
    all.extend(old_rest[old_rest.len() - same_after..].iter().map(|line| (' ', *line)));
    let near = |at: usize| {
        let (first, last) = (at.saturating_sub(AROUND), (at + AROUND).min(all.len() - 1));
        all[first..=last].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut shown = Vec::new();
    let mut last_shown = None;
    for (at, (sign, line)) in all.iter().enumerate().filter(|(at, _)| near(*at)) {
        if last_shown.is_some_and(|last| last + 1 < at) {
            shown.push("…".to_owned());
        }
        last_shown = Some(at);
        shown.push(format!("{sign} {line}").trim_end().to_owned());
    }
    shown
}

/// The shortest way from one to the other, by the longest lines that both have.
fn script<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i][j] = if a == b { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut all) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            all.push(('-', old[i]));
            i += 1;
        } else {
            all.push(('+', new[j]));
            j += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_shown_with_its_neighbours() {
        assert_eq!(lines("", "a\nb\n"), ["+ a", "+ b"]);
        assert_eq!(lines("a\nb\n", "a\nb\n"), [""; 0]);
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(lines(before, &before.replace("4\n", "four\n")), ["  2", "  3", "- 4", "+ four", "  5", "  6"]);
        let both = before.replace("1\n", "0\n1\n").replace("9\n", "9\n10\n");
        assert_eq!(lines(before, &both), ["+ 0", "  1", "  2", "…", "  8", "  9", "+ 10"]);
    }
}
