//! A CloudFormation template as a JSON value, with the code of its functions put in place.

use std::collections::{BTreeMap, BTreeSet};

use saphyr::{LoadableYamlNode, ScalarOwned, Tag, YamlOwned};
use serde_json::{Map, Value, json};

use super::error::{Error, Result};

/// Reads a template written in YAML; the short forms (`!Ref`, `!Sub`, `!GetAtt`, …) become the long ones.
///
/// # Errors
/// When the text is not one YAML document, or has values that CloudFormation's JSON cannot express.
pub fn from_yaml(text: &str) -> Result<Value> {
    let documents = YamlOwned::load_from_str(text).map_err(|error| Error::Template(error.to_string()))?;
    match documents.as_slice() {
        [template] => to_json(template),
        other => Err(Error::Template(format!("it holds {} YAML documents in place of one", other.len()))),
    }
}

fn to_json(node: &YamlOwned) -> Result<Value> {
    Ok(match node {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::Integer(value)) => json!(value),
        YamlOwned::Value(ScalarOwned::FloatingPoint(value)) => json!(value.into_inner()),
        YamlOwned::Value(ScalarOwned::String(value)) => json!(value),
        YamlOwned::Representation(text, ..) => json!(text),
        YamlOwned::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_>>()?),
        YamlOwned::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((key_of(key)?, to_json(value)?)));
            Value::Object(entries.collect::<Result<Map<_, _>>>()?)
        }
        YamlOwned::Tagged(tag, inner) => long_form(tag, to_json(inner)?)?,
        YamlOwned::Alias(_) | YamlOwned::BadValue => {
            return Err(Error::Template("it holds a YAML value that JSON has no word for".into()));
        }
    })
}

fn key_of(key: &YamlOwned) -> Result<String> {
    match to_json(key)? {
        Value::String(text) => Ok(text),
        other @ (Value::Number(_) | Value::Bool(_)) => Ok(other.to_string()),
        other => Err(Error::Template(format!("{other} is a key, where a text is needed"))),
    }
}

fn long_form(tag: &Tag, value: Value) -> Result<Value> {
    if tag.handle != "!" {
        return Err(Error::Template(format!("the tag {}{} is unknown", tag.handle, tag.suffix)));
    }
    Ok(match (tag.suffix.as_str(), value) {
        (name @ ("Ref" | "Condition"), value) => json!({ name: value }),
        ("GetAtt", Value::String(path)) => match path.split_once('.') {
            Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
            None => {
                return Err(Error::Template(format!("`!GetAtt {path}` names no attribute")));
            }
        },
        (name, value) => json!({ format!("Fn::{name}"): value }),
    })
}

/// Returns the functions of `template` whose code is to be uploaded: logical id → the name in `available` that is its
/// code.
///
/// A function is identified by its logical id, by the binary that its `Metadata.BuildProperties` names, or by the last
/// part of its `CodeUri`. One whose code is already in S3, or inline, or an image, is skipped.
pub(crate) fn local_code(
    template: &Value,
    available: &BTreeMap<String, impl Sized>,
) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    for (id, resource) in template["Resources"].as_object().into_iter().flatten() {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let uri = &resource["Properties"]["CodeUri"];
        let elsewhere = uri.is_object()
            || uri.as_str().is_some_and(|uri| uri.starts_with("s3://"))
            || !resource["Properties"]["InlineCode"].is_null()
            || resource["Properties"]["PackageType"] == "Image";
        if elsewhere {
            continue;
        }
        let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
        let folder = uri.as_str().and_then(|uri| uri.trim_end_matches('/').rsplit('/').next());
        let names = [Some(id.as_str()), binary, folder];
        match names.iter().flatten().find(|name| available.contains_key(**name)) {
            Some(name) => _ = found.insert(id.clone(), (*name).to_owned()),
            None => missing.push(format!("{id} (binary {}, CodeUri {uri})", binary.unwrap_or("not named"))),
        }
    }
    if !missing.is_empty() {
        return Err(Error::Template(format!(
            "no code was given for {}; given: {}",
            missing.join(", "),
            available.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
        )));
    }
    let used: BTreeSet<&str> = found.values().map(String::as_str).collect();
    if let Some(unused) = available.keys().find(|name| !used.contains(name.as_str())) {
        return Err(Error::Template(format!("code was given for `{unused}`, which is no function of it")));
    }
    Ok(found)
}

/// Adds to each policy that allows an SQS call the action of its batch form. On AWS the one covers both; the emulator
/// requires an action with the batch's own name, which AWS does not have.
pub(crate) fn allow_batches(node: &mut Value) {
    match node {
        Value::Array(items) => items.iter_mut().for_each(allow_batches),
        Value::Object(fields) => {
            if let Some(Value::Array(actions)) = fields.get_mut("Action") {
                let batches = ["sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"].into_iter();
                let batches = batches.filter(|single| actions.iter().any(|action| action == single));
                let batches: Vec<_> = batches.map(|single| json!(format!("{single}Batch"))).collect();
                actions.extend(batches);
            }
            fields.values_mut().for_each(allow_batches);
        }
        _ => {}
    }
}

/// Points the function `id` at an object, as `sam package` does.
pub(crate) fn place_code(template: &mut Value, id: &str, bucket: &str, key: &str) {
    template["Resources"][id]["Properties"]["CodeUri"] = json!({ "Bucket": bucket, "Key": key });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_ones() {
        let template = from_yaml(
            "AWSTemplateFormatVersion: 2010-09-09\n\
             A: !Ref Queue\nB: !GetAtt Queue.Arn\nC: !GetAtt [Queue, Arn]\nD: !Sub '${Queue}-x'\n\
             E: !Join ['-', [a, !Ref B]]\nF: !If [!Condition X, 1, 2.5]\nG: {7: true, x: ~}\nH: '7'\n",
        );
        assert_eq!(
            template.unwrap(),
            json!({
                "AWSTemplateFormatVersion": "2010-09-09",
                "A": { "Ref": "Queue" },
                "B": { "Fn::GetAtt": ["Queue", "Arn"] },
                "C": { "Fn::GetAtt": ["Queue", "Arn"] },
                "D": { "Fn::Sub": "${Queue}-x" },
                "E": { "Fn::Join": ["-", ["a", { "Ref": "B" }]] },
                "F": { "Fn::If": [{ "Condition": "X" }, 1, 2.5] },
                "G": { "7": true, "x": null },
                "H": "7",
            })
        );
    }

    #[test]
    fn a_function_is_identified_by_id_binary_or_folder() {
        let mut template = json!({ "Resources": {
            "One": { "Type": "AWS::Serverless::Function", "Properties": { "CodeUri": "x/" } },
            "Two": { "Type": "AWS::Serverless::Function", "Properties": { "CodeUri": "." },
                     "Metadata": { "BuildProperties": { "Binary": "two" } } },
            "Three": { "Type": "AWS::Serverless::Function", "Properties": { "CodeUri": "../functions/three/" } },
            "Done": { "Type": "AWS::Serverless::Function", "Properties": { "CodeUri": "s3://bucket/key" } },
            "Queue": { "Type": "AWS::SQS::Queue" },
        }});
        let code = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), ())).collect::<BTreeMap<_, _>>();
        let found = local_code(&template, &code(&["One", "two", "three"])).unwrap();
        let found: Vec<_> = found.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect();
        assert_eq!(found, [("One", "One"), ("Three", "three"), ("Two", "two")]);

        let missing = local_code(&template, &code(&["One", "two"])).unwrap_err().to_string();
        assert!(missing.contains("Three (binary not named"), "{missing}");
        let unused = local_code(&template, &code(&["One", "two", "three", "four"])).unwrap_err().to_string();
        assert!(unused.contains("`four`"), "{unused}");

        place_code(&mut template, "One", "b", "k");
        assert_eq!(template["Resources"]["One"]["Properties"]["CodeUri"], json!({ "Bucket": "b", "Key": "k" }));
    }
}
