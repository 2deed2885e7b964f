//! What is declared of a webhook: how long it takes, what it denies, what it changes.

use serde_json::Value;

use crate::api::{Name, json_path};
use crate::kernel::Span;

/// What a webhook does, by its name.
#[derive(Clone, PartialEq, Debug)]
pub struct Declared {
    /// The webhook's name in its configuration.
    pub name: Name,
    /// How long it takes.
    pub latency: (Span, Span),
    /// What it denies: the first that holds counts.
    pub denials: Vec<Denial>,
    /// What it changes, in order.
    pub patches: Vec<Patch>,
}

/// A denial.
#[derive(Clone, PartialEq, Debug)]
pub struct Denial {
    /// All of these must hold; none: always.
    pub when: Vec<Condition>,
    /// What it says.
    pub message: String,
}

/// A change.
#[derive(Clone, PartialEq, Debug)]
pub struct Patch {
    /// All of these must hold; none: always.
    pub when: Vec<Condition>,
    /// A JSON patch.
    pub patch: Value,
}

/// A condition on an object.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// A path into the object, as columns of CRDs have them.
    pub path: String,
    /// What must hold of what stands there.
    pub test: Test,
}

/// What must hold of a value.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// It is this.
    Is(Value),
    /// It is not this, or not there.
    IsNot(Value),
    /// It is a number from here on.
    AtLeast(f64),
    /// It is a number up to here.
    AtMost(f64),
    /// It is there.
    Present,
    /// It is not there.
    Missing,
}

impl Condition {
    /// Whether it holds of an object.
    pub fn holds(&self, object: &Value) -> bool {
        let found = json_path::find(object, &self.path).filter(|found| !found.is_null());
        let number = || found.and_then(Value::as_f64);
        match &self.test {
            Test::Is(value) => found == Some(value),
            Test::IsNot(value) => found != Some(value),
            Test::AtLeast(bound) => number().is_some_and(|number| number >= *bound),
            Test::AtMost(bound) => number().is_some_and(|number| number <= *bound),
            Test::Present => found.is_some(),
            Test::Missing => found.is_none(),
        }
    }
}

impl Declared {
    /// Why it denies an object, if it does.
    pub(super) fn denies(&self, object: &Value) -> Option<&str> {
        let denial = self.denials.iter().find(|denial| denial.when.iter().all(|condition| condition.holds(object)));
        denial.map(|denial| denial.message.as_str())
    }

    /// How it changes an object.
    pub(super) fn changes(&self, object: &Value) -> Vec<Value> {
        let holding = self.patches.iter().filter(|patch| patch.when.iter().all(|condition| condition.holds(object)));
        holding.map(|patch| patch.patch.clone()).collect()
    }
}
