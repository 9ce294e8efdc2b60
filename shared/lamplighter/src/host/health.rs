//! How a host is.

/// How a host is, now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// Its phase.
    pub phase: Phase,
    /// Its sources.
    pub sources: Vec<SourceHealth>,
}

/// The phase of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It takes messages.
    Running,
    /// It takes no more, and waits for the running handlers.
    Draining,
    /// It has ended.
    Stopped,
}

/// How a source is, now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceHealth {
    /// Its name.
    pub name: String,
    /// Whether it reaches its queue: a host that has just started, or cannot reach it, is not ready.
    pub is_ready: bool,
    /// Whether its loop turns. If not, only a restart helps.
    pub is_live: bool,
    /// Jobs that it has taken and not settled.
    pub in_flight: usize,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

impl SourceHealth {
    /// A source that is well.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_ready: true, is_live: true, in_flight: 0, problem: None }
    }
}

impl Status {
    /// Whether the host takes messages from all of its sources. One that drains is not ready, and still live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Running && self.sources.iter().all(|source| source.is_ready)
    }

    /// Whether the loops of all sources turn.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.sources.iter().all(|source| source.is_live)
    }

    /// Jobs that have been taken and not settled.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.sources.iter().map(|source| source.in_flight).sum()
    }
}
