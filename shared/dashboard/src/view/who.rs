//! Who is looking.

use serde::Serialize;
use utoipa::ToSchema;

use crate::viewer::ActionKind;

/// Who is looking, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MeView {
    /// The name under which operations are recorded.
    pub name: String,
    /// What they may do.
    pub actions: Vec<ActionKind>,
    /// Which queues they see.
    pub queues: QueueRights,
}

/// Which queues somebody sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueRights {
    /// All of them.
    All,
    /// These.
    Only(Vec<String>),
}
