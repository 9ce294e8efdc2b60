//! Hiding the sensitive arguments of a job: in its arguments as they are shown, and in texts that may quote them.

mod redactions;
mod redactor;
mod restore;
mod schema;
mod walk;

use std::collections::BTreeSet;

use schemars::Schema;
use serde_json::{Value, value::RawValue};

pub(crate) use self::schema::declared_names;
pub use self::{redactions::Redactions, redactor::Redactor, restore::NothingToKeep};
use self::{
    schema::Position,
    walk::{Leaves, Masked, walk},
};
use crate::sensitive::PLACEHOLDER;

/// Which arguments of a job are [`Sensitive`](crate::Sensitive), by the job's JSON Schema. Made by
/// [`Definition::redaction`](crate::Definition::redaction).
///
/// A value is sensitive when any schema that may apply to it says so. Where an object or a list holds a sensitive value,
/// everything in it that the schema does not describe is sensitive too: a misspelt field, a field under a serde alias, a
/// value of another type.
#[derive(Debug, Clone)]
pub struct Redaction {
    schema: Value,
    /// The fields and variants that the schema names. They are no values.
    names: BTreeSet<String>,
}

impl Redaction {
    /// `None` when the schema marks nothing.
    pub(crate) fn of(schema: Schema) -> Option<Self> {
        let schema = schema.to_value();
        let marks = Position::root(&schema).reaches_mark();
        marks.then(|| Self { names: declared_names(&schema), schema })
    }

    /// A job's arguments as they may be shown: `"[redacted]"` stands in place of each sensitive value. A `null` stays.
    #[must_use]
    pub fn args(&self, args: &RawValue) -> Box<RawValue> {
        let mut masked = Masked::default();
        walk(args, &Position::root(&self.schema), &mut masked);
        RawValue::from_string(masked.text).unwrap_or_else(|_| hidden())
    }

    /// What removes the sensitive values of these arguments from texts.
    #[must_use]
    pub fn redactor(&self, args: &RawValue) -> Redactor {
        let mut leaves = Leaves::new(&self.names);
        walk(args, &Position::root(&self.schema), &mut leaves);
        leaves.redactor()
    }

    /// Whether this field of the arguments is sensitive.
    #[must_use]
    pub fn is_sensitive(&self, field: &str) -> bool {
        Position::root(&self.schema).field(field).is_marked()
    }

    /// Whether all that stands at a path may be shown (`true`), or nothing but a `null` (`false`), whatever the arguments are.
    /// `None` where that depends on them.
    pub(crate) fn shows(&self, path: &[String]) -> Option<bool> {
        let mut position = Position::root(&self.schema);
        for step in path {
            if position.is_marked() {
                return Some(false);
            }
            if !position.reaches_mark() {
                return Some(true);
            }
            // A list is looked into without a step of its own.
            if position.describes("array") {
                return None;
            }
            position = step.parse().map_or_else(|_| position.field(step), |index| position.field_or_item(step, index));
            if position.is_unknown() {
                return Some(false);
            }
        }
        match (position.is_marked(), position.reaches_mark()) {
            (true, _) => Some(false),
            (false, false) => Some(true),
            (false, true) => None,
        }
    }

    /// How many steps of a path into the arguments may be shown: those behind a sensitive value may be keys of a map, which
    /// are values themselves.
    #[must_use]
    pub fn visible_steps<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> usize {
        let mut position = Position::root(&self.schema);
        let mut steps = 0;
        for step in path {
            if position.is_marked() {
                break;
            }
            let known = position.reaches_mark();
            position = step.parse().map_or_else(|_| position.field(step), |index| position.field_or_item(step, index));
            if known && position.is_unknown() {
                break;
            }
            steps += 1;
        }
        steps
    }
}

/// A whole that cannot be shown in part.
pub(crate) fn hidden() -> Box<RawValue> {
    RawValue::from_string(format!("\"{PLACEHOLDER}\"")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
