//! The arguments of a job that an operation enqueues.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::message::empty_object;

/// The arguments of a job that an operation enqueues: the text of a JSON object, as its sender wrote it. A stored operation
/// has them with their sensitive values hidden.
#[derive(Clone)]
pub struct Arguments(Box<RawValue>);

impl Arguments {
    /// These arguments.
    #[must_use]
    pub const fn new(args: Box<RawValue>) -> Self {
        Self(args)
    }

    /// The arguments as JSON.
    #[must_use]
    pub fn get(&self) -> &RawValue {
        &self.0
    }
}

impl Default for Arguments {
    /// None: `{}`.
    fn default() -> Self {
        Self(empty_object())
    }
}

impl From<Box<RawValue>> for Arguments {
    fn from(args: Box<RawValue>) -> Self {
        Self(args)
    }
}

impl PartialEq for Arguments {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl fmt::Debug for Arguments {
    /// Omits the values, which may be secrets that must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(…)")
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
