//! Going to a place by its name.

use super::{super::state::Place, *};

fn open() -> State {
    let mut state = at(Page::Overview, overview());
    assert_eq!(press(&mut state, ":"), [Effect::Names]);
    let names = [(Page::Queues, "mails"), (Page::Types, "mails.send"), (Page::Schedules, "report-daily")];
    state.take_names(names.iter().map(|(page, name)| Place::item(*page, name)).collect());
    state
}

#[test]
fn it_finds_pages_queues_types_and_schedules() {
    for (typed, spot) in [
        ("err\n", Spot::page(Page::Errors)),
        ("DEAD\n", Spot::page(Page::DeadLetters)),
        ("queue mail\n", Spot::Item(Page::Queues, "mails".into())),
        ("mails.s\n", Spot::Item(Page::Types, "mails.send".into())),
        ("daily\n", Spot::Item(Page::Schedules, "report-daily".into())),
        ("order-42\n", Spot::Item(Page::Jobs, "order-42".into())),
        ("state:failed since:2h\n", Spot::Page(Page::Jobs, "state:failed since:2h".into())),
    ] {
        let mut state = open();
        assert_eq!(press(&mut state, typed), [Effect::Load], "{typed}");
        assert_eq!(state.spot(), &spot, "{typed}");
    }
}

#[test]
fn arrows_choose_and_escape_leaves() {
    let mut state = open();
    press(&mut state, "mails");
    let shown = text(&state, (80, 20));
    assert!(
        shown.contains(":mails▏") && shown.contains("▌queue mails") && shown.contains("type mails.send"),
        "{shown}"
    );
    for _ in 0..9 {
        state.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
    }
    assert!(text(&state, (80, 20)).contains("▌search jobs: mails"));
    state.key(KeyEvent::new(KeyCode::Up, KeyModifiers::NONE));
    assert_eq!(press(&mut state, "\n"), [Effect::Load]);
    assert_eq!(state.spot(), &Spot::Item(Page::Jobs, "mails".into()));
    // It leads back by way of the list.
    press(&mut state, "u");
    assert_eq!(state.spot(), &Spot::page(Page::Jobs));
    let mut state = open();
    assert!(press(&mut state, "mails\u{1b}").is_empty());
    assert_eq!(state.spot(), &Spot::page(Page::Overview));
}

#[test]
fn it_fits_into_any_terminal_and_its_text_is_inert() {
    let mut state = open();
    press(&mut state, "a\u{202e}\u{7}");
    for size in [(1, 1), (5, 2), (20, 5), (12, 4), (200, 60)] {
        screen(&state, size);
    }
    let mut state = open();
    for _ in 0..4 {
        state.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
    }
    let small = text(&state, (20, 7));
    assert!(small.contains("▌schedules"), "the chosen one is in sight\n{small}");
}
