//! The loop over a terminal in memory: however it ends, the terminal is given back.

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use futures_util::FutureExt;
use jiff::Timestamp;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyModifiers},
};
use tokio::sync::mpsc::UnboundedSender;

use super::*;
use crate::top::content::{Content, Table};

/// Counts how often a terminal was taken and given back.
#[derive(Clone, Default)]
struct Counted {
    taken: Arc<AtomicU32>,
    left: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
}

impl Counted {
    fn counts(&self) -> (u32, u32) {
        (self.taken.load(Ordering::SeqCst), self.left.load(Ordering::SeqCst))
    }
}

impl Modes for Counted {
    fn enter(&mut self) -> io::Result<()> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no such device")),
            false => Ok(()),
        }
    }

    fn leave(&mut self) -> io::Result<()> {
        self.left.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// What one read does.
#[derive(Clone, Copy)]
enum Reads {
    Well,
    Panics,
}

#[async_trait]
impl Source for Reads {
    async fn read(&self, _: &Spot, _: usize) -> Result<Loaded, String> {
        match self {
            Self::Well => Ok(Loaded { content: Content::Table(Table::default()), as_of: Timestamp::UNIX_EPOCH }),
            Self::Panics => panic!("the store is broken"),
        }
    }

    async fn names(&self) -> Vec<Place> {
        Vec::new()
    }

    async fn arguments(&self, _: &str) -> Result<String, String> {
        Ok("{}".into())
    }

    async fn preview(&self, _: &Intent) -> Result<Preview, String> {
        Ok(Preview::default())
    }

    async fn start(&self, _: &Intent, _: &Preview) -> Result<String, String> {
        Ok("done".into())
    }
}

fn view(source: Reads, modes: &Counted) -> (View<TestBackend, Counted>, UnboundedSender<Happened>) {
    let (tell, events) = unbounded_channel();
    let screen = Screen::over(Terminal::new(TestBackend::new(40, 10)).unwrap(), modes.clone()).unwrap();
    let tasks = Tasks { source: Arc::new(source), tell: tell.clone() };
    let manner = Manner { looks: Looks { colours: false }, pace: Duration::from_secs(3600) };
    let (state, editor) = (State::new("jobs.db", String::new()), Editor::of_user());
    (View { screen, state, tasks, events, keyboard: None, editor, manner }, tell)
}

fn key(letter: char) -> Happened {
    Happened::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE))
}

#[tokio::test]
async fn a_key_a_signal_and_the_end_of_the_terminal_end_it() {
    for event in [key('q'), Happened::Gone] {
        let modes = Counted::default();
        let (view, tell) = view(Reads::Well, &modes);
        assert!(tell.send(event).is_ok());
        view.run(pending()).await.unwrap();
        assert_eq!(modes.counts(), (1, 1));
    }
    let modes = Counted::default();
    let (view, _tell) = view(Reads::Well, &modes);
    view.run(async {}).await.unwrap();
    assert_eq!(modes.counts(), (1, 1));
}

#[tokio::test]
async fn a_panic_of_what_reads_ends_it_with_an_error() {
    let modes = Counted::default();
    let (view, _tell) = view(Reads::Panics, &modes);
    let error = view.run(pending()).await.unwrap_err().to_string();
    assert!(error.contains("a fault of its own"), "{error}");
    assert_eq!(modes.counts(), (1, 1));
}

#[tokio::test]
async fn a_panic_of_the_loop_gives_the_terminal_back() {
    let modes = Counted::default();
    let (view, _tell) = view(Reads::Well, &modes);
    let outcome = AssertUnwindSafe(view.run(async { panic!("a fault in a drawing") })).catch_unwind().await;
    assert!(outcome.is_err());
    assert_eq!(modes.counts(), (1, 1));
}

#[tokio::test]
async fn the_terminal_is_left_to_the_editor_and_taken_again() {
    let modes = Counted::default();
    let (mut view, _tell) = view(Reads::Well, &modes);
    assert_eq!(view.screen.aside(async { modes.counts() }).await.unwrap(), (1, 1));
    assert_eq!(modes.counts(), (2, 1));
    // Dropped meanwhile: nothing is given back twice.
    assert!(view.screen.aside(pending::<()>()).now_or_never().is_none());
    drop(view);
    assert_eq!(modes.counts(), (2, 2));
}

#[tokio::test]
async fn a_terminal_that_cannot_be_taken_again_is_given_back() {
    let modes = Counted::default();
    let (mut view, _tell) = view(Reads::Well, &modes);
    modes.fails.store(true, Ordering::SeqCst);
    assert!(view.screen.aside(async {}).await.is_err());
    drop(view);
    assert_eq!(modes.counts(), (2, 2));
}
