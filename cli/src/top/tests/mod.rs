//! The view, drawn into memory.

mod editing;
mod marks;
mod palette;

use jiff::Timestamp;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
};

use super::{
    content::{Column, Content, Item, Loaded, Minute, Overview, Row, Table, Tone, Words},
    draw::{KEYS, Looks, draw},
    intent::{Intent, Subject, Verb},
    page::{Page, Spot},
    state::{Effect, Preview, State},
};
use crate::foreign::is_unsafe;

const AS_OF: Timestamp = Timestamp::UNIX_EPOCH;

/// Returns the lines of a screen of this size.
fn screen(state: &State, (width, height): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state, Looks { colours: true })).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    let lines: Vec<String> = (0..height).map(line).collect();
    assert!(!lines.iter().any(|line| line.chars().any(is_unsafe)), "{lines:?}");
    lines
}

fn text(state: &State, size: (u16, u16)) -> String {
    screen(state, size).join("\n")
}

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    keys.chars().flat_map(|letter| state.key(KeyEvent::new(code(letter), KeyModifiers::NONE))).collect()
}

fn code(letter: char) -> KeyCode {
    match letter {
        '\n' => KeyCode::Enter,
        '\u{1b}' => KeyCode::Esc,
        letter => KeyCode::Char(letter),
    }
}

fn table(rows: &[[&str; 3]], columns: [&'static str; 3]) -> Table {
    let [first, second, third] = columns;
    let row = |cells: &[&str; 3]| Row::new(cells[0], cells.map(Words::plain).to_vec());
    Table {
        columns: vec![Column::text(first, u8::MAX), Column::text(second, 5), Column::number(third, 9)],
        rows: rows.iter().map(row).collect(),
        empty: "none",
        ..Table::default()
    }
}

fn overview() -> Content {
    let minutes = (0..60).map(|at| Minute { succeeded: at, retried: at % 3, failed: u64::from(at == 59) }).collect();
    Content::Overview(Box::new(Overview {
        findings: vec![(Words::new(Tone::Bad, "webhooks wait for 12 min"), Words::plain("lamp resume webhooks"))],
        minutes,
        queues: table(&[["webhooks", "3 min", "1204"], ["images", "-", "0"]], ["QUEUE", "OLDEST", "WAITING"]),
        errors: table(&[["3f9a", "timed out", "42"]], ["ERROR", "TITLE", "FAILURES"]),
        schedules: table(&[["report-daily", "in 2 h", ""]], ["SCHEDULE", "NEXT", ""]),
    }))
}

fn jobs(ids: &[&str]) -> Content {
    let rows: Vec<_> = ids.iter().map(|id| [*id, "invoices.send", "1"]).collect();
    let mut list = table(&rows, ["ID", "JOB", "TRIES"]);
    list.note = Words::plain("searched the newest 5,000");
    Content::Table(list)
}

fn at(page: Page, content: Content) -> State {
    let mut state = State::new("jobs.db", "--db jobs.db".into());
    if page != Page::Overview {
        press(&mut state, &format!("g{}", page.letter()));
    }
    show(&mut state, content);
    state
}

fn show(state: &mut State, content: Content) {
    let (visit, _) = state.wanted();
    state.take(visit, Ok(Loaded { content, as_of: AS_OF }));
}

#[test]
fn the_overview_has_its_panes_at_each_size() {
    let state = at(Page::Overview, overview());
    let wide = text(&state, (140, 40));
    for part in [
        "✘ webhooks wait for 12 min  lamp resume webhooks",
        "Sixty minutes: 1770 succeeded, 60 retried, 1 failed",
        "Queues",
        "WAITING",
        "1204",
        "Errors",
        "timed out",
        "Next schedules",
        "report-daily",
        "● live  as of 00:00:00Z",
        "█",
    ] {
        assert!(wide.contains(part), "{part:?} is missing in\n{wide}");
    }
    let usual = text(&state, (80, 24));
    for part in ["✘ webhooks wait", "Sixty minutes", "1204", "timed out", "report-daily"] {
        assert!(usual.contains(part), "{part:?} is missing in\n{usual}");
    }
    let small = text(&state, (40, 12));
    for part in ["Overview", "✘ webhooks wait", "webhooks", "1204", "timed out", "● live"] {
        assert!(small.contains(part), "{part:?} is missing in\n{small}");
    }
    // Nothing is drawn outside of a terminal that shows next to nothing.
    for size in [(1, 1), (5, 2), (12, 4), (200, 3)] {
        screen(&state, size);
    }
}

#[test]
fn each_page_has_its_letter() {
    let mut state = at(Page::Overview, overview());
    for page in Page::ALL {
        let effects = press(&mut state, &format!("g{}", page.letter()));
        assert_eq!((effects, state.spot()), (vec![Effect::Load], &Spot::page(page)));
        show(&mut state, jobs(&[]));
        assert!(screen(&state, (60, 10))[0].starts_with(page.title()));
    }
    let before = state.spot().clone();
    assert!(press(&mut state, "gz").is_empty());
    assert_eq!(state.spot(), &before);
    press(&mut state, "g");
    assert!(screen(&state, (120, 10))[9].contains("p operations"));
}

#[test]
fn the_selection_stays_on_its_row_when_others_arrive() {
    let mut state = at(Page::Jobs, jobs(&["c", "b", "a"]));
    press(&mut state, "j");
    show(&mut state, jobs(&["e", "d", "c", "b", "a"]));
    assert!(screen(&state, (60, 10)).iter().any(|line| line.starts_with("▌ b")), "{}", text(&state, (60, 10)));
    // What is gone is not selected, and its mark goes with it.
    press(&mut state, "x");
    show(&mut state, jobs(&["e", "d"]));
    assert!(!text(&state, (60, 10)).contains("marked"));
    assert!(text(&state, (60, 10)).contains("searched the newest 5,000"));
}

#[test]
fn enter_opens_and_u_returns_to_the_same_row() {
    let mut state = at(Page::Jobs, jobs(&["c", "b", "a"]));
    assert_eq!(press(&mut state, "j\n"), [Effect::Load]);
    assert_eq!(state.spot(), &Spot::Item(Page::Jobs, "b".into()));
    let lines = (0..30).map(|line| vec![Words::plain(format!("line {line}"))]).collect();
    show(&mut state, Content::Item(Item { title: Words::plain("invoices.send"), lines, paused: false }));
    let shown = text(&state, (60, 10));
    assert!(shown.contains("invoices.send") && shown.contains("line 0"), "{shown}");
    press(&mut state, "jj");
    assert!(!text(&state, (60, 10)).contains("line 1\n"));
    assert_eq!(press(&mut state, "u"), [Effect::Load]);
    show(&mut state, jobs(&["d", "c", "b", "a"]));
    assert!(screen(&state, (60, 10)).iter().any(|line| line.starts_with("▌ b")));
    press(&mut state, "u");
    assert_eq!(state.spot(), &Spot::page(Page::Overview));
    assert!(press(&mut state, "u").is_empty());
}

#[test]
fn what_was_read_for_an_earlier_page_is_not_shown() {
    let mut state = at(Page::Jobs, jobs(&["c"]));
    let (visit, _) = state.wanted();
    press(&mut state, "ge");
    state.take(visit, Ok(Loaded { content: jobs(&["late"]), as_of: AS_OF }));
    assert!(!text(&state, (60, 10)).contains("late"));
}

#[test]
fn a_query_lists_jobs() {
    let mut state = at(Page::Overview, overview());
    assert!(press(&mut state, "/state:failed").is_empty());
    assert!(screen(&state, (60, 10))[9].starts_with("/state:failed"));
    assert_eq!(press(&mut state, "\n"), [Effect::Load]);
    assert_eq!(state.spot(), &Spot::Page(Page::Jobs, "state:failed".into()));
    assert_eq!(press(&mut state, "y"), [Effect::Copy("lamp jobs --query state:failed --db jobs.db".into())]);
    // It is there to be changed, and Escape leaves it.
    press(&mut state, "/x\u{1b}");
    assert_eq!(state.spot().query(), Some("state:failed"));
}

#[test]
fn an_action_needs_a_preview_and_consent() {
    let mut state = at(Page::Jobs, jobs(&["c", "b", "a"]));
    press(&mut state, "xx");
    let intent = Intent { verb: Verb::Retry, subject: Subject::Jobs(vec!["b".into(), "c".into()]) };
    assert_eq!(press(&mut state, "r"), [Effect::Preview(intent.clone())]);
    // Not before it is known what it does.
    assert!(press(&mut state, "\n").is_empty());
    assert!(text(&state, (60, 14)).contains("counting"));
    let (lines, target) = (vec!["2 jobs would run once more".into()], Some("{}".into()));
    let preview = Preview { lines, expected: Some(2), target };
    state.previewed(&intent, Ok(preview.clone()));
    let asked = text(&state, (40, 12));
    assert!(asked.contains("Retry 2 jobs") && asked.contains("2 jobs would run once more"), "{asked}");
    assert_eq!(press(&mut state, "y"), [Effect::Copy("lamp retry b c --db jobs.db".into())]);
    assert_eq!(press(&mut state, "\n"), [Effect::Start(intent.clone(), preview)]);
    state.done(Ok("2 jobs retried".into()));
    assert!(text(&state, (60, 14)).contains("2 jobs retried"));
    // Without consent, nothing happens.
    assert_eq!(press(&mut state, "c").len(), 1);
    assert!(press(&mut state, "\u{1b}\n").iter().all(|effect| !matches!(effect, Effect::Start(..))));
}

#[test]
fn each_page_acts_on_its_own_things() {
    let act = |page, key: &str, keys: &str| {
        let mut state = at(page, jobs(&[key]));
        match &press(&mut state, keys)[..] {
            [Effect::Preview(intent)] => Some(intent.to_string()),
            _ => None,
        }
    };
    for (page, keys, intent) in [
        (Page::Jobs, "r", Some("retry job it")),
        (Page::Jobs, "c", Some("cancel job it")),
        (Page::Jobs, "P", None),
        (Page::Errors, "r", Some("retry the failed jobs of error it")),
        (Page::Queues, "P", Some("pause queue it")),
        (Page::Queues, "r", None),
        (Page::Schedules, "P", Some("pause schedule it")),
        (Page::Batches, "c", Some("cancel batch it, with all of its jobs")),
        (Page::DeadLetters, "r", Some("redrive the dead letters of it")),
        (Page::Operations, "c", Some("stop operation it")),
        (Page::Types, "r", None),
    ] {
        assert_eq!(act(page, "it", keys).as_deref(), intent, "{page:?} {keys}");
    }
    let mut paused = at(Page::Queues, Content::Table(table(&[], ["QUEUE", "", ""])));
    let row = Row::new("mails", vec![Words::plain("mails")]).paused(true);
    show(&mut paused, Content::Table(Table { rows: vec![row], ..table(&[], ["QUEUE", "", ""]) }));
    let intent = Intent { verb: Verb::Resume, subject: Subject::Queue("mails".into()) };
    assert_eq!(press(&mut paused, "P"), [Effect::Preview(intent)]);
}

#[test]
fn a_reader_changes_nothing() {
    let mut state = State::new("jobs.db", String::new()).read_only("started with --read-only");
    press(&mut state, "gj");
    show(&mut state, jobs(&["c"]));
    assert!(press(&mut state, "r").is_empty());
    assert!(text(&state, (60, 10)).contains("started with --read-only"));
}

#[test]
fn a_held_page_is_not_read_again() {
    let mut state = at(Page::Jobs, jobs(&["c"]));
    assert!(press(&mut state, ".").is_empty() && state.is_held());
    assert!(text(&state, (60, 10)).contains("‖ held"));
    assert_eq!(press(&mut state, "."), [Effect::Load]);
}

#[test]
fn the_end_of_a_long_list_asks_for_more() {
    let mut state = at(Page::Jobs, jobs(&[]));
    let Content::Table(mut list) = jobs(&["b", "a"]) else { unreachable!() };
    list.more = true;
    show(&mut state, Content::Table(list));
    let (_, before) = state.wanted();
    assert!(press(&mut state, "j").is_empty());
    assert_eq!(press(&mut state, "j"), [Effect::Load]);
    assert!(state.wanted().1 > before);
}

#[test]
fn a_thousand_rows_keep_the_selection_in_sight() {
    let ids: Vec<_> = (0..1000).map(|id| format!("job-{id:04}")).collect();
    let mut state = at(Page::Jobs, jobs(&ids.iter().map(|id| &**id).collect::<Vec<_>>()));
    for _ in 0..437 {
        press(&mut state, "j");
        assert!(screen(&state, (40, 12)).iter().any(|line| line.starts_with('▌')));
    }
    assert!(text(&state, (40, 12)).contains("▌ job-0437"));
    state.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    assert!(text(&state, (40, 12)).contains("▌ job-0999"));
}

#[test]
fn hostile_texts_are_inert() {
    let hostile = "a\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}2J\u{202e}\u{200b}\r\nb";
    let mut state = at(Page::Jobs, jobs(&[hostile]));
    let shown = text(&state, (120, 10));
    assert!(shown.contains("\\u{1b}]52;c;cm0gLXJm"), "{shown}");
    press(&mut state, "x");
    press(&mut state, "c");
    let intent = Intent { verb: Verb::Cancel, subject: Subject::Jobs(vec![hostile.into()]) };
    state.previewed(&intent, Ok(Preview { lines: vec![hostile.into()], ..Preview::default() }));
    screen(&state, (120, 14));
    let Some(Effect::Copy(command)) = press(&mut state, "y").pop() else { panic!("nothing was copied") };
    assert!(!command.chars().any(is_unsafe), "{command:?}");
    state.done(Err(hostile.into()));
    press(&mut state, "\u{1b}");
    state.done(Err(hostile.into()));
    screen(&state, (120, 10));
    press(&mut state, &format!("/{hostile}"));
    screen(&state, (120, 10));
}

#[test]
fn the_help_says_what_every_key_does_and_nothing_else() {
    let mut state = at(Page::Overview, overview());
    press(&mut state, "?");
    let shown = text(&state, (100, 28));
    let mut listed = String::new();
    for (keys, _) in KEYS {
        assert!(shown.contains(&format!("│{keys:<8}")), "{keys:?} is missing in\n{shown}");
        listed.extend(keys.split(' ').filter(|key| key.chars().count() == 1).filter(|key| *key != "…"));
    }
    press(&mut state, "j");
    assert!(!text(&state, (100, 28)).contains("these keys"));
    // Each does something to a list of jobs, or to a list of queues; and no other letter or sign does.
    let paused = || {
        let list = table(&[], ["QUEUE", "", ""]);
        Content::Table(Table { rows: vec![Row::new("mails", vec![Words::plain("mails")])], ..list })
    };
    for key in ' '..='~' {
        let acts = |mut state: State| {
            let before = (text(&state, (120, 30)), state.spot().clone());
            let effects = press(&mut state, &key.to_string());
            !effects.is_empty() || (text(&state, (120, 30)), state.spot().clone()) != before
        };
        let mut jobs = at(Page::Jobs, jobs(&["c", "b", "a"]));
        press(&mut jobs, "j");
        let does = acts(jobs) || acts(at(Page::Queues, paused()));
        assert_eq!(does, listed.contains(key), "{key:?}");
    }
}

#[test]
fn nothing_reaches_the_store_while_a_question_is_open() {
    let mut state = at(Page::Jobs, jobs(&["c"]));
    press(&mut state, "r");
    assert!(press(&mut state, "gejkx.").is_empty());
    assert_eq!(state.spot(), &Spot::page(Page::Jobs));
}

#[test]
fn what_went_wrong_with_an_action_stays_until_the_next_key() {
    let mut state = at(Page::Jobs, jobs(&["c"]));
    state.done(Err("job c has not ended".into()));
    show(&mut state, jobs(&["c"]));
    assert!(text(&state, (60, 10)).contains("job c has not ended"));
    press(&mut state, "k");
    assert!(!text(&state, (60, 10)).contains("job c has not ended"));
}

#[test]
fn a_failed_read_is_said_and_the_page_stays() {
    let mut state = at(Page::Jobs, jobs(&["c"]));
    let (visit, _) = state.wanted();
    state.take(visit, Err("the file is busy".into()));
    let shown = text(&state, (60, 10));
    assert!(shown.contains("the file is busy") && shown.contains("▌ c"), "{shown}");
    show(&mut state, jobs(&["c"]));
    assert!(!text(&state, (60, 10)).contains("busy"));
}
