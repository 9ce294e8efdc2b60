//! The terminal in the mode of a full screen.

use std::{
    error::Error,
    future::Future,
    io::{self, Stdout, stdout},
};

use ratatui::{
    Frame, Terminal,
    backend::{Backend, CrosstermBackend},
    crossterm::{
        execute,
        terminal::{EnterAlternateScreen, enable_raw_mode},
    },
};

/// Takes a terminal for a full screen, and gives it back as it was.
pub(super) trait Modes {
    fn enter(&mut self) -> io::Result<()>;

    fn leave(&mut self) -> io::Result<()>;
}

/// The modes of the process's own terminal.
pub(super) struct Own;

impl Modes for Own {
    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen)
    }

    fn leave(&mut self) -> io::Result<()> {
        ratatui::try_restore()
    }
}

/// The terminal in the mode of a full screen, as long as this exists.
pub(super) struct Screen<B: Backend, M: Modes> {
    terminal: Terminal<B>,
    modes: M,
    is_taken: bool,
}

impl Screen<CrosstermBackend<Stdout>, Own> {
    /// Takes the process's own terminal. A panic, wherever it is, gives it back before it is reported.
    pub(super) fn open() -> io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self { terminal, modes: Own, is_taken: true }),
            Err(error) => {
                // It may have got half of the way.
                let _ = ratatui::try_restore();
                Err(error)
            }
        }
    }
}

impl<B: Backend, M: Modes> Screen<B, M>
where
    B::Error: Error + Send + Sync + 'static,
{
    /// Takes a terminal.
    #[cfg(test)]
    pub(super) fn over(terminal: Terminal<B>, modes: M) -> io::Result<Self> {
        let mut screen = Self { terminal, modes, is_taken: false };
        screen.take()?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop).map_err(io::Error::other)
    }

    /// Leaves the terminal to something else, as it was before, and takes it again afterwards.
    pub(super) async fn aside<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        self.terminal.show_cursor().map_err(io::Error::other)?;
        self.is_taken = false;
        self.modes.leave()?;
        let done = work.await;
        self.take()?;
        Ok(done)
    }

    fn take(&mut self) -> io::Result<()> {
        self.is_taken = true;
        self.modes.enter()?;
        // Not `Terminal::clear`, which asks the terminal where its cursor is, and waits for the answer among the keys.
        self.terminal.backend_mut().clear().map_err(io::Error::other)?;
        // Both buffers are empty then, and all is drawn again.
        self.terminal.swap_buffers();
        Ok(())
    }
}

impl<B: Backend, M: Modes> Drop for Screen<B, M> {
    fn drop(&mut self) {
        if self.is_taken {
            // Nobody can be told that it failed.
            let _ = self.terminal.show_cursor();
            let _ = self.modes.leave();
        }
    }
}
