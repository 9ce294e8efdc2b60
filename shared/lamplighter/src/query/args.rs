//! Arguments in queries.

use serde_json::{Value, value::RawValue};

use crate::sensitive::PLACEHOLDER;

/// A condition on one of a job's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArgumentTerm {
    /// The fields on the way to it. In a list, a number is a place, from 0; any other step is taken in each element.
    pub path: Vec<String>,
    /// What it may be, as text.
    pub values: Vec<String>,
}

impl ArgumentTerm {
    /// The longest path.
    pub const MAX_STEPS: usize = 16;

    /// Whether arguments have such a value. Where they were hidden before, what stands in the place of hidden values fits
    /// nothing.
    pub(super) fn fits(&self, args: &Value, hidden: bool) -> bool {
        self.at(args, &self.path, hidden)
    }

    fn at(&self, value: &Value, path: &[String], hidden: bool) -> bool {
        match (value, path) {
            (Value::Object(fields), [step, rest @ ..]) => {
                fields.get(step).is_some_and(|value| self.at(value, rest, hidden))
            }
            (Value::Array(items), [step, rest @ ..]) => match step.parse::<usize>() {
                Ok(index) => items.get(index).is_some_and(|value| self.at(value, rest, hidden)),
                Err(_) => items.iter().any(|value| self.at(value, path, hidden)),
            },
            (Value::Array(items), []) => items.iter().any(|value| self.at(value, path, hidden)),
            (Value::Object(_), []) | (_, [_, ..]) => false,
            (scalar, []) => self.is(scalar, hidden),
        }
    }

    fn is(&self, scalar: &Value, hidden: bool) -> bool {
        let is = |text: &str| self.values.iter().any(|value| value == text);
        match scalar {
            Value::String(text) => is(text) && !(hidden && text.contains(PLACEHOLDER)),
            Value::Null => is("null"),
            Value::Bool(true) => is("true"),
            Value::Bool(false) => is("false"),
            Value::Number(number) => is(&number.to_string()),
            Value::Array(_) | Value::Object(_) => false,
        }
    }
}

/// The arguments; nothing where they are no JSON.
pub(super) fn read(args: &RawValue) -> Value {
    serde_json::from_str(args.get()).unwrap_or_default()
}
