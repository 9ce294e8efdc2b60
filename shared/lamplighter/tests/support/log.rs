//! What one test logs, while others run beside it.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

thread_local! {
    static KEPT: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Names and values of fields, as text. Cloning shares it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<String>>);

impl Log {
    /// Keeps what this thread logs from now on.
    ///
    /// One subscriber serves all threads. With a subscriber for one thread alone, tracing may decide by a thread without
    /// one that nobody is interested in an event, and keep that decision.
    pub fn of_this_thread() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(Threads).unwrap());
        let log = Self::default();
        KEPT.set(Some(log.clone()));
        log
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

/// Passes everything on to the log of the thread.
struct Threads;

fn with_log(record: impl FnOnce(&mut Log)) {
    if let Some(mut log) = KEPT.with_borrow(Clone::clone) {
        record(&mut log);
    }
}

impl Subscriber for Threads {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        with_log(|log| span.record(log));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        with_log(|log| values.record(log));
    }

    fn event(&self, event: &Event<'_>) {
        with_log(|log| event.record(log));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
