//! How values are split into fields: by the type of a built-in kind, by the schema of a CRD, or as the value itself
//! suggests.
//!
//! Follows structured-merge-diff `schema/elements.go` and `typed/helpers.go`, and kube-openapi `pkg/schemaconv` for the
//! `x-kubernetes-` extensions of schemas. Where a value is not of the form that its type says, it counts as a whole.

use serde_json::Value;

use super::element::Element;
use super::table::{self, Rule};

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type<'a> {
    /// A type of the table of built-in kinds.
    BuiltIn(Rule),
    /// The object of a custom kind with this schema.
    CustomRoot(&'a Value),
    /// A schema within one.
    Schema(&'a Value),
    /// Nothing is known: objects are split into their entries, lists are one value.
    Deduced,
}

/// The form of a value of a type.
pub(super) enum Shape<'a> {
    /// One value: scalars, and objects and lists that change as a whole.
    Leaf,
    /// An object that is split into its fields.
    Object,
    /// A list of different values.
    Set,
    /// A list of objects that are known by these keys.
    Keyed(Keys<'a>),
}

/// The names of the keys of a list's elements, and what stands for one that is absent.
#[derive(Clone, Copy)]
pub(super) enum Keys<'a> {
    BuiltIn(&'static [&'static str]),
    Schema(&'a Value),
}

impl<'a> Type<'a> {
    /// The type of a field, and whether its name is one of the type's own (not an entry of a map).
    pub(super) fn field(self, name: &str) -> (bool, Type<'a>) {
        match self {
            Type::BuiltIn(Rule::Struct(fields)) => (true, Type::BuiltIn(table::field(fields, name))),
            Type::BuiltIn(_) => (false, Type::BuiltIn(table::PLAIN)),
            Type::CustomRoot(_) if name == "metadata" => (true, Type::BuiltIn(Rule::Struct(table::OBJECT_META))),
            Type::CustomRoot(_) if name == "apiVersion" || name == "kind" => (true, Type::BuiltIn(table::PLAIN)),
            Type::CustomRoot(schema) | Type::Schema(schema) => {
                let property = schema.get("properties").and_then(|properties| properties.get(name));
                let other = || schema.get("additionalProperties").filter(|other| other.is_object());
                match (property, other()) {
                    (Some(property), _) => (true, Type::Schema(property)),
                    (None, Some(other)) => (false, Type::Schema(other)),
                    (None, None) => (false, Type::Deduced),
                }
            }
            Type::Deduced => (false, Type::Deduced),
        }
    }

    /// The type of a list's elements.
    pub(super) fn element(self) -> Type<'a> {
        match self {
            Type::BuiltIn(Rule::Keyed(_, element)) => Type::BuiltIn(*element),
            Type::BuiltIn(_) => Type::BuiltIn(table::PLAIN),
            Type::CustomRoot(schema) | Type::Schema(schema) => schema.get("items").map_or(Type::Deduced, Type::Schema),
            Type::Deduced => Type::Deduced,
        }
    }

    /// The form of a value of this type.
    pub(super) fn shape(self, value: &Value) -> Shape<'a> {
        match (self, value) {
            (Type::BuiltIn(Rule::Struct(_) | Rule::Map) | Type::CustomRoot(_) | Type::Deduced, Value::Object(_)) => {
                Shape::Object
            }
            (Type::Schema(schema), Value::Object(_)) => {
                if extension(schema, "x-kubernetes-map-type") == Some("atomic") { Shape::Leaf } else { Shape::Object }
            }
            (Type::BuiltIn(Rule::Set), Value::Array(_)) => Shape::Set,
            (Type::BuiltIn(Rule::Keyed(keys, _)), Value::Array(_)) => Shape::Keyed(Keys::BuiltIn(keys)),
            (Type::Schema(schema), Value::Array(_)) => match extension(schema, "x-kubernetes-list-type") {
                Some("set") => Shape::Set,
                Some("map") => Shape::Keyed(Keys::Schema(schema)),
                Some(_) | None => Shape::Leaf,
            },
            _ => Shape::Leaf,
        }
    }

    /// The parts of a value with their steps and types, in order; none where it is one value, and those elements of
    /// lists left out that have no step.
    pub(super) fn parts<'v>(self, value: &'v Value) -> Option<Vec<(Element, Type<'a>, &'v Value)>> {
        let shape = self.shape(value);
        match (&shape, value) {
            (Shape::Object, Value::Object(map)) => {
                Some(map.iter().map(|(name, value)| (Element::field(name), self.field(name).1, value)).collect())
            }
            (Shape::Set | Shape::Keyed(_), Value::Array(list)) => {
                let step = |item: &'v Value| Some((shape.step(item).ok()?, self.element(), item));
                Some(list.iter().filter_map(step).collect())
            }
            _ => None,
        }
    }
}

impl Shape<'_> {
    /// The step to an element of a list of this form.
    pub(super) fn step(&self, item: &Value) -> Result<Element, String> {
        match self {
            Shape::Keyed(keys) => keys.step(item),
            Shape::Set | Shape::Leaf | Shape::Object => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(Element::Value(scalar.clone())),
            },
        }
    }
}

impl Keys<'_> {
    fn step(self, item: &Value) -> Result<Element, String> {
        let map = match item {
            Value::Object(map) => map,
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let names = self.names();
        let value = |name: &&str| map.get(*name).cloned().or_else(|| self.default(name));
        let keys: Vec<_> = names.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?))).collect();
        if keys.is_empty() {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default \
                 values for any key fields)",
                names.join(" ")
            ));
        }
        Ok(Element::keys(keys))
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Keys::BuiltIn(names) => names.to_vec(),
            Keys::Schema(schema) => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                keys.into_iter().flatten().filter_map(Value::as_str).collect()
            }
        }
    }

    /// Of the keys of built-in types, only the protocol of a port has a default.
    fn default(&self, name: &str) -> Option<Value> {
        match self {
            Keys::BuiltIn(_) => (name == "protocol").then(|| Value::from("TCP")),
            Keys::Schema(schema) => schema.get("items")?.get("properties")?.get(name)?.get("default").cloned(),
        }
    }
}

fn extension<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Value::as_str)
}
