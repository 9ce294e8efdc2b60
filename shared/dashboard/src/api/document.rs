//! The OpenAPI document.

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::{reads, reply::Reply, writes};
use crate::{desk::Desk, http::Chrome};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lamplighter",
        description = "What the dashboard shows and does, for programs. Sensitive arguments are hidden.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        reads::me,
        reads::overview,
        reads::jobs,
        reads::job,
        reads::log,
        reads::errors,
        reads::error,
        reads::queues,
        reads::queue,
        reads::schedules,
        reads::schedule,
        reads::types,
        reads::job_type,
        reads::batches,
        reads::batch,
        reads::dead_letters,
        reads::dead_letter_counts,
        reads::stats,
        reads::health,
        reads::operations,
        reads::operation,
        serve,
        writes::begin,
        writes::preview,
        writes::stop,
    )
)]
struct Document;

/// The document, without the jobs of an app.
pub(super) fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or(Value::Null);
    document["servers"] = json!([{ "url": "/api/v1" }]);
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "A token that the dashboard was given." },
    });
    document["security"] = json!([{ "token": [] }]);
    document
}

/// This document, with the schemas of the jobs' arguments.
#[utoipa::path(get, path = "/openapi.json", tag = "site", responses(
    (status = 200, description = "An OpenAPI document.", body = Object),
))]
pub(super) async fn serve(desk: Desk, chrome: Chrome) -> Reply<Value> {
    let mut document = document();
    document["servers"] = json!([{ "url": chrome.link("/api/v1") }]);
    let mut all = Vec::new();
    for definition in desk.site().definitions.iter() {
        if desk.viewer().rights.sees(definition.queue.name()) {
            let name = format!("args.{}", definition.name);
            let root = format!("#/components/schemas/{name}");
            let schema = moved(definition.schema().to_value(), &root);
            document["components"]["schemas"][&name] = schema;
            all.push(json!({ "$ref": root }));
        }
    }
    if !all.is_empty()
        && let Some(args) = document.pointer_mut("/components/schemas/JobArguments")
    {
        *args = json!({ "description": "The arguments of a job.", "anyOf": all });
    }
    Reply(document)
}

/// A schema, whose references within itself lead to where it is now.
fn moved(schema: Value, root: &str) -> Value {
    match schema {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| name != "$schema").map(|(name, value)| {
                let value = match (&*name, &value) {
                    ("$ref", Value::String(to)) => match to.strip_prefix('#') {
                        Some(path) => format!("{root}{path}").into(),
                        None => value,
                    },
                    _ => moved(value, root),
                };
                (name, value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| moved(item, root)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `UPDATE_SNAPSHOT=1 cargo test -p lamplighter-dashboard` writes it.
    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "openapi.json is not what the code says; write it with UPDATE_SNAPSHOT=1");
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let routed: BTreeSet<_> = super::super::routes()
            .into_iter()
            .map(|(method, path, _)| (method.as_str().to_lowercase(), path.to_owned()))
            .collect();
        let document = document();
        let described: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
            })
            .collect();
        assert_eq!(routed, described);
    }

    #[test]
    fn references_of_a_schema_lead_to_where_it_is() {
        let schema =
            json!({ "$schema": "x", "items": [{ "$ref": "#/$defs/A" }], "$defs": { "A": { "$ref": "other#/b" } } });
        let expected = json!({ "items": [{ "$ref": "#/c/$defs/A" }], "$defs": { "A": { "$ref": "other#/b" } } });
        assert_eq!(moved(schema, "#/c"), expected);
    }
}
