//! Owners known not to exist. Upstream: `pkg/controller/garbagecollector/uid_cache.go` (`ReferenceCache`).

use std::collections::BTreeMap;

use super::graph::Identity;

/// Remembers the references used last, a fixed number of them.
#[derive(Clone, Debug)]
pub(super) struct AbsentOwners {
    size: usize,
    used: u64,
    entries: BTreeMap<Identity, u64>,
    by_age: BTreeMap<u64, Identity>,
}

impl AbsentOwners {
    /// An empty memory for so many references.
    pub(super) fn new(size: usize) -> AbsentOwners {
        AbsentOwners { size, used: 0, entries: BTreeMap::new(), by_age: BTreeMap::new() }
    }

    /// Remembers a reference; the one that was not asked for the longest is forgotten for it.
    pub(super) fn add(&mut self, identity: Identity) {
        if !self.entries.contains_key(&identity)
            && self.entries.len() >= self.size
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.touch(identity);
    }

    /// Whether the reference is known to lead nowhere.
    pub(super) fn has(&mut self, identity: &Identity) -> bool {
        let known = self.entries.contains_key(identity);
        if known {
            self.touch(identity.clone());
        }
        known
    }

    fn touch(&mut self, identity: Identity) {
        self.used += 1;
        if let Some(age) = self.entries.insert(identity.clone(), self.used) {
            self.by_age.remove(&age);
        }
        self.by_age.insert(self.used, identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Uid;

    fn identity(number: u128) -> Identity {
        Identity {
            kind: "Pod".into(),
            api_version: "v1".into(),
            namespace: "default".into(),
            name: "p".into(),
            uid: Uid(number),
        }
    }

    #[test]
    fn the_reference_asked_for_least_recently_is_forgotten_first() {
        let mut absent = AbsentOwners::new(2);
        absent.add(identity(1));
        absent.add(identity(2));
        assert!(absent.has(&identity(1)));
        absent.add(identity(3));
        assert!(!absent.has(&identity(2)));
        assert!(absent.has(&identity(1)) && absent.has(&identity(3)));
    }
}
