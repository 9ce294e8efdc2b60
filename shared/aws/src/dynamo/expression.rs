//! Update expressions. Every name and value has a placeholder: DynamoDB reserves hundreds of words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

/// A conditional update of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    sets: Vec<String>,
    removes: Vec<String>,
    deletes: Vec<String>,
    adds: Vec<String>,
    condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Update {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = :{name}"));
        self.name(name).value(name, value)
    }

    pub(super) fn set_some(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Sets a value unless the attribute exists.
    pub(super) fn set_if_absent(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
        self.name(name).value(name, value)
    }

    /// Increments a counter that starts at zero.
    pub(super) fn increment(mut self, name: &str) -> Self {
        self.sets.push(format!("#{name} = if_not_exists(#{name}, :zero) + :one"));
        self.name(name).value("zero", AttributeValue::N("0".into())).value("one", AttributeValue::N("1".into()))
    }

    /// Appends to a list, which is created if it does not exist.
    pub(super) fn append(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = list_append(if_not_exists(#{name}, :none), :{name})"));
        self.name(name).value(name, AttributeValue::L(vec![value])).value("none", AttributeValue::L(Vec::new()))
    }

    pub(super) fn remove(mut self, names: &[&str]) -> Self {
        for name in names {
            self.removes.push(format!("#{name}"));
            self = self.name(name);
        }
        self
    }

    /// Sets what stands at a path, with `#name` and `:value` in the clause.
    pub(super) fn set_path(mut self, clause: &str) -> Self {
        self.sets.push(clause.to_owned());
        self
    }

    /// Removes what stands at a path, with `#name` in it.
    pub(super) fn remove_path(mut self, path: &str) -> Self {
        self.removes.push(path.to_owned());
        self
    }

    /// Removes the elements of a set from a set.
    pub(super) fn delete(mut self, name: &str, elements: AttributeValue) -> Self {
        self.deletes.push(format!("#{name} :{name}"));
        self.name(name).value(name, elements)
    }

    /// Adds a number to a number, or elements to a set; either begins with nothing.
    pub(super) fn add(mut self, name: &str, value: AttributeValue) -> Self {
        self.adds.push(format!("#{name} :{name}"));
        self.name(name).value(name, value)
    }

    /// The condition, with `#name` and `:value` in it.
    pub(super) fn when(mut self, condition: &str) -> Self {
        self.condition = match self.condition.is_empty() {
            true => condition.to_owned(),
            false => format!("({}) AND ({condition})", self.condition),
        };
        self
    }

    /// A name that the condition uses.
    pub(super) fn name(mut self, name: &str) -> Self {
        self.names.insert(format!("#{name}"), name.to_owned());
        self
    }

    /// A name that a path uses under another one.
    pub(super) fn name_of(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(format!("#{placeholder}"), name.to_owned());
        self
    }

    /// A value that the condition uses.
    pub(super) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(format!(":{name}"), value);
        self
    }

    pub(super) fn expression(&self) -> String {
        let mut clauses = Vec::new();
        if !self.sets.is_empty() {
            clauses.push(format!("SET {}", self.sets.join(", ")));
        }
        if !self.removes.is_empty() {
            clauses.push(format!("REMOVE {}", self.removes.join(", ")));
        }
        if !self.deletes.is_empty() {
            clauses.push(format!("DELETE {}", self.deletes.join(", ")));
        }
        if !self.adds.is_empty() {
            clauses.push(format!("ADD {}", self.adds.join(", ")));
        }
        clauses.join(" ")
    }

    pub(super) fn condition(&self) -> Option<String> {
        (!self.condition.is_empty()).then(|| self.condition.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_use_placeholders_for_every_name() {
        let text = |text: &str| AttributeValue::S(text.into());
        let update = Update::new()
            .set("state", text("queued"))
            .set_if_absent("since", text("now"))
            .append("list", text("one"))
            .set_some("absent", None)
            .remove(&["ttl", "size"])
            .add("count", AttributeValue::N("2".into()))
            .when("#state = :old")
            .value("old", text("failed"))
            .when("#x < :y");
        assert_eq!(
            update.expression(),
            "SET #state = :state, #since = if_not_exists(#since, :since), \
             #list = list_append(if_not_exists(#list, :none), :list) REMOVE #ttl, #size ADD #count :count"
        );
        assert_eq!(update.condition().as_deref(), Some("(#state = :old) AND (#x < :y)"));
        assert_eq!(update.names["#ttl"], "ttl");
        assert_eq!(update.values[":old"], text("failed"));
        assert!(Update::new().condition().is_none());
    }
}
