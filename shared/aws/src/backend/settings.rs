//! The parts of a deployment, as passed to its functions.

use crate::queues::{QueueMap, QueueMapError};

/// The parts of a deployment: the names that the template passes to every function in environment variables.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Its queues: [`QueueMap::VARIABLE`].
    pub queues: QueueMap,
    /// Its table of records: `LAMPLIGHTER_TABLE`.
    pub table: Option<String>,
    /// The event bus for lifecycle events: `LAMPLIGHTER_EVENT_BUS`.
    pub event_bus: Option<String>,
    /// The group of its schedules in EventBridge Scheduler: `LAMPLIGHTER_SCHEDULE_GROUP`.
    pub schedule_group: Option<String>,
    /// The ARN of the role under which schedules send: `LAMPLIGHTER_SCHEDULER_ROLE`.
    pub scheduler_role: Option<String>,
    /// The ARN of the queue for messages that could not be delivered: `LAMPLIGHTER_UNDELIVERED`.
    pub undelivered: Option<String>,
    /// The bucket for arguments that are too large for a message: `LAMPLIGHTER_PAYLOADS`.
    pub payloads: Option<String>,
    /// Its functions, by their names in Lambda, whose metrics are read: `LAMPLIGHTER_FUNCTIONS`, separated by commas.
    pub functions: Vec<String>,
}

impl Settings {
    /// The settings in the environment.
    ///
    /// # Errors
    /// When the map of queues is not valid.
    pub fn from_env() -> Result<Self, QueueMapError> {
        Ok(Self::named(QueueMap::from_env()?, crate::sdk::variable))
    }

    /// The settings from a lookup by the names of the environment variables.
    #[must_use]
    pub fn named(queues: QueueMap, get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        Self {
            queues,
            table: get("LAMPLIGHTER_TABLE"),
            event_bus: get("LAMPLIGHTER_EVENT_BUS"),
            schedule_group: get("LAMPLIGHTER_SCHEDULE_GROUP"),
            scheduler_role: get("LAMPLIGHTER_SCHEDULER_ROLE"),
            undelivered: get("LAMPLIGHTER_UNDELIVERED"),
            payloads: get("LAMPLIGHTER_PAYLOADS"),
            functions: names(get("LAMPLIGHTER_FUNCTIONS").as_deref()),
        }
    }
}

/// The names in a list that is separated by commas.
pub(crate) fn names(list: Option<&str>) -> Vec<String> {
    let names = list.unwrap_or_default().split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(Into::into).collect()
}
