//! The keys of the terminal, read by a thread of their own.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use tokio::sync::{mpsc::UnboundedSender, oneshot};

use super::Happened;

/// How long the keyboard goes on after it was asked to pause.
const TURN: Duration = Duration::from_millis(50);

/// Reads keys until nobody listens, or the terminal is gone. It ends with the process: a read cannot be interrupted.
pub(super) struct Keyboard {
    pauses: Sender<Pause>,
}

/// A request to read nothing for a while.
struct Pause {
    begun: oneshot::Sender<()>,
    over: Receiver<()>,
}

/// No key is read as long as this exists.
pub(super) struct Paused {
    _over: Sender<()>,
}

impl Keyboard {
    pub(super) fn listen(tell: UnboundedSender<Happened>) -> io::Result<Self> {
        let (pauses, asked) = channel();
        thread::Builder::new().name("keys".into()).spawn(move || read(&tell, &asked))?;
        Ok(Self { pauses })
    }

    /// Waits until no key is read any more.
    pub(super) async fn pause(&self) -> Paused {
        let ((begun, has_begun), (over, until)) = (oneshot::channel(), channel());
        if self.pauses.send(Pause { begun, over: until }).is_ok() {
            // Without an answer, the thread has ended, and reads nothing.
            let _ = has_begun.await;
        }
        Paused { _over: over }
    }
}

fn read(tell: &UnboundedSender<Happened>, pauses: &Receiver<Pause>) {
    loop {
        if let Ok(Pause { begun, over }) = pauses.try_recv() {
            let _ = begun.send(());
            // The other end is dropped when the pause is over.
            let _ = over.recv();
        }
        let event = match next() {
            Ok(None) => continue,
            Ok(Some(event)) => event,
            Err(_) => Happened::Gone,
        };
        let is_last = matches!(event, Happened::Gone);
        if tell.send(event).is_err() || is_last {
            return;
        }
    }
}

fn next() -> io::Result<Option<Happened>> {
    if !event::poll(TURN)? {
        return Ok(None);
    }
    Ok(match event::read()? {
        Event::Key(key) if is_pressed(key) => Some(Happened::Key(key)),
        Event::Resize(..) => Some(Happened::Resized),
        _ => None,
    })
}

fn is_pressed(key: KeyEvent) -> bool {
    key.kind != KeyEventKind::Release
}
