//! A form made from a JSON Schema, and the JSON that it is filled in with.

use std::fmt::Write as _;

use lamplighter::RawValue;
use serde_json::{Number, Value};

use super::ui::Markup;
use crate::{chart::escape, http::Fields};

/// Objects inside of objects that have fields of their own; deeper ones are JSON.
const DEEPEST: usize = 4;
/// More fields than anybody fills in: the object is JSON.
const MOST_FIELDS: usize = 60;

/// A form made from a JSON Schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SchemaForm {
    root: Field,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    /// Its place in the arguments, which is its name in the form: `args/customer/name`.
    path: String,
    name: String,
    description: String,
    is_required: bool,
    is_sensitive: bool,
    default: Option<String>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Text, with the type of its input.
    Text(&'static str),
    Integer,
    Number,
    Bool,
    /// One of these texts.
    Choice(Vec<String>),
    Object(Vec<Field>),
    Json,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    path: String,
    text: String,
}

impl SchemaForm {
    /// The form of a job's arguments.
    pub(crate) fn of(schema: &Value, sensitive: &[String]) -> Self {
        let reader = Reader { root: schema, sensitive };
        Self { root: reader.field("args".into(), String::new(), schema, true, 0) }
    }

    /// The empty form.
    pub(crate) fn markup(&self) -> Markup {
        self.filled(&Fields::default(), &[])
    }

    /// The form as it was filled in, with what is wrong.
    pub(crate) fn filled(&self, given: &Fields, mistakes: &[Mistake]) -> Markup {
        let mut markup = String::new();
        match &self.root.kind {
            Kind::Object(fields) if fields.is_empty() => {
                markup.push_str(r#"<p class="soft">This job has no arguments.</p>"#);
            }
            Kind::Object(fields) => {
                for field in fields {
                    field.draw(&mut markup, given, mistakes);
                }
            }
            _ => self.root.draw(&mut markup, given, mistakes),
        }
        Markup(markup)
    }

    /// The arguments as JSON. Digits stay as they were typed.
    pub(crate) fn read(&self, given: &Fields) -> Result<Box<RawValue>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let json = self.root.read(given, &mut mistakes).unwrap_or_else(|| "{}".into());
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        RawValue::from_string(json)
            .map_err(|error| vec![Mistake { path: self.root.path.clone(), text: error.to_string() }])
    }
}

struct Reader<'s> {
    root: &'s Value,
    sensitive: &'s [String],
}

impl<'s> Reader<'s> {
    fn field(&self, path: String, name: String, schema: &'s Value, is_required: bool, depth: usize) -> Field {
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
            is_sensitive: depth == 1 && self.sensitive.contains(&name),
            default,
            kind,
            path,
            name,
        }
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

impl Field {
    fn draw(&self, markup: &mut String, given: &Fields, mistakes: &[Mistake]) {
        let (id, name) = (escape(&self.path.replace(|c: char| !c.is_ascii_alphanumeric(), "-")), escape(&self.path));
        let label = if self.name.is_empty() { "Arguments".into() } else { escape(&self.name) };
        let required = if self.is_required { "" } else { r#" <span class="req">optional</span>"# };
        let json = if self.kind == Kind::Json { "JSON" } else { "" };
        let dot = if self.description.is_empty() || json.is_empty() { "" } else { " · " };
        let hint = match format!("{}{dot}{json}", escape(&self.description)) {
            none if none.is_empty() => none,
            text => format!(r#"<span class="hint" id="{id}-hint">{text}</span>"#),
        };
        if let Kind::Object(fields) = &self.kind {
            let _ = write!(markup, "<fieldset><legend><bdi>{label}</bdi>{required}</legend>{hint}");
            for field in fields {
                field.draw(markup, given, mistakes);
            }
            markup.push_str("</fieldset>");
            return;
        }
        let mistake = mistakes.iter().find(|mistake| mistake.path == self.path);
        let mut attributes = format!(r#"id="{id}" name="{name}""#);
        let described = match (hint.is_empty(), mistake.is_some()) {
            (false, true) => format!("{id}-hint {id}-error"),
            (false, false) => format!("{id}-hint"),
            (true, _) => format!("{id}-error"),
        };
        let _ = write!(attributes, r#" aria-describedby="{described}""#);
        if mistake.is_some() {
            attributes.push_str(r#" aria-invalid="true""#);
        }
        if self.is_required && !matches!(self.kind, Kind::Text(_)) {
            attributes.push_str(" required");
        }
        let value = self.given(given).or(self.default.as_deref()).unwrap_or_default();
        let _ = write!(markup, r#"<div class="field"><label for="{id}"><bdi>{label}</bdi>{required}</label>"#);
        self.input(markup, &attributes, value, &id);
        let text = mistake.map(|mistake| escape(&mistake.text)).unwrap_or_default();
        let _ = write!(markup, r#"{hint}<span class="error" id="{id}-error">{text}</span></div>"#);
    }

    fn input(&self, markup: &mut String, attributes: &str, value: &str, id: &str) {
        let shown = escape(value);
        let _ = match &self.kind {
            Kind::Text(_) if self.is_sensitive => {
                write!(markup, r#"<input type="password" {attributes} value="{shown}" autocomplete="off">"#)
            }
            Kind::Text("text") if value.contains('\n') => write!(markup, "<textarea {attributes}>\n{shown}</textarea>"),
            Kind::Text(kind) => {
                write!(
                    markup,
                    r#"<input type="{kind}" {attributes} value="{shown}" autocomplete="off" spellcheck="false">"#
                )
            }
            Kind::Integer => {
                write!(markup, r#"<input type="number" step="1" {attributes} value="{shown}">"#)
            }
            Kind::Number => {
                write!(markup, r#"<input type="number" step="any" {attributes} value="{shown}">"#)
            }
            Kind::Bool => {
                write!(markup, "<select {attributes}>{}</select>", self.options(&["false", "true"], value))
            }
            Kind::Choice(choices) => {
                let choices: Vec<_> = choices.iter().map(String::as_str).collect();
                write!(markup, "<select {attributes}>{}</select>", self.options(&choices, value))
            }
            Kind::Json | Kind::Object(_) => write!(
                markup,
                "<textarea class=\"code\" data-json=\"{id}-error\" spellcheck=\"false\" {attributes}>\n{shown}</textarea>"
            ),
        };
    }

    fn options(&self, choices: &[&str], value: &str) -> String {
        let mut options = String::new();
        if !self.is_required || matches!(self.kind, Kind::Choice(_)) {
            options.push_str(r#"<option value=""></option>"#);
        }
        for choice in choices {
            let chosen = if *choice == value { " selected" } else { "" };
            let text = match (&self.kind, *choice) {
                (Kind::Bool, "true") => "yes",
                (Kind::Bool, _) => "no",
                (_, other) => other,
            };
            let _ = write!(options, r#"<option value="{}"{chosen}>{}</option>"#, escape(choice), escape(text));
        }
        options
    }

    fn given<'f>(&self, given: &'f Fields) -> Option<&'f str> {
        given.0.iter().find(|(name, _)| *name == self.path).map(|(_, value)| &**value)
    }

    /// Its JSON; `None` where it is left out.
    fn read(&self, given: &Fields, mistakes: &mut Vec<Mistake>) -> Option<String> {
        if let Kind::Object(fields) = &self.kind {
            return self.read_object(fields, given, mistakes);
        }
        let value = self.given(given).unwrap_or_default();
        if value.trim().is_empty() && !matches!((&self.kind, self.is_required), (Kind::Text("text"), true)) {
            if self.is_required {
                self.mistake(mistakes, "is missing".to_owned());
            }
            return None;
        }
        let text = || serde_json::to_string(value).ok();
        match &self.kind {
            Kind::Text(_) => text(),
            Kind::Choice(choices) if choices.iter().any(|choice| choice == value) => text(),
            Kind::Choice(_) => self.mistake(mistakes, "is none of its values".to_owned()),
            Kind::Bool if matches!(value, "true" | "false") => Some(value.to_owned()),
            Kind::Bool => self.mistake(mistakes, "is neither yes nor no".to_owned()),
            Kind::Integer | Kind::Number => {
                let is_whole = !value.contains(['.', 'e', 'E']);
                match serde_json::from_str::<Number>(value.trim()) {
                    Ok(_) if is_whole || self.kind == Kind::Number => Some(value.trim().to_owned()),
                    _ if self.kind == Kind::Integer => self.mistake(mistakes, "is not a whole number".to_owned()),
                    _ => self.mistake(mistakes, "is not a number".to_owned()),
                }
            }
            Kind::Json | Kind::Object(_) => match serde_json::from_str::<&RawValue>(value.trim()) {
                Ok(json) => Some(json.get().to_owned()),
                Err(error) => self.mistake(mistakes, format!("is not JSON: {error}")),
            },
        }
    }

    fn read_object(&self, fields: &[Self], given: &Fields, mistakes: &mut Vec<Mistake>) -> Option<String> {
        if !self.is_required && !self.is_given(given) {
            return None;
        }
        let mut json = String::from("{");
        for field in fields {
            let Some(value) = field.read(given, mistakes) else { continue };
            let name = serde_json::to_string(&field.name).unwrap_or_default();
            let comma = if json.len() > 1 { "," } else { "" };
            let _ = write!(json, "{comma}{name}:{value}");
        }
        json.push('}');
        Some(json)
    }

    /// Whether anything in it was filled in.
    fn is_given(&self, given: &Fields) -> bool {
        let below = format!("{}/", self.path);
        given.0.iter().any(|(name, value)| name.starts_with(&below) && !value.trim().is_empty() && value != "false")
    }

    fn mistake(&self, mistakes: &mut Vec<Mistake>, text: String) -> Option<String> {
        mistakes.push(Mistake { path: self.path.clone(), text: format!("{} {text}.", self.name) });
        None
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Address {
        street: String,
        number: Option<u32>,
    }

    /// Sends an order.
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Order {
        /// Its "number".
        number: u64,
        price: f64,
        express: bool,
        size: Option<Size>,
        to: Address,
        from: Option<Address>,
        tags: Vec<String>,
        note: Option<String>,
    }

    fn form() -> SchemaForm {
        SchemaForm::of(&schemars::schema_for!(Order).to_value(), &["note".into()])
    }

    fn fields(given: &[(&str, &str)]) -> Fields {
        Fields(given.iter().map(|(name, value)| (format!("args/{name}"), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_filled_in_fits_the_type() {
        let given = fields(&[
            ("number", "18446744073709551615"),
            ("price", "1.50"),
            ("express", "true"),
            ("size", "large"),
            ("to/street", "Elm \"1\""),
            ("from/number", ""),
            ("tags", r#"["a"]"#),
            ("note", ""),
        ]);
        let json = form().read(&given).unwrap();
        assert!(json.get().contains("1.50"), "{json}");
        let order: Order = serde_json::from_str(json.get()).unwrap();
        let to = Address { street: "Elm \"1\"".into(), number: None };
        let expected = Order {
            number: u64::MAX,
            price: 1.5,
            express: true,
            size: Some(Size::Large),
            to,
            from: None,
            tags: vec!["a".into()],
            note: None,
        };
        assert_eq!(order, expected);
    }

    #[test]
    fn each_mistake_is_told_at_its_field() {
        let given = fields(&[("number", "1.5"), ("price", "x"), ("size", "huge"), ("tags", "[")]);
        let mistakes = form().read(&given).unwrap_err();
        let paths: Vec<_> = mistakes.iter().map(|mistake| &*mistake.path).collect();
        for path in ["args/number", "args/price", "args/size", "args/tags"] {
            assert!(paths.contains(&path), "{path} in {paths:?}");
        }
        let markup = form().filled(&given, &mistakes).0;
        assert!(markup.contains("number is not a whole number.") && markup.contains(r#"value="1.5""#), "{markup}");
    }

    #[test]
    fn an_optional_object_is_left_out_or_whole() {
        let base = [("number", "1"), ("price", "1"), ("express", "false"), ("to/street", "a"), ("tags", "[]")];
        assert!(!form().read(&fields(&base)).unwrap().get().contains("from"));
        let mut some = base.to_vec();
        some.push(("from/number", "7"));
        let json = form().read(&fields(&some)).unwrap();
        assert!(json.get().contains(r#""from":{"street":"","number":7}"#), "{json}");
    }

    #[test]
    fn texts_of_schemas_and_people_are_inert() {
        let hostile = "<script>alert(1)</script>";
        let schema = serde_json::json!({
            "type": "object", "required": [hostile],
            "properties": { hostile: { "type": "string", "description": hostile, "default": "\"><script>" } },
        });
        let form = SchemaForm::of(&schema, &[]);
        let given = Fields(vec![(format!("args/{}", hostile.replace('/', "~1")), hostile.into())]);
        for markup in [form.markup().0, form.filled(&given, &[]).0] {
            assert!(!markup.contains("<script"), "{markup}");
        }
    }

    #[test]
    fn schemas_that_turn_in_circles_end() {
        let schema = serde_json::json!({
            "$ref": "#/$defs/A",
            "$defs": { "A": { "$ref": "#/$defs/B" }, "B": { "$ref": "#/$defs/A" } },
        });
        assert!(SchemaForm::of(&schema, &[]).markup().0.contains("textarea"));
        let nested = serde_json::json!({
            "$ref": "#/$defs/N",
            "$defs": { "N": { "type": "object", "properties": { "next": { "$ref": "#/$defs/N" } } } },
        });
        assert!(SchemaForm::of(&nested, &[]).markup().0.contains("args/next/next/next/next"));
    }

    #[test]
    fn a_sensitive_field_does_not_show_what_is_typed() {
        assert!(form().markup().0.contains(r#"<input type="password" id="args-note""#));
    }
}
