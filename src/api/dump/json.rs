//! JSON files, an item of a list at a time. Without places: what is wrong is found again by who knows them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{OfList, Reading};

/// Reads all documents. Nothing where anything at all is unusual or wrong.
pub(super) fn read<T>(text: &str, reading: &mut Reading<'_, T>) -> Option<()> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let mut documents = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let mut deserializer = serde_json::Deserializer::from_str(rest);
        Document(reading).deserialize(&mut deserializer).ok()?;
        documents.next()?.ok()?;
        rest = &rest[documents.byte_offset()..];
    }
    Some(())
}

struct Document<'r, 'a, T>(&'r mut Reading<'a, T>);

impl<'de, T> DeserializeSeed<'de> for Document<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T> Visitor<'de> for Document<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Map::new();
        let mut has_items = false;
        while let Some(key) = map.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom("a key stands there twice"));
            }
            let kind = fields.get("kind").and_then(Value::as_str);
            if key == "items" && kind.is_none_or(|kind| kind.ends_with("List")) {
                has_items = true;
                map.next_value_seed(Items { of_list: of_list(&fields), reading: &mut *self.0 })?;
            } else {
                fields.insert(key, map.next_value()?);
            }
        }
        let is_list = fields.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        match (has_items, is_list) {
            (true, true) => Ok(()),
            // Its items have been read as what they are not.
            (true, false) => Err(A::Error::custom("no list")),
            (false, _) => self.0.single(Value::Object(fields), None).map_err(|_| A::Error::custom("refused")),
        }
    }
}

/// What is said of the items before they come.
fn of_list(fields: &Map<String, Value>) -> Option<OfList> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let kind = text("kind")?.strip_suffix("List").filter(|kind| !kind.is_empty())?;
    Some((text("apiVersion")?.to_owned(), kind.to_owned()))
}

struct Items<'r, 'a, T> {
    of_list: Option<OfList>,
    reading: &'r mut Reading<'a, T>,
}

impl<'de, T> DeserializeSeed<'de> for Items<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T> Visitor<'de> for Items<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Value>()? {
            // A list in a list is for who reads the file whole.
            let kind = item.get("kind").and_then(Value::as_str);
            if kind.is_some_and(|kind| kind.ends_with("List")) && item.get("items").is_some() {
                return Err(A::Error::custom("a list in a list"));
            }
            let taken = self.reading.single(item, self.of_list.as_ref());
            taken.map_err(|_| A::Error::custom("refused"))?;
        }
        Ok(())
    }
}
