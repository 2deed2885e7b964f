//! What a fault takes, as data: help, the schema and the reading of scenario files follow from it.

use std::collections::BTreeMap;

use super::{NodeTarget, PartTarget};
use crate::api::{Kind, Name};
use crate::kernel::Span;

/// One parameter of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ParameterKind,
    /// What holds where a scenario does not name it, as it would write it; `None`: it must be named.
    pub default: Option<&'static str>,
    /// One sentence, with the unit.
    pub doc: &'static str,
}

/// What the values of a parameter are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterKind {
    /// Nodes: a name, a list of names, or `{names, selector, zone, count, fraction}`.
    Nodes,
    /// Components: a name such as `kube-controller-manager-0`, a class (`kube-controller-manager`, `kube-scheduler`,
    /// `kubelet`), `kubelet/<node>`, `kube-controller-manager/leader`, or a list of these; `all`.
    Parts,
    /// A duration or a range of durations, `5s` or `1s..10s`.
    Range,
    /// A kind of objects, as `pods`; the default, empty text, means all.
    Kind,
    /// A whole number from 0 on.
    Count,
    /// A text; empty means any.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Admission webhooks by name: one, a list of them, or `all`.
    Webhooks,
}

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum ParameterValue {
    /// Of [`ParameterKind::Nodes`].
    Nodes(NodeTarget),
    /// Of [`ParameterKind::Parts`].
    Parts(PartTarget),
    /// Of [`ParameterKind::Range`]: the shortest and the longest.
    Range(Span, Span),
    /// Of [`ParameterKind::Kind`]; `None`: all kinds.
    Kind(Option<Kind>),
    /// Of [`ParameterKind::Count`].
    Count(u32),
    /// Of [`ParameterKind::Text`].
    Text(crate::api::Name),
    /// Of [`ParameterKind::Choice`].
    Choice(&'static str),
    /// Of [`ParameterKind::Webhooks`]; `None`: all.
    Webhooks(Option<Vec<Name>>),
}

/// The values of a fault's parameters, all of them there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Parameters(pub BTreeMap<&'static str, ParameterValue>);

impl Parameters {
    fn value(&self, name: &str) -> &ParameterValue {
        self.0.get(name).unwrap_or_else(|| panic!("no parameter {name} was given a value"))
    }

    /// Nodes.
    pub fn nodes(&self, name: &str) -> &NodeTarget {
        match self.value(name) {
            ParameterValue::Nodes(nodes) => nodes,
            other => wrong(name, other),
        }
    }

    /// Components.
    pub fn parts(&self, name: &str) -> &PartTarget {
        match self.value(name) {
            ParameterValue::Parts(parts) => parts,
            other => wrong(name, other),
        }
    }

    /// A range of durations.
    pub fn range(&self, name: &str) -> (Span, Span) {
        match self.value(name) {
            ParameterValue::Range(low, high) => (*low, *high),
            other => wrong(name, other),
        }
    }

    /// A kind, or all.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        match self.value(name) {
            ParameterValue::Kind(kind) => *kind,
            other => wrong(name, other),
        }
    }

    /// A whole number.
    pub fn count(&self, name: &str) -> u32 {
        match self.value(name) {
            ParameterValue::Count(count) => *count,
            other => wrong(name, other),
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            ParameterValue::Text(text) => text,
            other => wrong(name, other),
        }
    }

    /// Webhooks, or all.
    pub fn webhooks(&self, name: &str) -> Option<Vec<Name>> {
        match self.value(name) {
            ParameterValue::Webhooks(names) => names.clone(),
            other => wrong(name, other),
        }
    }

    /// One of some words.
    pub fn choice(&self, name: &str) -> &'static str {
        match self.value(name) {
            ParameterValue::Choice(word) => word,
            other => wrong(name, other),
        }
    }
}

fn wrong(name: &str, value: &ParameterValue) -> ! {
    panic!("the parameter {name} has a value of another kind: {value:?}")
}
