//! Writes a tree as the subset of YAML that templates need: block style, short forms (`!Ref`), notes as comments.
//!
//! Written here because the order of entries, the short forms and the notes make a template readable, and serde's
//! serialisers support none of the three. A property test reads the output back with a YAML parser.

use crate::node::{Entry, Map, Node};

/// Returns the tree as a YAML document.
pub(crate) fn document(map: &Map) -> String {
    let mut out = String::new();
    for entry in map.entries() {
        if !out.is_empty() {
            out.push('\n');
        }
        // A blank line between the entries of a section makes it easier to read.
        match &entry.value {
            Node::Map(inner) if inner.entries().iter().any(|inner| matches!(inner.value, Node::Map(_))) => {
                key(&mut out, entry, 0);
                out.push('\n');
                for (index, inner) in inner.entries().iter().enumerate() {
                    if index > 0 {
                        out.push('\n');
                    }
                    self::entry(&mut out, inner, 2);
                }
            }
            _ => self::entry(&mut out, entry, 0),
        }
    }
    out
}

fn entry(out: &mut String, entry: &Entry, indent: usize) {
    key(out, entry, indent);
    value(out, &entry.value, indent + 2);
}

fn key(out: &mut String, entry: &Entry, indent: usize) {
    notes(out, entry, indent);
    pad(out, indent);
    bare_key(out, entry);
}

fn notes(out: &mut String, entry: &Entry, indent: usize) {
    for line in entry.note.iter().flat_map(|note| note.lines()) {
        pad(out, indent);
        out.push_str("# ");
        out.push_str(line);
        out.push('\n');
    }
}

fn bare_key(out: &mut String, entry: &Entry) {
    out.push_str(&scalar(&entry.key));
    out.push(':');
}

/// Writes the value after `name:` or `-`, up to the end of its last line. `indent` is that of the lines below.
fn value(out: &mut String, node: &Node, indent: usize) {
    match node {
        Node::Flag(flag) => line(out, &flag.to_string()),
        Node::Number(number) => line(out, &number.to_string()),
        Node::Text(text) => line(out, &scalar(text)),
        Node::Folded(parts) if parts.is_empty() => line(out, "''"),
        Node::Folded(parts) => {
            line(out, ">-");
            for part in parts {
                pad(out, indent);
                out.push_str(part);
                out.push('\n');
            }
        }
        Node::List(items) if items.is_empty() => line(out, "[]"),
        Node::List(items) => {
            out.push('\n');
            for node in items {
                item(out, node, indent);
            }
        }
        Node::Map(map) if map.is_empty() => line(out, "{}"),
        Node::Map(map) => {
            out.push('\n');
            for inner in map.entries() {
                entry(out, inner, indent);
            }
        }
        Node::Call(name, argument) => {
            out.push_str(" !");
            out.push_str(name);
            match flow(argument) {
                Some(text) => line(out, &text),
                None => value(out, argument, indent),
            }
        }
    }
}

/// Returns a function's short list of arguments in one line, `[A, !Ref B, C]`, as people write it.
fn flow(node: &Node) -> Option<String> {
    /// Longer lists are easier to read with one item per line.
    const WIDTH: usize = 90;
    let Node::List(items) = node else { return None };
    let items: Vec<String> = items.iter().map(flow_item).collect::<Option<_>>()?;
    let text = format!("[{}]", items.join(", "));
    (text.len() <= WIDTH).then_some(text)
}

fn flow_item(node: &Node) -> Option<String> {
    match node {
        Node::Flag(flag) => Some(flag.to_string()),
        Node::Number(number) => Some(number.to_string()),
        // Between brackets, commas and brackets have a meaning.
        Node::Text(text) if text.contains([',', '[', ']', '{', '}', '?']) => Some(quoted(text)),
        Node::Text(text) => Some(scalar(text)),
        Node::Call(name, argument) => match &**argument {
            argument @ (Node::Text(_) | Node::List(_)) => Some(format!("!{name} {}", flow_item(argument)?)),
            _ => None,
        },
        Node::List(_) => flow(node),
        Node::Folded(_) | Node::Map(_) => None,
    }
}

fn item(out: &mut String, node: &Node, indent: usize) {
    match node {
        // The first name is on the line of the dash.
        Node::Map(map) if !map.is_empty() => {
            for (index, inner) in map.entries().iter().enumerate() {
                if index > 0 {
                    entry(out, inner, indent + 2);
                    continue;
                }
                notes(out, inner, indent);
                pad(out, indent);
                out.push_str("- ");
                bare_key(out, inner);
                value(out, &inner.value, indent + 4);
            }
        }
        _ => {
            pad(out, indent);
            out.push('-');
            value(out, node, indent + 2);
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push(' ');
    out.push_str(text);
    out.push('\n');
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Returns text within a line: unquoted where every YAML reader, including YAML 1.1 readers, parses it as text.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    if text.chars().all(|c| matches!(c, ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2027}')) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        // JSON's escapes are valid YAML; characters that JSON keeps and YAML forbids are escaped as well.
        let mut quoted = String::from("\"");
        for c in text.chars() {
            match c {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                ' '..='~' => quoted.push(c),
                '\u{10000}'.. => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
                _ => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            }
        }
        quoted.push('"');
        quoted
    }
}

fn is_plain(text: &str) -> bool {
    /// Words that some readers do not parse as text.
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') || text.starts_with("../");
    let fits = |c: char| c.is_ascii_alphanumeric() || " _-./:,+@()*?=$;".contains(c);
    starts
        && text.chars().all(fits)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
    use serde_json::{Value, json};

    use super::*;
    use crate::node::{arn, only_if, reference, sub};

    /// Reads YAML as CloudFormation does: short forms become long ones.
    fn read(text: &str) -> Value {
        let documents = YamlOwned::load_from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!(documents.len(), 1, "{text}");
        to_json(&documents[0])
    }

    fn to_json(node: &YamlOwned) -> Value {
        match node {
            YamlOwned::Value(ScalarOwned::Boolean(value)) => json!(value),
            YamlOwned::Value(ScalarOwned::Integer(value)) => json!(value),
            YamlOwned::Value(ScalarOwned::String(value)) => json!(value),
            YamlOwned::Sequence(items) => items.iter().map(to_json).collect(),
            YamlOwned::Mapping(entries) => {
                let key = |key| to_json(key).as_str().map(str::to_owned).expect("keys are texts");
                entries.iter().map(|(name, value)| (key(name), to_json(value))).collect()
            }
            YamlOwned::Tagged(tag, inner) => match (tag.suffix.as_str(), to_json(inner)) {
                ("Ref", value) => json!({ "Ref": value }),
                ("GetAtt", Value::String(path)) => {
                    let (resource, attribute) = path.split_once('.').expect("an attribute");
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                (name, value) => json!({ format!("Fn::{name}"): value }),
            },
            other => panic!("{other:?}"),
        }
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let text = prop_oneof![
            any::<String>(),
            "[ -~]{0,20}",
            "[a-z]{1,5}[:#,] ?[a-z]{0,5}",
            prop_oneof![Just("yes"), Just("Off"), Just("~"), Just("1e3"), Just("0x1f"), Just("12:30"), Just("null")]
                .prop_map(str::to_owned),
        ];
        let part = "[!-~]([ -~]{0,12}[!-~])?";
        let leaf = prop_oneof![
            any::<bool>().prop_map(Node::Flag),
            any::<i64>().prop_map(Node::Number),
            text.clone().prop_map(Node::Text),
            proptest::collection::vec(part, 0..4).prop_map(Node::Folded),
            "[A-Za-z]{1,8}".prop_map(reference),
            "[A-Za-z]{1,8}".prop_map(|id| arn(&id)),
            text.clone().prop_map(sub),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let maps = proptest::collection::btree_map(text.clone(), (inner.clone(), "[ -~]{0,9}"), 0..5);
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Node::List),
                proptest::collection::vec(inner, 0..3).prop_map(|items| Node::Call("If", Box::new(Node::List(items)))),
                maps.prop_map(|entries| Node::Map(map(entries))),
            ]
        })
    }

    fn map(entries: impl IntoIterator<Item = (String, (Node, String))>) -> Map {
        entries.into_iter().fold(Map::new(), |map, (key, (value, note))| match note.as_str() {
            "" => map.set(key, value),
            _ => map.set_noted(note, key, value),
        })
    }

    proptest! {
        #[test]
        fn output_parses_back_to_the_same_value(nodes in proptest::collection::btree_map("[ -~]{1,9}", (nodes(), "[ -~]{0,9}"), 1..5)) {
            let map = map(nodes);
            let text = document(&map);
            prop_assert_eq!(read(&text), Node::Map(map).to_json(), "{}", text);
        }
    }

    #[test]
    fn output_is_readable() {
        let map = Map::new().set("Version", "2010-09-09").set(
            "Resources",
            Map::new()
                .set_noted(
                    "webhooks: one job",
                    "Queue",
                    Map::new().set("Type", "AWS::SQS::Queue").set("List", [Node::from(1u16), reference("A")]),
                )
                .set(
                    "Policy",
                    Map::new()
                        .set("Statement", [Map::new().set("Effect", "Allow").set("Resource", [arn("Queue")])])
                        .set("Map", sub(Node::Folded(vec![r#"{"a": "${A}","#.into(), r#""b": 1}"#.into()])))
                        .set("Key", only_if("HasKey", [reference("KmsKeyArn"), Node::from("a, b")])),
                ),
        );
        let text = "Version: '2010-09-09'\n\nResources:\n  # webhooks: one job\n  Queue:\n    Type: AWS::SQS::Queue\n    \
                    List:\n      - 1\n      - !Ref A\n\n  Policy:\n    Statement:\n      - Effect: Allow\n        \
                    Resource:\n          - !GetAtt Queue.Arn\n    Map: !Sub >-\n      {\"a\": \"${A}\",\n      \"b\": 1}\n    \
                    Key: !If [HasKey, [!Ref KmsKeyArn, 'a, b'], !Ref AWS::NoValue]\n";
        assert_eq!(document(&map), text);
        assert_eq!(read(text), Node::Map(map).to_json());
    }
}
