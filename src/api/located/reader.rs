//! A deserializer over JSON that knows where it is: it collects every unknown field and remembers the innermost place
//! of the first error.
//!
//! The only deserializer that Kubernetes types are read with, so that the code of each is compiled once; it asks each
//! visitor only for what can stand there, which keeps that code small. Structs tell their fields through `deserialize_struct`; a key that is not among them is noted and never shown to the type. Types that
//! collect what they do not know (`flatten`) tell no fields and check themselves.
use super::misfit::{Misfit, unknown_field};
use super::{Issue, Path, Segment};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, Unexpected, Visitor};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Whose habits to follow where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Go's JSON: a null where a value should be leaves the zero value (`""`, 0, false, nothing).
    Kubernetes,
    /// A null where a value should be is an error.
    Strict,
}

/// Reads a type from a value. The first result is `None` if the value did not fit; the issues are the unknown fields,
/// then the misfit.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, rules: Rules) -> (Option<T>, Vec<Issue>) {
    let notes =
        Notes { rules, path: RefCell::new(Vec::new()), unknown: RefCell::new(Vec::new()), misfit: RefCell::new(None) };
    let decoded = T::deserialize(Reader { value, notes: &notes });
    let mut issues = notes.unknown.into_inner();
    match decoded {
        Ok(decoded) => (Some(decoded), issues),
        Err(error) => {
            issues.push(notes.misfit.into_inner().unwrap_or_else(|| error.at(Path::default(), value)));
            (None, issues)
        }
    }
}

struct Notes<'de> {
    rules: Rules,
    path: RefCell<Vec<Step<'de>>>,
    unknown: RefCell<Vec<Issue>>,
    misfit: RefCell<Option<Issue>>,
}

#[derive(Clone, Copy)]
enum Step<'de> {
    Key(&'de str),
    Index(usize),
}

/// The deserializer: a value and the notes that are taken.
#[derive(Clone, Copy)]
pub(super) struct Reader<'de, 'n> {
    value: &'de Value,
    notes: &'n Notes<'de>,
}

impl<'de, 'n> Reader<'de, 'n> {
    /// Notes the first error with the place that it is about: the innermost, since it comes first.
    fn noted<T>(self, result: Result<T, Misfit>) -> Result<T, Misfit> {
        match result {
            Ok(value) => Ok(value),
            Err(misfit) => Err(self.note(misfit)),
        }
    }

    /// The part of [`Reader::noted`] that is the same for all types: compiled once.
    #[cold]
    fn note(self, misfit: Misfit) -> Misfit {
        let mut noted = self.notes.misfit.borrow_mut();
        if noted.is_none() {
            *noted = Some(misfit.clone().at(self.notes.here(), self.value));
        }
        misfit
    }

    /// A null that Go would read as the zero value.
    fn is_zero(self) -> bool {
        self.value.is_null() && self.notes.rules == Rules::Kubernetes
    }

    fn child(self, step: Step<'de>, value: &'de Value) -> Reader<'de, 'n> {
        self.notes.path.borrow_mut().push(step);
        Reader { value, notes: self.notes }
    }

    fn leave(self) {
        self.notes.path.borrow_mut().pop();
    }

    fn seed<S: DeserializeSeed<'de>>(self, step: Step<'de>, value: &'de Value, seed: S) -> Result<S::Value, Misfit> {
        let child = self.child(step, value);
        let result = child.noted(seed.deserialize(child));
        self.leave();
        result
    }

    fn map<V: Visitor<'de>>(
        self,
        object: &'de Map<String, Value>,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let access = Entries { reader: self, entries: object.iter(), fields, value: None };
        self.noted(visitor.visit_map(access))
    }

    fn items<V: Visitor<'de>>(self, items: &'de [Value], visitor: V) -> Result<V::Value, Misfit> {
        self.noted(visitor.visit_seq(Items { reader: self, items: items.iter().enumerate() }))
    }

    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Value::Number(number) = self.value else {
            return if self.is_zero() { self.noted(visitor.visit_u64(0)) } else { self.misfit(&visitor) };
        };
        self.noted(match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => visitor.visit_u64(number),
            (None, Some(number), _) => visitor.visit_i64(number),
            (None, None, Some(number)) => visitor.visit_f64(number),
            (None, None, None) => Err(Misfit::custom("this number is too large")),
        })
    }

    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::String(text) => self.noted(visitor.visit_borrowed_str(text)),
            _ if self.is_zero() => self.noted(visitor.visit_borrowed_str("")),
            _ => self.misfit(&visitor),
        }
    }

    fn misfit<T>(self, expected: &dyn Expected) -> Result<T, Misfit> {
        self.noted(Err(Misfit::invalid_type(unexpected(self.value), expected)))
    }
}

impl Notes<'_> {
    fn here(&self) -> Path {
        Path(
            self.path
                .borrow()
                .iter()
                .map(|step| match step {
                    Step::Key(key) => Segment::Key((*key).to_owned()),
                    Step::Index(index) => Segment::Index(*index),
                })
                .collect(),
        )
    }

    fn skipped_field(&self) {
        let path = self.here();
        if let Some(Segment::Key(key)) = path.0.last() {
            let key = key.clone();
            self.unknown.borrow_mut().push(unknown_field(path, &key, &[]));
        }
    }

    fn unknown_field(&self, key: &str, fields: &'static [&'static str]) {
        let mut path = self.here();
        path.0.push(Segment::Key(key.to_owned()));
        let issue = unknown_field(path, key, fields);
        self.unknown.borrow_mut().push(issue);
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => Unexpected::Unsigned(number),
            (None, Some(number), _) => Unexpected::Signed(number),
            (None, None, Some(number)) => Unexpected::Float(number),
            (None, None, None) => Unexpected::Other("number"),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

struct Entries<'de, 'n> {
    reader: Reader<'de, 'n>,
    entries: serde_json::map::Iter<'de>,
    fields: Option<&'static [&'static str]>,
    value: Option<(&'de str, &'de Value)>,
}

impl<'de, 'n> Entries<'de, 'n> {
    /// Goes to the next entry that the type knows, and notes those that it does not.
    fn advance(&mut self) -> Option<Name<'de, 'n>> {
        for (key, value) in self.entries.by_ref() {
            if let Some(fields) = self.fields
                && !fields.contains(&key.as_str())
            {
                self.reader.notes.unknown_field(key, fields);
                continue;
            }
            self.value = Some((key, value));
            return Some(Name { reader: self.reader, name: key });
        }
        None
    }

    /// The value of the entry, with its path entered; the path is to be left afterwards.
    fn enter_value(&mut self) -> Result<Reader<'de, 'n>, Misfit> {
        match self.value.take() {
            Some((key, value)) => Ok(self.reader.child(Step::Key(key), value)),
            None => Err(Misfit::custom("a value was asked for before its key")),
        }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de, '_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        match self.advance() {
            Some(name) => seed.deserialize(name).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let child = self.enter_value()?;
        let result = child.noted(seed.deserialize(child));
        child.leave();
        result
    }
}

struct Items<'de, 'n> {
    reader: Reader<'de, 'n>,
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        self.reader.seed(Step::Index(index), value, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// A key or the name of a variant. Its errors are noted like those of values.
struct Name<'de, 'n> {
    reader: Reader<'de, 'n>,
    name: &'de str,
}

impl<'de> Deserializer<'de> for Name<'de, '_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.reader.noted(visitor.visit_borrowed_str(self.name))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(Variant { reader: self.reader, name: self.name, content: None })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// An enum's variant: a bare name, or a mapping of one name to its content.
struct Variant<'de, 'n> {
    reader: Reader<'de, 'n>,
    name: &'de str,
    content: Option<&'de Value>,
}

impl<'de, 'n> Variant<'de, 'n> {
    fn within<T>(
        self,
        run: impl FnOnce(Reader<'de, 'n>) -> Result<T, Misfit>,
        expected: &dyn Expected,
    ) -> Result<T, Misfit> {
        let Some(content) = self.content else {
            return Err(Misfit::custom(format!("{} needs {expected}", self.name)));
        };
        let child = self.reader.child(Step::Key(self.name), content);
        let result = child.noted(run(child));
        self.reader.leave();
        result
    }
}

impl<'de, 'n> de::EnumAccess<'de> for Variant<'de, 'n> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let name = Name { reader: self.reader, name: self.name };
        seed.deserialize(name).map(|value| (value, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de, '_> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Misfit::custom(format!("{} takes no content", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        self.within(|reader| seed.deserialize(reader), &"a content")
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.within(|reader| reader.deserialize_seq(visitor), &"a list")
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Misfit> {
        self.within(|reader| reader.deserialize_struct("", fields, visitor), &"a mapping")
    }
}

/// Numbers: a null becomes zero under Kubernetes' rules.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.number(visitor)
        }
    )*};
}

/// Texts: a null becomes the empty one under Kubernetes' rules.
macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.text(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => self.noted(visitor.visit_unit()),
            Value::Bool(flag) => self.noted(visitor.visit_bool(*flag)),
            Value::String(text) => self.noted(visitor.visit_borrowed_str(text)),
            Value::Array(items) => self.items(items, visitor),
            Value::Object(object) => self.map(object, None, visitor),
            Value::Number(_) => self.number(visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Bool(flag) => self.noted(visitor.visit_bool(*flag)),
            _ if self.is_zero() => self.noted(visitor.visit_bool(false)),
            _ => self.misfit(&visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Null => self.noted(visitor.visit_none()),
            _ => self.noted(visitor.visit_some(self)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        self.noted(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Array(items) => self.items(items, visitor),
            _ if self.is_zero() => self.items(&[], visitor),
            _ => self.misfit(&visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Object(object) => self.map(object, None, visitor),
            _ if self.is_zero() => self.noted(visitor.visit_map(Nothing)),
            _ => self.misfit(&visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.value {
            Value::Object(object) => self.map(object, Some(fields), visitor),
            Value::Null if self.is_zero() => self.noted(visitor.visit_map(Nothing)),
            // Serde would take a list as a struct's fields in order.
            _ => self.misfit(&visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let (name, content) = match self.value {
            Value::String(name) => (name, None),
            Value::Object(object) => match (object.len(), object.iter().next()) {
                (1, Some((name, content))) => (name, Some(content)),
                _ => {
                    let text = format!("expected exactly one of {}", variants.join(", "));
                    return self.noted(Err(Misfit::Message(text)));
                }
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                return self.misfit(&format!("one of {}", variants.join(", ")).as_str());
            }
        };
        self.noted(visitor.visit_enum(Variant { reader: self, name, content }))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        // A Kubernetes type that is reached through a wrapper (a schema's `items`) tells no fields, but skips what it
        // does not know.
        if self.notes.rules == Rules::Kubernetes {
            self.notes.skipped_field();
        }
        self.noted(visitor.visit_unit())
    }
}

/// The empty mapping that a null stands for.
struct Nothing;

impl<'de> de::MapAccess<'de> for Nothing {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Misfit> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Misfit> {
        Err(Misfit::custom("an empty mapping has no value"))
    }
}
