//! Marks of stretches, and of all that match.

use super::*;

fn marked(state: &State) -> Vec<char> {
    let rows = screen(state, (60, 12));
    rows.iter()
        .filter(|line| line.starts_with([' ', '▌']) && line.contains("invoices.send"))
        .map(|line| line.chars().nth(1).unwrap())
        .collect()
}

fn retried(state: &mut State) -> Subject {
    match press(state, "r").pop() {
        Some(Effect::Preview(Intent { verb: Verb::Retry, subject })) => subject,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stretch_reaches_from_the_last_mark_in_either_direction() {
    let mut state = at(Page::Jobs, jobs(&["e", "d", "c", "b", "a"]));
    press(&mut state, "jxjX");
    assert_eq!(marked(&state), [' ', 'x', 'x', 'x', ' ']);
    assert!(text(&state, (60, 12)).contains("3 marked"));
    press(&mut state, "kkkX");
    assert_eq!(marked(&state), ['x', 'x', 'x', 'x', ' ']);
    assert_eq!(retried(&mut state), Subject::Jobs(["b", "c", "d", "e"].map(str::to_owned).to_vec()));
    // Without a mark, it is the selected one alone; and other jobs may have come between.
    let mut state = at(Page::Jobs, jobs(&["c", "b", "a"]));
    press(&mut state, "X");
    show(&mut state, jobs(&["d", "c", "x", "b", "a"]));
    press(&mut state, "jjX");
    assert_eq!(marked(&state), [' ', 'x', 'x', 'x', ' ']);
}

#[test]
fn all_that_match_are_marked_and_acted_on_by_their_query() {
    let mut state = at(Page::Jobs, jobs(&["c", "b", "a"]));
    press(&mut state, "/job:invoices.*\n");
    show(&mut state, jobs(&["c", "b", "a"]));
    press(&mut state, "x*");
    assert_eq!(marked(&state), ['x', 'x', 'x']);
    assert!(text(&state, (60, 12)).contains("all that match are marked"));
    // Those that are not shown are meant too, as they are by `lamp retry --query`.
    assert_eq!(retried(&mut state), Subject::Matching("state:failed job:invoices.*".into()));
    assert_eq!(
        press(&mut state, "y"),
        [Effect::Copy("lamp retry --query 'state:failed job:invoices.*' --db jobs.db".into())]
    );
    press(&mut state, "\u{1b}");
    let cancelled = Intent { verb: Verb::Cancel, subject: Subject::Matching("job:invoices.*".into()) };
    assert_eq!(press(&mut state, "c"), [Effect::Preview(cancelled)]);
    press(&mut state, "\u{1b}*");
    assert_eq!(marked(&state), [' ', ' ', ' ']);
    assert_eq!(retried(&mut state), Subject::Jobs(vec!["b".into()]));
}

#[test]
fn a_query_that_names_states_keeps_them() {
    let mut state = at(Page::Jobs, jobs(&["a"]));
    press(&mut state, "/state:cancelled\n");
    show(&mut state, jobs(&["a"]));
    press(&mut state, "*");
    assert_eq!(retried(&mut state), Subject::Matching("state:cancelled".into()));
}

#[test]
fn nothing_else_is_marked() {
    let mut state = at(Page::Queues, jobs(&["mails"]));
    for key in ["x", "X", "*"] {
        press(&mut state, key);
        assert!(text(&state, (90, 12)).contains("jobs are marked in their list"), "{key}");
    }
    let mut empty = at(Page::Jobs, jobs(&[]));
    assert!(press(&mut empty, "xX*r").is_empty());
    assert!(!text(&empty, (90, 12)).contains("all that match"));
}
