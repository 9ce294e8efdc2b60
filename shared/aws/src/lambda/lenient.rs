//! Reads JSON of any shape: values of an unexpected shape are skipped, and are never an error.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A type that is built from an object's members or a list's elements, and is its default for other JSON.
pub(super) trait Lenient: Default {
    /// Returns the initial value for an object's members.
    fn object() -> Self {
        Self::default()
    }

    fn member(&mut self, _name: &str, _value: &RawValue) {}

    fn element(&mut self, _value: &RawValue) {}
}

/// Reads a [`Lenient`] type from JSON in memory, without copying.
pub(super) fn of<T: Lenient>(value: &RawValue) -> T {
    let mut json = serde_json::Deserializer::from_str(value.get());
    json.deserialize_any(Any::<T>(PhantomData)).unwrap_or_default()
}

/// A JSON string. A lone surrogate, which JSON can contain and UTF-8 cannot, becomes a replacement character.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(str::from_utf8(bytes).map_or_else(|_| whole(bytes), ToOwned::to_owned).into()))
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(str::from_utf8(bytes).map_or_else(|_| whole(bytes).into(), Cow::Borrowed)))
            }
        }

        // As bytes, `serde_json` returns texts that are not UTF-8 (documentation of its
        // `Deserializer::deserialize_bytes`).
        deserializer.deserialize_bytes(Bytes)
    }
}

fn whole(bytes: &[u8]) -> String {
    // A lone surrogate has three bytes here, and stands for one missing character.
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().first().is_some_and(|first| *first == 0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

struct Any<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for Any<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let mut read = T::default();
        while let Some(value) = seq.next_element::<&RawValue>()? {
            read.element(value);
        }
        Ok(read)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut read = T::object();
        while let Some((Text(name), value)) = map.next_entry::<_, &RawValue>()? {
            read.member(&name, value);
        }
        Ok(read)
    }
}
