//! An embedded file: its engine, its size, and the hosts that run its jobs.

use async_trait::async_trait;
use lamplighter::backend::StoreError;
use lamplighter_dashboard::{
    Examination, HealthSource,
    view::{Fact, FindingView, HostView, Severity},
};
use lamplighter_embedded::{EngineSeen, FileHealth as Health, HostSeen, SqliteBackend};

use crate::{help::PROGRAM, when};

/// Examines a file.
pub(super) struct FileHealth {
    embedded: SqliteBackend,
}

impl FileHealth {
    pub(super) const fn new(embedded: SqliteBackend) -> Self {
        Self { embedded }
    }
}

#[async_trait]
impl HealthSource for FileHealth {
    async fn examine(&self) -> Result<Examination, StoreError> {
        let (health, hosts) = (self.embedded.health().await?, self.embedded.hosts().await?);
        Ok(Examination {
            findings: findings(&health),
            facts: facts(&health),
            hosts: hosts.into_iter().map(host).collect(),
        })
    }
}

fn findings(health: &Health) -> Vec<FindingView> {
    let none = FindingView {
        severity: Severity::Warning,
        title: "No engine runs on this file".into(),
        detail: format!("Jobs wait until one does: {PROGRAM} dev, or {PROGRAM} work."),
        action: None,
    };
    if health.engine == EngineSeen::Nowhere { vec![none] } else { Vec::new() }
}

fn facts(health: &Health) -> Vec<Fact> {
    let engine = match &health.engine {
        EngineSeen::Here => "in this process".to_owned(),
        EngineSeen::Elsewhere { by } => by.clone(),
        EngineSeen::Nowhere => "none".to_owned(),
        _ => "not known on this system".to_owned(),
    };
    let path = health.path.as_ref().map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    let mut facts = vec![
        Fact::new("file", path),
        Fact::new("engine", engine),
        Fact::new("layout", format!("{} of {}", health.layout, health.latest_layout)),
        Fact::new("size", format!("{} of which {} are free", bytes(health.bytes), bytes(health.free_bytes))),
        Fact::new("log", bytes(health.log_bytes)),
    ];
    facts.extend(health.written_at.map(|at| Fact::new("last write", when::full(at))));
    facts
}

fn host(seen: HostSeen) -> HostView {
    HostView {
        host: seen.host,
        kind: "engine".into(),
        version: None,
        seen_at: Some(seen.last_seen),
        queues: Vec::new(),
    }
}

/// A number of bytes, for people.
fn bytes(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} B"),
        10_000..10_000_000 => format!("{} kB", number / 1000),
        _ => format!("{} MB", number / 1_000_000),
    }
}
