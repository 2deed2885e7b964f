//! Structural schemas of custom kinds: read once a CRD, then objects are pruned, defaulted and judged by them.
//!
//! Upstream: apiextensions-apiserver `pkg/apiserver/schema` (structural, pruning, defaulting, listtype) and kube-openapi
//! `pkg/validation/validate` at 1.34, with their messages. Where upstream goes through a Go map in any order, names go in
//! rising order here.
//!
//! Left out: `x-kubernetes-map-type`, ratcheting of what has not changed, metadata of embedded resources beyond their
//! types, and the formats that `format` lists.

mod compile;
mod fill;
mod format;
mod judge;
mod lists;
mod pattern;
mod prune;
mod rule;
mod rules;
mod structural;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

pub use pattern::Pattern;
pub use rule::Rule;
pub use rules::Rules;
pub use structural::violations;

/// A schema, and with it those of everything inside.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `type`.
    pub kind: Option<Type>,
    /// `format`, where it is one that is judged.
    pub format: Option<String>,
    /// `properties`.
    pub properties: BTreeMap<String, Schema>,
    /// `additionalProperties`.
    pub additional: Additional,
    /// `items`.
    pub items: Option<Box<Schema>>,
    /// `required`.
    pub required: Vec<String>,
    /// `nullable`.
    pub nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserves: bool,
    /// `x-kubernetes-embedded-resource`.
    pub embedded: bool,
    /// `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// `x-kubernetes-list-type` and `x-kubernetes-list-map-keys`.
    pub list: ListType,
    /// `default`.
    pub default: Option<Value>,
    /// What values must be like.
    pub limits: Option<Box<Limits>>,
    /// `x-kubernetes-validations`.
    pub rules: Vec<Rule>,
}

/// What a value must be like beside its type.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// `enum`.
    pub allowed: Vec<Value>,
    /// `minimum`, and whether it is itself excluded.
    pub minimum: Option<(f64, bool)>,
    /// `maximum`, and whether it is itself excluded.
    pub maximum: Option<(f64, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `minLength` and `maxLength`.
    pub length: (Option<i64>, Option<i64>),
    /// `pattern`.
    pub pattern: Option<Pattern>,
    /// `minItems` and `maxItems`.
    pub items: (Option<i64>, Option<i64>),
    /// `uniqueItems`.
    pub unique: bool,
    /// `minProperties` and `maxProperties`.
    pub properties: (Option<i64>, Option<i64>),
    /// `allOf`.
    pub all_of: Vec<Schema>,
    /// `anyOf`.
    pub any_of: Vec<Schema>,
    /// `oneOf`.
    pub one_of: Vec<Schema>,
    /// `not`.
    pub not: Option<Schema>,
}

/// A type of JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

/// Fields beside `properties`.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// Nothing is said of them.
    #[default]
    Unsaid,
    /// Anything.
    Any,
    /// None.
    None,
    /// Such values.
    Like(Box<Schema>),
}

/// How the items of a list are told apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ListType {
    /// Not at all.
    #[default]
    Atomic,
    /// By what they are.
    Set,
    /// By these fields.
    Map(Vec<String>),
}

impl Type {
    /// As schemas name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Object => "object",
            Type::Array => "array",
            Type::String => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Boolean => "boolean",
        }
    }

    fn named(name: &str) -> Option<Type> {
        let all = [Type::Object, Type::Array, Type::String, Type::Integer, Type::Number, Type::Boolean];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Additional {
    fn schema(&self) -> Option<&Schema> {
        match self {
            Additional::Like(schema) => Some(schema),
            Additional::Unsaid | Additional::Any | Additional::None => None,
        }
    }
}

impl Schema {
    /// Whether a rule stands anywhere in it.
    pub fn has_rules(&self) -> bool {
        let limits = self.limits.as_deref();
        !self.rules.is_empty()
            || self.properties.values().any(Schema::has_rules)
            || self.additional.schema().is_some_and(Schema::has_rules)
            || self.items.as_deref().is_some_and(Schema::has_rules)
            || limits.is_some_and(|limits| limits.all_of.iter().any(Schema::has_rules))
    }
}
