//! Waits for changes to files: for a notification of the system where there is one (Linux), and for a time.

pub(super) use self::system::{Changes, Stopper};

/// How a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// A watched file was written, removed or renamed.
    Change,
    Time,
    /// The [`Stopper`] was dropped.
    Stop,
}

#[cfg(target_os = "linux")]
mod system {
    use std::{
        io::{self, PipeReader, PipeWriter},
        path::Path,
        time::Duration,
    };

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fd::OwnedFd,
        fs::inotify::{self, CreateFlags, WatchFlags},
    };

    use super::Woken;

    /// Watches files.
    pub(in super::super) struct Changes {
        /// Ends when the [`Stopper`] is dropped.
        stop: PipeReader,
        /// `None` where the system has no more of them to give.
        notifications: Option<OwnedFd>,
    }

    /// Ends every wait when it is dropped.
    #[derive(Debug)]
    pub(in super::super) struct Stopper(#[expect(dead_code, reason = "it is dropped")] PipeWriter);

    impl Changes {
        pub(in super::super) fn new() -> io::Result<(Self, Stopper)> {
            let (stop, stopper) = io::pipe()?;
            let notifications = match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
                Ok(notifications) => Some(notifications),
                Err(error) => {
                    tracing::debug!(%error, "changes by other processes are found by looking for them");
                    None
                }
            };
            Ok((Self { stop, notifications }, Stopper(stopper)))
        }

        /// Watches this file from now on, under any name. Returns whether that is possible.
        pub(in super::super) fn watch(&self, path: &Path) -> bool {
            // `ATTRIB`: also when one of its names is removed.
            let changes = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF;
            self.notifications.as_ref().is_some_and(|all| inotify::add_watch(all, path, changes).is_ok())
        }

        /// Waits for a change, or for this long.
        pub(in super::super) fn wait(&self, time: Duration) -> Woken {
            let mut sources = vec![PollFd::new(&self.stop, PollFlags::IN)];
            sources.extend(self.notifications.iter().map(|all| PollFd::new(all, PollFlags::IN)));
            let limit = Timespec::try_from(time).ok();
            // Interrupted by a signal, it ends as if the time had passed.
            let ready = poll(&mut sources, limit.as_ref()).unwrap_or(0);
            let is_ready = |source: Option<&PollFd<'_>>| source.is_some_and(|source| !source.revents().is_empty());
            if ready == 0 {
                Woken::Time
            } else if is_ready(sources.first()) {
                Woken::Stop
            } else {
                self.forget();
                Woken::Change
            }
        }

        /// Waits for this long, whatever changes. Returns whether the wait was stopped.
        pub(in super::super) fn rest(&self, time: Duration) -> bool {
            let limit = Timespec::try_from(time).ok();
            poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], limit.as_ref()).is_ok_and(|ready| ready > 0)
        }

        /// Reads the notifications so far: which they are does not matter.
        fn forget(&self) {
            let Some(notifications) = &self.notifications else { return };
            let mut buffer = [0; 4096];
            while rustix::io::read(notifications, &mut buffer).is_ok_and(|read| read > 0) {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{
        io,
        path::Path,
        sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
        time::Duration,
    };

    use super::Woken;

    /// Watches no files.
    pub(in super::super) struct Changes(Receiver<()>);

    /// Ends every wait when it is dropped.
    #[derive(Debug)]
    pub(in super::super) struct Stopper(#[expect(dead_code, reason = "it is dropped")] Sender<()>);

    impl Changes {
        pub(in super::super) fn new() -> io::Result<(Self, Stopper)> {
            let (stopper, stop) = mpsc::channel();
            Ok((Self(stop), Stopper(stopper)))
        }

        pub(in super::super) fn watch(&self, _: &Path) -> bool {
            false
        }

        pub(in super::super) fn wait(&self, time: Duration) -> Woken {
            if self.rest(time) { Woken::Stop } else { Woken::Time }
        }

        pub(in super::super) fn rest(&self, time: Duration) -> bool {
            self.0.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, time::Duration};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    #[cfg(target_os = "linux")]
    fn writes_and_removals_end_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = fs::File::create(&path).unwrap();
        let (changes, _stopper) = Changes::new().unwrap();
        assert!(!changes.watch(&folder.path().join("none")));
        assert!(changes.watch(&path));
        assert_eq!(changes.wait(Duration::ZERO), Woken::Time);
        for _ in 0..3 {
            file.write_all(b"1").unwrap();
        }
        assert_eq!(changes.wait(LONG), Woken::Change);
        assert_eq!(changes.wait(Duration::ZERO), Woken::Time, "once for all of them");
        fs::remove_file(&path).unwrap();
        assert_eq!(changes.wait(LONG), Woken::Change);
    }

    #[test]
    fn every_wait_can_be_stopped() {
        let (changes, stopper) = Changes::new().unwrap();
        assert!(!changes.rest(Duration::ZERO));
        let waits = std::thread::spawn(move || (changes.wait(LONG), changes.rest(LONG)));
        drop(stopper);
        assert_eq!(waits.join().unwrap(), (Woken::Stop, true));
    }
}
