//! Numbers by topology: for each key the values that nodes have, for each value a sum.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api::Name;

/// Sums by key and value. Upstream: `topologyToMatchedTermCount`, `scoreMap`.
#[derive(Clone, Debug, Default)]
pub(super) struct Topologies {
    keys: Vec<(Name, FxHashMap<Name, i64>)>,
}

impl Topologies {
    /// Adds to the sum of a pair; from then on the pair is there, even if the sum is zero.
    pub(super) fn add(&mut self, key: &Name, value: &Name, amount: i64) {
        let at = self.keys.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.keys.push((key.clone(), FxHashMap::default()));
            self.keys.len() - 1
        });
        *self.keys[at].1.entry(value.clone()).or_default() += amount;
    }

    /// The sum of a pair; zero where it is not there.
    pub(super) fn get(&self, key: &str, value: &str) -> i64 {
        let sums = self.keys.iter().find(|(known, _)| known == key).map(|(_, sums)| sums);
        sums.and_then(|sums| sums.get(value)).copied().unwrap_or(0)
    }

    /// The keys, each with the sums of its values.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&Name, &FxHashMap<Name, i64>)> {
        self.keys.iter().map(|(key, sums)| (key, sums))
    }

    /// How many pairs are there.
    pub(super) fn len(&self) -> usize {
        self.keys.iter().map(|(_, sums)| sums.len()).sum()
    }
}

/// Counts of pods by topology that can be changed in thought: copies share what they were made from, and own only the
/// few changes.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    base: Arc<Topologies>,
    changes: Vec<(Name, Name, i64)>,
    pairs: usize,
}

impl Counts {
    /// Counts of which none is zero.
    pub(super) fn new(base: Topologies) -> Counts {
        Counts { pairs: base.len(), base: Arc::new(base), changes: Vec::new() }
    }

    /// The count of a pair.
    pub(super) fn get(&self, key: &str, value: &str) -> i64 {
        let changes = self.changes.iter().filter(|(changed, of, _)| changed == key && of == value);
        self.base.get(key, value) + changes.map(|(_, _, amount)| amount).sum::<i64>()
    }

    /// Changes the count of a pair.
    pub(super) fn change(&mut self, key: &Name, value: &Name, by: i64) {
        let before = self.get(key, value);
        match self.changes.iter_mut().find(|(changed, of, _)| changed == key && of == value) {
            Some((_, _, amount)) => *amount += by,
            None => self.changes.push((key.clone(), value.clone(), by)),
        }
        match (before, before + by) {
            (0, 0) => {}
            (0, _) => self.pairs += 1,
            (_, 0) => self.pairs -= 1,
            (_, _) => {}
        }
    }

    /// Whether no pair has a count other than zero.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// Whether a pair that a node has, whose label `value` looks up, counts more than zero.
    pub(super) fn holds<'n>(&self, value: impl Fn(&str) -> Option<&'n Name>) -> bool {
        if self.is_empty() {
            return false;
        }
        let counted = |key: &Name| value(key).is_some_and(|value| self.get(key, value) > 0);
        self.base.keys().any(|(key, _)| counted(key)) || self.changes.iter().any(|(key, _, _)| counted(key))
    }
}
