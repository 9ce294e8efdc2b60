//! The loop: keys, what is read, and the terminal.

mod keyboard;
mod screen;
mod tasks;
#[cfg(test)]
mod tests;

use std::{
    future::{Future, pending},
    io::{self, Write},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use lamplighter_hosts::Signals;
use ratatui::{backend::Backend, crossterm::event::KeyEvent};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep_until},
};

use self::{
    keyboard::Keyboard,
    screen::{Modes, Screen},
    tasks::Tasks,
};
use super::{
    content::Loaded,
    draw::{Looks, draw},
    intent::Intent,
    page::Spot,
    state::{Effect, Place, Preview, State},
};
use crate::{
    editor::Editor,
    error::{Error, reason},
};

/// Where the view reads, and what carries its actions out. Errors are sentences for people.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    /// Reads what a spot shows, with at most this many rows.
    async fn read(&self, spot: &Spot, rows: usize) -> Result<Loaded, String>;

    /// Names that can be gone to; none where they cannot be read.
    async fn names(&self) -> Vec<Place>;

    /// The arguments of a job, for people to edit, without what is hidden.
    async fn arguments(&self, id: &str) -> Result<String, String>;

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
    Names(Vec<Place>),
    Arguments(String, Result<String, String>),
    Previewed(Intent, Result<Preview, String>),
    Done(Result<String, String>),
    /// What reads or acts has panicked.
    Broken,
}

/// How the view looks, and how often it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) looks: Looks,
    /// The time between an answer and the next question.
    pub(crate) pace: Duration,
}

/// Runs the view until the viewer quits or the process is asked to end. The terminal is restored in any case.
pub(crate) async fn run(
    state: State,
    source: Arc<dyn Source>,
    manner: Manner,
    mut signals: Signals,
) -> Result<(), Error> {
    let screen = Screen::open().map_err(|error| undrawn(&error))?;
    let (tell, events) = unbounded_channel();
    let keyboard = Keyboard::listen(tell.clone()).map_err(|error| undrawn(&error))?;
    let tasks = Tasks { source, tell };
    let view = View { screen, state, tasks, events, keyboard: Some(keyboard), editor: Editor::of_user(), manner };
    view.run(signals.asked().map(drop)).await
}

fn undrawn(error: &io::Error) -> Error {
    Error::failed(format_args!("cannot draw on this terminal: {}", reason(error)))
}

/// The view in its loop.
struct View<B: Backend, M: Modes> {
    screen: Screen<B, M>,
    state: State,
    tasks: Tasks,
    events: UnboundedReceiver<Happened>,
    keyboard: Option<Keyboard>,
    editor: Editor,
    manner: Manner,
}

impl<B: Backend, M: Modes> View<B, M>
where
    B::Error: std::error::Error + Send + Sync + 'static,
{
    /// Runs until the viewer quits, or `asked` is ready.
    async fn run(mut self, asked: impl Future<Output = ()>) -> Result<(), Error> {
        let mut asked = pin!(asked);
        let Manner { looks, pace } = self.manner;
        let mut next: Option<Instant> = None;
        self.tasks.carry_out(Effect::Load, &self.state);
        // Known before the palette is opened, so that fast typing finds them.
        self.tasks.carry_out(Effect::Names, &self.state);
        loop {
            self.screen.draw(|frame| draw(frame, &self.state, looks)).map_err(|error| undrawn(&error))?;
            let next_read = next.filter(|_| !self.state.is_held());
            let time_to_read = async {
                match next_read {
                    Some(next) => sleep_until(next).await,
                    None => pending().await,
                }
            };
            let mut effects = tokio::select! {
                biased;
                () = &mut asked => return Ok(()),
                event = self.events.recv() => match event.unwrap_or(Happened::Gone) {
                    Happened::Gone => return Ok(()),
                    Happened::Broken => {
                        return Err(Error::failed("`lamp top` has ended because of a fault of its own; please report it"));
                    }
                    event => {
                        // The pace counts from the answer: a slow store is not asked faster than it answers.
                        if matches!(event, Happened::Read(visit, _) if visit == self.state.wanted().0) {
                            next = Some(Instant::now() + pace);
                        }
                        self.take(event)
                    }
                },
                () = time_to_read => vec![Effect::Load],
            };
            while !effects.is_empty() {
                match effects.remove(0) {
                    Effect::Quit => return Ok(()),
                    Effect::Copy(command) => copy(&command).map_err(|error| undrawn(&error))?,
                    Effect::Edit { id, args } => {
                        let after = edited(&mut self.screen, self.keyboard.as_ref(), &self.editor, &args).await?;
                        effects.extend(self.state.edited(id, &args, after));
                    }
                    effect => {
                        if effect == Effect::Load {
                            next = None;
                        }
                        self.tasks.carry_out(effect, &self.state);
                    }
                }
            }
        }
    }

    fn take(&mut self, event: Happened) -> Vec<Effect> {
        match event {
            Happened::Key(key) => return self.state.key(key),
            Happened::Read(visit, read) => self.state.take(visit, read),
            Happened::Names(names) => self.state.take_names(names),
            Happened::Arguments(id, args) => return self.state.take_arguments(&id, args),
            Happened::Previewed(intent, preview) => self.state.previewed(&intent, preview),
            Happened::Done(said) => {
                self.state.done(said);
                return vec![Effect::Load];
            }
            Happened::Resized | Happened::Gone | Happened::Broken => {}
        }
        Vec::new()
    }
}

/// Opens arguments in the editor, which has the terminal and its keys meanwhile.
async fn edited<B: Backend, M: Modes>(
    screen: &mut Screen<B, M>,
    keyboard: Option<&Keyboard>,
    editor: &Editor,
    args: &str,
) -> Result<Result<String, String>, Error>
where
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let _paused = match keyboard {
        Some(keyboard) => Some(keyboard.pause().await),
        None => None,
    };
    screen.aside(editor.edit(args)).await.map_err(|error| undrawn(&error))
}

/// Puts a text into the clipboard of the viewer's terminal, where that allows it (OSC 52).
fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "\u{1b}]52;c;{}\u{7}", STANDARD.encode(text))?;
    out.flush()
}
