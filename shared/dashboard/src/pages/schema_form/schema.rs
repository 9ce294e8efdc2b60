//! The fields of a JSON Schema.

use serde_json::Value;

use super::{Field, Kind};

/// Objects inside of objects that have fields of their own; deeper ones are JSON.
const DEEPEST: usize = 4;
/// More fields than anybody fills in: the object is JSON.
const MOST_FIELDS: usize = 60;

pub(super) struct Reader<'s> {
    pub(super) root: &'s Value,
    pub(super) is_sensitive: &'s dyn Fn(&[&str]) -> bool,
}

impl<'s> Reader<'s> {
    pub(super) fn field(
        &self,
        path: String,
        name: String,
        schema: &'s Value,
        is_required: bool,
        depth: usize,
    ) -> Field {
        let (resolved, is_optional) = self.resolve(schema, 0);
        let text = |key: &str| schema.get(key).or_else(|| resolved.get(key)).and_then(Value::as_str);
        let kind = self.kind(&path, resolved, depth);
        let default = schema.get("default").filter(|value| !value.is_null() && !matches!(kind, Kind::Object(_)));
        let default = default.map(|value| match value {
            Value::String(text) if kind != Kind::Json => text.clone(),
            other => other.to_string(),
        });
        Field {
            description: text("description").unwrap_or_default().trim().to_owned(),
            is_required: is_required && !is_optional && default.is_none(),
            is_sensitive: self.is_sensitive_at(&path),
            default,
            kind,
            path,
            name,
        }
    }

    fn is_sensitive_at(&self, path: &str) -> bool {
        let steps: Vec<_> = path.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        (self.is_sensitive)(&steps.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Follows references and leaves out "or null".
    fn resolve(&self, schema: &'s Value, steps: usize) -> (&'s Value, bool) {
        if steps > 16 {
            return (&Value::Null, false);
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or((&Value::Null, false), |target| self.resolve(target, steps + 1));
        }
        for key in ["anyOf", "oneOf"] {
            let Some(choices) = schema.get(key).and_then(Value::as_array) else { continue };
            let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
            let mut others = choices.iter().filter(|choice| !is_null(choice));
            if let (Some(only), None) = (others.next(), others.next()) {
                let nullable = choices.iter().any(|choice| is_null(&choice));
                let (resolved, optional) = self.resolve(only, steps + 1);
                return (resolved, nullable || optional);
            }
        }
        if let Some([only]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            return self.resolve(only, steps + 1);
        }
        let nullable = schema.get("type").and_then(Value::as_array).is_some_and(|types| types.contains(&"null".into()));
        (schema, nullable)
    }

    fn kind(&self, path: &str, schema: &'s Value, depth: usize) -> Kind {
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            let texts: Option<Vec<_>> = choices
                .iter()
                .filter(|choice| !choice.is_null())
                .map(|choice| choice.as_str().map(str::to_owned))
                .collect();
            return texts.map_or(Kind::Json, Kind::Choice);
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let texts: Option<Vec<_>> =
                choices.iter().map(|choice| choice.get("const").and_then(Value::as_str).map(str::to_owned)).collect();
            return texts.map_or(Kind::Json, Kind::Choice);
        }
        let types: Vec<_> = match schema.get("type") {
            Some(Value::String(one)) => vec![&**one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
            _ => Vec::new(),
        };
        match types[..] {
            ["string"] => Kind::Text(match schema.get("format").and_then(Value::as_str) {
                Some("date") => "date",
                Some("uri" | "url") => "url",
                Some("email") => "email",
                _ => "text",
            }),
            ["integer"] => Kind::Integer,
            ["number"] => Kind::Number,
            ["boolean"] => Kind::Bool,
            ["object"] => self.object(path, schema, depth),
            _ => Kind::Json,
        }
    }

    fn object(&self, path: &str, schema: &'s Value, depth: usize) -> Kind {
        let is_open = schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return if is_open || depth > 0 { Kind::Json } else { Kind::Object(Vec::new()) };
        };
        if is_open || depth >= DEEPEST || properties.len() > MOST_FIELDS {
            return Kind::Json;
        }
        let required = schema.get("required").and_then(Value::as_array);
        let field = |(name, schema): (&String, &'s Value)| {
            let is_required = required.is_some_and(|names| names.iter().any(|each| each == name));
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            self.field(path, name.clone(), schema, is_required, depth + 1)
        };
        let mut fields: Vec<_> = properties.iter().map(field).collect();
        fields.sort_by_key(|field| !field.is_required);
        Kind::Object(fields)
    }
}
