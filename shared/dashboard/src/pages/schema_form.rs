//! A form made from a JSON Schema, and the JSON that it is filled in with.

mod draw;
mod read;
mod schema;

use lamplighter::RawValue;
use serde_json::Value;

use self::schema::Reader;
use super::ui::Markup;
use crate::http::Fields;

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
    /// The form of a job's arguments, of which those at some places are sensitive: `["customer", "name"]`.
    pub(crate) fn of(schema: &Value, is_sensitive: &dyn Fn(&[&str]) -> bool) -> Self {
        let reader = Reader { root: schema, is_sensitive };
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

impl Field {
    /// What was typed into it.
    fn given<'f>(&self, given: &'f Fields) -> Option<&'f str> {
        given.0.iter().find(|(name, _)| *name == self.path).map(|(_, value)| &**value)
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
        SchemaForm::of(&schemars::schema_for!(Order).to_value(), &|path| {
            matches!(path, ["note"] | ["from", "street"] | ["tags"])
        })
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
        let form = SchemaForm::of(&schema, &|_| false);
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
        assert!(SchemaForm::of(&schema, &|_| false).markup().0.contains("textarea"));
        let nested = serde_json::json!({
            "$ref": "#/$defs/N",
            "$defs": { "N": { "type": "object", "properties": { "next": { "$ref": "#/$defs/N" } } } },
        });
        assert!(SchemaForm::of(&nested, &|_| false).markup().0.contains("args/next/next/next/next"));
    }

    #[test]
    fn a_sensitive_field_does_not_show_what_is_typed() {
        let markup = form().markup().0;
        for id in ["args-note", "args-from-street", "args-tags"] {
            assert!(markup.contains(&format!(r#"<input type="password" id="{id}""#)), "{id}: {markup}");
        }
        assert!(markup.contains(r#"<input type="text" id="args-to-street""#), "{markup}");
    }
}
