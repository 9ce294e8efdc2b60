//! The tree from which a template is written: values in a fixed order, CloudFormation's functions, and notes for
//! people.

use serde_json::{Map as JsonMap, Value, json};

/// A value of the template.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// A long text, written with one part per line; it is parsed as the parts joined by spaces. A part has no line
    /// break, and no space at either end.
    Folded(Vec<String>),
    /// A list.
    List(Vec<Node>),
    /// Names and values.
    Map(Map),
    /// An intrinsic function with its argument: `Ref`, `GetAtt`, `Sub`, `If`, …
    Call(&'static str, Box<Node>),
}

/// Names and values, in the order in which they were set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<Entry>);

/// One name with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Node,
    /// A comment above it, in formats with comments.
    pub(crate) note: Option<String>,
}

impl Map {
    /// Creates an empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name with its value. The caller must not repeat a name.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<Node>) -> Self {
        self.0.push(Entry { key: key.into(), value: value.into(), note: None });
        self
    }

    /// Adds a name if there is a value.
    #[must_use]
    pub fn set_some(self, key: &str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// Adds a name with its value, and a note above it.
    #[must_use]
    pub fn set_noted(mut self, note: impl Into<String>, key: impl Into<String>, value: impl Into<Node>) -> Self {
        self.0.push(Entry { key: key.into(), value: value.into(), note: Some(note.into()) });
        self
    }

    /// Adds all of another map.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }
}

impl Node {
    /// Returns the value as JSON, with CloudFormation's functions in their long form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Flag(value) => json!(value),
            Self::Number(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Folded(parts) => json!(parts.join(" ")),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(map) => {
                let entries = map.0.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(entries.collect::<JsonMap<_, _>>())
            }
            Self::Call(name, argument) => {
                let argument = argument.to_json();
                match (*name, argument.as_str().and_then(|text| text.split_once('.'))) {
                    ("Ref" | "Condition", _) => json!({ *name: argument }),
                    ("GetAtt", Some((resource, attribute))) => json!({ "Fn::GetAtt": [resource, attribute] }),
                    _ => json!({ format!("Fn::{name}"): argument }),
                }
            }
        }
    }
}

/// Returns a reference to a parameter or resource.
pub(crate) fn reference(id: impl Into<String>) -> Node {
    call("Ref", id.into())
}

/// Returns an attribute of a resource.
pub(crate) fn attribute(id: &str, name: &str) -> Node {
    call("GetAtt", format!("{id}.{name}"))
}

/// Returns a resource's ARN.
pub(crate) fn arn(id: &str) -> Node {
    attribute(id, "Arn")
}

/// Returns text with `${…}` in it.
pub(crate) fn sub(text: impl Into<Node>) -> Node {
    call("Sub", text)
}

/// Returns one of two values, by a condition of the template.
pub(crate) fn either(condition: &str, then: impl Into<Node>, otherwise: impl Into<Node>) -> Node {
    call("If", vec![Node::from(condition), then.into(), otherwise.into()])
}

/// Returns a value if a condition of the template holds; otherwise the property is absent.
pub(crate) fn only_if(condition: &str, then: impl Into<Node>) -> Node {
    either(condition, then, reference("AWS::NoValue"))
}

pub(crate) fn call(name: &'static str, argument: impl Into<Node>) -> Node {
    Node::Call(name, Box::new(argument.into()))
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<u16> for Node {
    fn from(value: u16) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Node {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Node>, const N: usize> From<[T; N]> for Node {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}
