//! Taints, read once and shared: a node holds the number of its list, and a plugin judges each list once a pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;

use crate::api::Name;

/// `effect` of a taint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Effect {
    /// No new pods.
    NoSchedule,
    /// Rather no new pods.
    PreferNoSchedule,
    /// No pods at all.
    NoExecute,
    /// Something that Kubernetes does not know; it matters to nobody.
    Other,
}

impl Effect {
    /// Reads Kubernetes' text.
    pub fn parse(text: &str) -> Effect {
        match text {
            "NoSchedule" => Effect::NoSchedule,
            "PreferNoSchedule" => Effect::PreferNoSchedule,
            "NoExecute" => Effect::NoExecute,
            _ => Effect::Other,
        }
    }

    /// As Kubernetes writes it; empty for what it does not know.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
            Effect::Other => "",
        }
    }
}

/// One taint, without the time at which it was added.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Taint {
    /// `key`.
    pub key: Name,
    /// `value`; empty where absent.
    pub value: Name,
    /// `effect`.
    pub effect: Effect,
}

impl Taint {
    /// Reads one.
    pub fn of(taint: &v1::Taint) -> Taint {
        Taint {
            key: taint.key.as_str().into(),
            value: taint.value.as_deref().unwrap_or_default().into(),
            effect: Effect::parse(&taint.effect),
        }
    }
}

/// Whether one of the tolerations tolerates the taint. Upstream: `v1helper.TolerationsTolerateTaint`,
/// `Toleration.ToleratesTaint` of 1.34 (without the operators `Lt` and `Gt`, which came later).
pub fn tolerates(tolerations: &[v1::Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let effect = toleration.effect.as_deref().unwrap_or_default();
        let key = toleration.key.as_deref().unwrap_or_default();
        (effect.is_empty() || effect == taint.effect.as_str())
            && (key.is_empty() || key == taint.key)
            && match toleration.operator.as_deref().unwrap_or_default() {
                "" | "Equal" => toleration.value.as_deref().unwrap_or_default() == taint.value,
                "Exists" => true,
                _ => false,
            }
    })
}

/// Lists of taints by number; number 0 is the empty list. Lists that no node has any more stay.
#[derive(Clone, Debug)]
pub struct TaintSets {
    sets: Vec<Arc<[Taint]>>,
    numbers: BTreeMap<Arc<[Taint]>, u32>,
}

impl Default for TaintSets {
    fn default() -> TaintSets {
        TaintSets { sets: vec![Arc::from([])], numbers: BTreeMap::from([(Arc::from([]), 0)]) }
    }
}

impl TaintSets {
    /// The number of a list.
    pub fn number(&mut self, taints: &[v1::Taint]) -> u32 {
        let list: Arc<[Taint]> = taints.iter().map(Taint::of).collect();
        if let Some(number) = self.numbers.get(&list) {
            return *number;
        }
        let number = self.sets.len() as u32;
        self.sets.push(list.clone());
        self.numbers.insert(list, number);
        number
    }

    /// The list of a number.
    pub fn get(&self, number: u32) -> &[Taint] {
        &self.sets[number as usize]
    }

    /// All lists by number.
    pub fn iter(&self) -> impl Iterator<Item = &[Taint]> {
        self.sets.iter().map(|set| &**set)
    }
}
