//! Arguments that somebody has edited as they were shown: with sensitive values hidden.

use serde_json::value::RawValue;

use super::{
    Redaction, hidden,
    schema::Position,
    walk::{DEEPEST, Parts, is_hidden, parts, text},
};

/// A hidden value stands where there is no value to keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: the value is hidden, and there is none to keep; write one")]
pub struct NothingToKeep {
    path: String,
}

impl Redaction {
    /// Arguments that were edited as [`args`](Self::args) shows them: each hidden value that was left as it is, is the
    /// original one again. Values are found by their fields, and in lists by their places, as long as a list keeps its length.
    ///
    /// A text in a field that is not sensitive stays as it is: no hidden value gets anywhere else than where it was.
    ///
    /// # Errors
    /// When a hidden value has no original one, as in a new item of a list, or lies deeper than values can be found.
    pub fn restored(&self, edited: &RawValue, original: Option<&RawValue>) -> Result<Box<RawValue>, NothingToKeep> {
        let placeholder = hidden();
        let mut restoring = Restoring { placeholder: placeholder.get(), path: Vec::new(), text: String::new() };
        restoring.value(edited, original, &Position::root(&self.schema), false)?;
        // It is JSON, as its parts are.
        Ok(RawValue::from_string(restoring.text).unwrap_or_else(|_| edited.to_owned()))
    }
}

struct Restoring<'a> {
    placeholder: &'a str,
    path: Vec<String>,
    text: String,
}

impl Restoring<'_> {
    /// Writes an edited value, or the original one at its place. `is_inner`: it is in something that holds sensitive values.
    fn value(
        &mut self,
        edited: &RawValue,
        original: Option<&RawValue>,
        position: &Position<'_>,
        is_inner: bool,
    ) -> Result<(), NothingToKeep> {
        if edited.get() == self.placeholder && is_hidden(edited, position, is_inner) {
            let kept = original.filter(|original| original.get() != self.placeholder);
            let kept = kept.filter(|original| is_hidden(original, position, is_inner));
            let kept = kept.ok_or_else(|| NothingToKeep { path: self.path.join(".") })?;
            self.text.push_str(kept.get());
            return Ok(());
        }
        let inner = position.reaches_mark();
        if !inner {
            self.text.push_str(edited.get());
            return Ok(());
        }
        if self.path.len() >= DEEPEST {
            return Err(NothingToKeep { path: self.path.join(".") });
        }
        match parts(edited) {
            Some(Parts::Fields(fields)) => {
                self.text.push('{');
                for (place, (name, value)) in fields.into_iter().enumerate() {
                    self.comma(place);
                    self.text.push_str(name.get());
                    self.text.push(':');
                    let name = text(name);
                    let (original, position) = (original.and_then(|json| field(json, &name)), position.field(&name));
                    self.path.push(name);
                    self.value(value, original, &position, inner)?;
                    self.path.pop();
                }
                self.text.push('}');
            }
            Some(Parts::Items(items)) => {
                self.text.push('[');
                let length = items.len();
                for (place, value) in items.into_iter().enumerate() {
                    self.comma(place);
                    let original = original.and_then(|json| item(json, place, length));
                    self.path.push(place.to_string());
                    self.value(value, original, &position.item(place), inner)?;
                    self.path.pop();
                }
                self.text.push(']');
            }
            Some(Parts::Scalar(_)) | None => self.text.push_str(edited.get()),
        }
        Ok(())
    }

    fn comma(&mut self, place: usize) {
        if place > 0 {
            self.text.push(',');
        }
    }
}

fn field<'a>(json: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    match parts(json)? {
        Parts::Fields(all) => all.into_iter().rev().find(|(field, _)| text(field) == name).map(|(_, value)| value),
        _ => None,
    }
}

fn item(json: &RawValue, place: usize, length: usize) -> Option<&RawValue> {
    match parts(json)? {
        Parts::Items(items) if items.len() == length => items.into_iter().nth(place),
        _ => None,
    }
}
