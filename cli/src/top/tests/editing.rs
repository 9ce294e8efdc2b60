//! Editing the arguments of a job.

use super::*;

const BEFORE: &str = "{\n  \"to\": \"ada\"\n}";

/// The state in which the editor is opened on the selected job.
fn opened() -> State {
    let mut state = at(Page::Jobs, jobs(&["b", "a"]));
    assert_eq!(press(&mut state, "jE"), [Effect::Arguments("a".into())]);
    let edit = Effect::Edit { id: "a".into(), args: BEFORE.into() };
    assert_eq!(state.take_arguments("a", Ok(BEFORE.into())), [edit]);
    state
}

fn edited(args: &str) -> Intent {
    Intent { verb: Verb::Edit, subject: Subject::Edited { id: "a".into(), args: args.into() } }
}

#[test]
fn edited_arguments_run_after_consent() {
    let mut state = opened();
    let intent = edited("{\"to\": \"bob\"}");
    let after = Ok("{\"to\": \"bob\"}\n".to_owned());
    assert_eq!(state.edited("a".into(), BEFORE, after), [Effect::Preview(intent.clone())]);
    assert!(press(&mut state, "\n").is_empty(), "not before it is known that they fit");
    let preview = Preview { lines: vec!["Runs a copy of 1 job".into()], expected: Some(1), target: None };
    state.previewed(&intent, Ok(preview.clone()));
    let asked = text(&state, (80, 16));
    assert!(
        asked.contains("Run a copy of job a with the edited arguments") && asked.contains("E: edit again"),
        "{asked}"
    );
    assert_eq!(press(&mut state, "y"), [Effect::Copy("lamp edit a '{\"to\":\"bob\"}' --db jobs.db".into())]);
    assert_eq!(press(&mut state, "\n"), [Effect::Start(intent, preview)]);
}

#[test]
fn arguments_that_do_not_fit_are_not_lost() {
    let mut state = opened();
    let intent = edited("{\"to\": 7}");
    state.edited("a".into(), BEFORE, Ok("{\"to\": 7}".into()));
    state.previewed(&intent, Err("\"to\": value is not of type \"string\"".into()));
    let refused = text(&state, (80, 16));
    assert!(refused.contains("is not of type") && refused.contains("Enter: edit again"), "{refused}");
    for size in [(1, 1), (20, 5), (40, 12)] {
        screen(&state, size);
    }
    assert!(press(&mut state, "rgj").is_empty(), "nothing else happens meanwhile");
    assert_eq!(press(&mut state, "\n"), [Effect::Edit { id: "a".into(), args: "{\"to\": 7}".into() }]);
    state.edited("a".into(), "{\"to\": 7}", Ok("{\"to\": \"eve\"}".into()));
    press(&mut state, "\u{1b}");
    assert!(press(&mut state, "\n").iter().all(|effect| !matches!(effect, Effect::Start(..))));
}

#[test]
fn nothing_runs_without_a_change_or_when_the_editor_fails() {
    let mut state = opened();
    assert!(state.edited("a".into(), BEFORE, Ok(format!("{BEFORE}\n"))).is_empty());
    assert!(text(&state, (90, 12)).contains("as they were"));
    let mut state = opened();
    assert!(state.edited("a".into(), BEFORE, Err("the editor vi failed".into())).is_empty());
    show(&mut state, jobs(&["b", "a"]));
    assert!(text(&state, (90, 12)).contains("the editor vi failed"));
}

#[test]
fn an_editor_opens_only_where_it_is_still_wanted() {
    let mut state = at(Page::Jobs, jobs(&["b", "a"]));
    press(&mut state, "Egq");
    assert!(state.take_arguments("b", Ok(BEFORE.into())).is_empty());
    let mut state = at(Page::Queues, jobs(&["mails"]));
    assert!(press(&mut state, "E").is_empty());
    let mut reader = State::new("jobs.db", String::new()).read_only("started with --read-only");
    press(&mut reader, "gj");
    show(&mut reader, jobs(&["c"]));
    assert!(press(&mut reader, "E").is_empty());
    assert!(text(&reader, (60, 10)).contains("started with --read-only"));
}
