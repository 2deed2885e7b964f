//! Lists of resources with exact amounts. Upstream: `apiserver/pkg/quota/v1/resources.go`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use serde_json::{Map, Value};

use crate::api::quantity::Format;
use crate::api::{Name, Quantity};

/// Amounts by name of the resource.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Amounts(BTreeMap<Name, Quantity>);

impl Amounts {
    /// Reads a `ResourceList` from JSON; a quantity that cannot be read is left out.
    pub fn read(list: Option<&Value>) -> Amounts {
        let list = list.and_then(Value::as_object).into_iter().flatten();
        let quantity = |value: &Value| match value {
            Value::String(text) => text.trim().parse::<Quantity>().ok(),
            other => other.to_string().parse().ok(),
        };
        Amounts(list.filter_map(|(name, value)| Some((name.as_str().into(), quantity(value)?))).collect())
    }

    /// Reads a typed `ResourceList`.
    pub fn of_list(list: Option<&BTreeMap<String, WireQuantity>>) -> Amounts {
        let list = list.into_iter().flatten();
        Amounts(list.filter_map(|(name, value)| Some((name.as_str().into(), value.try_into().ok()?))).collect())
    }

    /// As JSON.
    pub fn write(&self) -> Value {
        let entries = self.0.iter().map(|(name, quantity)| (name.to_string(), Value::String(quantity.to_string())));
        Value::Object(entries.collect::<Map<String, Value>>())
    }

    /// The resources, by name.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// The amounts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Quantity)> {
        self.0.iter()
    }

    /// The amount of a resource.
    pub fn get(&self, name: &str) -> Option<&Quantity> {
        self.0.get(name)
    }

    /// Sets an amount.
    pub fn set(&mut self, name: &str, amount: Quantity) {
        self.0.insert(name.into(), amount);
    }

    /// Sets a number of things.
    pub fn add_count(&mut self, name: &str, count: i64) {
        self.set(name, Quantity::from_value(count, Format::DecimalSI));
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the amounts of another list.
    pub fn add(&mut self, other: &Amounts) {
        for (name, amount) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(Quantity::zero).add(amount);
        }
    }

    /// Takes the amounts of another list away.
    pub fn subtract(&mut self, other: &Amounts) {
        for (name, amount) in &other.0 {
            self.0.entry(name.clone()).or_insert_with(Quantity::zero).sub(amount);
        }
    }

    /// Becomes the larger of the two in each resource.
    pub fn raise_to(&mut self, other: &Amounts) {
        for (name, amount) in &other.0 {
            let own = self.0.entry(name.clone()).or_insert_with(|| amount.clone());
            if *own < *amount {
                *own = amount.clone();
            }
        }
    }

    /// What is more than in another list.
    #[must_use]
    pub fn more_than(&self, other: &Amounts) -> Amounts {
        let mut more = self.clone();
        for (name, amount) in &other.0 {
            if let Some(own) = more.0.get_mut(name) {
                own.sub(amount);
            }
        }
        more.0.retain(|_, amount| amount.nanos() > 0);
        more
    }

    /// Only the resources that a test lets through.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Name) -> bool) -> Amounts {
        Amounts(self.0.iter().filter(|(name, _)| keep(name)).map(|(name, q)| (name.clone(), q.clone())).collect())
    }

    /// Without what is zero.
    #[must_use]
    pub fn without_zeros(mut self) -> Amounts {
        self.0.retain(|_, amount| !amount.is_zero());
        self
    }

    /// `cpu=2,pods=3`. Upstream: `prettyPrint`.
    pub fn text(&self) -> String {
        self.0.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
    }
}

impl FromIterator<(Name, Quantity)> for Amounts {
    fn from_iter<I: IntoIterator<Item = (Name, Quantity)>>(entries: I) -> Amounts {
        Amounts(entries.into_iter().collect())
    }
}
