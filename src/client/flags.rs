//! Settings of components under the names of upstream's flags.

use std::collections::BTreeMap;

use crate::kernel::Span;

/// A flag of a component: one line of data that help, docs and scenario parsing read.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// As upstream names it, without dashes in front.
    pub name: &'static str,
    /// What holds if nobody sets it.
    pub default: FlagValue,
    /// One sentence, with the unit.
    pub doc: &'static str,
}

/// The value of a flag.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FlagValue {
    /// A whole number.
    Int(i64),
    /// A rate or share.
    Float(f64),
    /// A duration.
    Span(Span),
    /// A switch.
    Bool(bool),
    /// Text; only a default can be one of these, since texts live as long as the program.
    Text(&'static str),
}

/// The flags that a scenario sets; whatever it does not name has its default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Flags {
    values: BTreeMap<&'static str, FlagValue>,
    texts: BTreeMap<&'static str, String>,
}

impl Flags {
    /// Reads a value for a flag from its text, as a command line would. The error says what would be right.
    pub fn set(&mut self, flag: &Flag, text: &str) -> Result<(), String> {
        let wrong = |wanted: &str| format!("--{}: {text:?} is not {wanted}", flag.name);
        let value = match flag.default {
            FlagValue::Int(_) => FlagValue::Int(text.parse().map_err(|_| wrong("a whole number"))?),
            FlagValue::Float(_) => {
                let number: f64 = text.parse().map_err(|_| wrong("a number"))?;
                if !number.is_finite() {
                    return Err(wrong("a finite number"));
                }
                FlagValue::Float(number)
            }
            FlagValue::Span(_) => FlagValue::Span(text.parse().map_err(|_| wrong("a duration such as 30s or 5m0s"))?),
            FlagValue::Bool(_) => FlagValue::Bool(text.parse().map_err(|_| wrong("true or false"))?),
            FlagValue::Text(_) => {
                self.texts.insert(flag.name, text.to_owned());
                return Ok(());
            }
        };
        self.values.insert(flag.name, value);
        Ok(())
    }

    /// Whether a value was set.
    pub fn is_set(&self, flag: &Flag) -> bool {
        self.values.contains_key(flag.name) || self.texts.contains_key(flag.name)
    }

    /// These flags, and those of others that are not set here.
    pub fn over(&self, others: &Flags) -> Flags {
        let mut all = others.clone();
        all.values.extend(&self.values);
        all.texts.extend(self.texts.iter().map(|(name, text)| (*name, text.clone())));
        all
    }

    fn value(&self, flag: &Flag) -> FlagValue {
        self.values.get(flag.name).copied().unwrap_or(flag.default)
    }

    /// A whole number.
    pub fn int(&self, flag: &Flag) -> i64 {
        match self.value(flag) {
            FlagValue::Int(number) => number,
            FlagValue::Float(_) | FlagValue::Span(_) | FlagValue::Bool(_) | FlagValue::Text(_) => {
                panic!("--{} is not a whole number", flag.name)
            }
        }
    }

    /// A rate or share.
    pub fn float(&self, flag: &Flag) -> f64 {
        match self.value(flag) {
            FlagValue::Float(number) => number,
            FlagValue::Int(_) | FlagValue::Span(_) | FlagValue::Bool(_) | FlagValue::Text(_) => {
                panic!("--{} is not a number", flag.name)
            }
        }
    }

    /// A duration.
    pub fn span(&self, flag: &Flag) -> Span {
        match self.value(flag) {
            FlagValue::Span(span) => span,
            FlagValue::Int(_) | FlagValue::Float(_) | FlagValue::Bool(_) | FlagValue::Text(_) => {
                panic!("--{} is not a duration", flag.name)
            }
        }
    }

    /// A switch.
    pub fn bool(&self, flag: &Flag) -> bool {
        match self.value(flag) {
            FlagValue::Bool(switch) => switch,
            FlagValue::Int(_) | FlagValue::Float(_) | FlagValue::Span(_) | FlagValue::Text(_) => {
                panic!("--{} is not a switch", flag.name)
            }
        }
    }

    /// A text.
    pub fn text<'a>(&'a self, flag: &Flag) -> &'a str {
        match (self.texts.get(flag.name), flag.default) {
            (Some(text), _) => text,
            (None, FlagValue::Text(default)) => default,
            (None, FlagValue::Int(_) | FlagValue::Float(_) | FlagValue::Span(_) | FlagValue::Bool(_)) => {
                panic!("--{} is not a text", flag.name)
            }
        }
    }
}
