//! The loop: keys, what is read, and the terminal.

use std::{
    future::pending,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use lamplighter_hosts::Signals;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent, KeyEventKind},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{
    content::Loaded,
    draw::{Looks, draw},
    intent::Intent,
    page::Spot,
    state::{Effect, Preview, State},
};

/// Where the view reads, and what carries its actions out. Errors are sentences for people.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    /// Reads what a spot shows, with at most this many rows.
    async fn read(&self, spot: &Spot, rows: usize) -> Result<Loaded, String>;

    /// Counts what an action would change.
    async fn preview(&self, intent: &Intent) -> Result<Preview, String>;

    /// Starts an action as an operation, carries it out, and says how it went.
    async fn start(&self, intent: &Intent, preview: &Preview) -> Result<String, String>;
}

/// What the loop waits for.
enum Happened {
    Key(KeyEvent),
    Resized,
    /// The terminal is gone.
    Gone,
    Read(u64, Result<Loaded, String>),
    Previewed(Intent, Result<Preview, String>),
    Done(Result<String, String>),
}

/// Runs the view until the viewer quits or the process is asked to end. The terminal is restored in any case.
pub(crate) async fn run(
    mut state: State,
    source: Arc<dyn Source>,
    pace: Duration,
    looks: Looks,
    mut signals: Signals,
) -> io::Result<()> {
    let mut terminal = Screen::open()?;
    let (tell, mut events) = unbounded_channel();
    let keys = tell.clone();
    // It ends with the process: a read from a terminal cannot be interrupted.
    std::thread::Builder::new().name("keys".into()).spawn(move || read_keys(&keys))?;
    let tasks = Tasks { source, tell };
    let mut next: Option<Instant> = None;
    tasks.carry_out(Effect::Load, &state);
    loop {
        terminal.0.draw(|frame| draw(frame, &state, looks))?;
        let time_to_read = async {
            match next.filter(|_| !state.is_held()) {
                Some(next) => sleep_until(next).await,
                None => pending().await,
            }
        };
        let effects = tokio::select! {
            biased;
            _ = signals.asked() => return Ok(()),
            event = next_event(&mut events) => match event {
                Happened::Key(key) => state.key(key),
                Happened::Resized => Vec::new(),
                Happened::Gone => return Ok(()),
                Happened::Read(visit, read) => {
                    // The pace counts from the answer: a slow store is not asked faster than it answers.
                    if visit == state.wanted().0 {
                        next = Some(Instant::now() + pace);
                    }
                    state.take(visit, read);
                    Vec::new()
                }
                Happened::Previewed(intent, preview) => {
                    state.previewed(&intent, preview);
                    Vec::new()
                }
                Happened::Done(said) => {
                    state.done(said);
                    vec![Effect::Load]
                }
            },
            () = time_to_read => vec![Effect::Load],
        };
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Copy(command) => copy(&command)?,
                effect => {
                    if effect == Effect::Load {
                        next = None;
                    }
                    tasks.carry_out(effect, &state);
                }
            }
        }
    }
}

async fn next_event(events: &mut UnboundedReceiver<Happened>) -> Happened {
    events.recv().await.unwrap_or(Happened::Gone)
}

fn read_keys(tell: &UnboundedSender<Happened>) {
    loop {
        let event = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Happened::Key(key),
            Ok(Event::Resize(..)) => Happened::Resized,
            Ok(_) => continue,
            Err(_) => Happened::Gone,
        };
        let is_last = matches!(event, Happened::Gone);
        if tell.send(event).is_err() || is_last {
            return;
        }
    }
}

/// What runs beside the loop.
struct Tasks {
    source: Arc<dyn Source>,
    tell: UnboundedSender<Happened>,
}

impl Tasks {
    fn carry_out(&self, effect: Effect, state: &State) {
        let (source, tell) = (self.source.clone(), self.tell.clone());
        let (visit, rows) = state.wanted();
        let spot = state.spot().clone();
        tokio::spawn(async move {
            let event = match effect {
                Effect::Load => Happened::Read(visit, source.read(&spot, rows).await),
                Effect::Preview(intent) => {
                    let preview = source.preview(&intent).await;
                    Happened::Previewed(intent, preview)
                }
                Effect::Start(intent, preview) => Happened::Done(source.start(&intent, &preview).await),
                Effect::Copy(_) | Effect::Quit => return,
            };
            // The loop may have ended.
            let _ = tell.send(event);
        });
    }
}

/// Puts a text into the clipboard of the viewer's terminal, where that allows it (OSC 52).
fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "\u{1b}]52;c;{}\u{7}", STANDARD.encode(text))?;
    out.flush()
}

/// The terminal in the mode of a full screen, as long as this exists; a panic restores it too.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody can be told that it failed.
        let _ = ratatui::try_restore();
    }
}
