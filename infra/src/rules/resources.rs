//! Access to a template's resources for the rules.

use serde_json::{Map, Value};

/// The resources of a template.
pub(super) struct Resources<'a>(Option<&'a Map<String, Value>>);

/// One resource.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    /// Its id in the template.
    pub(super) id: &'a str,
    /// Its properties.
    pub(super) properties: &'a Value,
}

impl<'a> Resources<'a> {
    pub(super) fn of(template: &'a Value) -> Self {
        Self(template["Resources"].as_object())
    }

    /// Returns all resources of a type.
    pub(super) fn of_type(&self, kind: &'static str) -> impl Iterator<Item = Resource<'a>> {
        let all = self.0.into_iter().flatten();
        all.filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| Resource { id, properties: &resource["Properties"] })
    }

    /// Returns the resource of a type that `value` refers to, by `Ref` or by its ARN.
    pub(super) fn referred(&self, kind: &'static str, value: &Value) -> Option<Resource<'a>> {
        let id = referred(value)?;
        self.of_type(kind).find(|resource| resource.id == id)
    }
}

impl Resource<'_> {
    /// Returns a property that is a whole number, or its default.
    pub(super) fn number(&self, property: &str, otherwise: u64) -> u64 {
        self.properties[property].as_u64().unwrap_or(otherwise)
    }
}

/// Returns the id of the resource that a value refers to.
pub(super) fn referred(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// Returns the statements of a policy that allow something.
pub(super) fn allowing(policy: &Value) -> impl Iterator<Item = &Value> {
    let statements = policy["Statement"].as_array().into_iter().flatten();
    statements.filter(|statement| statement["Effect"] == "Allow")
}

/// Returns a list, or a single value as a list of one.
pub(super) fn all(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}
