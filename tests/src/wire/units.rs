//! The DynamoDB bill for a write or a read, from the table's content before and after it.
//!
//! By the Amazon DynamoDB Developer Guide: "DynamoDB item sizes and formats", "DynamoDB read and write operations", and
//! "Using Global Secondary Indexes in DynamoDB" (write capacity units). Items are in DynamoDB's own JSON:
//! `{"pk": {"S": "…"}}`.

use serde_json::{Map, Value};

/// An item in DynamoDB's JSON.
pub type Item = Map<String, Value>;

/// Bytes per write unit.
const WRITTEN: usize = 1024;
/// Bytes per read unit, in a consistent read.
const READ: usize = 4096;

/// An index that contains only keys: the table's and its own.
#[derive(Debug, Clone, Copy)]
pub struct KeysOnly {
    /// The names of its key attributes. An item that lacks one is not in it.
    pub keys: [&'static str; 2],
    /// The names of the table's key attributes.
    pub table: [&'static str; 2],
}

/// Returns the write units of a put, an update or a delete, including those of the indexes.
///
/// A write whose condition did not hold costs the same as one that was done. The result of a refused update is unknown,
/// so the size of the existing item counts.
#[must_use]
pub fn written(before: Option<&Item>, after: Option<&Item>, indexes: &[KeysOnly]) -> u64 {
    own(before, after) + indexes.iter().map(|index| index.written(before, after)).sum::<u64>()
}

/// Returns the write units of a write in a transaction: twice those of the table, to prepare and to commit it
/// ("Capacity management for transactions"). The indexes follow once.
#[must_use]
pub fn transacted(before: Option<&Item>, after: Option<&Item>, indexes: &[KeysOnly]) -> u64 {
    own(before, after) + written(before, after, indexes)
}

fn own(before: Option<&Item>, after: Option<&Item>) -> u64 {
    let bytes = before.into_iter().chain(after).map(size).max().unwrap_or(0);
    up(bytes, WRITTEN).max(1)
}

/// Returns the read units of a consistent read of these items by one request.
#[must_use]
pub fn read<'a>(items: impl IntoIterator<Item = &'a Item>) -> u64 {
    up(items.into_iter().map(size).sum(), READ).max(1)
}

impl KeysOnly {
    /// Returns the index's entry of an item.
    fn entry(&self, item: &Item) -> Option<Item> {
        let of = |name: &&str| item.get(*name).map(|value| ((*name).to_owned(), value.clone()));
        let own: Option<Vec<_>> = self.keys.iter().map(of).collect();
        Some(own?.into_iter().chain(self.table.iter().filter_map(of)).collect())
    }

    /// A put and a delete are one write each, a change of the entry's keys is both, and a change of other attributes is
    /// none.
    fn written(&self, before: Option<&Item>, after: Option<&Item>) -> u64 {
        let (before, after) = (before.and_then(|item| self.entry(item)), after.and_then(|item| self.entry(item)));
        if before == after {
            return 0;
        }
        before.iter().chain(&after).map(|entry| up(size(entry), WRITTEN)).sum()
    }
}

/// Returns an item's size in bytes: names and values.
#[must_use]
pub fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    let text = value.as_str().unwrap_or_default();
    let elements = || value.as_array().into_iter().flatten();
    let texts = || elements().filter_map(Value::as_str);
    match kind.as_str() {
        "S" => text.len(),
        "N" => number_size(text),
        "B" => decoded(text),
        "BOOL" | "NULL" => 1,
        "SS" => texts().map(str::len).sum(),
        "NS" => texts().map(number_size).sum(),
        "BS" => texts().map(decoded).sum(),
        // Three bytes for the whole, and one for each element.
        "L" => 3 + elements().map(|element| 1 + value_size(element)).sum::<usize>(),
        "M" => {
            let fields = value.as_object().into_iter().flatten();
            3 + fields.map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => 0,
    }
}

/// One byte for two significant digits, plus one.
fn number_size(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // Zeros at the end are not significant, before or after the point.
    digits.trim_matches('0').len().div_ceil(2) + 1
}

/// Returns how many bytes a base64 text encodes.
fn decoded(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

fn up(bytes: usize, unit: usize) -> u64 {
    bytes.div_ceil(unit) as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INDEX: KeysOnly = KeysOnly { keys: ["gpk", "gsk"], table: ["pk", "sk"] };

    fn item(value: Value) -> Item {
        value.as_object().unwrap().clone()
    }

    /// Returns an item of this many bytes.
    fn of(bytes: usize) -> Item {
        item(json!({ "pk": { "S": "x".repeat(bytes - 2) } }))
    }

    #[test]
    fn sizes_are_names_and_values() {
        let sizes = [
            (json!({}), 0),
            (json!({ "name": { "S": "äb" } }), 4 + 3),
            (json!({ "n": { "N": "0" } }), 1 + 1),
            (json!({ "n": { "N": "7" } }), 1 + 2),
            (json!({ "n": { "N": "-1234567" } }), 1 + 5),
            // Leading and trailing zeros are trimmed.
            (json!({ "n": { "N": "001200" } }), 1 + 2),
            (json!({ "n": { "N": "0.00120" } }), 1 + 2),
            (json!({ "n": { "N": "12E3" } }), 1 + 2),
            // 38 digits, the most there are.
            (json!({ "n": { "N": "12345678901234567890123456789012345678" } }), 1 + 20),
            (json!({ "flag": { "BOOL": true } }), 5),
            (json!({ "none": { "NULL": true } }), 5),
            (json!({ "b": { "B": "aGVsbG8=" } }), 1 + 5),
            (json!({ "l": { "L": [] } }), 1 + 3),
            (json!({ "l": { "L": [{ "S": "ab" }, { "N": "7" }] } }), 1 + 3 + (1 + 2) + (1 + 2)),
            (json!({ "m": { "M": {} } }), 1 + 3),
            (json!({ "m": { "M": { "key": { "S": "ab" } } } }), 1 + 3 + 1 + 3 + 2),
            (json!({ "s": { "SS": ["ab", "c"] } }), 1 + 3),
        ];
        for (value, bytes) in sizes {
            assert_eq!(size(&item(value.clone())), bytes, "{value}");
        }
    }

    /// The guide's own examples: 500 bytes cost as 1 KB, 1.6 KB as 2 KB, and the larger of before and after counts.
    #[test]
    fn writes_are_rounded_up_and_the_larger_of_two_sizes_counts() {
        let units = |before: Option<usize>, after: Option<usize>| {
            written(before.map(of).as_ref(), after.map(of).as_ref(), &[INDEX])
        };
        assert_eq!(units(None, Some(500)), 1);
        assert_eq!(units(None, Some(1024)), 1);
        assert_eq!(units(None, Some(1025)), 2);
        assert_eq!(units(Some(1638), None), 2);
        assert_eq!(units(Some(2048), Some(500)), 2);
        assert_eq!(units(Some(500), Some(2049)), 3);
        // A condition that did not hold: nothing changes, and the existing item is paid for, or a unit.
        assert_eq!(units(Some(1500), Some(1500)), 2);
        assert_eq!(units(None, None), 1);
        // A new item of 310 KB that is refused in place of one of 300 KB.
        assert_eq!(units(Some(300 * 1024), Some(310 * 1024)), 310);
    }

    #[test]
    fn a_write_in_a_transaction_costs_twice_the_table() {
        assert_eq!(transacted(None, Some(&of(500)), &[INDEX]), 2);
        assert_eq!(transacted(Some(&of(1025)), Some(&of(500)), &[INDEX]), 4);
        let listed = item(json!({ "pk": { "S": "p" }, "gpk": { "S": "g" }, "gsk": { "S": "s" }, "sk": { "S": "#" } }));
        assert_eq!(transacted(None, Some(&listed), &[INDEX]), 3);
    }

    /// The five cases of the guide's list for global secondary indexes.
    #[test]
    fn an_index_costs_by_the_change_of_its_entry() {
        let at = |key: Option<&str>, more: &str| {
            let mut item = item(json!({ "pk": { "S": "p" }, "sk": { "S": "#" }, "more": { "S": more } }));
            if let Some(key) = key {
                item.insert("gpk".into(), json!({ "S": key }));
                item.insert("gsk".into(), json!({ "S": "s" }));
            }
            item
        };
        let index = |before: Option<Item>, after: Option<Item>| INDEX.written(before.as_ref(), after.as_ref());
        assert_eq!(index(None, Some(at(Some("a"), ""))), 1, "a new item with its keys");
        assert_eq!(index(Some(at(None, "")), Some(at(Some("a"), ""))), 1, "an item that gets them");
        assert_eq!(index(Some(at(Some("a"), "")), Some(at(Some("b"), ""))), 2, "a key that changes");
        assert_eq!(index(Some(at(Some("a"), "")), Some(at(None, ""))), 1, "an item that loses them");
        assert_eq!(index(Some(at(Some("a"), "")), None), 1, "an item that is deleted");
        assert_eq!(index(Some(at(None, "")), Some(at(None, "x"))), 0, "an item that is in it neither before nor after");
        assert_eq!(index(Some(at(Some("a"), "")), Some(at(Some("a"), "x"))), 0, "what it does not hold changes");
        assert_eq!(index(Some(at(Some("a"), "")), Some(at(Some(&"b".repeat(1024)), ""))), 1 + 2, "a large entry");
        assert_eq!(written(None, Some(&at(Some("a"), "")), &[INDEX, INDEX]), 3, "every index by itself");
    }

    #[test]
    fn reads_are_rounded_up_for_the_request_as_a_whole() {
        assert_eq!(read([]), 1);
        assert_eq!(read([&of(3500)]), 1);
        assert_eq!(read([&of(4097)]), 2);
        assert_eq!(read([&of(3000), &of(3000)]), 2);
        assert_eq!(read([&of(1000), &of(1000)]), 1);
    }
}
