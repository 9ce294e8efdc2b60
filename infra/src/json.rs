//! Writes a tree as JSON for people: indented, and in its own order, which serde's own maps may not keep.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::node::{Map, Node};

/// Returns the tree as a JSON document.
pub(crate) fn document(map: &Map) -> String {
    // All keys are texts, so this cannot fail.
    let mut text = serde_json::to_string_pretty(&Ordered(map)).unwrap_or_default();
    text.push('\n');
    text
}

struct Ordered<'a, T>(&'a T);

impl Serialize for Ordered<'_, Map> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.entries().len()))?;
        for entry in self.0.entries() {
            map.serialize_entry(&entry.key, &Ordered(&entry.value))?;
        }
        map.end()
    }
}

impl Serialize for Ordered<'_, Node> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Node::Map(map) => Ordered(map).serialize(serializer),
            Node::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Ordered(item))?;
                }
                list.end()
            }
            leaf => leaf.to_json().serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_kept() {
        let inner = Map::new().set("y", 1u16).set("x", ["c", "b"]);
        let text = document(&Map::new().set("b", true).set("a", inner));
        assert_eq!(
            text,
            "{\n  \"b\": true,\n  \"a\": {\n    \"y\": 1,\n    \"x\": [\n      \"c\",\n      \"b\"\n    ]\n  }\n}\n"
        );
    }
}
